import { once } from 'node:events';
import { createServer as createHttpServer, request as httpRequest } from 'node:http';
import { type AddressInfo, connect as dial } from 'node:net';
import { text } from 'node:stream/consumers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, test } from 'vitest';
import { House } from '../../test/support/house.ts';
import type { ClientSocket } from '../client/index.ts';
import { HawserError } from '../core/index.ts';
import { MemoryEngine } from '../engine/index.ts';
import { realWorld } from '../runtime/index.ts';
import { type ApiOptions, createApi, createServer, type Push } from './index.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const KEY = 'k'.repeat(16);
const JSON_TYPE = { 'Content-Type': 'application/json' };
const AUTHORIZED = { ...JSON_TYPE, Authorization: `Bearer ${KEY}` };

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** A server whose own HTTP port has the API. */
class Bench {
  readonly house: House;
  readonly origin: string;

  private constructor(house: House, origin: string) {
    this.house = house;
    this.origin = origin;
  }

  static async open(options: ApiOptions = { keys: ['another key, unused', KEY] }): Promise<Bench> {
    let api = createApi({ push: async () => [], readiness: () => undefined });
    const house = await House.open({ nameOneself: true, onRequest: (...args) => api(...args) }, 'ws', 'tcp');
    open.push(house);
    api = createApi(house.server, options);
    return new Bench(house, house.url('ws').replace('ws:', 'http:').replace(/\/$/, ''));
  }

  post(body: unknown, headers: Record<string, string> = AUTHORIZED): Promise<Response> {
    const sent = typeof body === 'string' ? body : JSON.stringify(body);
    return fetch(`${this.origin}/api/publish`, { method: 'POST', headers, body: sent });
  }

  /** A client, and what it is told. */
  async listener(user: string): Promise<{ readonly socket: ClientSocket; readonly heard: [string, unknown][] }> {
    const heard: [string, unknown][] = [];
    const socket = await this.house.client('tcp', { user });
    socket.onAny((event, data) => heard.push([event, data]));
    return { socket, heard };
  }
}

const SAY: Push = { room: 'hall', event: 'say', data: 1 };

