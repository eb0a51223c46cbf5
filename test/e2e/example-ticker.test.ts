import { randomInt } from 'node:crypto';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Authority } from '../support/certificates.ts';
import { commandsOf, Terminal, talksOf } from '../support/example.ts';
import { keyFiles } from '../support/udpack-keys.ts';
import { until } from '../support/until.ts';

const open: Terminal[] = [];
let folder: string;
let ws: string;
let plain: string;
/** A group of this test alone: other markets of this machine have others. */
let group: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-ticker-'));
  group = `udp://239.192.${randomInt(1, 255)}.${randomInt(1, 255)}:${randomInt(20_000, 30_000)}`;
});
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function type(command: string | undefined): Terminal {
  const terminal = new Terminal(command ?? '');
  open.push(terminal);
  return terminal;
}

const [MARKET, TRADE, LISTEN, SOCAT, ONCE, JOURNAL, AUDIT] = [0, 1, 2, 3, 4, 5, 6];

/** The first command of a block, at the places of this test. */
function commandOf(block: number): string {
  const replacements: Record<string, string> = {
    '/tmp/ticker.db': join(folder, 'ticker.db'),
    '/tmp/ada.journal': join(folder, 'ada.journal'),
    'udp://239.192.0.0:3000': group,
    ...(plain && { '127.0.0.1:3000': plain }),
  };
  const command = commandsOf('ticker', replacements)[block]?.[0] ?? '';
  return command.replace('trade.js', `trade.js ${ws}`);
}

/** The market of the README, at ports that are free. */
async function openMarket(more = ''): Promise<Terminal> {
  const market = type(
    `${commandOf(MARKET)} --listen ws://127.0.0.1:0 --plain tcp://127.0.0.1:0 --quotes ${group} ${more}`,
  );
  [, ws = ''] = await market.shows(/listens on (ws:\/\/\S+)/);
  [, plain = ''] = await market.shows(/listens on tcp:\/\/(\S+)/);
  await market.shows(`quotes go to ${group}`);
  return market;
}

/** What is typed in a talk of the README. */
function linesOf(talk: number): string[] {
  return talksOf('ticker')[talk] ?? [];
}

