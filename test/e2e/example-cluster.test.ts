import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { commandsOf, type Replacements, Terminal } from '../support/example.ts';

const PAGE = '<!doctype html>\n<p>grüße</p>\n';
const LARGE = randomBytes(5_000_000);
/** The blocks of the README, in its order. */
const START = 0;
const ASK = 1;
const BOUNDS = 2;

const open: Terminal[] = [];
let web: Server;
let site = '';

beforeAll(async () => {
  web = createServer((asked, response) => {
    if (asked.url === '/none') response.writeHead(404).end();
    else if (asked.url === '/half')
      response.writeHead(200, { 'content-length': 1000 }).write('half', () => asked.destroy());
    else if (asked.url === '/large') response.writeHead(200).end(LARGE);
    else response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(PAGE);
  });
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  site = `http://127.0.0.1:${(web.address() as AddressInfo).port}/`;
});

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

afterAll(async () => {
  web.closeAllConnections();
  web.close();
  await once(web, 'close');
});

interface Running {
  readonly terminal: Terminal;
  readonly origin: string;
  /** Process ids by number. */
  readonly workers: ReadonlyMap<string, number>;
}

async function start(block = START, replacements: Replacements = {}): Promise<Running> {
  const [line = ''] = commandsOf('cluster', { '--port 3000': '--port 0 --workers 2', ...replacements })[block] ?? [];
  const terminal = new Terminal(line.replace(/(--workers 2).*--workers 2/, '$1'));
  open.push(terminal);
  const workers = new Map<string, number>();
  let origin = '';
  for (let count = 0; count < 2; count++) {
    const [, number = '', pid = '', at = ''] = await terminal.shows(/worker (\d+) is process (\d+): (\S+)/);
    workers.set(number, Number(pid));
    origin = at;
  }
  await terminal.shows('2 workers serve');
  return { terminal, origin, workers };
}

/** The addresses that the README asks, for a program that listens elsewhere. */
function addresses(origin: string): string[] {
  const lines = commandsOf('cluster', { 'http://127.0.0.1:3000/': origin, 'http://example.com/': site })[ASK] ?? [];
  return lines.map((line) => /"([^"]+)"/.exec(line)?.[1] ?? '');
}

/** Asks over a connection of its own, so that any worker may answer. */
async function ask(url: string): Promise<Response> {
  return await fetch(url, { headers: { connection: 'close' } });
}

function command(origin: string, name: string, options?: string): Promise<Response> {
  const query = new URLSearchParams({ command: name, ...(options === undefined ? {} : { options }) });
  return ask(`${origin}?${query}`);
}

test('does what its README says', async () => {
  const { terminal, origin } = await start();
  const [grab = '', get = '', drop = '', all = '', stop = ''] = addresses(origin);
  const grabbed = await ask(grab);
  expect(grabbed.status).toBe(201);
  const type = 'text/html; charset=utf-8';
  expect(await grabbed.json()).toEqual({ key: 1, url: site, type, size: Buffer.byteLength(PAGE) });
  const answered = new Set<string | null>();
  for (let count = 0; count < 4; count++) {
    const got = await ask(get);
    expect([got.status, got.headers.get('content-type'), await got.text()]).toEqual([200, type, PAGE]);
    expect(got.headers.get('content-security-policy')).toBe('sandbox');
    answered.add(got.headers.get('x-worker'));
  }
  expect(answered).toEqual(new Set(['0', '1']));
  await expect((await ask(drop)).json()).resolves.toEqual({ deleted: 1 });
  const gone = await ask(get);
  expect([gone.status, await gone.json()]).toEqual([404, { code: 'NO_SUCH_KEY', error: 'nothing is kept under 1' }]);
  for (let count = 0; count < 3; count++) await ask(grab);
  await expect((await ask(all)).json()).resolves.toEqual({ deleted: 3 });
  const stopping = await ask(stop);
  expect([stopping.status, await stopping.json()]).toEqual([202, { stopping: true }]);
  expect(await terminal.exit()).toBe(0);
  await expect(ask(get)).rejects.toThrow('fetch failed');
});

