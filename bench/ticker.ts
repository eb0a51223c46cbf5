/**
 * Quotes from one market to many subscribers on one machine: by multicast on the bus of `hawser/lan`, and the same quotes over as many TCP links
 * of Hawser's. The rate is raised until one of them doesn't get every quote, by its number, or gets the last one late; the highest rate that went well is then held
 * longer. Market and subscribers are processes of their own.
 *
 *   npm run bench:ticker -- [--subscribers 50] [--processes 5] [--seconds 2] [--hold 8] [--out bench/results/ticker.json]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createServer, type Server } from 'hawser';
import { connect } from 'hawser/client';
import { type LanBus, openLan } from 'hawser/lan';
import { commitOf } from './commit.ts';
import type { Plan, Row, TickerResult, Way } from './ticker/results.ts';

/** As `examples/ticker` tells it. */
interface Quote {
  readonly symbol: string;
  readonly available: number;
  readonly price: number;
  readonly time: number;
  readonly sequence: number;
}

interface Api {
  readonly toServer: { readonly requests: { readonly watch: () => void } };
  readonly toClient: { readonly events: { readonly quote: Quote } };
}

/** What one subscriber got of a run. */
interface Got {
  readonly received: number;
  /** Quotes that came twice, or before an earlier one. */
  readonly disordered: number;
  /** Messages that were lost on the way and came after all; lost for good. */
  readonly recovered: number;
  readonly lost: number;
  /** ms from the quote's time to its listener: of every 16th quote. */
  readonly waits: readonly number[];
}

/** What the processes tell the conductor. */
interface Answers {
  readonly url: string;
  readonly took: { readonly ms: number; readonly cpu: number };
  readonly open: true;
  readonly ready: true;
  readonly heardAt: number;
  readonly got: { readonly all: readonly Got[]; readonly cpu: number };
}

const GROUP = 'udp://239.192.0.99:30999';
const ROOM = 'quotes';
/** ms from one tick of the market to the next: the quotes of one tick go out together. */
const TICK = 2;
/** How much of the time for all quotes may be over when the last one is out. */
const PACE = 1.05;
/** ms after which the last quote is late. */
const LATE = 250;
const PATIENCE = 5000;
const SYMBOLS = Array.from({ length: 100 }, (_, at) => `SYM${at}`);

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
/** ms, the same for all processes of a machine. */
const now = (): number => performance.timeOrigin + performance.now();

// The market.

interface Market {
  readonly url: string;
  /** False when it is to wait. */
  tell(quote: Quote): boolean;
  waitForRoom(): Promise<void>;
}

async function openMarket(way: Way): Promise<Market> {
  return way === 'multicast' ? onBus(await openLan(GROUP, { listen: false })) : await onServer(createServer<Api>());
}

function onBus(bus: LanBus): Market {
  return {
    url: bus.url,
    tell: (quote) => bus.publish(`quotes/${quote.symbol}`, quote),
    waitForRoom: () => new Promise((resolve) => void bus.once('drain', () => resolve())),
  };
}

async function onServer(server: Server<Api>): Promise<Market> {
  server.on('connection', (socket) => socket.handle('watch', () => void socket.join(ROOM)));
  const [url = ''] = await server.listen('tcp://127.0.0.1:0');
  return {
    url,
    tell: (quote) => {
      server.to(ROOM).send('quote', quote);
      return true;
    },
    waitForRoom: async () => {},
  };
}

/** Tells `count` quotes at `rate` a second. Resolves with how long that took. */
async function tellAll(market: Market, rate: number, count: number): Promise<number> {
  const begin = performance.now();
  let told = 0;
  while (told < count) {
    const due = Math.min(count, Math.ceil(((performance.now() - begin + TICK) * rate) / 1000));
    const time = now();
    let goesOn = true;
    while (goesOn && told < due) {
      const symbol = SYMBOLS[told % SYMBOLS.length] ?? '';
      told += 1;
      goesOn = market.tell({
        symbol,
        available: 1000 - (told % 1000),
        price: 1000 + (told % 997),
        time,
        sequence: told,
      });
    }
    await (goesOn ? delay(TICK) : market.waitForRoom());
  }
  return performance.now() - begin;
}

async function beMarket(way: Way): Promise<void> {
  const market = await openMarket(way);
  process.on('message', async ({ rate, count }: { rate: number; count: number }) => {
    const cpu = cpuUs();
    const ms = await tellAll(market, rate, count);
    process.send?.({ took: { ms, cpu: cpuUs() - cpu } });
  });
  process.send?.({ url: market.url });
}

