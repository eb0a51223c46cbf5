import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { frame, KEY } from '../support/websocket-frames.ts';
import { dial, listen, type Peer } from './websocket-driver.ts';

const MIB = Uint8Array.from({ length: 1 << 20 }, (_, at) => (at * 7) & 0xff);
const LONG_TEXT = 'ünï-𐍈 '.repeat(80_000);
const MESSAGES: readonly (string | Uint8Array)[] = [
  '',
  'Hello',
  'κόσμε 𐍈',
  new Uint8Array(0),
  ...[1, 125, 126, 127, 65_535, 65_536].map((length) => MIB.subarray(0, length)),
  MIB,
  LONG_TEXT,
];

/** Our server, which echoes, and ws's clients of it. */
let ours: { readonly server: Server; readonly url: string };
let latest: Peer;

/** ws's server, which echoes, and our clients of it. */
let theirs: WebSocketServer;
let theirPort = 0;

beforeAll(async () => {
  ours = await listen((peer) => {
    latest = peer;
    peer.onMessage = (bytes, text) => peer.send(text ? Buffer.from(bytes).toString() : Uint8Array.from(bytes));
  });
  theirs = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 4 << 20, perMessageDeflate: false });
  theirs.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
  await once(theirs, 'listening');
  theirPort = (theirs.address() as AddressInfo).port;
});

afterAll(async () => {
  for (const socket of theirs.clients) socket.terminate();
  theirs.close();
  ours.server.close();
});

async function open(url: string = ours.url, protocols: string[] = []): Promise<WebSocket> {
  const socket = new WebSocket(url, protocols);
  await once(socket, 'open');
  return socket;
}

async function theirNext(socket: WebSocket): Promise<string | Uint8Array> {
  const [data, binary] = (await once(socket, 'message')) as [Buffer, boolean];
  return binary ? Uint8Array.from(data) : data.toString();
}

const same = (one: string | Uint8Array, other: string | Uint8Array): boolean =>
  typeof one === 'string' || typeof other === 'string' ? one === other : Buffer.compare(one, other) === 0;

test('a ws client and our server: messages of each length and kind come back as they were', async () => {
  const socket = await open();
  for (const message of MESSAGES) {
    const answer = theirNext(socket);
    socket.send(message);
    expect(same(await answer, message)).toBe(true);
  }
  socket.terminate();
});

test('our client and a ws server: messages of each length and kind come back as they were', async () => {
  const peer = await dial(theirPort);
  for (const message of MESSAGES) {
    const answer = peer.next();
    peer.send(message);
    expect(same(await answer, message)).toBe(true);
  }
  peer.close({ code: 1000, reason: '' });
  expect(await peer.closed).toEqual({ code: 1000, reason: '' });
});

test('a thousand messages at once keep their order, both ways', async () => {
  const socket = await open();
  const heard: string[] = [];
  const all = new Promise<void>((resolve) => {
    socket.on('message', (data) => {
      heard.push((data as Buffer).toString());
      if (heard.length === 1000) resolve();
    });
  });
  const sent = Array.from({ length: 1000 }, (_, at) => `message ${at}`);
  for (const message of sent) socket.send(message);
  await all;
  expect(heard).toEqual(sent);
  socket.terminate();
});

test('fragments of a ws client, with a ping between them', async () => {
  const socket = await open();
  const answer = theirNext(socket);
  const pong = once(socket, 'pong');
  socket.send('frag', { fin: false });
  socket.send('', { fin: false });
  socket.ping('between');
  socket.send('ment', { fin: true });
  expect(await answer).toBe('fragment');
  expect(String((await pong)[0])).toBe('between');
  socket.terminate();
});

test('fragments of a ws server', async () => {
  const connection = once(theirs, 'connection') as Promise<[WebSocket]>;
  const peer = await dial(theirPort);
  const [socket] = await connection;
  const answer = peer.next();
  socket.send(MIB.subarray(0, 600_000), { fin: false });
  socket.ping();
  socket.send(MIB.subarray(600_000), { fin: true });
  expect(same(await answer, MIB)).toBe(true);
  socket.terminate();
  expect((await peer.closed).code).toBe(1006);
});

test('pings of each side are answered by the other', async () => {
  const socket = await open();
  const pong = once(socket, 'pong');
  socket.ping(Buffer.alloc(125, 1));
  expect((await pong)[0]).toEqual(Buffer.alloc(125, 1));
  const heard = new Promise<void>((resolve) => {
    latest.onPong = resolve;
  });
  latest.ping();
  await heard;
  const peer = await dial(theirPort);
  const answered = new Promise<void>((resolve) => {
    peer.onPong = resolve;
  });
  peer.ping();
  await answered;
  peer.close({ code: 1000, reason: '' });
  socket.terminate();
});