test('keeps any bytes, and many may ask at once', async () => {
  const { origin } = await start();
  const heads = await Promise.all(
    Array.from(
      { length: 5 },
      async () => (await (await command(origin, 'grab', `${site}large`)).json()) as { key: number },
    ),
  );
  expect(heads.map(({ key }) => key).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
  const bodies = await Promise.all(
    heads.map(async ({ key }) => {
      const got = await command(origin, 'get', String(key));
      return [got.headers.get('content-type'), Buffer.compare(Buffer.from(await got.arrayBuffer()), LARGE)];
    }),
  );
  for (const body of bodies) expect(body).toEqual(['application/octet-stream', 0]);
});

test('says what is wrong with a command, and of what could not be had', async () => {
  const { origin } = await start();
  const wrong: [string, string | undefined, number, string][] = [
    ['fetch', undefined, 400, 'BAD_COMMAND'],
    ['get', undefined, 400, 'BAD_COMMAND'],
    ['get', 'x', 400, 'BAD_COMMAND'],
    ['get', '7', 404, 'NO_SUCH_KEY'],
    ['grab', undefined, 400, 'BAD_COMMAND'],
    ['grab', 'file:///etc/passwd', 400, 'BAD_COMMAND'],
    ['grab', `${site}none`, 502, 'FETCH_FAILED'],
    ['grab', `${site}half`, 502, 'FETCH_FAILED'],
    ['grab', 'http://127.0.0.1:1/', 502, 'FETCH_FAILED'],
    ['delete', 'some', 400, 'BAD_COMMAND'],
  ];
  for (const [name, options, status, code] of wrong) {
    const answer = await command(origin, name, options);
    expect([name, options, answer.status, await answer.json()]).toEqual([
      name,
      options,
      status,
      { code, error: expect.any(String) as string },
    ]);
  }
});

test('pages of other sites give no commands', async () => {
  const { origin } = await start();
  const status = async (headers: Record<string, string>): Promise<number | undefined> => {
    const asked = request(`${origin}?command=stop`, { headers });
    const answered = once(asked, 'response') as Promise<[{ statusCode?: number; resume(): void }]>;
    asked.end();
    const [response] = await answered;
    response.resume();
    return response.statusCode;
  };
  expect(await status({ 'sec-fetch-site': 'cross-site' })).toBe(403);
  expect(await status({ host: 'evil.example' })).toBe(403);
  expect((await command(origin, 'get', '1')).status).toBe(404);
});

test('holds as much, and as long, as it is told', async () => {
  const { origin } = await start(BOUNDS, { '--max-bytes 1000 --ttl 2000': '--max-bytes 70 --ttl 2000' });
  const large = await command(origin, 'grab', `${site}large`);
  expect([large.status, await large.json()]).toMatchObject([413, { code: 'TOO_LARGE' }]);
  for (let count = 0; count < 3; count++) expect((await command(origin, 'grab', site)).status).toBe(201);
  // Two have room.
  expect((await command(origin, 'get', '1')).status).toBe(404);
  expect((await command(origin, 'get', '3')).status).toBe(200);
  await expect
    .poll(async () => (await command(origin, 'get', '3')).status, { timeout: 10_000, interval: 200 })
    .toBe(404);
});

test('a worker that is killed is replaced, and what was kept stays', async () => {
  const { terminal, origin, workers } = await start();
  await command(origin, 'grab', site);
  process.kill(workers.get('0') ?? 0, 'SIGKILL');
  await terminal.shows('worker 0 died: SIGKILL');
  await terminal.shows(/worker 2 is process \d+/);
  const answered = new Set<string | null>();
  for (let count = 0; count < 4; count++) {
    const got = await command(origin, 'get', '1');
    expect(await got.text()).toBe(PAGE);
    answered.add(got.headers.get('x-worker'));
  }
  expect(answered).toEqual(new Set(['1', '2']));
  terminal.signal('SIGINT');
  expect(await terminal.exit()).toBe(0);
});
