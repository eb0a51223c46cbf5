import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ClientSocket, connect } from '../../src/client/index.ts';
import { startNats } from '../support/nats-server.ts';
import { startRedis } from '../support/redis-server.ts';
import { ROOT } from '../support/tree.ts';
import { Served } from './served.ts';

const KEY = '0123456789abcdef0123456789abcdef';
let folder = '';
let keys = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-push-'));
  keys = join(folder, 'keys');
  writeFileSync(keys, `# keys of programs\n${KEY}\n`);
  chmodSync(keys, 0o600);
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

function hawser(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, ...environment };
    execFile(process.execPath, [join(ROOT, 'dist/cli/main.js'), ...args], { env }, (error, out, errors) => {
      const code = error === null ? 0 : Number(error.code);
      resolve({ code, out, errors });
    });
  });
}

/** A member of the room, and what it hears next. */
async function member(url: string): Promise<{ readonly socket: ClientSocket; readonly heard: Promise<unknown> }> {
  const socket = await connect(url);
  await socket.request('join', { room: 'desk' });
  const heard = new Promise((resolve) => socket.on('note', (data) => resolve(data)));
  return { socket, heard };
}

describe('hawser emit', () => {
  test('publishes by HTTP, with a key from a file or the environment', async () => {
    await using served = await Served.start(['ws://127.0.0.1:0', 'tcp://127.0.0.1:0'], ['--api-key-file', keys]);
    const url = `http://${served.endpoint('ws').host}/api/publish`;
    for (const [more, environment] of [
      [['--api-key-file', keys], {}],
      [[], { HAWSER_API_KEY: KEY }],
    ] as const) {
      const { socket, heard } = await member(served.endpoint('tcp').href);
      const emitted = await hawser(['emit', url, 'note', '{"n":1}', '--room', 'desk', '--json', ...more], environment);
      expect([emitted.code, JSON.parse(emitted.out)]).toMatchObject([0, { event: 'published' }]);
      expect(await heard).toEqual({ n: 1 });
      await socket.close();
    }
    const wrong = await hawser(['emit', url, 'note', '1'], { HAWSER_API_KEY: 'x'.repeat(16) });
    expect([wrong.code, wrong.errors]).toEqual([3, expect.stringContaining('ERR_AUTH_FAILED')]);
    expect((await hawser(['emit', url, 'hello'], { HAWSER_API_KEY: KEY })).code).toBe(1);
    expect((await hawser(['emit', url, 'note', '--token', 'x'], { HAWSER_API_KEY: KEY })).code).toBe(2);
    expect((await hawser(['emit', url, 'note', '1'], { HAWSER_API_KEY: '' })).code).toBe(2);
    const elsewhere = await hawser(['emit', url.replace('/api/publish', '/'), 'note'], { HAWSER_API_KEY: KEY });
    expect([elsewhere.code, elsewhere.errors]).toEqual([1, expect.stringContaining('ERR_PROTOCOL')]);
  });

  test('publishes by HTTPS to who shows the certificate of `ca`, and as a peer where the URL is not that of the API', async () => {
    expect((await hawser(['cert', '--out', folder])).code).toBe(0);
    const [cert, key] = ['cert.pem', 'key.pem'].map((name) => join(folder, name));
    await using served = await Served.start([`https://127.0.0.1:0?cert=${cert}&key=${key}`], ['--api-key-file', keys]);
    const { host } = served.endpoint('https');
    for (const [path, environment] of [
      ['/api/publish', { HAWSER_API_KEY: KEY }],
      ['/', { HAWSER_API_KEY: '' }],
    ] as const) {
      const { socket, heard } = await member(`https://${host}/?ca=${cert}`);
      const words = [`https://${host}${path}?ca=${cert}`, 'note', '{"n":3}', '--room', 'desk'];
      expect(await hawser(['emit', ...words], environment)).toMatchObject({ code: 0, errors: '' });
      expect(await heard).toEqual({ n: 3 });
      await socket.close();
    }
    const strange = await hawser(['emit', `https://${host}/api/publish`, 'note', '1'], { HAWSER_API_KEY: KEY });
    expect([strange.code, strange.errors]).toEqual([1, expect.stringContaining('self-signed certificate')]);
  });

  test('is told that the API is off, and that nothing listens', async () => {
    const url = await (async () => {
      await using served = await Served.start(['ws://127.0.0.1:0']);
      const there = `http://${served.endpoint('ws').host}/api/publish`;
      expect((await fetch(there, { method: 'POST', body: '{}' })).status).toBe(404);
      expect((await fetch(there.replace('api/publish', 'healthz'))).status).toBe(200);
      expect((await fetch(there.replace('api/publish', 'readyz'))).status).toBe(200);
      expect((await fetch(there.replace('api/publish', ''))).status).toBe(200);
      return there;
    })();
    const gone = await hawser(['emit', url, 'note', '1'], { HAWSER_API_KEY: KEY });
    expect([gone.code, gone.errors]).toEqual([1, expect.stringContaining('ERR_CONNECT_FAILED')]);
  });
});

