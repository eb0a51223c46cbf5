import { once } from 'node:events';
import { threadId } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { Thread } from '../../../test/support/thread.ts';
import { type ClientSocket, type CloseReason, type ConnectOptions, connect } from '../../client/index.ts';
import { createServer, type ServerSocket } from '../../server/index.ts';
import type { ThreadEnd } from './index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

function keep<T extends AsyncDisposable>(one: T): T {
  open.push(one);
  return one;
}

let names = 0;
const fresh = (): string => `worker:threads-${names++}`;

/** A thread that serves, and a client of it here. */
async function served(options: ConnectOptions = {}): Promise<{ thread: Thread; socket: ClientSocket; url: string }> {
  const url = fresh();
  const thread = keep(await Thread.start({ role: 'server', url }));
  return { thread, socket: keep(await connect(url, options)), url };
}

/** A server here, and a thread that is its client. */
async function visited(): Promise<{ thread: Thread; socket: ServerSocket }> {
  const url = fresh();
  const server = keep(createServer());
  await server.listen(url);
  const connection = new Promise<ServerSocket>((resolve) => server.on('connection', resolve));
  const thread = keep(await Thread.start({ role: 'client', url }));
  const socket = await connection;
  await thread.ready();
  return { thread, socket };
}

function down(socket: Pick<ServerSocket, 'once'>): Promise<CloseReason> {
  return new Promise((resolve) => socket.once('down', resolve));
}

const DEATHS: [string, ThreadEnd][] = [
  ['return', { exitCode: 0 }],
  ['exit', { exitCode: 7 }],
  ['throw', { exitCode: 1, error: { name: 'TypeError', message: 'no such thing' } }],
  ['reject', { exitCode: 1, error: { name: 'RangeError', message: 'too far' } }],
];

