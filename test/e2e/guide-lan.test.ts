import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openUdp } from '../../src/lan-endpoint/index.ts';
import { Terminal } from '../support/example.ts';
import { ROOT, textOf } from '../support/tree.ts';

/** The programs of docs/guides/lan.md, in its order. */
const samples = [...textOf('docs/guides/lan.md').matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);
const [server = '', client = '', broadcast = '', group = '', market = '', trader = '', shop = '', customer = ''] =
  samples;

const open: AsyncDisposable[] = [];
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-guide-'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(ROOT, join(folder, 'node_modules/hawser'), 'dir');
});

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a program of the guide, on another port. */
function start(name: string, program: string, port: number): Terminal {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, program.replaceAll(/:(?:818[123]|3000)'/g, `:${port}'`));
  const terminal = new Terminal(`node ${path}`);
  open.push(terminal);
  return terminal;
}

async function freePort(): Promise<number> {
  await using probe = await openUdp('udp://127.0.0.1:0');
  return probe.address().port;
}

test('the guide has as many programs as this file knows; the last one is a piece', () => {
  expect(samples).toHaveLength(9);
});

test('its server confirms what its client sends', async () => {
  const port = await freePort();
  const serving = start('server', server, port);
  await serving.shows(`listening on udp://127.0.0.1:${port}`);
  const dialling = start('client', client, port);
  await dialling.shows(`confirmed: 你好，服务器!, from port ${port}`);
  expect(await dialling.exit()).toBe(0);
  await serving.shows('heard 你好，服务器! from 127.0.0.1:');
  await serving.shows('sent 30 bytes');
});

test('its broadcast and its group are heard', async () => {
  const all = start('broadcast', broadcast, await freePort());
  await all.shows('to all of you, from 127.0.0.1');
  expect(await all.exit()).toBe(0);
  const member = start('group', group, await freePort());
  await member.shows('the group hears hello');
  expect(await member.exit()).toBe(0);
});

test('its market is heard by its trader', async () => {
  const port = await freePort();
  const listening = start('trader', trader, port);
  await listening.shows('listening on');
  const speaking = start('market', market, port);
  for (const price of [100, 109]) await listening.shows(`quotes/HWSR ${price}`);
  expect(await speaking.exit()).toBe(0);
  await listening.shows('publisher ended');
});

test('its shop is found by its customer', async () => {
  const serving = start('shop', shop, 0);
  await serving.shows('announced tcp://127.0.0.1:');
  const asking = start('customer', customer, 0);
  await asking.shows(/shop 0 tcp:\/\/127\.0\.0\.1:\d+ ws:\/\/127\.0\.0\.1:\d+/);
  await asking.shows('the price is 100');
  expect(await asking.exit()).toBe(0);
  serving.signal('SIGTERM');
  expect(await serving.exit()).toBe(0);
});
