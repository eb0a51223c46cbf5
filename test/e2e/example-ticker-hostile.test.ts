import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as dial, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClientSocket, connect } from '../../src/client/index.ts';
import { Terminal } from '../support/example.ts';

const LISTED = { symbol: 'ABC', shares: 1000 };
const folder = mkdtempSync(join(tmpdir(), 'hawser-ticker-hostile-'));
const open: ClientSocket[] = [];
const lines: Socket[] = [];
let market: Terminal;
let ws: string;
let plain: number;

/** `before` is said to the shell in front of the command. */
async function start(file: string, more = '', before = ''): Promise<Terminal> {
  const path = join(folder, file);
  const doors = '--listen ws://127.0.0.1:0 --plain tcp://127.0.0.1:0 --quotes none';
  const command = `node examples/ticker/market.js --ledger ${path} ${doors} ${more}`;
  const terminal = new Terminal(before === '' ? command : `sh -c '${before}; exec ${command}'`);
  [, ws = ''] = await terminal.shows(/listens on (ws:\/\/\S+)/);
  plain = Number((await terminal.shows(/listens on tcp:\/\/127\.0\.0\.1:(\d+)/))[1]);
  terminal.type(`${LISTED.symbol} ${LISTED.shares}`);
  await terminal.shows('is listed');
  return terminal;
}