describe('POST /api/publish', () => {
  test('publishes to a room, to a user, and to all of a namespace', async () => {
    const bench = await Bench.open();
    bench.house.server.of('/other');
    const [ada, bob] = [await bench.listener('ada'), await bench.listener('bob')];
    for (const push of [
      SAY,
      { user: 'bob', event: 'note', data: { bytes: { $bytes: 'AQI=' } } },
      { namespace: '/', event: 'all' },
      { namespace: '/other', event: 'elsewhere' },
    ]) {
      const response = await bench.post(push);
      expect([response.status, await response.json()]).toEqual([200, { ok: true }]);
    }
    await Promise.all([ada, bob].map(({ socket }) => socket.request('echo', 1)));
    expect(ada.heard).toEqual([
      ['say', 1],
      ['all', undefined],
    ]);
    expect(bob.heard).toEqual([
      ['say', 1],
      ['note', { bytes: Uint8Array.of(1, 2) }],
      ['all', undefined],
    ]);
  });

  test('publishes a list in its order, and says of each what became of it', async () => {
    const bench = await Bench.open();
    const ada = await bench.listener('ada');
    const whole = await bench.post([SAY, { ...SAY, data: 2, id: 'own' }], { ...AUTHORIZED, 'Idempotency-Key': 'a-1' });
    expect([whole.status, await whole.json()]).toEqual([
      200,
      {
        ok: true,
        results: [
          { status: 200, ok: true, id: 'a-1/0' },
          { status: 200, ok: true, id: 'own' },
        ],
      },
    ]);
    const mixed = await bench.post([{ ...SAY, data: 3 }, { room: 'hall' }, { ...SAY, namespace: '/no' }, 7]);
    expect([mixed.status, await mixed.json()]).toMatchObject([
      207,
      {
        ok: false,
        results: [
          { status: 200, ok: true },
          { status: 400, ok: false, error: { code: 'ERR_ARGUMENT' } },
          { status: 404, error: { code: 'ERR_NO_SUCH_NAMESPACE' } },
          { status: 400, error: { code: 'ERR_ARGUMENT' } },
        ],
      },
    ]);
    await ada.socket.request('echo', 1);
    expect(ada.heard).toEqual([1, 2, 3].map((data) => ['say', data]));
  });

  test('says where a message stands in the history of its room, and publishes one id once', async () => {
    const bench = await Bench.open();
    bench.house.server.history('hall', { size: 10, age: 60_000 });
    const ada = await bench.listener('ada');
    const heard = new Promise<void>((resolve) => ada.socket.on('say', (data) => data === 2 && resolve()));
    const headers = { ...AUTHORIZED, 'Idempotency-Key': 'once' };
    const answers: unknown[] = [];
    for (let n = 0; n < 2; n++) answers.push(await (await bench.post(SAY, headers)).json());
    answers.push(await (await bench.post({ ...SAY, data: 2 })).json());
    const epoch = expect.any(String);
    expect(answers).toEqual([
      { ok: true, id: 'once', position: { offset: 1, epoch } },
      { ok: true, id: 'once', position: { offset: 1, epoch }, isDuplicate: true },
      { ok: true, position: { offset: 2, epoch } },
    ]);
    await heard;
    expect(ada.heard.filter(([event]) => event === 'say')).toEqual([
      ['say', 1],
      ['say', 2],
    ]);
    const user = { user: 'ada', event: 'note', id: 'u' };
    expect(await (await bench.post([user, user])).json()).toMatchObject({
      results: [{ ok: true }, { isDuplicate: true }],
    });
  });

  test('takes the key by either header, and whatever the spelling of Bearer', async () => {
    const bench = await Bench.open();
    for (const shown of [{ Authorization: `bearer  ${KEY} ` }, { 'X-API-Key': KEY }]) {
      const response = await bench.post(SAY, { ...JSON_TYPE, ...shown });
      expect(response.status).toBe(200);
    }
  });

  test.each<[string, Record<string, string>, string]>([
    ['no key', JSON_TYPE, 'ERR_AUTH_REQUIRED'],
    ['another scheme', { ...JSON_TYPE, Authorization: `Basic ${KEY}` }, 'ERR_AUTH_REQUIRED'],
    ['a wrong key', { ...JSON_TYPE, 'X-API-Key': `${KEY}k` }, 'ERR_AUTH_FAILED'],
    ['an empty key', { ...JSON_TYPE, 'X-API-Key': '' }, 'ERR_AUTH_FAILED'],
  ])('with %s is 401', async (_, headers, code) => {
    const bench = await Bench.open();
    const response = await bench.post(SAY, headers);
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect(await response.json()).toMatchObject({ ok: false, error: { code } });
  });

  test.each<[string, unknown, Record<string, string>, number, string]>([
    ['no JSON', '{', AUTHORIZED, 400, 'ERR_MESSAGE_MALFORMED'],
    ['a field twice', '{"event":"a","event":"b"}', AUTHORIZED, 400, 'ERR_MESSAGE_MALFORMED'],
    [
      'nested too deep',
      `{"event":"a","data":${'['.repeat(99)}${']'.repeat(99)}}`,
      AUTHORIZED,
      400,
      'ERR_MESSAGE_MALFORMED',
    ],
    ['a text', '"say"', AUTHORIZED, 400, 'ERR_ARGUMENT'],
    ['null', 'null', AUTHORIZED, 400, 'ERR_ARGUMENT'],
    ['no event', { room: 'hall' }, AUTHORIZED, 400, 'ERR_ARGUMENT'],
    ['an event of the protocol', { room: 'hall', event: 'hello' }, AUTHORIZED, 400, 'ERR_EVENT_RESERVED'],
    ['a room and a user', { room: 'hall', user: 'ada', event: 'say' }, AUTHORIZED, 400, 'ERR_ARGUMENT'],
    ['a room that is no text', { room: 7, event: 'say' }, AUTHORIZED, 400, 'ERR_ARGUMENT'],
    ['a name that is too long', { room: 'x'.repeat(257), event: 'say' }, AUTHORIZED, 400, 'ERR_ARGUMENT'],
    ['an id that is too long', { ...SAY, id: 'x'.repeat(129) }, AUTHORIZED, 400, 'ERR_ARGUMENT'],
    ['an unknown field', { ...SAY, romo: 1 }, AUTHORIZED, 400, 'ERR_ARGUMENT'],
    ['an unknown namespace', { ...SAY, namespace: '/no' }, AUTHORIZED, 404, 'ERR_NO_SUCH_NAMESPACE'],
    ['an empty list', [], AUTHORIZED, 400, 'ERR_ARGUMENT'],
    ['101 messages', Array.from({ length: 101 }, () => SAY), AUTHORIZED, 400, 'ERR_ARGUMENT'],
    ['more than 1 MiB', { ...SAY, data: 'x'.repeat(1 << 20) }, AUTHORIZED, 413, 'ERR_MESSAGE_TOO_LARGE'],
    ['another type', SAY, { ...AUTHORIZED, 'Content-Type': 'text/plain' }, 415, 'ERR_UNSUPPORTED'],
    [
      'another charset',
      SAY,
      { ...AUTHORIZED, 'Content-Type': 'application/json; charset=latin1' },
      415,
      'ERR_UNSUPPORTED',
    ],
    ['an encoding', SAY, { ...AUTHORIZED, 'Content-Encoding': 'gzip' }, 415, 'ERR_UNSUPPORTED'],
    [
      'a key of idempotency that is too long',
      SAY,
      { ...AUTHORIZED, 'Idempotency-Key': 'x'.repeat(121) },
      400,
      'ERR_ARGUMENT',
    ],
  ])('with %s is refused, and nobody hears of it', async (_, body, headers, status, code) => {
    const bench = await Bench.open();
    const ada = await bench.listener('ada');
    const response = await bench.post(body, headers);
    expect([response.status, await response.json()]).toMatchObject([status, { ok: false, error: { code } }]);
    await ada.socket.request('echo', 1);
    expect(ada.heard).toEqual([]);
  });

  test('is taken with a charset of UTF-8, and 100 messages are', async () => {
    const bench = await Bench.open();
    const headers = { ...AUTHORIZED, 'Content-Type': 'Application/JSON; charset="UTF-8"' };
    expect(
      (
        await bench.post(
          Array.from({ length: 100 }, () => SAY),
          headers,
        )
      ).status,
    ).toBe(200);
  });

  test('with a body without end is 413 as soon as it is too long', async () => {
    const bench = await Bench.open();
    const { host } = new URL(bench.origin);
    const [address = '', port = ''] = host.split(':');
    const socket = dial(Number(port), address);
    const lines = Object.entries(AUTHORIZED).map(([name, value]) => `${name}: ${value}`);
    socket.write(
      `POST /api/publish HTTP/1.1\r\nHost: ${host}\r\n${lines.join('\r\n')}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const pushing = setInterval(() => socket.write(chunk), 1);
    socket.on('error', () => {});
    const [said] = (await once(socket, 'data')) as [Buffer];
    clearInterval(pushing);
    socket.destroy();
    expect(said.toString()).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('is not held when it is answered', async () => {
    const bench = await Bench.open();
    const body = { ...SAY, data: 'x'.repeat(1_000_000) };
    const held = (): number => {
      collectGarbage();
      return process.memoryUsage().arrayBuffers;
    };
    await bench.post(body);
    const before = held();
    for (let n = 0; n < 30; n++) expect((await bench.post(body)).status).toBe(200);
    await expect.poll(held).toBeLessThan(before + 10_000_000);
  });

  test('by another method is 405, and by a page of another origin not possible', async () => {
    const bench = await Bench.open();
    for (const method of ['GET', 'PUT', 'OPTIONS']) {
      const response = await fetch(`${bench.origin}/api/publish`, { method, headers: { 'X-API-Key': KEY } });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
      expect(response.headers.get('access-control-allow-origin')).toBeNull();
    }
  });

  test('is 404 without any key, whatever is shown', async () => {
    for (const options of [{}, { keys: [] }]) {
      const bench = await Bench.open(options);
      expect((await bench.post(SAY)).status).toBe(404);
    }
  });

  test('is slowed to the rate of its key, and of no other', async () => {
    const other = 'o'.repeat(16);
    const bench = await Bench.open({ keys: [KEY, other], rate: 0.5, burst: 3 });
    expect((await bench.post([SAY, SAY])).status).toBe(200);
    const refused = await bench.post([SAY, SAY]);
    expect([refused.status, await refused.json()]).toMatchObject([429, { error: { code: 'ERR_RATE_LIMITED' } }]);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await bench.post(SAY)).status).toBe(200);
    expect((await bench.post([SAY, SAY, SAY], { ...JSON_TYPE, 'X-API-Key': other })).status).toBe(200);
  });

  test('is 503 beyond 64 requests at once', async () => {
    const waiting: (() => void)[] = [];
    const push = () => new Promise<[]>((resolve) => waiting.push(() => resolve([])));
    const api = createApi({ push, readiness: () => undefined }, { keys: [KEY] });
    const http = createHttpServer(api).listen(0, '127.0.0.1');
    await once(http, 'listening');
    const { port } = http.address() as AddressInfo;
    const post = (): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/api/publish`, { method: 'POST', headers: AUTHORIZED, body: '[1]' });
    const held = Array.from({ length: 64 }, post);
    while (waiting.length < 64) await new Promise((resolve) => setImmediate(resolve));
    const refused = await post();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    for (const go of waiting) go();
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual(held.map(() => 200));
    http.close();
  });

  test.each([
    [new HawserError('ERR_ENGINE_DOWN', 'gone', { delivered: 'unknown' }), 503, { code: 'ERR_ENGINE_DOWN' }],
    [new HawserError('ERR_CLOSED', 'closed'), 503, { code: 'ERR_CLOSED' }],
    [new Error('a secret'), 500, { code: 'ERR_INTERNAL', message: 'the server failed' }],
  ])('tells what the server could not: %s', async (error, status, told) => {
    const push = async (): Promise<never> => {
      throw error;
    };
    const api = createApi({ push, readiness: () => undefined }, { keys: [KEY] });
    const http = createHttpServer(api).listen(0, '127.0.0.1');
    await once(http, 'listening');
    const { port } = http.address() as AddressInfo;
    const request = httpRequest({ port, host: '127.0.0.1', path: '/api/publish', method: 'POST', headers: AUTHORIZED });
    request.end('{}');
    const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
    expect(response.statusCode).toBe(status);
    expect(JSON.parse(await text(response))).toMatchObject({ ok: false, error: told });
    http.close();
  });

  test.each([{ keys: ['short'] }, { keys: [KEY], rate: 0 }, { keys: [KEY], burst: Number.NaN }])(
    'options that can not be are refused: %o',
    async (options) => {
      const server = createServer();
      expect(() => createApi(server, options)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
    },
  );
});

describe('what else is asked for', () => {
  test('healthz and readyz answer, and the rest is for somebody else', async () => {
    const bench = await Bench.open({ otherwise: (_, response) => response.end('mine') });
    const ask = async (path: string, init: RequestInit = {}): Promise<[number, string]> => {
      const response = await fetch(`${bench.origin}${path}`, init);
      return [response.status, await response.text()];
    };
    expect(await ask('/healthz')).toEqual([200, 'ok\n']);
    expect(await ask('/readyz?now')).toEqual([200, 'ok\n']);
    expect(await ask('/readyz', { method: 'HEAD' })).toEqual([200, '']);
    expect((await ask('/readyz', { method: 'POST' }))[0]).toBe(405);
    expect(await ask('/')).toEqual([200, 'mine']);
    expect((await fetch(`${(await Bench.open()).origin}/else`)).status).toBe(404);
  });

  test('a node is not ready before it listens, while it goes, and when the engine is away for long', async () => {
    const engine: MemoryEngine & { downSince?: number } = new MemoryEngine(realWorld());
    const server = createServer({ engine });
    expect(server.readiness(1000)).toBe('not listening');
    await server.listen('inproc:ready');
    expect(server.readiness(1000)).toBeUndefined();
    engine.downSince = realWorld().now() - 500;
    expect(server.readiness(60_000)).toBeUndefined();
    expect(server.readiness(100)).toBe('engine down');
    delete engine.downSince;
    const closing = server.close({ drain: 0 });
    expect(server.readiness(1000)).toBe('draining');
    await closing;
    await expect(server.push(SAY)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });
});

describe('what comes by the server of the engine', () => {
  const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

  test('is published like the rest, or where all nodes hear it, to the sockets of this one', async () => {
    const engine = new MemoryEngine(realWorld());
    const published: unknown[] = [];
    engine.publish = ({ data }) => published.push(data);
    let host: Parameters<MemoryEngine['start']>[0] | undefined;
    engine.start = async (given) => {
      host = given;
    };
    const house = await House.open({ engine, nameOneself: true }, 'tcp');
    open.push(house);
    const ada = await house.client('tcp', { user: 'ada' });
    const heard: unknown[] = [];
    ada.onAny((...[, data]) => heard.push(data));
    const answer = async (bytes: Uint8Array, heardBy: 'one' | 'all'): Promise<unknown> =>
      JSON.parse(new TextDecoder().decode(await host?.pushed?.(bytes, heardBy)));
    expect(await answer(json(SAY), 'one')).toEqual({ ok: true });
    expect(await answer(json({ ...SAY, data: 2, id: 'x' }), 'all')).toEqual({ ok: true, id: 'x' });
    expect(await answer(json([{ user: 'ada', event: 'say', data: 3 }]), 'all')).toMatchObject({ ok: true });
    expect(await answer(json({ namespace: '/no', event: 'say' }), 'all')).toMatchObject({ ok: false });
    expect(await answer(Uint8Array.of(0xff), 'one')).toMatchObject({ error: { code: 'ERR_MESSAGE_MALFORMED' } });
    expect(await answer(new Uint8Array((1 << 20) + 1), 'one')).toMatchObject({
      error: { code: 'ERR_MESSAGE_TOO_LARGE' },
    });
    await ada.request('echo', 1);
    expect(heard).toEqual([1, 2, 3]);
    expect(published).toEqual([1]);
    expect(house.reported).toHaveLength(3);
    house.server.history('kept', { size: 10, age: 60_000 });
    const kept = { room: 'kept', event: 'say' };
    expect(await answer(json(kept), 'all')).toMatchObject({ ok: false, error: { code: 'ERR_ARGUMENT' } });
    const [first, second] = [
      await answer(json({ ...kept, id: 'k' }), 'all'),
      await answer(json({ ...kept, id: 'k' }), 'all'),
    ];
    expect([first, second]).toMatchObject([
      { position: { offset: 1 } },
      { position: { offset: 1 }, isDuplicate: true },
    ]);
  });
});
