import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openUdp } from '../../src/lan-endpoint/index.ts';
import { Terminal } from '../support/example.ts';

const open: AsyncDisposable[] = [];
let folder = '';
let keyFile = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-'));
  keyFile = join(folder, 'lan.key');
  writeFileSync(keyFile, 'a key that everybody has\n');
});

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function hawser(args: string): Terminal {
  const terminal = new Terminal(`node dist/cli/main.js ${args}`);
  open.push(terminal);
  return terminal;
}

async function group(): Promise<string> {
  await using probe = await openUdp('udp://127.0.0.1:0');
  return `udp://239.192.77.84:${probe.address().port}`;
}

describe('hawser publish and subscribe', () => {
  test('one message, and lines', async () => {
    const url = await group();
    const listener = hawser(`subscribe ${url} 'quotes/*' --key-file ${keyFile}`);
    await listener.shows(`listening on ${url}`);
    const one = hawser(`publish ${url} quotes/ada '{"price":12.5}' --key-file ${keyFile}`);
    await one.shows('1 published');
    expect(await one.exit()).toBe(0);
    await listener.shows('quotes/ada {"price":12.5}');
    const lines = hawser(`publish ${url} quotes/bob --key-file ${keyFile} --json`);
    lines.type('13');
    lines.type('no JSON');
    lines.type('{"price":[1]}');
    for (const line of ['13', '"no JSON"', '{"price":[1]}']) await listener.shows(`quotes/bob ${line}`);
    lines.signal('SIGINT');
    await lines.shows('{"event":"published","topic":"quotes/bob","messages":3');
    expect(await lines.exit()).toBe(0);
    const other = hawser(`publish ${url} other 1 --key-file ${keyFile}`);
    expect(await other.exit()).toBe(0);
    listener.signal('SIGINT');
    expect(await listener.exit()).toBe(0);
    expect(listener.shown).not.toContain('other');
  });

  test('without the key nothing is heard, and that is told', async () => {
    const url = await group();
    const listener = hawser(`subscribe ${url} --key-file ${keyFile} --json`);
    await listener.shows('"event":"listening"');
    await hawser(`publish ${url} n 1`).exit();
    await listener.shows('{"event":"fault","reason":"key"');
    expect(listener.shown).not.toContain('"event":"message"');
  });

  test('--since store gives what was said before, --once is enough then', async () => {
    const url = await group();
    const speaker = hawser(`publish ${url} n`);
    for (const line of ['1', '2', '3']) speaker.type(line);
    const listener = hawser(`subscribe ${url} n --since store --json`);
    for (const line of [1, 2, 3]) await listener.shows(`"topic":"n","data":${line},`);
    const once = hawser(`subscribe ${url} n --since store --once --json`);
    await once.shows('"data":1,');
    expect(await once.exit()).toBe(0);
  });
});

describe('hawser discover', () => {
  test('finds what hawser serve announces, and so do the other commands', async () => {
    const url = await group();
    const server = hawser(
      `serve --listen tcp://127.0.0.1:0 --announce shop --group ${url} --key-file ${keyFile} --json`,
    );
    const [, endpoint = ''] = await server.shows(/"event":"announced","name":"shop","endpoints":\["([^"]+)"\]/);
    const watch = hawser(`discover --group ${url} --key-file ${keyFile} --watch`);
    await watch.shows(`found: shop  load 0  ${endpoint}`);
    const list = hawser(`discover shop --group ${url} --key-file ${keyFile}`);
    await list.shows(`shop  load 0  ${endpoint}`);
    expect(await list.exit()).toBe(0);
    const stranger = hawser(`discover --group ${url} --timeout 200`);
    await stranger.shows('nobody has answered in 200 ms');
    expect(await stranger.exit()).toBe(4);
    server.signal('SIGTERM');
    await watch.shows('lost: shop');
    expect(await server.exit()).toBe(0);
    watch.signal('SIGTERM');
    expect(await watch.exit()).toBe(0);
  });

  test('lan:NAME is a URL like any other', async () => {
    const name = `shop-${process.pid}`;
    const server = hawser(`serve --listen tcp://127.0.0.1:0 --announce ${name}`);
    await server.shows('announced');
    const speaker = hawser(`emit lan:${name} say '{"text":"hi"}'`);
    await speaker.shows('sent to 0 others in lobby');
    expect(await speaker.exit()).toBe(0);
  });
});

describe('mistakes', () => {
  test.each([
    ['publish', 2],
    ['publish udp://127.0.0.1:1', 2],
    ['publish udp://10.1.2.3:1 n 1', 2],
    ['publish http://127.0.0.1:1 n 1', 2],
    ['publish udp://127.0.0.1:1 n nonsense', 2],
    ['publish udp://127.0.0.1:1 n 1 --key-file no/such/file', 1],
    ['subscribe udp://239.1.1.1:1?interface=any', 2],
    ['subscribe udp://127.0.0.1:0 --since yesterday', 2],
    ['discover a b', 2],
    ['discover shop/', 1],
    ['discover --timeout x', 2],
    ['serve --group udp://239.1.1.1:1', 2],
    ['serve --announce shop --workers 2', 2],
  ])('hawser %s ends with %i', async (args, code) => {
    const run = hawser(args);
    await run.shows('hawser: ');
    expect(await run.exit()).toBe(code);
  });
});