beforeAll(async () => {
  market = await start('ticker.db');
});
afterAll(async () => {
  for (const socket of open) await socket.close();
  for (const socket of lines) socket.destroy();
  await market[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function enter(user?: string, token?: string): Promise<ClientSocket> {
  const socket = await connect(ws, { ...(user && { user }), ...(token && { token }), reconnect: false });
  open.push(socket);
  return socket;
}

const order = (change: object): object => ({ id: randomUUID(), side: 'BUY', symbol: 'ABC', shares: 1, ...change });

/** A connection to the plain port: what is sent, and what comes back until the end. */
class Line {
  readonly socket: Socket;
  readonly #ended: Promise<void>;
  heard = '';

  constructor() {
    this.socket = dial(plain, '127.0.0.1').setEncoding('utf8');
    lines.push(this.socket);
    this.socket.on('error', () => {});
    this.socket.on('data', (text: string) => {
      this.heard += text;
    });
    this.#ended = new Promise((resolve) => void this.socket.once('close', () => resolve()));
  }

  /** Says all, says that this was all, and returns the answers. */
  async say(text: string | Uint8Array): Promise<string[]> {
    this.socket.end(text);
    await this.#ended;
    return this.heard.split('\n').slice(0, -1);
  }
}

describe('requests that no client of ours would make', () => {
  test.each([
    [undefined],
    [null],
    ['BUY ABC 1'],
    [[]],
    [{}],
    [order({ id: '' })],
    [order({ id: 'x'.repeat(65) })],
    [order({ id: 'two words' })],
    [order({ id: 7 })],
    [order({ id: "x'; DROP TABLE orders; --" })],
    [order({ side: 'buy' })],
    [order({ side: 'GIVE' })],
    [order({ symbol: 'abc' })],
    [order({ symbol: '' })],
    [order({ symbol: 'A'.repeat(13) })],
    [order({ symbol: "A' OR '1'='1" })],
    [order({ symbol: { toString: 'ABC' } })],
    [order({ shares: 0 })],
    [order({ shares: -1 })],
    [order({ shares: 1.5 })],
    [order({ shares: Number.NaN })],
    [order({ shares: Number.POSITIVE_INFINITY })],
    [order({ shares: 1_000_000_001 })],
    [order({ shares: 2 ** 53 })],
    [order({ shares: '1' })],
    [order({ shares: [1] })],
  ])('%j is no order', async (data) => {
    const socket = await enter('ada');
    await expect(socket.request('order', data)).rejects.toMatchObject({ code: 'BAD_ORDER' });
  });

  test.each([
    [order({ symbol: 'NOPE' }), 'NO_SUCH_SYMBOL'],
    [order({ shares: 1_000_000_000 }), 'NOT_AVAILABLE'],
    [order({ side: 'SELL', shares: 1_000_000_000 }), 'NOT_HELD'],
  ])('%j is refused, the second time too', async (data, code) => {
    const socket = await enter('ada');
    await expect(socket.request('order', data)).rejects.toMatchObject({ code });
    await expect(socket.request('order', data)).rejects.toMatchObject({ code });
  });

  test('what was refused is refused by the same id when it could be done', async () => {
    const socket = await enter('eve');
    const sell = order({ side: 'SELL', shares: 2 });
    await expect(socket.request('order', sell)).rejects.toMatchObject({ code: 'NOT_HELD' });
    await socket.request('order', order({ shares: 2 }));
    await expect(socket.request('order', sell)).rejects.toMatchObject({ code: 'NOT_HELD' });
    await expect(socket.request('order', order({ side: 'SELL', shares: 2 }))).resolves.toMatchObject({ held: 0 });
  });

  test('ids are the business of each user', async () => {
    const [fay, gus] = [await enter('fay'), await enter('gus')];
    const same = order({});
    await expect(fay.request('order', same)).resolves.toMatchObject({ held: 1 });
    await expect(gus.request('order', same)).resolves.toMatchObject({ held: 1 });
    await expect(gus.request('order', { ...same, shares: 2 })).rejects.toMatchObject({ code: 'ORDER_DIFFERS' });
  });

  test('the last share can be bought, and nothing more', async () => {
    market.type('LAST 1');
    await market.shows('LAST is listed: 1');
    const socket = await enter('ada');
    await expect(socket.request('order', order({ symbol: 'LAST' }))).resolves.toMatchObject({ held: 1 });
    await expect(socket.request('order', order({ symbol: 'LAST' }))).rejects.toMatchObject({ code: 'NOT_AVAILABLE' });
  });

  test('a hundred who want the last ten at once get ten', async () => {
    market.type('TEN 10');
    await market.shows('TEN is listed');
    const sockets = await Promise.all(Array.from({ length: 10 }, (_, at) => enter(`crowd${at}`)));
    const wants = sockets.flatMap((socket) =>
      Array.from({ length: 10 }, () => socket.request('order', order({ symbol: 'TEN' }))),
    );
    const ends = await Promise.allSettled(wants);
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
  });

  test.each([[undefined], [{}], [{ symbol: "A'", most: 1 }], [{ symbol: 'ABC', most: '1' }], [{ symbol: 'ABC' }]])(
    'the past of %j is refused',
    async (data) => {
      const socket = await enter();
      await expect(socket.request('past', data)).rejects.toMatchObject({ code: 'BAD_ORDER' });
    },
  );

  test('the past is bounded', async () => {
    const socket = await enter('olga');
    await socket.request('order', order({}));
    await expect(socket.request('past', { symbol: 'ABC', most: -1 })).resolves.toHaveLength(1);
    const past = (await socket.request('past', { symbol: 'ABC', most: 1e15 })) as unknown[];
    expect(past.length).toBeGreaterThan(1);
  });

  test('who has no name may look and not trade', async () => {
    const socket = await enter();
    expect(await socket.request('watch')).toContainEqual(expect.objectContaining({ symbol: 'ABC' }));
    for (const request of ['order', 'holdings']) {
      await expect(socket.request(request, order({}))).rejects.toMatchObject({ code: 'ERR_AUTH_REQUIRED' });
    }
  });

  test.each(['two words', '', '../x', 'x'.repeat(65), 'ada\n'])('nobody is called %j', async (user) => {
    const refused = await connect(ws, { user, reconnect: false }).then(
      (socket) => socket.close().then(() => (socket.user === null ? 'nobody' : socket.user)),
      (error: { code: string }) => error.code,
    );
    expect(['ERR_AUTH_FAILED', 'nobody']).toContain(refused);
  });
});

describe('lines that mean nothing', () => {
  const FORM = 'ERROR! message needs to be formatted as follows: BUY|SELL <SYMBOL> <NUMBER>';

  test.each([
    'hello',
    'BUY',
    'BUY ABC',
    'BUY ABC x',
    'BUY ABC 1x',
    'BUY ABC 1e3',
    'BUY ABC -1',
    'BUY ABC 0',
    'BUY ABC 1.5',
    'BUY ABC NaN',
    'BUY ABC 99999999999999999999',
    'BUY ABC 1 id and more',
    'GIVE ABC 1',
    "BUY A'B 1",
    '\0\u0001',
  ])('%j is told how it is done', async (text) => {
    expect(await new Line().say(`${text}\n`)).toEqual([FORM]);
  });

  test('whoever says USER and no name stays who he is', async () => {
    const answers = await new Line().say('USER nia\nBUY ABC 1\nUSER\nBUY ABC 1\n');
    const took = [1, 2].map((held) => `successfully processed request. You now hold ${held} of ABC`);
    expect(answers).toEqual(['you are nia', took[0], 'ERROR! say who you are: USER <NAME> <TOKEN>', took[1]]);
  });

  test('spaces, case and CRLF are all one', async () => {
    const answers = await new Line().say('USER hal\r\n  buy\tabc   2 \r\n\r\nBUY ABC 1\r\n');
    const took = [2, 3].map((held) => `successfully processed request. You now hold ${held} of ABC`);
    expect(answers).toEqual(['you are hal', ...took]);
  });

  test('half a line is no order', async () => {
    await new Line().say('USER ivy\nBUY ABC 5\nBUY ABC 1');
    const ivy = await enter('ivy');
    expect(await ivy.request('holdings')).toEqual([{ symbol: 'ABC', shares: 5 }]);
  });

  test('nonsense without end is closed after 20 lines, and what is behind them is not read', async () => {
    const answers = await new Line().say(`${'nonsense\n'.repeat(20)}USER jim\nBUY ABC 1\n`);
    expect(answers).toEqual(Array.from({ length: 20 }, () => FORM));
    const jim = await enter('jim');
    expect(await jim.request('holdings')).toEqual([]);
  });

  test('a browser that was sent here trades nothing', async () => {
    const head = 'POST / HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nContent-Type: text/plain\r\n\r\n';
    expect(await new Line().say(`${head}USER kim\nBUY ABC 1\n`)).toEqual([]);
    const kim = await enter('kim');
    expect(await kim.request('holdings')).toEqual([]);
  });

  test('a line without end is cut off, and so are bytes that are no text', async () => {
    expect(await new Line().say('x'.repeat(20_000))).toEqual([]);
    expect(await new Line().say(Uint8Array.of(0xff, 0xfe, 0x0a))).toEqual([]);
  });

  test('who asks more than he reads is answered in order, all the same', async () => {
    const bought = Array.from({ length: 300 }, (_, at) => `BUY ABC 1 flood-${at}\nSELL ABC 1 back-${at}\n`);
    const answers = await new Line().say(`USER lea\n${bought.join('')}`);
    const held = (count: number): string => `successfully processed request. You now hold ${count} of ABC`;
    expect(answers).toEqual(['you are lea', ...bought.flatMap(() => [held(1), held(0)])]);
  });

  test('a flood of one harms no other', async () => {
    const flood = new Line();
    flood.socket.write('BUY ABC 1x\nUSER mia\n'.repeat(5000));
    const ned = await enter('ned');
    for (let at = 0; at < 20; at++) {
      await ned.request('order', order({}));
      await ned.request('order', order({ side: 'SELL' }));
    }
    expect(await ned.request('holdings')).toEqual([]);
  });
});

describe('what is typed into the market', () => {
  test.each([
    'abc 5',
    'ABCDEFGHIJKLM 5',
    'NEW',
    'NEW x',
    'NEW 0',
    'NEW -5',
    'NEW 1.5',
    'NEW 1000000001',
    'NEW 5 0',
    'NEW 5 free',
    'NEW 5 1.234',
    'NEW 5 90000.01',
    'NEW 5 1 more',
  ])('%s lists nothing', async (text) => {
    market.type(text);
    const [line] = await market.shows(/to list a new ticker .*/);
    expect(line).toContain(`not ${text}`);
  });

  test('the largest listing there is keeps its price exact', async () => {
    market.type('HUGE 1000000000 90000');
    await market.shows('HUGE is listed: 1000000000 at 90000.00');
    const socket = await enter('ada');
    const receipt = await socket.request('order', order({ symbol: 'HUGE', shares: 999_999_999 }));
    expect(receipt).toMatchObject({ price: 9_000_000, held: 999_999_999 });
    const quotes = (await socket.request('watch')) as { symbol: string }[];
    expect(quotes.find(({ symbol }) => symbol === 'HUGE')).toMatchObject({ available: 1, price: 17_999_999 });
  });

  test('what is listed already stays as it is', async () => {
    market.type('ABC 5 1.00');
    await market.shows('ABC is listed already');
    const socket = await enter();
    const quotes = (await socket.request('watch')) as { symbol: string; available: number }[];
    expect(quotes.find(({ symbol }) => symbol === 'ABC')?.available).toBeGreaterThan(5);
  });
});

describe('the file', () => {
  test('is one market’s', async () => {
    const second = new Terminal(`node examples/ticker/market.js --quotes none --ledger ${join(folder, 'ticker.db')}`);
    await second.shows(/market: another market has \S+ticker\.db/);
    expect(await second.exit()).toBe(1);
  });

  test('is a ledger, or nothing is done', async () => {
    const path = join(folder, 'garbage.db');
    writeFileSync(path, 'this is no ledger\n'.repeat(500));
    const other = new Terminal(`node examples/ticker/market.js --quotes none --ledger ${path}`);
    await other.shows(/market: \S+garbage\.db: file is not a database/);
    expect(await other.exit()).toBe(1);
  });
});

test('orders that wait are bounded, those beyond are asked again, and each commit takes a thousand', async () => {
  const program = `
    import { Desk } from ${JSON.stringify(new URL('../../examples/ticker/desk.js', import.meta.url).href)};
    let commits = 0;
    const ledger = {
      transact: (work) => { commits += 1; return work(); },
      order: (user, order) => ({ receipt: order }),
    };
    const desk = new Desk(ledger, { onQuotes() {}, onOrder() {}, onFailure() {} });
    const ends = await Promise.allSettled(Array.from({ length: 10_003 }, (_, id) => desk.order('ada', { id })));
    const busy = ends.filter(({ reason }) => reason?.code === 'LEDGER_BUSY');
    console.log(busy.length, 'busy,', ends.filter(({ value }) => value !== undefined).length, 'taken,', commits, 'commits');`;
  writeFileSync(join(folder, 'desk.mjs'), program);
  await using desk = new Terminal(`node ${join(folder, 'desk.mjs')}`);
  await desk.shows('3 busy, 10000 taken, 10 commits');
  expect(await desk.exit()).toBe(0);
});

describe('a disk that is full', () => {
  test('ends the market, and what it has answered is there', async () => {
    // Blocks of 512 bytes: enough for some orders.
    const full = await start('full.db', '--quiet', 'ulimit -f 400');
    const ann = await connect(ws, { user: 'ann', reconnect: false });
    const buy = (at: number): object => ({ id: `full-${at}`, side: 'BUY', symbol: 'ABC', shares: 1 });
    let taken = 0;
    let error: unknown;
    while (error === undefined) {
      try {
        await ann.request('order', buy(taken));
        taken += 1;
      } catch (why) {
        error = why;
      }
    }
    expect(error).toMatchObject({ code: 'LEDGER_FAILED' });
    expect(taken).toBeGreaterThan(0);
    await full.shows(/market: .*(?:disk|full)/);
    expect(await full.exit()).toBe(1);

    const file = join(folder, 'full.db');
    await using again = new Terminal(
      `node examples/ticker/market.js --quotes none --plain none --listen ws://127.0.0.1:0 --ledger ${file}`,
    );
    const [, url = ''] = await again.shows(/listens on (ws:\/\/\S+)/);
    await using back = await connect(url, { user: 'ann' });
    expect(await back.request('holdings')).toEqual([{ symbol: 'ABC', shares: taken }]);
    expect(await back.request('order', buy(0))).toMatchObject({ held: 1 });
    expect(await back.request('order', buy(taken))).toMatchObject({ held: taken + 1 });
  });
});

describe('with tokens', () => {
  test('whoever shows one trades under its name, and nobody else', async () => {
    const users = join(folder, 'users.txt');
    writeFileSync(users, '# who may trade\nada token-of-ada-0123456789\n\nben token-of-ben-0123456789\n');
    const at = ws;
    await using closed = await start('tokens.db', `--users ${users}`);
    expect(at).not.toBe(ws);
    const ada = await enter(undefined, 'token-of-ada-0123456789');
    expect(ada.user).toBe('ada');
    await expect(ada.request('order', order({}))).resolves.toMatchObject({ held: 1 });
    await expect(enter('ada')).rejects.toMatchObject({ code: 'ERR_AUTH_REQUIRED' });
    await expect(enter(undefined, 'token-of-ada-012345678')).rejects.toMatchObject({ code: 'ERR_AUTH_FAILED' });
    await expect(enter('ben', 'token-of-ada-0123456789')).rejects.toMatchObject({ code: 'ERR_AUTH_FAILED' });
    const said = 'BUY ABC 1\nUSER ben\nUSER ben token-of-ada-0123456789\nUSER ben token-of-ben-0123456789\nBUY ABC 1\n';
    expect(await new Line().say(said)).toEqual([
      'ERROR! say who you are: USER <NAME> <TOKEN>',
      'ERROR! a name alone is not enough here: show a token',
      'ERROR! the token is not valid',
      'you are ben',
      'successfully processed request. You now hold 1 of ABC',
    ]);
    expect(closed.shown).not.toContain('token-of');
  });
});