describe('hawser serve --engine', () => {
  test('joins nodes by Redis, and takes what other programs push there', async () => {
    await using redis = await startRedis();
    const more = ['--engine', redis.url, '--cluster', 'e2e', '--node-name'];
    await using near = await Served.start(['tcp://127.0.0.1:0'], [...more, 'near']);
    await using far = await Served.start(['tcp://127.0.0.1:0'], [...more, 'far']);
    const members = [await member(near.endpoint('tcp').href), await member(far.endpoint('tcp').href)];
    const emitted = await hawser(['emit', redis.url, 'note', '{"n":2}', '--room', 'desk', '--cluster', 'e2e']);
    expect(emitted).toMatchObject({ code: 0, errors: '' });
    expect(await Promise.all(members.map(({ heard }) => heard))).toEqual([{ n: 2 }, { n: 2 }]);
    await Promise.all(members.map(({ socket }) => socket.close()));
  });

  test('joins nodes by NATS, and answers what other programs push there', async () => {
    await using nats = await startNats({ jetstream: true });
    const more = ['--engine', nats.url, '--cluster', 'e2e', '--node-name'];
    const emit = (...args: readonly string[]): Promise<Ended> =>
      hawser(['emit', nats.url, 'note', '{"n":3}', '--cluster', 'e2e', '--timeout', '3000', ...args]);
    const early = await emit();
    expect([early.code, early.errors]).toEqual([1, expect.stringContaining('no node of the cluster')]);
    await using near = await Served.start(['tcp://127.0.0.1:0'], [...more, 'near']);
    await using far = await Served.start(['tcp://127.0.0.1:0'], [...more, 'far']);
    const members = [await member(near.endpoint('tcp').href), await member(far.endpoint('tcp').href)];
    const emitted = await emit('--room', 'desk');
    expect(emitted).toMatchObject({ code: 0, out: 'published to desk\n', errors: '' });
    expect(await Promise.all(members.map(({ heard }) => heard))).toEqual([{ n: 3 }, { n: 3 }]);
    await Promise.all(members.map(({ socket }) => socket.close()));
  });

  test('tells in one line that NATS has gone', async () => {
    await using nats = await startNats();
    await using served = await Served.start(['tcp://127.0.0.1:0'], ['--engine', nats.url]);
    await nats[Symbol.asyncDispose]();
    await expect.poll(() => served.errors.length, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(served.errors[0]).toMatch(/^hawser: engine failed: ERR_ENGINE_DOWN: .*: .*NATS/);
    expect(served.errors.filter((line) => !line.startsWith('hawser: '))).toEqual([]);
  });

  test('tells in one line that NATS is not there, or refuses the password', async () => {
    await using nats = await startNats({ user: 'ada', pass: 'right' });
    const url = nats.url.replace('//', '//ada:wrong-secret@');
    const ran = await Promise.all([
      hawser(['serve', '--listen', 'tcp://127.0.0.1:0', '--engine', 'nats://127.0.0.1:1,127.0.0.1:1']),
      hawser(['serve', '--listen', 'tcp://127.0.0.1:0', '--engine', url]),
      hawser(['emit', 'nats://127.0.0.1:1', 'note']),
      hawser(['emit', url, 'note']),
    ]);
    expect(ran.map(({ code }) => code)).toEqual([5, 6, 1, 3]);
    for (const { errors } of ran) {
      expect(errors).toMatch(/^hawser: .*ERR_\w+: .*\n$/);
      expect(errors).not.toContain('secret');
    }
  });

  test('tells in one line that Redis is not there, or refuses the password, with a code of its own', async () => {
    await using redis = await startRedis({ password: 'right' });
    const serve = (url: string): Promise<Ended> => hawser(['serve', '--listen', 'tcp://127.0.0.1:0', '--engine', url]);
    const [away, refused, neither] = await Promise.all([
      serve('redis://127.0.0.1:1'),
      serve(redis.url.replace('//', '//:wrong-secret@')),
      serve('amqp://user:secret@127.0.0.1'),
    ]);
    expect([away.code, refused.code, neither.code]).toEqual([5, 6, 2]);
    expect(away.errors).toMatch(/^hawser: the engine can't be used: ERR_CONNECT_FAILED: .*\n$/);
    expect(refused.errors).toMatch(/^hawser: the engine can't be used: ERR_AUTH_FAILED: .*\n$/);
    for (const { errors } of [refused, neither]) expect(errors).not.toContain('secret');
  });
});
