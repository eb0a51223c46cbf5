import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createTcpServer, connect as dial, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { ROOT } from '../../test/support/tree.ts';
import { until } from '../../test/support/until.ts';
import { connect } from '../client/index.ts';
import type { CloseReason, HawserError } from '../core/index.ts';
import { duplexOf } from '../streams/index.ts';
import { createServer, type Server, type ServerSocket } from './index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** A server for plain bytes, and its port. */
async function serve(dialect = 'raw'): Promise<{ server: Server; port: number; met: Promise<ServerSocket> }> {
  const server = createServer();
  open.push({ [Symbol.asyncDispose]: () => server.close({ drain: 0 }) });
  const met = new Promise<ServerSocket>((resolve) => server.on('connection', resolve));
  const [url = ''] = await server.listen({ url: `tcp://127.0.0.1:0?dialect=${dialect}`, halfOpen: true });
  return { server, port: Number(new URL(url).port), met };
}

async function pair(dialect?: string): Promise<[ServerSocket, Socket]> {
  const { port, met } = await serve(dialect);
  const peer = dial(port, '127.0.0.1').on('error', () => {});
  open.push({ [Symbol.asyncDispose]: async () => void peer.destroy() });
  return [await met, peer];
}

/** All that a peer hears until somebody ends. */
async function allOf(peer: Socket): Promise<string> {
  let heard = '';
  for await (const chunk of peer.setEncoding('utf8')) heard += String(chunk);
  return heard;
}

const reasonOf = (socket: ServerSocket): Promise<CloseReason> =>
  new Promise((resolve) => socket.on('close', (reason) => resolve(reason)));

describe('how a plain socket ends', () => {
  test('its peer resets it: the close says so, in the platform’s words', async () => {
    const [socket, peer] = await pair();
    const closed = reasonOf(socket);
    peer.resetAndDestroy();
    expect(await closed).toEqual({ code: 1006, reason: 'read ECONNRESET' });
  });

  test('its peer ends it: the close is no error', async () => {
    const [socket, peer] = await pair();
    const closed = reasonOf(socket);
    peer.end();
    expect(await closed).toEqual({ code: 1005, reason: '' });
  });

  test('a last word may go with the end, and what came before it arrives', async () => {
    const [socket, peer] = await pair();
    const heard = allOf(peer);
    socket.send('message', 'first, ');
    socket.send('message', 'last');
    socket.end();
    expect(await heard).toBe('first, last');
  });
});

describe('what a plain socket has to send', () => {
  test('is counted while it waits', async () => {
    const [socket, peer] = await pair();
    const bytes = new Uint8Array(100_000);
    peer.pause();
    while (socket.send('message', bytes));
    const { queued } = socket.traffic;
    expect(queued).toBeGreaterThan(0);
    const drained = socket.drained();
    peer.resume();
    await drained;
    await until(() => socket.traffic.queued === 0, 'all is sent');
    expect(peer.bytesRead).toBeGreaterThanOrEqual(queued);
  });
});

describe('the Duplex of a plain socket', () => {
  test('is piped on until it is unpiped, and where it goes need not end with it', async () => {
    const [socket, peer] = await pair();
    const first = new PassThrough().setEncoding('utf8');
    const second = new PassThrough().setEncoding('utf8');
    const duplex = duplexOf(socket);
    duplex.pipe(first, { end: false });
    peer.write('to the first');
    expect((await once(first, 'data'))[0]).toBe('to the first');
    duplex.unpipe(first);
    duplex.pipe(second, { end: false });
    peer.end('to the second');
    expect((await once(second, 'data'))[0]).toBe('to the second');
    await once(duplex, 'end');
    second.write(', and more');
    expect([(await once(second, 'data'))[0], first.writableEnded, second.writableEnded]).toEqual([
      ', and more',
      false,
      false,
    ]);
  });
});

test('text comes as text, wherever its characters were cut', async () => {
  const [socket, peer] = await pair('line');
  const heard: unknown[] = [];
  socket.on('message', (data) => heard.push(data));
  for (const byte of Buffer.from('你好，世界\n')) {
    peer.write(Uint8Array.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => heard.length > 0, 'a line');
  expect(heard).toEqual(['你好，世界']);
});

test('a connection that is there already is served: a socket made of an inherited descriptor', async () => {
  const program = `
    import { Socket } from 'node:net';
    import { createServer } from '${join(ROOT, 'src/server/index.ts')}';
    const server = createServer();
    server.on('connection', (socket) => socket.on('message', (data) => {
      socket.send('message', 'got ' + data);
      void server.close();
    }));
    const take = await server.receive('tcp://127.0.0.1?dialect=line');
    take(new Socket({ fd: 3, readable: true, writable: true }));`;
  const acceptor = createTcpServer({ pauseOnConnect: true }, (socket) => {
    const args = ['--import', 'tsx', '--input-type=module', '-e', program];
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit', socket] });
    open.push({ [Symbol.asyncDispose]: async () => void child.kill('SIGKILL') });
    child.once('spawn', () => socket.destroy());
  });
  await once(acceptor.listen(0, '127.0.0.1'), 'listening');
  const peer = dial((acceptor.address() as { port: number }).port, '127.0.0.1');
  peer.write('a word\n');
  expect(await allOf(peer)).toBe('got a word\n');
  acceptor.close();
});

describe('dialling what is not there', () => {
  const failure = (url: string): Promise<HawserError> =>
    connect(url).then(
      () => Promise.reject(new Error('it is there')),
      (error: HawserError) => error,
    );

  test.each([
    ['a port that nobody listens on', 'tcp://127.0.0.1:1', 'ECONNREFUSED'],
    ['a path that there is not', `ipc://${join(tmpdir(), 'hawser-nobody.sock')}`, 'ENOENT'],
    ['a host that nobody knows', 'tcp://nobody.invalid:1', /^E(?:NOTFOUND|AI_AGAIN)$/],
  ])('%s is told with the platform’s error', async (_, url, code) => {
    const { code: ours, cause } = await failure(url);
    expect([ours, (cause as { code: string }).code]).toEqual(['ERR_CONNECT_FAILED', expect.stringMatching(code)]);
  });
});

test('a server that closes to newcomers serves those who are there', async () => {
  const { server, port } = await serve();
  const sockets: ServerSocket[] = [];
  server.on('connection', (socket) => {
    sockets.push(socket);
    socket.on('message', (data) => socket.send('message', data));
    if (sockets.length === 2) void server.listeners[0]?.close();
  });
  const peers = [dial(port, '127.0.0.1'), dial(port, '127.0.0.1')];
  await until(() => sockets.length === 2, 'two are there');
  await server.listeners[0]?.close();
  const refused = dial(port, '127.0.0.1');
  expect((await once(refused, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' });
  for (const [i, peer] of peers.entries()) {
    peer.write(`still ${i}`);
    expect(String((await once(peer, 'data'))[0])).toBe(`still ${i}`);
    peer.destroy();
  }
});
