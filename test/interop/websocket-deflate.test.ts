import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PerMessageDeflateOptions, WebSocket, WebSocketServer } from 'ws';
import { Outbound } from '../../src/core/index.ts';
import { realWorld } from '../../src/runtime/index.ts';
import { Bench, End } from '../../src/testing/link-bench.ts';
import type { LinkSuiteOptions } from '../../src/testing/link-suite.ts';
import type { CompressionOptions } from '../../src/transport/index.ts';
import { websocketTransport } from '../../src/transports/websocket/index.ts';

const suite: LinkSuiteOptions = {
  api: { describe, test, expect },
  transport: websocketTransport,
  world: realWorld(),
  listenUrl: () => 'ws://127.0.0.1:0',
  deadUrl: () => 'ws://127.0.0.1:1',
};

/** Sizes of messages, in bytes, up to what deflate cuts into several blocks. */
const SIZES = [0, 1, 16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072];
const ROUNDS = 5;

/** Text that compresses as JSON does, never twice the same. */
function json(size: number, seed: number): string {
  let text = '';
  for (let i = 0; text.length < size; i++)
    text += `{"id":${seed * 1000 + i},"name":"user ${(i * 7919 + seed) % 997}","on":true},`;
  return text.slice(0, size);
}

/** Bytes that repeat a little. */
function bytes(size: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => ((i * 31 + seed) ^ (i >>> 3)) & (i % 64 < 32 ? 0xff : 0x0f));
}

function same(one: string | Uint8Array, other: string | Uint8Array): boolean {
  return typeof one === 'string' || typeof other === 'string' ? one === other : Buffer.compare(one, other) === 0;
}

const CASES: readonly (string | Uint8Array)[] = SIZES.flatMap((size) =>
  Array.from({ length: ROUNDS }, (_, seed) => (seed % 2 === 0 ? json(size, seed) : bytes(size, seed))),
);

/** What may be agreed on: each wish alone, and all together. */
const WISHES: readonly [string, CompressionOptions][] = [
  ['nothing taken over', {}],
  ['the context of the server', { serverContextTakeover: true }],
  ['the context of the client', { clientContextTakeover: true }],
  ['both contexts', { serverContextTakeover: true, clientContextTakeover: true }],
  ['a window of 9 bits', { serverContextTakeover: true, serverMaxWindowBits: 9 }],
  ['a window of 9 bits of the client', { clientContextTakeover: true, clientMaxWindowBits: 9 }],
  [
    'windows of 8 and 10 bits',
    { serverContextTakeover: true, clientContextTakeover: true, serverMaxWindowBits: 8, clientMaxWindowBits: 10 },
  ],
  ['the least of everything', { serverMaxWindowBits: 8, clientMaxWindowBits: 8, memoryLevel: 1, level: 1 }],
  ['the most of everything', { serverContextTakeover: true, clientContextTakeover: true, memoryLevel: 9, level: 9 }],
];

async function theirNext(socket: WebSocket): Promise<string | Uint8Array> {
  const [data, binary] = (await once(socket, 'message')) as [Buffer, boolean];
  return binary ? data : data.toString();
}

