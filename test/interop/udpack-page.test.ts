import { randomBytes } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { FAULT_CODES } from '../../src/udpack/index.ts';
import {
  generateKeys,
  readPublicKey,
  UDPack,
  type UdpackOptions,
  type UdpackSession,
} from '../../src/udpack-endpoint/index.ts';
import { frame, PagePeer, packed, streamFrame } from '../support/udpack-page-peer.ts';

const { privateKey, publicKey } = generateKeys();
const SERVER_KEY = Buffer.from(readPublicKey(publicKey));
const [PING, AUTH, ACCEPT, CLOSE, CLOSE_APP, GOAWAY, NEW_ID, RETIRE, CHALLENGE, ANSWER] = [
  1, 3, 4, 5, 6, 7, 8, 9, 10, 11,
];
const [RESET, STOP, SKIP, DATAGRAM] = [0x10, 0x11, 0x12, 0x13];
const [FIN, LOOSE] = [1, 4];

const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function serve(options: Partial<UdpackOptions> = {}): Promise<{ server: UDPack; port: number }> {
  const server = new UDPack({ prikey: privateKey, authToken: (token) => token === 'sesame', ...options });
  open.push(server);
  await server.ready();
  return { server, port: server.endpoint?.port ?? 0 };
}

async function peerAt(port: number): Promise<PagePeer> {
  const peer = await PagePeer.at(port, SERVER_KEY);
  open.push(peer);
  return peer;
}

/** A session from the page's side, and from ours. */
async function talk(server: UDPack, port: number): Promise<{ peer: PagePeer; session: UdpackSession }> {
  const peer = await peerAt(port);
  const heard = new Promise<UdpackSession>((resolve) => void server.once('session', resolve));
  peer.raw(peer.init());
  peer.finish(await peer.until(() => peer.strange[0]));
  peer.send(frame(AUTH, [6], Buffer.from('sesame')));
  await peer.frameOf(ACCEPT);
  return { peer, session: await heard };
}

test('a handshake, a token, a packet there and back, and a polite end', async () => {
  const { server, port } = await serve();
  server.on('stream', (stream) => {
    stream.on('data', (packet) => void stream.send(packet));
    stream.on('end', () => stream.end());
  });
  const { peer, session } = await talk(server, port);
  expect(peer.strange[0]?.[0]).toBe(0xd1);
  expect(session.id).toBe(peer.hash.toString('hex', 0, 8));
  expect(peer.parameters.get(2)).toHaveLength(16);
  const packets = packed(Buffer.from('hello'), Buffer.alloc(0), randomBytes(900));
  peer.send(streamFrame(0, 0, packets, FIN));
  await peer.until(() => peer.streamData(0).ended);
  expect(peer.streamData(0).data).toEqual(packets);
  peer.send(frame(CLOSE_APP, [7, 3], Buffer.from('bye')));
  expect(await session.closed).toMatchObject({ by: 'peer', code: 7, reason: 'bye', error: undefined });
  await peer.frameOf(CLOSE_APP);
});

test('much data, cut otherwise than packets are', async () => {
  const { server, port } = await serve();
  const came: Buffer[] = [];
  server.on('stream', (stream) => stream.on('data', (packet) => came.push(packet)));
  const { peer, session } = await talk(server, port);
  const sizes = [1, 5000, 0, 70_000, 63, 64, 16_383];
  const packets = sizes.map((size) => randomBytes(size));
  const whole = packed(...packets);
  for (let at = 0; at < whole.length; at += 1111) peer.send(streamFrame(0, at, whole.subarray(at, at + 1111)));
  await peer.until(() => came.length === packets.length);
  expect(came).toEqual(packets);
  // And from there: more than the first window of ours, so that our ACKs are understood.
  const stream = await session.openStream({ kind: 'bytes' });
  const bytes = randomBytes(200_000);
  await stream.write(bytes);
  expect(peer.streamData(3).data).toEqual(bytes);
});

