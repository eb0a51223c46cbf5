import { once } from 'node:events';
import { connect as dial, type Socket } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connect } from '../client/index.ts';
import { createServer, type ListenTarget, type Server, type ServerSocket } from '../server/index.ts';
import { duplexOf } from './index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

const HALF = 300_000;
const BYTES: Buffer = Buffer.alloc(HALF, 'the rope ');

/** A server, and its next socket. */
async function serve(target: ListenTarget): Promise<{ server: Server; url: string; met: Promise<ServerSocket> }> {
  const server = createServer();
  open.push({ [Symbol.asyncDispose]: () => server.close({ drain: 0 }) });
  const [url = ''] = await server.listen(target);
  return { server, url, met: new Promise((resolve) => server.on('connection', resolve)) };
}

/** A plain peer of a server for bytes over TCP, both ends. */
async function plain(halfOpen = true): Promise<[ServerSocket, Socket]> {
  const { url, met } = await serve({ url: 'tcp://127.0.0.1:0?dialect=raw', halfOpen });
  const peer = dial(Number(new URL(url).port), '127.0.0.1');
  open.push({ [Symbol.asyncDispose]: async () => void peer.destroy() });
  peer.on('error', () => {});
  return [await met, peer];
}

/** What a pipeline comes to: `done`, or the code that it fails with. */
function outcome(piped: Promise<unknown>): Promise<string> {
  return piped.then(
    () => 'done',
    (error: { code?: string }) => error.code ?? 'an error without a code',
  );
}

describe('a stream out of a raw socket', () => {
  test('fails when its peer resets the connection: what came is not taken for the whole', async () => {
    const [socket, peer] = await plain();
    const sink = new PassThrough();
    const piped = outcome(pipeline(duplexOf(socket), sink));
    peer.write(BYTES);
    await once(sink, 'readable');
    peer.resetAndDestroy();
    expect(await piped).toBe('ERR_CLOSED');
    expect(sink.writableFinished).toBe(false);
  });

  test('fails when the server closes in the midst', async () => {
    const [socket, peer] = await plain();
    const sink = new PassThrough();
    const piped = outcome(pipeline(duplexOf(socket), sink));
    peer.write(BYTES);
    await once(sink, 'readable');
    socket.close(4000, 'enough');
    expect(await piped).toBe('ERR_PEER_SILENT');
  });

  test.each([true, false])('ends when its peer ends, half-open %s', async (halfOpen) => {
    const [socket, peer] = await plain(halfOpen);
    const piped = outcome(pipeline(duplexOf(socket), new PassThrough().resume()));
    peer.end(BYTES);
    expect(await piped).toBe('done');
  });

  test('a signal ends it, and the socket', async () => {
    const [socket, peer] = await plain();
    const stop = new AbortController();
    const sink = new PassThrough();
    const piped = pipeline(duplexOf(socket), sink, { signal: stop.signal });
    peer.write('begin');
    await once(sink, 'readable');
    stop.abort();
    await expect(piped).rejects.toMatchObject({ name: 'AbortError' });
    await once(peer, 'close');
    expect(socket.state).toBe('ended');
  });
});

describe('a stream into a raw socket over ws, which ends both ways at once', () => {
  /** Everything that a plain WebSocket is sent, and how it is closed. */
  async function page(): Promise<[ServerSocket, Promise<[Buffer, number]>]> {
    const { url, met } = await serve({ url: 'ws://127.0.0.1:0?dialect=raw' });
    const peer = new WebSocket(url.split('?')[0] ?? '');
    peer.on('error', () => {});
    open.push({ [Symbol.asyncDispose]: async () => peer.terminate() });
    const heard: Buffer[] = [];
    peer.on('message', (data: Buffer) => heard.push(data));
    const ended = once(peer, 'close').then(([code]): [Buffer, number] => [Buffer.concat(heard), Number(code)]);
    await once(peer, 'open');
    return [await met, ended];
  }

  test('closes it in order, with all that was written', async () => {
    const [socket, ended] = await page();
    expect(await outcome(pipeline(Readable.from([BYTES, BYTES]), duplexOf(socket)))).toBe('done');
    const [heard, code] = await ended;
    expect([heard.equals(Buffer.concat([BYTES, BYTES])), code]).toEqual([true, 1000]);
  });

  test('fails for who reads as well: what is on its way would be lost', async () => {
    const [socket] = await page();
    const duplex = duplexOf(socket);
    expect(await outcome(pipeline(Readable.from([BYTES]), duplex, new PassThrough()))).toBe('ERR_UNSUPPORTED');
  });

  test('comes out of a client as a stream that ends', async () => {
    const { url, met } = await serve({ url: 'ws://127.0.0.1:0?dialect=raw' });
    const client = await connect(`${url.split('?')[0]}?dialect=raw`);
    open.push(client);
    const heard: Buffer[] = [];
    const sink = new PassThrough().on('data', (chunk: Buffer) => heard.push(chunk));
    const read = pipeline(duplexOf(client), sink);
    await pipeline(Readable.from([BYTES, BYTES]), duplexOf(await met));
    await read;
    expect(Buffer.concat(heard).length).toBe(2 * HALF);
  });

  test('closes a client in order, too', async () => {
    const { url, met } = await serve({ url: 'ws://127.0.0.1:0?dialect=raw' });
    const client = await connect(`${url.split('?')[0]}?dialect=raw`);
    open.push(client);
    const socket = await met;
    const sink = new PassThrough();
    const read = pipeline(duplexOf(socket), sink.resume());
    await pipeline(Readable.from([BYTES]), duplexOf(client));
    await read;
    expect((await client.closed).code).toBe(1000);
  });
});