describe('a ws client and our server', () => {
  async function served(compression: CompressionOptions): Promise<Bench> {
    return await Bench.open(suite, {
      compression: { threshold: 0, ...compression },
      onLink: (link) => {
        const end = new End(link);
        end.react = (message, text) => link.send(new Outbound(new Uint8Array(message), text));
      },
    });
  }

  async function dialled(bench: Bench, perMessageDeflate: PerMessageDeflateOptions): Promise<WebSocket> {
    const socket = new WebSocket(bench.url, { perMessageDeflate: { threshold: 0, ...perMessageDeflate } });
    await once(socket, 'open');
    return socket;
  }

  test.each(WISHES)('every size, with %s', async (_, wishes) => {
    await using bench = await served(wishes);
    const socket = await dialled(bench, {});
    expect(socket.extensions).toContain('permessage-deflate');
    for (const message of CASES) {
      const answer = theirNext(socket);
      socket.send(message);
      expect(same(await answer, message)).toBe(true);
    }
    socket.terminate();
  });

  test.each<[string, PerMessageDeflateOptions, string]>([
    ['nothing in particular', {}, ''],
    ['no memory of the server', { serverNoContextTakeover: true }, '; server_no_context_takeover'],
    ['no memory of the client', { clientNoContextTakeover: true }, '; client_no_context_takeover'],
    ['a window of 9 bits', { serverMaxWindowBits: 9 }, '; server_max_window_bits=9'],
    ['a window of 15 bits', { serverMaxWindowBits: 15 }, '; server_max_window_bits=15'],
    [
      'a window of 9 bits and no memory',
      { serverMaxWindowBits: 9, serverNoContextTakeover: true },
      '; server_no_context_takeover; server_max_window_bits=9',
    ],
    ['its own window of 10 bits', { clientMaxWindowBits: 10 }, '; client_max_window_bits=10'],
  ])('a client that asks for %s', async (_, offer, answer) => {
    await using bench = await served({ serverContextTakeover: true, clientContextTakeover: true });
    const upgraded = new Promise<string>((resolve) => {
      const socket = new WebSocket(bench.url, { perMessageDeflate: { threshold: 0, ...offer } });
      socket.on('upgrade', ({ headers }) => resolve(headers['sec-websocket-extensions'] ?? ''));
      socket.on('open', () => socket.terminate());
    });
    expect(await upgraded).toBe(`permessage-deflate${answer}`);
    const socket = await dialled(bench, offer);
    for (let seed = 0; seed < 20; seed++) {
      const echo = theirNext(socket);
      socket.send(json(3000, seed));
      expect(await echo).toBe(json(3000, seed));
    }
    socket.terminate();
  });

  test.each([1, 256, 1024, 4096, 32_768])('fragments of %i bytes, with pings between them', async (size) => {
    await using bench = await served({ clientContextTakeover: true });
    const socket = await dialled(bench, {});
    for (let seed = 0; seed < 3; seed++) {
      const text = json(Math.min(131_072, size * 40), seed);
      const echo = theirNext(socket);
      for (let at = 0; at < text.length; at += size) {
        socket.send(text.slice(at, at + size), { fin: at + size >= text.length });
        socket.ping();
      }
      expect(await echo).toBe(text);
    }
    socket.terminate();
  });

  test('a client that does not compress is served beside one that does', async () => {
    await using bench = await served({ clientMaxWindowBits: 10 });
    const plain = new WebSocket(bench.url, { perMessageDeflate: false });
    await once(plain, 'open');
    const other = await dialled(bench, {});
    expect([plain.extensions, other.extensions !== '']).toEqual(['', true]);
    for (const one of [other, plain]) {
      const echo = theirNext(one);
      one.send('hello '.repeat(1000));
      expect(await echo).toBe('hello '.repeat(1000));
      one.terminate();
    }
  });

  test('a thousand messages at once keep their order', async () => {
    await using bench = await served({ serverContextTakeover: true, clientContextTakeover: true });
    const socket = await dialled(bench, {});
    const sent = Array.from({ length: 1000 }, (_, seed) => json(50 + (seed % 7) * 300, seed));
    const echoed: string[] = [];
    const all = new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        if (echoed.push((data as Buffer).toString()) === sent.length) resolve();
      });
    });
    for (const message of sent) socket.send(message);
    await all;
    expect(echoed).toEqual(sent);
    socket.terminate();
  });

  test('a bomb costs its sender the connection, with 1009, and nobody else anything', async () => {
    await using bench = await served({});
    const [bomber, neighbour] = [await dialled(bench, {}), await dialled(bench, {})];
    const closed = once(bomber, 'close') as Promise<[number]>;
    const before = process.memoryUsage().arrayBuffers;
    bomber.on('error', () => {});
    bomber.send(Buffer.alloc(32 << 20));
    expect((await closed)[0]).toBe(1009);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20);
    const echo = theirNext(neighbour);
    neighbour.send('still here');
    expect(await echo).toBe('still here');
    neighbour.terminate();
  });
});