test('loose packets overtake, and a packet that is given up is skipped', async () => {
  const { server, port } = await serve();
  const told: unknown[] = [];
  server.on('stream', (stream) => {
    stream.on('data', (packet) => told.push(packet.toString()));
    stream.on('skipped', (count) => told.push(count));
    stream.on('end', () => told.push('end'));
  });
  const { peer } = await talk(server, port);
  const first = packed(Buffer.from('first'));
  peer.send(streamFrame(0, first.length, packed(Buffer.from('second'), Buffer.from('third')), LOOSE));
  await peer.until(() => told.length === 2);
  peer.send(streamFrame(0, 0, first));
  await peer.until(() => told.length === 3);
  // A packet of ten bytes of which three are sent: its length, and two. The byte behind them never is.
  const at = packed(Buffer.from('first'), Buffer.from('second'), Buffer.from('third')).length;
  peer.send(streamFrame(0, at, Buffer.of(11, 1, 2)));
  peer.send(frame(SKIP, [0, at, at + 4]));
  // A gravestone, and the end.
  peer.send(streamFrame(0, at + 4, Buffer.concat([Buffer.of(0), packed(Buffer.from('last'))]), FIN));
  await peer.until(() => told.includes('end'));
  expect(told.slice(0, 3)).toEqual(['second', 'third', 'first']);
  expect(
    told
      .slice(3)
      .filter((one) => typeof one === 'number')
      .reduce((sum, one) => sum + one, 0),
  ).toBe(2);
  expect(told.slice(-2)).toEqual(['last', 'end']);
});

test('RESET, STOP, DATAGRAM, PING and GOAWAY', async () => {
  const { server, port } = await serve();
  const codes: unknown[] = [];
  server.on('stream', (stream) => {
    stream.resume().on('reset', (code) => codes.push('reset', code));
    stream.on('stop', (code) => codes.push('stop', code));
  });
  const { peer, session } = await talk(server, port);
  session.on('datagram', (bytes) => session.sendDatagram(bytes));
  session.on('goaway', (code, reason) => codes.push('goaway', code, reason));
  peer.send(streamFrame(2, 0, Buffer.from('some')), frame(RESET, [2, 44, 4]), frame(STOP, [2, 45]));
  const answer = await peer.frameOf(RESET);
  expect(answer.numbers.slice(0, 2)).toEqual([2, 45]);
  peer.send(frame(DATAGRAM, [4], Buffer.from('once')));
  expect((await peer.frameOf(DATAGRAM)).bytes.toString()).toBe('once');
  const ping = peer.send(frame(PING, []));
  const acked = ({ type, numbers }: { type: number; numbers: readonly number[] }) => type === 2 && numbers[1] === ping;
  await peer.until(() => peer.frames.some(acked));
  peer.send(frame(GOAWAY, [9, 4], Buffer.from('soon')));
  await peer.until(() => codes.includes('goaway'));
  expect(codes).toEqual(['reset', 44, 'stop', 45, 'goaway', 9, 'soon']);
});

test('a new key is followed', async () => {
  const { server, port } = await serve();
  server.on('stream', (stream) => stream.on('data', (packet) => void stream.send(packet)));
  const { peer, session } = await talk(server, port);
  for (const phase of [1, 2]) {
    peer.updateKeys();
    const offset = phase === 1 ? 0 : 4;
    peer.send(streamFrame(0, offset, packed(Buffer.from('key'))));
    await peer.until(() => peer.streamData(0).data.length >= offset + 4);
    expect(peer.opened.at(-1)?.first).toBe(phase === 1 ? 0x60 : 0x40);
  }
  expect(session.stats().keyUpdates).toBe(2);
});

test('numbers that are left out do no harm, and those that come again are not taken twice', async () => {
  const { server, port } = await serve();
  const { peer, session } = await talk(server, port);
  peer.skip(5000);
  const far = peer.send(frame(PING, []));
  await peer.until(() => peer.frames.some(({ type, numbers }) => type === 2 && numbers[1] === far));
  expect(session.stats().datagramsRepeated).toBe(0);
});

test('a client that moves is followed under another id, and proves where it is', async () => {
  const { server, port } = await serve();
  const { peer, session } = await talk(server, port);
  const spare = randomBytes(8);
  peer.ids.push(spare);
  const told = peer.send(frame(NEW_ID, [1, 0], spare, randomBytes(16)));
  await peer.until(() => peer.frames.some(({ type, numbers }) => type === 2 && (numbers[1] ?? 0) >= told));
  await peer.move();
  const moved = new Promise((resolve) => void session.once('moved', resolve));
  peer.send(frame(PING, []), Buffer.alloc(1000));
  await moved;
  const { bytes } = await peer.frameOf(CHALLENGE);
  const challenged = peer.opened.find(({ frames }) => frames.some(({ type }) => type === CHALLENGE));
  expect(challenged).toMatchObject({ sequence: 1, number: 0 });
  peer.send(frame(ANSWER, [], bytes));
  expect((await peer.frameOf(RETIRE)).numbers).toEqual([0]);
});

