import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/testing/index.ts';
import { ROOT } from '../support/tree.ts';
import { until } from '../support/until.ts';

/** What decides who is killed and when; `SEED=…` plays the same plan again. */
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const KILLS = 40;
/** Fewer than are wanted, so that some orders are refused. */
const LISTED = 'ABC 300 10\nDEF 120 4.50\n';
const TOTALS = new Map([
  ['ABC', 300],
  ['DEF', 120],
]);
const ORDERS = 500;

const chance = seededRandom(SEED);
const below = (most: number): number => Math.floor(chance.unit() * most);

/** The answers that one user has seen, by the id of the order, without what may differ between doors. */
type Answers = Map<string, string>;

/** A process that is killed and started again, until it has ended by itself. */
class Program {
  readonly #args: readonly string[];
  readonly #hear: (line: string) => void;
  readonly #input: string | undefined;
  #process: ChildProcess | undefined;
  /** The end of this process, when all that it said was heard. */
  #gone: Promise<unknown> = Promise.resolve();
  /** Its own end, with exit code 0. */
  isDone = false;
  readonly complaints: string[] = [];

  constructor(args: readonly string[], hear: (line: string) => void, input?: string) {
    this.#args = args;
    this.#hear = hear;
    this.#input = input;
  }

  start(): void {
    const one = spawn(process.execPath, this.#args, { cwd: ROOT, stdio: 'pipe' });
    this.#process = one;
    createInterface({ input: one.stdout }).on('line', this.#hear);
    createInterface({ input: one.stderr }).on('line', (line) => this.complaints.push(line));
    one.stdin.on('error', () => {});
    if (this.#input !== undefined) one.stdin.end(this.#input);
    one.on('close', (code, signal) => {
      this.isDone = code === 0;
      if (code !== 0 && signal === null) this.complaints.push(`exit code ${code}`);
    });
    this.#gone = once(one, 'close');
  }

  /** Kills it, and starts it again unless it has just ended. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
    if (!this.isDone) this.start();
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.#process?.kill(signal);
    await this.#gone;
  }
}

/** A user with a socket and nothing else: asks by the same id until there is an answer. */
class Liner {
  readonly #answers: Answers;
  readonly #orders: readonly string[];
  readonly #user: string;
  readonly #port: () => number;
  #socket: Socket | undefined;
  #stopped = false;
  again = 0;

  constructor(user: string, orders: readonly string[], answers: Answers, port: () => number) {
    this.#user = user;
    this.#orders = orders;
    this.#answers = answers;
    this.#port = port;
  }

  get isDone(): boolean {
    return this.#answers.size === this.#orders.length;
  }

  async run(): Promise<void> {
    while (!this.isDone && !this.#stopped) {
      await this.#talk().catch(() => {});
      this.again += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** One connection: it lasts until all is answered, or the market is gone. */
  async #talk(): Promise<void> {
    const socket = connect(this.#port(), '127.0.0.1');
    this.#socket = socket;
    const lines = createInterface({ input: socket });
    socket.on('error', () => {});
    socket.on('close', () => lines.close());
    socket.write(`USER ${this.#user}\n`);
    let asked: string | undefined;
    for await (const line of lines) {
      if (asked !== undefined) this.#answers.set(asked, line);
      asked = idOf(this.#orders.find((order) => !this.#answers.has(idOf(order))) ?? '');
      if (asked === '') break;
      socket.write(`${this.#orders.find((order) => idOf(order) === asked)}\n`);
    }
    socket.destroy();
  }

  stop(): void {
    this.#stopped = true;
    this.#socket?.destroy();
  }

  /** Cuts its connection: it makes another. */
  kill(): void {
    this.#socket?.destroy();
  }
}

const idOf = (order: string): string => order.split(' ')[3] ?? '';

function makeOrders(user: string): string[] {
  return Array.from({ length: ORDERS }, (_, at) => {
    const side = chance.unit() < 0.55 ? 'BUY' : 'SELL';
    const symbol = chance.unit() < 0.6 ? 'ABC' : 'DEF';
    return `${side} ${symbol} ${1 + below(9)} ${user}-${at}`;
  });
}

interface Row {
  readonly user: string;
  readonly id: string;
  readonly side: 'BUY' | 'SELL';
  readonly symbol: string;
  readonly shares: number;
  readonly refusal: string | null;
  readonly why: string | null;
  readonly sequence: number;
  readonly price: number;
  readonly held: number;
}

/** What `trade` says of an order that is in the ledger like this. */
function inWords(row: Row): string {
  if (row.refusal !== null) return `refused, ${row.why} (${row.refusal})`;
  const done = row.side === 'BUY' ? 'bought' : 'sold';
  return `${done} ${row.shares} ${row.symbol} at ${(row.price / 100).toFixed(2)}, you now hold ${row.held}`;
}

/** What the plain port says of it. */
function inPlainWords(row: Row): string {
  if (row.refusal !== null) return `ERROR! ${row.why}`;
  return `successfully processed request. You now hold ${row.held} of ${row.symbol}`;
}

describe(`a market and its traders, killed again and again (seed ${SEED})`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-ticker-kill-'));
  const file = join(folder, 'ticker.db');
  const answers = new Map<string, Answers>();
  const orders = new Map<string, string[]>();
  const traders = new Map<string, Program>();
  const twoAnswers: string[] = [];
  let market: Program;
  let liner: Liner;
  let kills = 0;
  const ports = { ws: 0, tcp: 0, plain: 0 };

  const answered = (): number => [...answers.values()].reduce((sum, one) => sum + one.size, 0);

  const complaints = (): string[] => [market, ...traders.values()].flatMap((program) => program.complaints);

  /** The market at the ports that its first process was given. */
  function makeMarket(onListening: () => void): Program {
    const at = ['ws', 'tcp'].flatMap((scheme) => [
      '--listen',
      `${scheme}://127.0.0.1:${ports[scheme as keyof typeof ports]}`,
    ]);
    const args = [
      'examples/ticker/market.js',
      '--quiet',
      '--quotes',
      'none',
      '--ledger',
      file,
      '--file',
      join(folder, 'listed'),
      ...at,
    ];
    const listen = [...args, '--plain', `tcp://127.0.0.1:${ports.plain}`, '--listen', `ipc://${join(folder, 's')}`];
    return new Program(listen, (line) => {
      const [, scheme, port] = /listens on (\w+):\/\/127\.0\.0\.1:(\d+)/.exec(line) ?? [];
      if (scheme === 'ws') ports.ws = Number(port);
      else if (scheme === 'tcp' && ports.tcp === 0) ports.tcp = Number(port);
      else if (scheme === 'tcp' && Number(port) !== ports.tcp) ports.plain = Number(port);
      if (ports.plain !== 0) onListening();
    });
  }

  function makeTrader(user: string, url: string): Program {
    const seen = answers.get(user) as Answers;
    const args = ['examples/ticker/trade.js', url, '--user', user, '--journal', join(folder, `${user}.journal`)];
    const input = `${orders.get(user)?.join('\n')}\n`;
    return new Program(
      args,
      (line) => {
        const [, id = '', answer = ''] = /^order (\S+): (.*)$/.exec(line) ?? [];
        if (id === '') return;
        const before = seen.get(id);
        if (before !== undefined && before !== answer) twoAnswers.push(`${id}: ${before}, then ${answer}`);
        seen.set(id, answer);
      },
      input,
    );
  }

  beforeAll(async () => {
    writeFileSync(join(folder, 'listed'), LISTED);
    let isListening = false;
    market = makeMarket(() => {
      isListening = true;
    });
    market.start();
    await until(() => isListening, 'the market listens');
    for (const user of ['ada', 'ben', 'cleo', 'dora']) {
      orders.set(user, makeOrders(user));
      answers.set(user, new Map());
    }
    traders.set('ada', makeTrader('ada', `ws://127.0.0.1:${ports.ws}`));
    traders.set('ben', makeTrader('ben', `tcp://127.0.0.1:${ports.tcp}`));
    traders.set('cleo', makeTrader('cleo', `ipc://${join(folder, 's')}`));
    liner = new Liner('dora', orders.get('dora') ?? [], answers.get('dora') as Answers, () => ports.plain);
    // From now on at the same ports.
    await market.end('SIGKILL');
    market = makeMarket(() => {});
    market.start();
    for (const trader of traders.values()) trader.start();
  });

  afterAll(async () => {
    liner.stop();
    for (const trader of traders.values()) await trader.end('SIGKILL');
    await market.end('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  test(`every order of ${ORDERS * 4} is answered while ${KILLS} processes are killed`, async () => {
    const talk = liner.run();
    const all = ORDERS * 4;
    while (kills < KILLS && answered() < all) {
      const mark = Math.min(all, answered() + below((2 * all) / KILLS));
      await until(() => answered() >= mark, `${mark} answers`).catch((error: Error) => {
        const seen = [...answers].map(([user, list]) => `${user} ${list.size}`).join(', ');
        throw new Error(`${error.message}: ${seen}; ${complaints().join('; ')}`, { cause: error });
      });
      const victims = [market, ...traders.values(), liner].filter(({ isDone }) => !isDone);
      const victim = victims[below(victims.length)] ?? market;
      await victim.kill();
      kills += 1;
    }
    await until(() => [...traders.values()].every(({ isDone }) => isDone), 'the traders end');
    await talk;
    expect(kills).toBeGreaterThan(KILLS / 3);
    expect(complaints()).toEqual([]);
    for (const [user, list] of orders)
      expect([...(answers.get(user)?.keys() ?? [])].toSorted()).toEqual(list.map(idOf).toSorted());
  });

  test('nobody was given two answers to one order', () => {
    expect(twoAnswers).toEqual([]);
  });

  test('the ledger has each order once, with the answer that its client has seen, and the journals too', async () => {
    await market.end('SIGKILL');
    const db = new Database(file);
    const rows = db.prepare('SELECT * FROM orders').all() as Row[];
    db.close();
    expect(rows).toHaveLength(ORDERS * 4);
    for (const row of rows) {
      const expected = row.user === 'dora' ? inPlainWords(row) : inWords(row);
      expect(`${row.id}: ${answers.get(row.user)?.get(row.id)}`).toBe(`${row.id}: ${expected}`);
    }
    for (const user of traders.keys()) {
      const lines = readFileSync(join(folder, `${user}.journal`), 'utf8')
        .trimEnd()
        .split('\n');
      const kept = lines.map((line) => JSON.parse(line) as { readonly id?: string });
      expect(new Set(kept.flatMap(({ id }) => id ?? [])).size).toBe(ORDERS);
    }
  });

  test('the orders in their sequence explain every price and every holding, and no share came or went', () => {
    const db = new Database(file);
    const taken = db.prepare('SELECT * FROM orders WHERE refusal IS NULL ORDER BY sequence').all() as Row[];
    const symbols = db.prepare('SELECT symbol, total, available FROM symbols').all() as {
      symbol: string;
      total: number;
      available: number;
    }[];
    const holdings = db.prepare('SELECT user, symbol, shares FROM holdings').all() as Row[];
    db.close();
    const held = new Map<string, number>();
    const available = new Map(TOTALS);
    for (const row of taken) {
      const change = row.side === 'BUY' ? row.shares : -row.shares;
      const key = `${row.user} ${row.symbol}`;
      held.set(key, (held.get(key) ?? 0) + change);
      available.set(row.symbol, (available.get(row.symbol) ?? 0) - change);
      expect(`${row.id} ${held.get(key)}`).toBe(`${row.id} ${row.held}`);
      expect(available.get(row.symbol)).toBeGreaterThanOrEqual(0);
    }
    expect(taken.length).toBeGreaterThan(100);
    expect(taken.length).toBeLessThan(ORDERS * 4);
    expect(new Map(holdings.map(({ user, symbol, shares }) => [`${user} ${symbol}`, shares]))).toEqual(held);
    for (const { symbol, total, available: left } of symbols) {
      const sum = holdings.filter((one) => one.symbol === symbol).reduce((shares, one) => shares + one.shares, 0);
      expect([symbol, left, left + sum]).toEqual([symbol, available.get(symbol), TOTALS.get(symbol)]);
      expect(total).toBe(TOTALS.get(symbol));
    }
  });
});