describe('our client and a ws server', () => {
  async function served(perMessageDeflate: PerMessageDeflateOptions | false): Promise<WebSocketServer> {
    const deflate = perMessageDeflate === false ? false : { threshold: 0, ...perMessageDeflate };
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: deflate });
    server.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
    await once(server, 'listening');
    return server;
  }

  async function dialled(
    bench: Bench,
    server: WebSocketServer,
    compression: CompressionOptions | boolean,
  ): Promise<End> {
    const { port } = server.address() as AddressInfo;
    return new End(await bench.dialTo(`ws://127.0.0.1:${port}`, { compression, messageBytes: 1 << 20 }));
  }

  function stop(server: WebSocketServer): void {
    for (const socket of server.clients) socket.terminate();
    server.close();
  }

  test.each(WISHES)('every size, with %s', async (_, wishes) => {
    const server = await served({});
    await using bench = await Bench.open(suite);
    const client = await dialled(bench, server, { threshold: 0, ...wishes });
    for (const message of CASES) {
      const text = typeof message === 'string';
      client.link.send(new Outbound(text ? Buffer.from(message) : message, text));
      const answer = await client.message();
      expect(same(typeof answer === 'string' ? answer : Uint8Array.from(answer), message)).toBe(true);
    }
    expect([...server.clients][0]?.extensions).toContain('permessage-deflate');
    stop(server);
  });

  test.each<[string, PerMessageDeflateOptions]>([
    ['no memory', { serverNoContextTakeover: true, clientNoContextTakeover: true }],
    ['windows of 9 bits', { serverMaxWindowBits: 9, clientMaxWindowBits: 9 }],
    ['windows of 8 bits', { serverMaxWindowBits: 8, clientMaxWindowBits: 8 }],
  ])('a server that decides on %s', async (_, decided) => {
    const server = await served(decided);
    await using bench = await Bench.open(suite);
    const client = await dialled(bench, server, {
      threshold: 0,
      serverContextTakeover: true,
      clientContextTakeover: true,
    });
    for (let seed = 0; seed < 30; seed++) {
      client.link.send(new Outbound(Buffer.from(json(5000, seed)), true));
      expect(await client.message()).toBe(json(5000, seed));
    }
    stop(server);
  });

  test('a server that does not compress', async () => {
    const server = await served(false);
    await using bench = await Bench.open(suite);
    const client = await dialled(bench, server, true);
    client.link.send(new Outbound(Buffer.from(json(5000, 1)), true));
    expect(await client.message()).toBe(json(5000, 1));
    expect([...server.clients][0]?.extensions).toBe('');
    stop(server);
  });
});

describe('an answer that was not asked for', () => {
  let server: Server;
  let url = '';
  let answer = '';

  beforeAll(async () => {
    const inner = new WebSocketServer({ noServer: true, perMessageDeflate: false });
    inner.on('headers', (headers) => headers.push(`Sec-WebSocket-Extensions: ${answer}`));
    server = createServer().listen(0, '127.0.0.1');
    server.on('upgrade', (request, socket, head) => inner.handleUpgrade(request, socket, head, () => {}));
    await once(server, 'listening');
    url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  test.each([
    ['permessage-deflate', undefined],
    ['permessage-deflate; server_max_window_bits=16', true],
    ['permessage-deflate; server_max_window_bits=12', { serverMaxWindowBits: 10 }],
    ['permessage-deflate; client_max_window_bits=12', { clientMaxWindowBits: 10 }],
    ['permessage-deflate', true],
    ['permessage-deflate; something_new', true],
    ['permessage-foo', true],
    ['permessage-deflate, permessage-deflate', true],
    ['=', true],
  ])('fails the handshake: %s', async (said, compression) => {
    answer = said;
    await using bench = await Bench.open(suite);
    await expect(bench.dialTo(url, { compression })).rejects.toMatchObject({ code: 'ERR_HANDSHAKE_REFUSED' });
  });
});
