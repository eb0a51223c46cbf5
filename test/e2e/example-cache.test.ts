import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { commandsOf, type Replacements, Terminal, talksOf } from '../support/example.ts';

const PAGE = '<!doctype html>\n<p>grüße</p>\n';
const LARGE = randomBytes(5_000_000);

const open: Terminal[] = [];
let web: Server;
let site = '';
let folder = '';
let names = 0;

beforeAll(async () => {
  web = createServer((request, response) => {
    const type = request.url === '/' ? 'text/html' : 'application/octet-stream';
    if (request.url === '/none') response.writeHead(404).end();
    else if (request.url === '/half') response.writeHead(200, { 'content-length': 1000 }).write('half');
    else response.writeHead(200, { 'content-type': type }).end(request.url === '/' ? PAGE : LARGE);
  });
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  site = `http://127.0.0.1:${(web.address() as AddressInfo).port}/`;
  folder = mkdtempSync(join(tmpdir(), 'hawser-'));
});

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

afterAll(async () => {
  web.closeAllConnections();
  web.close();
  await once(web, 'close');
  rmSync(folder, { recursive: true, force: true });
});

/** The blocks of the README, in its order. */
const BLOCK = { threads: 0, processes: 1, main: 2, fetcher: 3, cache: 4, bounds: 5 } as const;

function run(block: keyof typeof BLOCK, replacements: Replacements = {}): Terminal {
  const terminal = new Terminal(commandsOf('cache', replacements)[BLOCK[block]]?.[0] ?? '');
  open.push(terminal);
  return terminal;
}

/** The main program with all its parts. */
async function start(block: 'threads' | 'processes' | 'bounds'): Promise<Terminal> {
  const main = run(block, { '/tmp/cache.sock': join(folder, `${names++}.sock`) });
  await main.shows('main listens');
  await allHere(main);
  return main;
}

async function allHere(main: Terminal): Promise<void> {
  while (!/fetcher is here/.test(main.shown) || !/cache is here/.test(main.shown)) await main.shows(/ is here/);
}

async function startPeers(): Promise<{ main: Terminal; fetcher: Terminal; cache: Terminal; port: string }> {
  const main = run('main', { '127.0.0.1:7000': '127.0.0.1:0' });
  const [, port = ''] = await main.shows(/main listens on tcp:\/\/127\.0\.0\.1:(\d+)/);
  const there = { '127.0.0.1:7000': `127.0.0.1:${port}` };
  const parts = { fetcher: run('fetcher', there), cache: run('cache', there) };
  await allHere(main);
  return { main, ...parts, port };
}

/** What the README types, and what it shows. */
async function talk(main: Terminal): Promise<void> {
  const file = join(folder, `page-${names++}.html`);
  const [lines = []] = talksOf('cache', { 'http://example.com/': site, '/tmp/page.html': file });
  const [grab = '', get = '', keep = '', drop = '', again = '', stop = ''] = lines;
  main.type(grab);
  await main.shows(`1 is ${site}, ${Buffer.byteLength(PAGE)} bytes of text/html`);
  main.type(get);
  await main.shows(`1 is ${site}:\n${PAGE}`);
  main.type(keep);
  await main.shows(`1 is in ${file}`);
  expect(readFileSync(file, 'utf8')).toBe(PAGE);
  main.type(drop);
  await main.shows('1 deleted');
  main.type(again);
  await main.shows('get 1 failed: nothing is kept under 1 (NO_SUCH_KEY)');
  main.type(stop);
  expect(await main.exit()).toBe(0);
}