describe('by the commands of the README', () => {
  test('symbols are listed, an order is taken and one refused, and the books are right', async () => {
    const market = await openMarket();
    for (const line of linesOf(0)) market.type(line);
    await market.shows('ABC is listed: 100 at 10.00');
    await market.shows('ACME is listed: 5000 at 48.20');

    const trader = type(commandOf(TRADE));
    await trader.shows('ada is at the market, over ws');
    await trader.shows('quote 2: ACME 48.20, 5000 available');
    const [buy = '', sell = '', holdings = '', quit = ''] = linesOf(1);
    trader.type(buy);
    await trader.shows(/order \S+: bought 10 ABC at 10\.00, you now hold 10/);
    trader.type(sell);
    await trader.shows(/order \S+: refused, you hold 10 of ABC, not 11 \(NOT_HELD\)/);
    await until(() => trader.shown.includes('quote 3: ABC 11.00, 90 available'), 'the quote comes over the network');
    trader.type(holdings);
    await trader.shows(/^10 ABC$/m);
    trader.type(quit);
    expect(await trader.exit()).toBe(0);

    market.signal('SIGINT');
    expect(await market.exit()).toBe(0);
    const audit = type(commandOf(AUDIT));
    await audit.shows(/the books of \S+ are right/);
    expect(await audit.exit()).toBe(0);
  });

  test('quotes come to all who listen on the network, each in its order', async () => {
    const market = await openMarket();
    for (const symbol of ['ABC', 'DEF']) {
      market.type(`${symbol} 1000`);
      await market.shows(`${symbol} is listed`);
    }
    const listeners = Array.from({ length: 5 }, (_, at) => type(commandOf(TRADE).replace('ada', `listener${at}`)));
    for (const listener of listeners) await listener.shows('quote 2: DEF 10.00, 1000 available');
    const other = type(commandOf(LISTEN));
    const trader = type(`node examples/ticker/trade.js ${ws} --user ada`);
    for (let at = 0; at < 20; at++) trader.type(`BUY ${at % 2 === 0 ? 'ABC' : 'DEF'} 1`);
    const wanted = Array.from({ length: 20 }, (_, at) => {
      const left = 999 - Math.floor(at / 2);
      return `quote ${at + 3}: ${at % 2 === 0 ? 'ABC' : 'DEF'} ${(10 + (1000 - left) / 100).toFixed(2)}, ${left} available`;
    });
    for (const listener of listeners) {
      await listener.shows(wanted.at(-1) ?? '');
      expect(listener.shown.match(/^quote (?![12]:).*$/gm)).toEqual(wanted);
    }
    await other.shows(/"?available"?: ?990/);
  });

  test('lines over TCP trade, as somebody or as a guest', async () => {
    const market = await openMarket();
    market.type('ABC 100');
    await market.shows('ABC is listed');
    const ada = type(commandOf(ONCE));
    await ada.shows('order order-7: bought 5 ABC at 10.00, you now hold 5');
    const socat = type(commandOf(SOCAT));
    const [buy = '', bad = '', user = '', sell = ''] = linesOf(2);
    socat.type(buy);
    await socat.shows('successfully processed request. You now hold 1 of ABC');
    socat.type(bad);
    await socat.shows('ERROR! message needs to be formatted as follows: BUY|SELL <SYMBOL> <NUMBER>');
    socat.type(user);
    await socat.shows('you are ada');
    socat.type(sell);
    await socat.shows('successfully processed request. You now hold 4 of ABC');
    socat.type(sell);
    await socat.shows('successfully processed request. You now hold 4 of ABC');
    await market.shows('ada SELL 1 ABC at 10.60: 95 left');
    expect(market.shown.match(/SELL/g)).toHaveLength(1);
  });

  test('an order is done once, and so it is by a market that was started again', async () => {
    const market = await openMarket();
    market.type('ABC 100');
    await market.shows('ABC is listed');
    const answer = 'order order-7: bought 5 ABC at 10.00, you now hold 5';
    for (let time = 0; time < 2; time++) {
      const trader = type(commandOf(ONCE));
      await trader.shows(answer);
      expect(await trader.exit()).toBe(0);
    }
    market.signal('SIGKILL');
    await market.exit();
    await openMarket();
    await type(commandOf(ONCE)).shows(answer);
    const other = type(commandOf(ONCE).replace('BUY ABC 5', 'BUY ABC 6'));
    await other.shows('order order-7: refused, order order-7 was another one: BUY ABC 5 (ORDER_DIFFERS)');
    expect(await other.exit()).toBe(1);
  });

  test('a trader with a journal asks for the answers that it did not live to hear', async () => {
    const market = await openMarket();
    market.type('ABC 100');
    await market.shows('ABC is listed');
    const trader = type(commandOf(JOURNAL));
    trader.type('BUY ABC 3 order-1');
    await trader.shows('ada is at the market');
    await trader.shows('order order-1: bought 3 ABC');
    market.signal('SIGKILL');
    await trader.shows('the market is gone');
    trader.type('BUY ABC 4 order-2');
    trader.type('BUY ABC 5 order-3');
    await market.exit();
    trader.signal('SIGKILL');
    await trader.exit();
    const restarted = await openMarket();
    const next = type(commandOf(JOURNAL));
    next.type('BUY ABC 4 order-2');
    await next.shows('order order-2: bought 4 ABC at 10.30, you now hold 7');
    expect(restarted.shown).not.toContain('BUY 3 ABC');
  });

  test('one order says by its exit code what became of it, also when the journal knows it', async () => {
    const market = await openMarket();
    market.type('ABC 100');
    await market.shows('ABC is listed');
    const place = async (order: string): Promise<number | string | null> =>
      await type(`${commandOf(JOURNAL)} ${order}`).exit();
    for (let time = 0; time < 2; time++) {
      expect(await place('BUY ABC 500 --id order-1')).toBe(1);
      expect(await place('BUY ABC 2 --id order-2')).toBe(0);
    }
    const differs = type(`${commandOf(JOURNAL)} SELL ABC 2 --id order-2`);
    await differs.shows('order order-2: refused, order order-2 was another one: BUY ABC 2 (ORDER_DIFFERS)');
    expect(await differs.exit()).toBe(1);
    // Asked for by one that was killed: its answer is not that of the next one.
    const lost = { order: { id: 'order-3', side: 'SELL', symbol: 'ABC', shares: 50 } };
    appendFileSync(join(folder, 'ada.journal'), `${JSON.stringify(lost)}\n`);
    expect(await place('BUY ABC 1 --id order-4')).toBe(0);
    market.signal('SIGINT');
    await market.exit();
    expect(await place('BUY ABC 1 --id order-5 --wait 500')).toBe(2);
  });
});

test('the same market is at every kind of endpoint, for who shows a token', async () => {
  using authority = new Authority();
  const { certFile, keyFile } = authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1');
  const { privateFile, publicFile } = keyFiles();
  const socket = `ipc://${join(folder, 'socket')}`;
  const doors = [
    `https://127.0.0.1:0?cert=${certFile}&key=${keyFile}`,
    `tls://127.0.0.1:0?cert=${certFile}&key=${keyFile}`,
    `udpack://127.0.0.1:0?key=${privateFile}`,
    socket,
  ];
  writeFileSync(join(folder, 'users'), 'ada token-of-ada-0123456789\n');
  writeFileSync(join(folder, 'token'), 'token-of-ada-0123456789\n');
  const listen = doors.map((door) => `--listen '${door}'`).join(' ');
  const market = await openMarket(`--users ${join(folder, 'users')} ${listen}`);
  market.type('ABC 100');
  await market.shows('ABC is listed');
  const portOf = (scheme: string): string => new RegExp(`${scheme}://127.0.0.1:(\\d+)`).exec(market.shown)?.[1] ?? '';
  const urls = [
    ws,
    `https://127.0.0.1:${portOf('https')}?ca=${authority.caFile}`,
    `wss://127.0.0.1:${portOf('https')}?ca=${authority.caFile}`,
    `tls://127.0.0.1:${portOf('tls')}?ca=${authority.caFile}`,
    `udpack://127.0.0.1:${portOf('udpack')}?key=${publicFile}`,
    socket,
  ];
  for (const [at, url] of urls.entries()) {
    const trader = type(`node examples/ticker/trade.js '${url}' BUY ABC 1 --token-file ${join(folder, 'token')}`);
    await trader.shows(`you now hold ${at + 1}`);
    expect(await trader.exit()).toBe(0);
  }
  const stranger = type(`node examples/ticker/trade.js ${ws} BUY ABC 1 --user ada`);
  await stranger.shows('a name alone is not enough here');
  expect(await stranger.exit()).toBe(1);
});
