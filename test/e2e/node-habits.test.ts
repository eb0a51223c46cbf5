/** What waits is ended by a signal, and by its time. docs/guides/node-habits.md says it. */
import { randomBytes } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { sendFiles } from '../../src/files/index.ts';
import { createServer, MemoryEngine, realWorld, startWorkers } from '../../src/index.ts';
import { discover } from '../../src/lan-endpoint/index.ts';
import { UDPack } from '../../src/udpack-endpoint/index.ts';
import { codeOf, Doors, oneWorker, SilentServer } from '../support/doors.ts';
import { KEYS } from '../support/udpack.ts';

const doors = new Doors();
afterEach(() => doors.close());

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-habits-'));
  writeFileSync(join(folder, 'file'), 'bytes');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const silent = new SilentServer();
let silentUrl = '';
beforeAll(async () => {
  silentUrl = await silent.open();
});
afterAll(() => silent.close());

/** An engine whose server never answers. */
class SlowEngine extends MemoryEngine {
  override start(): Promise<void> {
    return new Promise(() => {});
  }
}

describe('a signal', () => {
  /** What waits: made ready, and then begun with the signal. It would wait for minutes. */
  const WAITS: [string, () => Promise<(signal: AbortSignal) => Promise<unknown>>][] = [
    ['connect', async () => (signal) => connect(silentUrl, { signal, timeout: 0 })],
    [
      'connect, over udpack',
      async () => (signal) => connect('udpack://127.0.0.1:9', { signal, timeout: 0, serverKey: KEYS.publicKey }),
    ],
    [
      'connect, by requests of HTTP',
      async () => (signal) => connect(silentUrl.replace('tcp', 'http'), { signal, timeout: 0 }),
    ],
    ['connect, over quic', async () => (signal) => connect('quic://127.0.0.1:9', { signal, timeout: 0 })],
    [
      'server.listen, while the engine starts',
      async () => {
        const server = createServer({ engine: new SlowEngine(realWorld()) });
        return (signal) => server.listen({ url: 'tcp://127.0.0.1:0', signal });
      },
    ],
    [
      'server.attach, while the engine starts',
      async () => {
        const server = createServer({ engine: new SlowEngine(realWorld()) });
        return (signal) => server.attach(createHttpServer(), { signal });
      },
    ],
    [
      'server.receive, while the engine starts',
      async () => {
        const server = createServer({ engine: new SlowEngine(realWorld()) });
        return (signal) => server.receive({ url: 'tcp://127.0.0.1', signal });
      },
    ],
    [
      'server.requestAll',
      async () => {
        const { server, client } = await doors.meet();
        client.handle('ask', () => new Promise(() => {}));
        return (signal) => server.requestAll('ask', 1, { signal, timeout: 60_000 });
      },
    ],
    [
      'socket.request, of a client',
      async () => {
        const { client, socket } = await doors.meet();
        socket.handle('ask', () => new Promise(() => {}));
        return (signal) => client.request('ask', 1, { signal });
      },
    ],
    [
      'socket.request, of a server',
      async () => {
        const { client, socket } = await doors.meet();
        client.handle('ask', () => new Promise(() => {}));
        return (signal) => socket.request('ask', 1, { signal });
      },
    ],
    [
      'socket.drained',
      async () => {
        const { client, socket } = await doors.meet();
        client.pause();
        while (socket.send('say', randomBytes(10_000)));
        return (signal) => socket.drained({ signal });
      },
    ],
    [
      'channel.request',
      async () => {
        const { near, far } = await doors.channel();
        far.handle('ask', () => new Promise(() => {}));
        return (signal) => near.request('ask', 1, { signal });
      },
    ],
    [
      'channel.closed, by the signal of openChannel',
      async () => {
        const { client } = await doors.meet();
        return async (signal) => {
          const error = await client.openChannel('x', 1, { signal }).closed;
          if (error) throw error;
        };
      },
    ],
    ['sendFiles', async () => (signal) => sendFiles(join(folder, 'file'), silentUrl, { signal, timeout: 0 })],
    ['discover', async () => (signal) => discover({ name: 'nobody', timeout: 60_000, signal })],
    ['startWorkers', async () => (signal) => startWorkers({ ...oneWorker({ listens: false }), signal })],
    [
      'UDPack.ready',
      async () => {
        const endpoint = doors.keep(new UDPack({ host: 'localhost' }));
        return (signal) => endpoint.ready({ signal });
      },
    ],
    [
      'UDPack.connect',
      async () => {
        const endpoint = await doors.udpack({ pubkey: KEYS.publicKey, times: { handshakeWait: 60_000 } });
        return (signal) => endpoint.connect({ port: 9, signal });
      },
    ],
    [
      'session.ping',
      async () => {
        const { near, server } = await doors.session();
        void server.close(0, '', { signal: AbortSignal.abort() });
        return (signal) => near.ping({ signal });
      },
    ],
    [
      'session.openStream, beyond what the peer takes',
      async () => {
        const server = await doors.udpack({ prikey: KEYS.privateKey, limits: { streams: 1 } });
        const client = await doors.udpack({ pubkey: KEYS.publicKey });
        server.on('stream', (stream) => stream.pause());
        const near = await client.connect({ port: server.endpoint?.port ?? 0 });
        void (await near.openStream()).write('one');
        return (signal) => near.openStream({ signal });
      },
    ],
    [
      'stream.write',
      async () => {
        const { near: stream, far: other } = await doors.stream();
        other.pause();
        return (signal) => stream.write(Buffer.alloc(2_000_000), { signal });
      },
    ],
  ];

  test.each(WAITS)('that has fired keeps %s from waiting', async (_, ready) => {
    const wait = await ready();
    expect(await codeOf(wait(AbortSignal.abort()))).toBe('ERR_ABORTED');
  });

  test.each(WAITS)('that fires ends %s, and is left alone', async (_, ready) => {
    const stop = new AbortController();
    const wait = await ready();
    const waiting = codeOf(wait(stop.signal));
    setImmediate(() => stop.abort(new Error('enough')));
    expect(await waiting).toBe('ERR_ABORTED');
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  });
});

describe('a time', () => {
  const TIMED: [string, () => Promise<unknown>][] = [
    ['connect', () => connect(silentUrl, { timeout: 20 })],
    ['sendFiles', () => sendFiles(join(folder, 'file'), silentUrl, { timeout: 20 })],
    [
      'socket.request',
      async () => {
        const { client, socket } = await doors.meet();
        socket.handle('ask', () => new Promise(() => {}));
        return client.request('ask', 1, { timeout: 20 });
      },
    ],
    [
      'socket.drained',
      async () => {
        const { client, socket } = await doors.meet();
        client.pause();
        while (socket.send('say', randomBytes(10_000)));
        return socket.drained({ timeout: 20 });
      },
    ],
  ];

  test.each(TIMED)('bounds %s', async (_, wait) => {
    expect(await codeOf(wait())).toBe('ERR_TIMEOUT');
  });
});
