/**
 * What Node's own modules do, every door of Hawser does: a signal ends what waits, `await using` closes what is open, `pipeline` carries
 * bytes, loops end. One row for each that there is; docs/guides/node-habits.md lists them.
 */
import { randomBytes } from 'node:crypto';
import { getEventListeners, once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { Client as UploadClient, Server as UploadServer } from '../../src/compat/udpack-io/index.ts';
import { receiveFiles, sendFiles } from '../../src/files/index.ts';
import { type Channel, createServer, duplexOf, MemoryEngine, realWorld, startWorkers } from '../../src/index.ts';
import { announce, discover, openLan, openUdp, watchServers } from '../../src/lan-endpoint/index.ts';
import type { ServerOptions, ServerSocket } from '../../src/server/index.ts';
import { UDPack, type UdpackStream, duplexOf as udpackDuplexOf } from '../../src/udpack-endpoint/index.ts';
import { freshUrl, House, type Scheme } from '../support/house.ts';
import { KEYS } from '../support/udpack.ts';

const open: AsyncDisposable[] = [];
/** Ends endpoints of UDPack without waiting for what is on its way. */
let hurry = new AbortController();
const keep = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};
afterEach(async () => {
  hurry.abort();
  hurry = new AbortController();
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

let folder = '';
/** Takes connections and says nothing, ever. */
let silent: TcpServer;
let silentUrl = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-habits-'));
  writeFileSync(join(folder, 'file'), 'bytes');
  const sockets = new Set<Socket>();
  silent = createTcpServer((socket) => sockets.add(socket.on('error', () => {})));
  silent.on('drop', () => {
    for (const socket of sockets) socket.destroy();
  });
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  silentUrl = `tcp://127.0.0.1:${(silent.address() as { port: number }).port}`;
});
afterAll(() => {
  silent.close();
  silent.emit('drop');
  rmSync(folder, { recursive: true, force: true });
});

/** An engine whose server can be reached only in a dream, and whose logs take nothing. */
class SlowEngine extends MemoryEngine {
  override start(): Promise<void> {
    return new Promise(() => {});
  }
}

async function meet(scheme: Scheme = 'tcp', options: ServerOptions = {}) {
  const house = keep(await House.open(options, scheme));
  const met = new Promise<ServerSocket>((resolve) => house.server.on('connection', resolve));
  const client = await house.client(scheme);
  return { house, server: house.server, client, socket: await met };
}

async function channels(scheme: Scheme = 'tcp') {
  const { client, socket } = await meet(scheme);
  const opened = new Promise<Channel>((resolve) => socket.on('channel', (channel) => resolve(channel)));
  return { near: client.openChannel('bytes'), far: await opened };
}

async function udpack() {
  const server = keep(await new UDPack({ signal: hurry.signal, prikey: KEYS.privateKey }).ready());
  const client = keep(await new UDPack({ signal: hurry.signal, pubkey: KEYS.publicKey }).ready());
  const arrived = once(server, 'session') as Promise<[Awaited<ReturnType<UDPack['connect']>>]>;
  const near = await client.connect({ port: server.endpoint?.port ?? 0 });
  const [far] = await arrived;
  const streams = async (): Promise<[UdpackStream, UdpackStream]> => {
    const opened = new Promise<UdpackStream>((resolve) => far.once('stream', resolve));
    const stream = await near.openStream({ kind: 'bytes' });
    stream.send('!');
    return [stream, await opened];
  };
  return { server, client, near, far, streams };
}

/** The code of what a promise rejects with; `none` when it doesn't. */
const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'none',
    (error: { readonly code?: unknown }) => error.code,
  );

const workers = { exec: fileURLToPath(new URL('../support/worker-program.ts', import.meta.url)), workers: 1 } as const;
const PATIENT = { ...workers, args: ['{"listens":false}'], execArgv: ['--import', 'tsx'], ready: 'told' } as const;