describe('links between threads', () => {
  test('a server in a thread that is still starting is found', async () => {
    const { socket } = await served();
    expect(await socket.request('echo', { bytes: new Uint8Array([1, 2]) })).toEqual({ bytes: new Uint8Array([1, 2]) });
    expect(socket.transport).toBe('worker');
  });

  test('a server here is found by a thread, and asks it', async () => {
    const { socket } = await visited();
    expect(await socket.request('echo', 'hello')).toBe('hello');
    expect(socket.handshake.transport).toBe('worker');
  });

  test('several threads and several links of each keep apart', async () => {
    const threads = [await served(), await served(), await served()];
    const more = await Promise.all(threads.map(({ url }) => connect(url)));
    const sockets = [...threads.map(({ socket }) => socket), ...more.map(keep)];
    const answers = await Promise.all(sockets.map((socket, i) => socket.request('echo', i)));
    expect(answers).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('large bodies pass whole, in both directions, and stay what they are', async () => {
    const { socket } = await served({ limits: { backlogBytes: 1 << 24 } });
    const bodies = [7, 11, 13].map((step) => new Uint8Array(900_000).map((_, i) => i * step));
    const answers = await Promise.all(bodies.map((body) => socket.request('echo', body)));
    await socket.request('echo', new Uint8Array(900_000));
    for (const [i, body] of bodies.entries()) {
      expect(body.length).toBe(900_000);
      expect(Buffer.compare(answers[i] as Uint8Array, body)).toBe(0);
    }
  });

  test.each([5000, 50_000])(
    'who gets a body of %i bytes can give its memory away: what came with it is lost to nobody',
    async (length) => {
      const url = fresh();
      const server = keep(createServer());
      await server.listen(url);
      const heard: unknown[] = [];
      server.on('connection', (socket: ServerSocket) => {
        socket.on('body', (data) => {
          const body = data as Uint8Array<ArrayBuffer>;
          heard.push(body.length);
          structuredClone(body, { transfer: [body.buffer] });
        });
        socket.on('other', (data) => heard.push(data));
      });
      const socket = keep(await connect(url));
      socket.send('other', 1);
      socket.send('body', new Uint8Array(length));
      socket.send('other', 2);
      socket.send('body', new Uint8Array(length));
      socket.send('other', 3);
      await expect.poll(() => heard).toEqual([1, length, 2, length, 3]);
    },
  );

  test('a body whose memory may be given away arrives; what the application has stays, for it was encoded', async () => {
    const { socket } = await served();
    const body = new Uint8Array(200_000).fill(3);
    expect(socket.send('more', body, { volatile: true, move: true })).toBe(true);
    expect([await socket.request('heard'), body.length]).toEqual([1, 200_000]);
  });

  test('a thread that is busy makes send return false, and all arrives when it reads on', async () => {
    const { socket } = await served({ limits: { backlogBytes: 1 << 24, resumeBytes: 1 << 24 } });
    const stopped = socket.request('stop');
    const piece = new Uint8Array(100_000);
    let sent = 0;
    for (let held = false; !held && sent < 100; sent++) {
      held = !socket.send('more', piece);
      await new Promise(setImmediate);
    }
    expect(sent).toBeLessThan(100);
    await new Promise<void>((resolve) => socket.once('drain', resolve));
    await stopped;
    expect(await socket.request('heard')).toBe(sent);
  });

  test.each(DEATHS)('the thread of a server ends (%s): its client is told how', async (way, end) => {
    const { thread, socket } = await served({ reconnect: false });
    const told = down(socket);
    await socket.request(way);
    const reason = await told;
    expect(reason).toMatchObject({ code: 1006, cause: { code: 'ERR_THREAD_ENDED', data: end } });
    expect(reason.reason).toContain(`exit code ${end.exitCode}${end.error ? `: ${end.error.name}` : ''}`);
    expect(await thread.exit).toBe(end.exitCode);
  });

  test.each(DEATHS)('the thread of a client ends (%s): its server is told how', async (way, end) => {
    const { socket } = await visited();
    const told = down(socket);
    await socket.request(way);
    expect(await told).toMatchObject({ code: 1006, cause: { code: 'ERR_THREAD_ENDED', data: end } });
  });

  test('a thread is terminated: both kinds of peers are told', async () => {
    const [server, client] = [await served({ reconnect: false }), await visited()];
    const told = [down(server.socket), down(client.socket)];
    await Promise.all([server.thread.worker.terminate(), client.thread.worker.terminate()]);
    for (const reason of await Promise.all(told)) {
      expect(reason).toMatchObject({ code: 1006, cause: { code: 'ERR_THREAD_ENDED', data: { exitCode: 1 } } });
    }
  });

  test('a request that waits when the thread dies is told that nobody knows', async () => {
    const { thread, socket } = await served({ reconnect: false });
    const waiting = socket.request('stop').catch((error: unknown) => error);
    await new Promise(setImmediate);
    await thread.worker.terminate();
    expect(await waiting).toMatchObject({ delivered: 'unknown' });
  });

  test('another thread takes the place of a dead one, and the client finds it', async () => {
    const { thread, socket, url } = await served({ reconnect: { first: 1 } });
    const told = down(socket);
    await thread.worker.terminate();
    await told;
    const up = new Promise((resolve) => socket.once('up', resolve));
    keep(await Thread.start({ role: 'server', url }));
    expect(await up).toMatchObject({ transport: 'worker', recovered: false });
    expect(await socket.request('echo', 2)).toBe(2);
  });

  test('several threads may listen on one name: when one dies, its client goes on with another', async () => {
    const { socket, url } = await served({ reconnect: { first: 1 } });
    const second = keep(await Thread.start({ role: 'server', url }));
    await second.ready();
    const up = new Promise((resolve) => socket.once('up', resolve));
    await socket.request('exit');
    expect(await up).toMatchObject({ transport: 'worker', recovered: false });
    expect(await socket.request('echo', 2)).toBe(2);
    const told = down(socket);
    await second.worker.terminate();
    expect((await told).cause?.code).toBe('ERR_THREAD_ENDED');
  });

  test('a client that closes lets its thread end by itself', async () => {
    const { thread, socket } = await visited();
    const exited = thread.exit;
    socket.send('leave');
    expect(await exited).toBe(0);
  });

  test('a link alone keeps no thread alive', async () => {
    const url = fresh();
    const server = keep(createServer());
    await server.listen(url);
    const thread = keep(await Thread.start({ role: 'link', url }));
    expect(await thread.exit).toBe(0);
  });

  test('what others post to the thread is left alone', async () => {
    const { socket } = await served();
    const posts = once(process, 'workerMessage');
    process.emit('workerMessage', { hawser: 1, name: 7 }, threadId);
    await posts;
    expect(await socket.request('echo', 1)).toBe(1);
  });
});