test.each([
  [1000, 'done'],
  [1001, ''],
  [1011, 'ünï'],
  [3000, ''],
  [4999, 'x'.repeat(123)],
])('the close code %d of a ws client is understood and answered', async (code, reason) => {
  const socket = await open();
  const peer = latest;
  socket.close(code, reason);
  const [echoed] = (await once(socket, 'close')) as [number];
  expect(await peer.closed).toEqual({ code, reason });
  expect(echoed).toBe(code);
});

test('a close without code, of each side', async () => {
  const socket = await open();
  const peer = latest;
  socket.close();
  expect(((await once(socket, 'close')) as [number])[0]).toBe(1005);
  expect((await peer.closed).code).toBe(1005);
  const other = await dial(theirPort);
  other.close({ code: 1005, reason: '' });
  expect((await other.closed).code).toBe(1005);
});

test.each([1000, 1012, 4000, 4509])('our close code %d is understood by a ws client and server', async (code) => {
  const socket = await open();
  latest.close({ code, reason: 'grüße' });
  const [heard, words] = (await once(socket, 'close')) as [number, Buffer];
  expect([heard, words.toString()]).toEqual([code, 'grüße']);
  const connection = once(theirs, 'connection') as Promise<[WebSocket]>;
  const peer = await dial(theirPort);
  const [accepted] = await connection;
  const closed = once(accepted, 'close') as Promise<[number, Buffer]>;
  peer.close({ code, reason: 'bye' });
  expect(String(await closed)).toBe(`${code},bye`);
  expect((await peer.closed).code).toBe(code);
});

test('both sides name the same code for the same fault', async () => {
  const faults: [string, Uint8Array][] = [
    ['reserved bits', frame({ rsv: 2, opcode: 1, payload: 'x', key: KEY })],
    ['reserved opcode', frame({ opcode: 3, key: KEY })],
    ['no mask', frame({ opcode: 1, payload: 'x' })],
    ['continuation of nothing', frame({ opcode: 0, payload: 'x', key: KEY })],
    ['fragmented ping', frame({ fin: false, opcode: 9, key: KEY })],
    ['long ping', frame({ opcode: 9, payload: new Uint8Array(126), key: KEY })],
    ['no text', frame({ opcode: 1, payload: Uint8Array.of(0xed, 0xa0, 0x80), key: KEY })],
    ['short close', frame({ opcode: 8, payload: Uint8Array.of(3), key: KEY })],
    ['wrong close code', frame({ opcode: 8, payload: Uint8Array.of(3, 0xed), key: KEY })],
    ['too long', Uint8Array.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x40, 0, 1, ...KEY])],
  ];
  for (const [name, bytes] of faults) {
    const codes: number[] = [];
    for (const port of [theirPort, (ours.server.address() as AddressInfo).port]) {
      const peer = await dial(port);
      peer.write(bytes);
      codes.push((await peer.closed).code);
    }
    expect(codes[1], name).toBe(codes[0]);
    expect(codes[0], name).not.toBe(1006);
  }
});

test('the first offered subprotocol that is known is chosen; none known is 400', async () => {
  const socket = await open(ours.url, ['one', 'two', 'three']);
  expect(socket.protocol).toBe('two');
  socket.terminate();
  const refused = new WebSocket(ours.url, ['one']);
  const [error] = (await once(refused, 'error')) as [Error];
  expect(error.message).toContain('400');
  const peer = await dial(theirPort, { protocols: ['a', 'b'] });
  expect(peer.protocol).toBe('a');
  peer.close({ code: 1000, reason: '' });
});

test('paths, queries, headers and compression that is offered: the handshake goes through', async () => {
  const socket = new WebSocket(`${ours.url}/room%201?a=b`, {
    headers: { Cookie: 'x=1', Authorization: 'Bearer y' },
    perMessageDeflate: true,
  });
  await once(socket, 'open');
  expect(socket.extensions).toBe('');
  socket.terminate();
  const request = once(theirs, 'connection') as Promise<[WebSocket, { url: string; headers: Record<string, string> }]>;
  const peer = await dial(theirPort, { target: '/r?q=1', headers: { Cookie: 'x=1' } });
  const [, { url, headers }] = await request;
  expect([url, headers['cookie']]).toEqual(['/r?q=1', 'x=1']);
  peer.close({ code: 1000, reason: '' });
});

test('what is no upgrade goes to HTTP, and a client is told of a refusal', async () => {
  expect((await fetch(ours.url.replace('ws', 'http'))).status).toBe(418);
  const strict = new WebSocketServer({ port: 0, host: '127.0.0.1', verifyClient: () => false });
  await once(strict, 'listening');
  await expect(dial((strict.address() as AddressInfo).port)).rejects.toThrow('refused with 401');
  strict.close();
});