describe.each(['threads', 'processes'] as const)('the cache in %s', (block) => {
  test('does what its README says', async () => {
    const main = await start(block);
    await talk(main);
    expect(main.shown).toContain('cache: ends (1000 stop)');
  });

  test('keeps any bytes, several bodies at once', async () => {
    const main = await start(block);
    for (let i = 0; i < 3; i++) main.type(`grab ${site}large`);
    for (let i = 0; i < 3; i++) await main.shows(`, ${LARGE.length} bytes of application/octet-stream`);
    const file = join(folder, `large-${names++}`);
    main.type('get 2');
    await main.shows('say get 2 FILE');
    main.type(`get 2 ${file}`);
    await main.shows('2 is in ');
    expect(Buffer.compare(readFileSync(file), LARGE)).toBe(0);
    main.type('delete');
    expect((await main.shows(/(\d+) deleted/))[1]).toBe('3');
  });

  test('tells what cannot be had, and goes on', async () => {
    const main = await start(block);
    main.type(`grab ${site}none`);
    await main.shows(`failed: ${site}none: status 404 (FETCH_FAILED)`);
    main.type('grab nonsense');
    await main.shows(/grab nonsense failed: .* \(FETCH_FAILED\)/);
    main.type('get');
    await main.shows('get failed: needs a key (BAD_COMMAND)');
    main.type('fetch');
    await main.shows('fetch failed: the commands are grab URL,');
    main.type('delete');
    expect((await main.shows(/(\d+) deleted/))[1]).toBe('0');
  });

  test('a part that crashes is told, replaced, and no other notices', async () => {
    const main = await start(block);
    main.type(`grab ${site}`);
    await main.shows('1 is ');
    const [, [crash = '', get = ''] = []] = talksOf('cache');
    main.type(crash);
    const [, why = ''] = await main.shows(/cache is gone \(1006 (.*)\)\n/);
    expect(why).toBe(
      block === 'threads'
        ? 'the thread at the other end ended with exit code 1: Error: cache was told to crash'
        : 'the peer left without a goodbye',
    );
    main.type(get);
    await main.shows(/get 1 failed: (?:there is no cache at the moment|nothing is kept under 1) /);
    while (main.shown.split('cache is here').length < 3) await main.shows('cache is here');
    main.type(get);
    await main.shows('get 1 failed: nothing is kept under 1 (NO_SUCH_KEY)');
    expect(main.shown).not.toContain('fetcher is gone');
  });

  test('a fetcher that dies in the middle of a body leaves nothing half kept', async () => {
    const main = await start(block);
    const asked = once(web, 'request');
    main.type(`grab ${site}half`);
    await asked;
    main.type('crash fetcher');
    await main.shows(/half failed: .* \([A-Z_]+\)/);
    await main.shows('fetcher is here');
    main.type(`grab ${site}`);
    expect((await main.shows(/(\d+) is http/))[1]).toBe('1');
  });
});

describe('the cache among peers', () => {
  test('does what its README says', async () => {
    const { main, fetcher, cache } = await startPeers();
    await talk(main);
    await fetcher.shows('fetcher: ends (1000 stop)');
    await cache.shows('cache: ends (1000 stop)');
    expect([await fetcher.exit(), await cache.exit()]).toEqual([0, 0]);
  });

  test('main is killed: the parts are told, look for it, and the cache has what it had', async () => {
    const { main, fetcher, cache, port } = await startPeers();
    main.type(`grab ${site}`);
    await main.shows('1 is ');
    main.signal('SIGKILL');
    for (const part of [fetcher, cache]) await part.shows(/the main program is gone \(1006 .*\), looking for it/);
    const next = run('main', { '127.0.0.1:7000': `127.0.0.1:${port}` });
    await allHere(next);
    await cache.shows('cache: the main program is back');
    next.type('get 1');
    expect((await next.shows(/1 is (\S+):\n/))[1]).toBe(site);
  });

  test('the cache is killed: main is told, and another may join', async () => {
    const { main, cache, port } = await startPeers();
    cache.signal('SIGKILL');
    await main.shows(/cache is gone \(1006 .*\)/);
    await main.shows('waiting for: node examples/cache/cache.js');
    run('cache', { '127.0.0.1:7000': `127.0.0.1:${port}` });
    await main.shows('cache is here');
    main.type(`grab ${site}`);
    expect((await main.shows(/(\d+) is http/))[1]).toBe('1');
  });

  test('a stranger is no part', async () => {
    const { main, port } = await startPeers();
    const stranger = new Terminal(`node dist/cli/main.js tail tcp://127.0.0.1:${port} --user eve`);
    open.push(stranger);
    expect(await stranger.exit()).toBe(3);
    main.type('delete');
    expect((await main.shows(/(\d+) deleted/))[1]).toBe('0');
  });
});

describe('the bounds of the cache', () => {
  test('what was not used goes for want of room, and in time; what is too large is refused', async () => {
    const main = await start('bounds');
    for (let i = 0; i < 40; i++) main.type(`grab ${site}`);
    await main.shows(/\d+ was dropped: no room/);
    main.type(`grab ${site}large`);
    await main.shows('large failed: a body may have 1000 bytes (TOO_LARGE)');
    expect((await main.shows(/was dropped: (too old)/))[1]).toBe('too old');
  });
});