// The subscribers.

class Subscriber {
  #received = 0;
  #disordered = 0;
  #recovered = 0;
  #lost = 0;
  #last = 0;
  #waits: number[] = [];
  #count = 0;
  #onAll: () => void = () => {};

  static async open(way: Way, url: string): Promise<Subscriber> {
    const one = new Subscriber();
    await (way === 'multicast' ? one.#listen(url) : one.#watch(url));
    return one;
  }

  async #listen(url: string): Promise<void> {
    const bus = await openLan(url);
    bus.on('message', ({ data }) => this.#hear(data as Quote));
    bus.on('recovered', ({ from, to }) => {
      this.#recovered += to - from + 1;
    });
    bus.on('gap', ({ from, to }) => {
      this.#lost += to - from + 1;
    });
  }

  async #watch(url: string): Promise<void> {
    const socket = await connect<Api>(url, { reconnect: false });
    socket.on('quote', (quote) => this.#hear(quote));
    await socket.request('watch');
  }

  /** Resolves when the last quote has come. */
  begin(count: number): Promise<void> {
    this.#received = this.#disordered = this.#recovered = this.#lost = this.#last = 0;
    this.#waits = [];
    this.#count = count;
    return new Promise((resolve) => {
      this.#onAll = resolve;
    });
  }

  get got(): Got {
    return {
      received: this.#received,
      disordered: this.#disordered,
      recovered: this.#recovered,
      lost: this.#lost,
      waits: this.#waits,
    };
  }

  #hear({ sequence, time }: Quote): void {
    if (sequence <= this.#last) this.#disordered += 1;
    else this.#received += 1;
    this.#last = Math.max(this.#last, sequence);
    if (sequence % 16 === 0) this.#waits.push(now() - time);
    if (sequence === this.#count) this.#onAll();
  }
}

async function beSubscribers(way: Way, url: string, count: number): Promise<void> {
  const all = await Promise.all(Array.from({ length: count }, () => Subscriber.open(way, url)));
  let cpu = 0;
  process.on('message', async (message: { count?: number }) => {
    if (message.count === undefined) {
      process.send?.({ got: { all: all.map((one) => one.got), cpu: cpuUs() - cpu } });
      return;
    }
    cpu = cpuUs();
    const ends = all.map((one) => one.begin(message.count ?? 0));
    process.send?.({ ready: true });
    await Promise.all(ends);
    process.send?.({ heardAt: now() });
  });
  process.send?.({ open: true });
}

// The conductor.

function start(...args: string[]): ChildProcess {
  return fork(fileURLToPath(import.meta.url), args, { execArgv: process.execArgv });
}

/** The next message of this kind. */
async function answerOf<K extends keyof Answers>(child: ChildProcess, kind: K): Promise<Answers[K]> {
  for (;;) {
    const [answer] = (await once(child, 'message')) as [Partial<Answers>];
    if (answer[kind] !== undefined) return answer[kind];
  }
}

/** A market and its subscribers, for as many runs as wanted. */
class Scene implements Disposable {
  readonly #way: Way;
  readonly #plan: Plan;
  readonly #market: ChildProcess;
  readonly #subscribers: readonly ChildProcess[];

  private constructor(way: Way, plan: Plan, market: ChildProcess, subscribers: readonly ChildProcess[]) {
    this.#way = way;
    this.#plan = plan;
    this.#market = market;
    this.#subscribers = subscribers;
  }

  static async open(way: Way, plan: Plan): Promise<Scene> {
    const market = start('market', way);
    const url = await answerOf(market, 'url');
    const each = Math.ceil(plan.subscribers / plan.processes);
    const counts = Array.from({ length: plan.processes }, (_, at) => Math.min(each, plan.subscribers - at * each));
    const subscribers = counts
      .filter((count) => count > 0)
      .map((count) => start('subscribers', way, url, String(count)));
    await Promise.all(subscribers.map((child) => answerOf(child, 'open')));
    return new Scene(way, plan, market, subscribers);
  }

  async run(rate: number, seconds: number): Promise<Row> {
    const count = Math.round(rate * seconds);
    const ready = this.#all('ready');
    for (const child of this.#subscribers) child.send({ count });
    await ready;
    const heard = this.#all('heardAt');
    this.#market.send({ rate, count });
    const took = await answerOf(this.#market, 'took');
    const toldAt = now();
    const last = await Promise.race([heard, delay(PATIENCE, undefined)]);
    const lastMs = last === undefined ? PATIENCE : Math.max(...last) - toldAt;
    const got = this.#all('got');
    for (const child of this.#subscribers) child.send({});
    const told = await got;
    const all = told.flatMap((one) => one.all);
    const sum = (of: (got: Got) => number): number => all.reduce((total, one) => total + of(one), 0);
    const waits = all.flatMap((one) => one.waits).toSorted((a, b) => a - b);
    const received = sum((one) => one.received);
    const missing = count * this.#plan.subscribers - received;
    const cpuOfSubscribers = told.reduce((total, one) => total + one.cpu, 0);
    const disordered = sum((one) => one.disordered);
    return {
      way: this.#way,
      rate,
      quotes: count,
      received,
      missing,
      disordered,
      recovered: sum((one) => one.recovered),
      lost: sum((one) => one.lost),
      waitP50Ms: rounded(waits[Math.floor(waits.length * 0.5)] ?? 0),
      waitP99Ms: rounded(waits[Math.floor(waits.length * 0.99)] ?? 0),
      lastMs: rounded(lastMs),
      marketCpuUs: rounded(took.cpu / count),
      subscribersCpuUs: rounded(cpuOfSubscribers / count),
      ok: missing === 0 && disordered === 0 && lastMs < LATE && took.ms < seconds * 1000 * PACE + TICK,
    };
  }

  #all<K extends keyof Answers>(kind: K): Promise<Answers[K][]> {
    return Promise.all(this.#subscribers.map((child) => answerOf(child, kind)));
  }

  [Symbol.dispose](): void {
    for (const child of [this.#market, ...this.#subscribers]) child.kill('SIGKILL');
  }
}

const rounded = (value: number): number => Math.round(value * 100) / 100;

/** Rates that are tried, quotes a second. */
const RATES = [
  1000, 2000, 4000, 6000, 8000, 10_000, 12_500, 15_000, 20_000, 25_000, 30_000, 40_000, 50_000, 60_000, 80_000,
];

/** Raises the rate until a run fails twice, then holds the highest that went well, or a lower one that does. */
async function measure(way: Way, plan: Plan, seconds: number, hold: number): Promise<Row[]> {
  const rows: Row[] = [];
  const attempt = async (rate: number, time: number): Promise<boolean> => {
    using scene = await Scene.open(way, plan);
    // A first run that doesn't count: code is compiled, buffers grow.
    await scene.run(Math.min(rate, 2000), 1);
    const row = await scene.run(rate, time);
    rows.push(row);
    console.log(JSON.stringify(row));
    return row.ok;
  };
  const good: number[] = [];
  for (const rate of RATES) {
    if (!(await attempt(rate, seconds)) && !(await attempt(rate, seconds))) break;
    good.push(rate);
  }
  for (const rate of good.toReversed()) if (await attempt(rate, hold)) break;
  return rows;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      subscribers: { type: 'string', default: '50' },
      processes: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '2' },
      hold: { type: 'string', default: '8' },
      out: { type: 'string' },
    },
  });
  const plan: Plan = { subscribers: Number(values.subscribers), processes: Number(values.processes) };
  const rows: Row[] = [];
  for (const way of ['multicast', 'tcp'] as const) {
    rows.push(...(await measure(way, plan, Number(values.seconds), Number(values.hold))));
    console.log(
      `${way}: ${rows.at(-1)?.ok ? rows.at(-1)?.rate : 'nothing'} quotes a second to each of ${plan.subscribers}`,
    );
  }
  if (values.out === undefined) return;
  const recorded: TickerResult = {
    plan,
    command: `npm run bench:ticker -- --seconds ${values.seconds} --hold ${values.hold}`,
    when: new Date().toISOString(),
    commit: commitOf(),
    machine: { cpu: cpus()[0]?.model ?? '', cores: cpus().length, kernel: release() },
    versions: { node: process.version, load: loadavg()[0]?.toFixed(2) ?? '' },
    rows,
  };
  writeFileSync(values.out, `${JSON.stringify(recorded, null, 2)}\n`);
}

process.once('disconnect', () => process.exit());
const [role, way, url = '', count] = process.argv.slice(2);
if (role === 'market') await beMarket(way as Way);
else if (role === 'subscribers') await beSubscribers(way as Way, url, Number(count));
else await main();