test('where cookies are asked for, RETRY is for this INIT, and the cookie lets in', async () => {
  const { port } = await serve({ limits: { halfOpenFree: 0 } });
  const peer = await peerAt(port);
  const init = peer.init();
  expect(init).toHaveLength(1200);
  peer.raw(init);
  const retry = await peer.until(() => peer.strange[0]);
  expect([retry[0], retry.length]).toEqual([0xd2, 69]);
  expect(retry.subarray(-16)).toEqual(peer.macOf(retry, init));
  peer.raw(peer.init(retry.subarray(13, 53)));
  peer.finish(await peer.until(() => peer.strange[1]));
  peer.send(frame(AUTH, [6], Buffer.from('sesame')));
  await peer.frameOf(ACCEPT);
});

test('an INIT of another version hears which ones there are', async () => {
  const { port } = await serve();
  const peer = await peerAt(port);
  const init = peer.init(undefined, 0x01020304);
  peer.raw(init);
  const version = await peer.until(() => peer.strange[0]);
  expect(version.subarray(0, 5)).toEqual(Buffer.of(0xd3, 0, 0, 0, 0));
  expect(version.subarray(5, 13)).toEqual(peer.ids[0]);
  expect(version.subarray(13, -16)).toEqual(Buffer.from('UDP2'));
  expect(version.subarray(-16)).toEqual(peer.macOf(version, init));
});

test('a token that is wrong, and a session that is over', async () => {
  const { port } = await serve();
  const peer = await peerAt(port);
  peer.raw(peer.init());
  peer.finish(await peer.until(() => peer.strange[0]));
  peer.send(frame(AUTH, [4], Buffer.from('open')));
  const { numbers } = await peer.frameOf(CLOSE);
  expect(numbers).toEqual([FAULT_CODES['token-refused']]);
  peer.send(frame(CLOSE, [0, 0]));
  // It is forgotten when its CLOSE is answered; who goes on is told so by the token of the id.
  const reset = await peer.until(() => {
    peer.send(frame(PING, []), Buffer.alloc(30));
    return peer.strange.find((bytes) => bytes[0] === 0x40);
  });
  expect(reset).toHaveLength(42);
  expect(reset.subarray(-16)).toEqual(peer.parameters.get(2));
});

test.each([
  ['a frame that there is not', frame(0x1f, []), 'frame-unknown'],
  ['ACCEPT from a client', frame(ACCEPT, []), 'frame-unexpected'],
  ['a stream of the server that it has not opened', streamFrame(1, 0, Buffer.of(1)), 'stream-state'],
  ['more streams than it allows', streamFrame(4 * 1000, 0, Buffer.of(1)), 'streams-exceeded'],
  ['more bytes than it allows', streamFrame(2, 262_144, Buffer.of(1)), 'credit-exceeded'],
  ['an ack of what it did not send', frame(2, [0, 9999, 0, 0, 0]), 'ack-of-unsent'],
  ['STREAM with bit 1', frame(0x2a, [0, 0, 1], Buffer.of(1)), 'frame-malformed'],
  [
    'a packet that is longer than it takes',
    streamFrame(0, 0, Buffer.from('c000000001000002', 'hex')),
    'packet-too-long',
  ],
  ['SKIP in a stream of bytes', frame(SKIP, [2, 0, 1]), 'stream-state'],
  ['an id with two meanings', frame(NEW_ID, [0, 0], randomBytes(24)), 'id-limit'],
] as const)('%s is the fault that the page says', async (_, bytes, fault) => {
  const { server, port } = await serve({ limits: { packetBytes: 2 ** 24 } });
  const { peer } = await talk(server, port);
  peer.send(bytes);
  expect((await peer.frameOf(CLOSE)).numbers).toEqual([FAULT_CODES[fault]]);
});
