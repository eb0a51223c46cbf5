import { getEventListeners } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { Client as UploadClient, Server as UploadServer } from '../../src/compat/udpack-io/index.ts';
import { receiveFiles, sendFiles } from '../../src/files/index.ts';
import { createServer, HawserError, MemoryEngine, realWorld, startWorkers } from '../../src/index.ts';
import { announce, discover, openLan, openUdp, watchServers } from '../../src/lan-endpoint/index.ts';
import { parseEndpoint, type Transport } from '../../src/transport/index.ts';
import { inprocTransport } from '../../src/transports/inproc/index.ts';
import { codeOf, Doors, oneWorker } from '../support/doors.ts';
import { KEYS } from '../support/udpack.ts';

const doors = new Doors();
afterEach(() => doors.close());

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hawser-habits-'));
  writeFileSync(join(folder, 'file'), 'bytes');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The code of what a call throws. */
function thrown(call: () => unknown): unknown {
  try {
    call();
    return 'nothing';
  } catch (error) {
    return (error as { readonly code?: unknown }).code;
  }
}

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
        const { client } = await doors.meet();
        return { thing: client, isOver: () => client.state === 'ended' };
      },
    ],
    [
      'a channel',
      async () => {
        const { near, far } = await doors.channel();
        far.on('end', () => far.end());
        return { thing: near, isOver: () => Promise.all([near.closed, far.closed]).then(() => true) };
      },
    ],
    [
      'a loop over events',
      async () => {
        const events = (await doors.meet()).client.events('say');
        return { thing: events, isOver: async () => (await events.next()).done };
      },
    ],
    [
      'a listener',
      async () => {
        const { server } = await doors.meet();
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
        const started = await startWorkers(oneWorker({}));
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
        const { server } = await doors.session();
        return { thing: server, isOver: () => server.closed.then(() => true) };
      },
    ],
    [
      'a session of UDPack',
      async () => {
        const { near } = await doors.session();
        return { thing: near, isOver: () => near.ended !== undefined };
      },
    ],
    [
      'a stream of UDPack',
      async () => {
        const { near: stream } = await doors.stream();
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
        const heard = doors.keep(await openLan('udp://127.0.0.1:0')).subscribe('*');
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
        const { server } = await doors.meet();
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
    const { server, client } = await doors.meet();
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
    const server = doors.keep(createServer());
    server.on('connection', (socket) => socket.handle('echo', (data) => data));
    const stop = new AbortController();
    const [url = ''] = await server.listen({ url: 'tcp://127.0.0.1:0', signal: stop.signal });
    const client = doors.keep(await connect(url));
    const [listener] = server.listeners;
    expect([server.endpoints, server.readiness(0)]).toEqual([[url], undefined]);
    stop.abort();
    // Nobody is led there any more.
    expect([server.endpoints, server.listeners, server.readiness(0)]).toEqual([[], [], 'not listening']);
    await listener?.close();
    expect([await codeOf(connect(url)), await client.request('echo', 7)]).toEqual(['ERR_CONNECT_FAILED', 7]);
  });

  test('a listener whose signal fires while others of the same call open does not stay', async () => {
    const stop = new AbortController();
    let opened = (): void => {};
    const slow: Transport = {
      ...inprocTransport,
      schemes: ['slow'],
      listen: async (_, options) => {
        await new Promise<void>((resolve) => {
          opened = resolve;
        });
        return await (inprocTransport.listen as NonNullable<Transport['listen']>)(
          parseEndpoint('inproc://other'),
          options,
        );
      },
    };
    const server = doors.keep(createServer({ transports: [slow] }));
    const url = 'inproc://given-up';
    const listening = server.listen({ url, signal: stop.signal }, 'slow://127.0.0.1:1');
    const client = doors.keep(await connect(url));
    stop.abort();
    opened();
    await listening;
    await client.close();
    expect(await codeOf(connect(url))).toBe('ERR_CONNECT_FAILED');
  });

  // The runner fails where a rejection is heard by nobody.
  test('an engine that fails behind a listener that nobody wants any more fails nothing else', async () => {
    class Failing extends MemoryEngine {
      override async start(): Promise<never> {
        await new Promise((resolve) => setImmediate(resolve));
        throw new HawserError('ERR_ENGINE_DOWN', 'it does not start');
      }
    }
    const server = doors.keep(createServer({ engine: new Failing(realWorld()) }));
    const url = 'tcp://127.0.0.1:0';
    expect(await codeOf(server.listen({ url, signal: AbortSignal.abort() }))).toBe('ERR_ABORTED');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await codeOf(server.listen(url))).toBe('ERR_ENGINE_DOWN');
  });
});

describe('a loop', () => {
  /** What can be looped over, what says something in it, and what ends it. */
  const LOOPS: [string, () => Promise<{ loop: AsyncIterable<unknown>; say(): unknown; close(): unknown }>][] = [
    [
      'over events of a client',
      async () => {
        const { client, server } = await doors.meet();
        return { loop: client.events('say'), say: () => server.send('say', 1), close: () => client.close() };
      },
    ],
    [
      'over events of a channel',
      async () => {
        const { near, far } = await doors.channel();
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
        const receiver = doors.keep(
          await receiveFiles('tcp://127.0.0.1:0', { dir: mkdtempSync(join(folder, 'into-')) }),
        );
        const say = () => sendFiles(join(folder, 'file'), receiver.endpoints[0] ?? '');
        return { loop: receiver, say, close: () => receiver.close() };
      },
    ],
    [
      'over a stream of UDPack',
      async () => {
        const { near, far } = await doors.stream();
        return { loop: far, say: () => near.send('x'), close: () => near.end() };
      },
    ],
    [
      'over what a bus hears',
      async () => {
        const bus = doors.keep(await openLan('udp://127.0.0.1:0'));
        const other = doors.keep(await openLan(bus.url, { connected: true }));
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