describe('a signal', () => {
  /** What waits: made ready, and then begun with the signal. It would wait for minutes. */
  const WAITS: [string, () => Promise<(signal: AbortSignal) => Promise<unknown>>][] = [
    ['connect', async () => (signal) => connect(silentUrl, { signal, timeout: 0 })],
    [
      'connect, over udpack',
      async () => (signal) => connect('udpack://127.0.0.1:9', { signal, timeout: 0, serverKey: KEYS.publicKey }),
    ],
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
        const { server, client } = await meet();
        client.handle('ask', () => new Promise(() => {}));
        return (signal) => server.requestAll('ask', 1, { signal, timeout: 60_000 });
      },
    ],
    [
      'socket.request, of a client',
      async () => {
        const { client, socket } = await meet();
        socket.handle('ask', () => new Promise(() => {}));
        return (signal) => client.request('ask', 1, { signal });
      },
    ],
    [
      'socket.request, of a server',
      async () => {
        const { client, socket } = await meet();
        client.handle('ask', () => new Promise(() => {}));
        return (signal) => socket.request('ask', 1, { signal });
      },
    ],
    [
      'socket.drained',
      async () => {
        const { client, socket } = await meet();
        client.pause();
        while (socket.send('say', randomBytes(10_000)));
        return (signal) => socket.drained({ signal });
      },
    ],
    [
      'channel.request',
      async () => {
        const { near, far } = await channels();
        far.handle('ask', () => new Promise(() => {}));
        return (signal) => near.request('ask', 1, { signal });
      },
    ],
    [
      'channel.closed, by the signal of openChannel',
      async () => {
        const { client } = await meet();
        return async (signal) => {
          const error = await client.openChannel('x', 1, { signal }).closed;
          if (error) throw error;
        };
      },
    ],
    ['sendFiles', async () => (signal) => sendFiles(join(folder, 'file'), silentUrl, { signal, timeout: 0 })],
    ['discover', async () => (signal) => discover({ name: 'nobody', timeout: 60_000, signal })],
    ['startWorkers', async () => (signal) => startWorkers({ ...PATIENT, signal })],
    [
      'UDPack.ready',
      async () => {
        const endpoint = keep(new UDPack({ host: 'localhost' }));
        return (signal) => endpoint.ready({ signal });
      },
    ],
    [
      'UDPack.connect',
      async () => {
        const endpoint = keep(
          await new UDPack({ signal: hurry.signal, pubkey: KEYS.publicKey, times: { handshakeWait: 60_000 } }).ready(),
        );
        return (signal) => endpoint.connect({ port: 9, signal });
      },
    ],
    [
      'session.ping',
      async () => {
        const { near, server } = await udpack();
        void server.close(0, '', { signal: AbortSignal.abort() });
        return (signal) => near.ping({ signal });
      },
    ],
    [
      'session.openStream, beyond what the peer takes',
      async () => {
        const server = keep(
          await new UDPack({ signal: hurry.signal, prikey: KEYS.privateKey, limits: { streams: 1 } }).ready(),
        );
        const client = keep(await new UDPack({ signal: hurry.signal, pubkey: KEYS.publicKey }).ready());
        server.on('stream', (stream) => stream.pause());
        const near = await client.connect({ port: server.endpoint?.port ?? 0 });
        void (await near.openStream()).write('one');
        return (signal) => near.openStream({ signal });
      },
    ],
    [
      'stream.write',
      async () => {
        const [stream, other] = await (await udpack()).streams();
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

describe('await using', () => {
  /** What is open, and what tells that it has been closed. */
  const OPEN: [string, () => Promise<{ readonly thing: AsyncDisposable; isOver(): unknown }>][] = [
    [
      'a server',
      async () => {
        const server = createServer();
        const [url = ''] = await server.listen('tcp://127.0.0.1:0');
        return { thing: server, isOver: async () => (await codeOf(connect(url))) === 'ERR_CONNECT_FAILED' };
      },
    ],
    [
      'a client',
      async () => {
        const { client } = await meet();
        return { thing: client, isOver: () => client.state === 'ended' };
      },
    ],
    [
      'a channel',
      async () => {
        const { near, far } = await channels();
        far.on('end', () => far.end());
        return { thing: near, isOver: () => Promise.all([near.closed, far.closed]).then(() => true) };
      },
    ],
    [
      'a loop over events',
      async () => {
        const events = (await meet()).client.events('say');
        return { thing: events, isOver: async () => (await events.next()).done };
      },
    ],
    [
      'a listener',
      async () => {
        const { server } = await meet();
        const [listener] = server.listeners;
        const where = listener?.endpoint ?? '';
        return {
          thing: listener as AsyncDisposable,
          isOver: async () => (await codeOf(connect(where))) === 'ERR_CONNECT_FAILED',
        };
      },
    ],
    [
      'an engine',
      async () => {
        const engine = new MemoryEngine(realWorld());
        return {
          thing: engine,
          isOver: async () =>
            (await codeOf(engine.read('/', 'room', { name: 'room', size: 1, age: 1 }))) === 'ERR_ENGINE_DOWN',
        };
      },
    ],
    [
      'workers',
      async () => {
        const { exec, execArgv } = PATIENT;
        const started = await startWorkers({ exec, execArgv, workers: 1, args: ['{}'], ready: 'told' });
        return { thing: started, isOver: () => started.closed.then((error) => error === undefined) };
      },
    ],
    [
      'a receiver of files',
      async () => {
        const receiver = await receiveFiles('tcp://127.0.0.1:0', { dir: folder });
        return { thing: receiver, isOver: () => receiver.closed.then(() => true) };
      },
    ],
    [
      'an endpoint of UDPack',
      async () => {
        const { server } = await udpack();
        return { thing: server, isOver: () => server.closed.then(() => true) };
      },
    ],
    [
      'a session of UDPack',
      async () => {
        const { near } = await udpack();
        return { thing: near, isOver: () => near.ended !== undefined };
      },
    ],
    [
      'a stream of UDPack',
      async () => {
        const [stream] = await (await udpack()).streams();
        return { thing: stream, isOver: () => !stream.writable && !stream.readable };
      },
    ],
    [
      'a server of udpack.io',
      async () => {
        const server = new UploadServer({
          port: 0,
          prikey: KEYS.privateKey,
          pubkey: KEYS.publicKey,
          authToken: () => true,
        });
        return { thing: server, isOver: () => server.udpack.closed.then(() => true) };
      },
    ],
    [
      'a client of udpack.io',
      async () => {
        const client = new UploadClient({ port: 0, pubkey: KEYS.publicKey, token: 'x' });
        return { thing: client, isOver: () => client.udpack.closed.then(() => true) };
      },
    ],
    [
      'a bus on the local network',
      async () => {
        const bus = await openLan('udp://127.0.0.1:0');
        return { thing: bus, isOver: () => thrown(() => bus.publish('a', 1)) === 'ERR_CLOSED' };
      },
    ],
    [
      'a loop over what a bus hears',
      async () => {
        const heard = keep(await openLan('udp://127.0.0.1:0')).subscribe('*');
        return {
          thing: heard as unknown as AsyncDisposable,
          isOver: async () => (await heard[Symbol.asyncIterator]().next()).done,
        };
      },
    ],
    [
      'a UDP socket',
      async () => {
        const socket = await openUdp('udp://127.0.0.1:0');
        return {
          thing: socket,
          isOver: async () => (await codeOf(socket.send('x', '127.0.0.1:9'))) === 'ERR_CLOSED',
        };
      },
    ],
    [
      'what announces a server',
      async () => {
        const { server } = await meet();
        const announced = await announce(server, { name: 'habits' });
        return { thing: announced, isOver: async () => (await discover({ name: 'habits', timeout: 50 })).length === 0 };
      },
    ],
    [
      'a watch over servers',
      async () => {
        const watch = await watchServers();
        return { thing: watch, isOver: () => true };
      },
    ],
  ];

  test.each(OPEN)('closes %s, and closing it again is quiet', async (_, begin) => {
    const { thing, isOver } = await begin();
    {
      await using one = thing;
      expect(one).toBe(thing);
    }
    await thing[Symbol.asyncDispose]();
    expect(await isOver()).toBe(true);
  });

  test('a server that closes waits for what is under way, until a signal says that it is enough', async () => {
    const { server, client } = await meet();
    const asked = new Promise<void>((resolve) => {
      for (const socket of server.of('/').sockets)
        socket.handle('ask', () => {
          resolve();
          return new Promise(() => {});
        });
    });
    const answer = codeOf(client.request('ask', 1));
    await asked;
    const stop = new AbortController();
    const closed = server.close({ drain: 600_000, delay: 300_000, signal: stop.signal });
    stop.abort();
    await closed;
    await client.close();
    expect(await answer).toMatch(/^ERR_/);
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  });

  test('a listener ends by its signal, and links that are up live on', async () => {
    const server = keep(createServer());
    server.on('connection', (socket) => socket.handle('echo', (data) => data));
    const stop = new AbortController();
    const [url = ''] = await server.listen({ url: 'tcp://127.0.0.1:0', signal: stop.signal });
    const client = keep(await connect(url));
    stop.abort();
    await server.listeners[0]?.close();
    expect([await codeOf(connect(url)), await client.request('echo', 7)]).toEqual(['ERR_CONNECT_FAILED', 7]);
  });
});

/** The code of what a call throws. */
function thrown(call: () => unknown): unknown {
  try {
    call();
    return 'nothing';
  } catch (error) {
    return (error as { readonly code?: unknown }).code;
  }
}

describe('pipeline', () => {
  const BYTES = randomBytes(1_500_000);
  const source = (): Readable =>
    Readable.from(Array.from({ length: 15 }, (_, i) => BYTES.subarray(i * 1e5, (i + 1) * 1e5)));

  const overChannel = (scheme: Scheme) => async (): Promise<[Duplex, Duplex]> => {
    const { near, far } = await channels(scheme);
    return [duplexOf(near), duplexOf(far)];
  };
  const overRaw = (scheme: Scheme) => async (): Promise<[Duplex, Duplex]> => {
    const server = keep(createServer());
    const met = new Promise<ServerSocket>((resolve) => server.on('connection', resolve));
    const [url = ''] = await server.listen({ url: `${freshUrl(scheme)}?dialect=raw`, halfOpen: true });
    const client = keep(await connect(`${url.split('?')[0]}?dialect=raw`));
    return [duplexOf(client), duplexOf(await met)];
  };

  /** The two ends of what carries bytes. */
  const FLOWS: [string, () => Promise<[Duplex, Duplex]>][] = [
    ...(['tcp', 'ws', 'ipc', 'worker', 'inproc', 'udpack'] as const).map(
      (scheme): [string, () => Promise<[Duplex, Duplex]>] => [`a channel over ${scheme}`, overChannel(scheme)],
    ),
    ...(['tcp', 'ipc', 'ws'] as const).map((scheme): [string, () => Promise<[Duplex, Duplex]>] => [
      `a raw socket over ${scheme}`,
      overRaw(scheme),
    ]),
    [
      'a stream of UDPack',
      async () => {
        const [near, far] = await (await udpack()).streams();
        await once(far.pause(), 'data', { signal: AbortSignal.timeout(1) }).catch(() => {});
        return [udpackDuplexOf(near), udpackDuplexOf(far)];
      },
    ],
  ];

  test.each(FLOWS)('carries bytes through %s, whole and to the end', async (_, begin) => {
    const [near, far] = await begin();
    const heard: Buffer[] = [];
    const sink = new PassThrough().on('data', (chunk: Buffer) => heard.push(chunk));
    await Promise.all([pipeline(source(), near), pipeline(far, sink)]);
    far.end();
    expect(Buffer.concat(heard).subarray(-BYTES.length).equals(BYTES)).toBe(true);
  });

  test.each(FLOWS)('breaks off by a signal, and the other end of %s hears of it', async (name, begin) => {
    const [near, far] = await begin();
    const stop = new AbortController();
    const idle = new PassThrough();
    const piped = pipeline(idle, near, { signal: stop.signal });
    const sink = new PassThrough();
    const heard = codeOf(pipeline(far, sink));
    idle.write('begin');
    await once(sink, 'readable');
    stop.abort();
    expect(await codeOf(piped)).toBe('ABORT_ERR');
    // A plain peer hears of an end: raw bytes have no word for another one.
    if (name.startsWith('a raw')) expect(sink.read()).toEqual(Buffer.from('begin'));
    else expect(await heard).toMatch(/^ERR_/);
  });
});

describe('a loop', () => {
  /** What can be looped over, what says something in it, and what ends it. */
  const LOOPS: [string, () => Promise<{ loop: AsyncIterable<unknown>; say(): unknown; close(): unknown }>][] = [
    [
      'over events of a client',
      async () => {
        const { client, server } = await meet();
        return { loop: client.events('say'), say: () => server.send('say', 1), close: () => client.close() };
      },
    ],
    [
      'over events of a channel',
      async () => {
        const { near, far } = await channels();
        return {
          loop: far.events('say'),
          say: () => near.send('say', 1),
          close: () => {
            near.end();
            far.end();
          },
        };
      },
    ],
    [
      'over what a receiver of files tells',
      async () => {
        const receiver = keep(await receiveFiles('tcp://127.0.0.1:0', { dir: mkdtempSync(join(folder, 'into-')) }));
        const say = () => sendFiles(join(folder, 'file'), receiver.endpoints[0] ?? '');
        return { loop: receiver, say, close: () => receiver.close() };
      },
    ],
    [
      'over a stream of UDPack',
      async () => {
        const [near, far] = await (await udpack()).streams();
        return { loop: far, say: () => near.send('x'), close: () => near.end() };
      },
    ],
    [
      'over what a bus hears',
      async () => {
        const bus = keep(await openLan('udp://127.0.0.1:0'));
        const other = keep(await openLan(bus.url, { connected: true }));
        // Once the first bus has closed nobody takes what this one says last.
        other.on('error', () => {});
        return { loop: bus.subscribe('*'), say: () => other.publish('a', 1), close: () => bus.close() };
      },
    ],
  ];

  test.each(LOOPS)('%s hears, and ends when that closes', async (_, begin) => {
    const { loop, say, close } = await begin();
    let first: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      first = resolve;
    });
    const over = (async () => {
      for await (const one of loop) if (one !== undefined) first();
      return 'over';
    })();
    await say();
    await begun;
    await close();
    expect(await over).toBe('over');
  });
});

describe('a time', () => {
  const TIMED: [string, () => Promise<unknown>][] = [
    ['connect', () => connect(silentUrl, { timeout: 20 })],
    ['sendFiles', () => sendFiles(join(folder, 'file'), silentUrl, { timeout: 20 })],
    [
      'socket.request',
      async () => {
        const { client, socket } = await meet();
        socket.handle('ask', () => new Promise(() => {}));
        return client.request('ask', 1, { timeout: 20 });
      },
    ],
    [
      'socket.drained',
      async () => {
        const { client, socket } = await meet();
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
