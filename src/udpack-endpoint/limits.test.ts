import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { codeOf, Docks, portOf, read, streamOf } from '../../test/support/udpack.ts';
import { seededRandom } from '../testing/index.ts';

let docks: Docks;

beforeEach(() => {
  docks = new Docks();
});

afterEach(async () => {
  await docks[Symbol.asyncDispose]();
});

test('halfOpenFree: above it clients show a cookie first, and are let in', async () => {
  const server = await docks.server({ limits: { halfOpenFree: 0 } });
  const client = await docks.client();
  const { near } = await docks.join(server, client);
  await near.ping();
  expect(server.stats().retries).toBe(1);
});

test('handshakeRate and handshakeBurst: an address that dials too often gets no answer', async () => {
  const server = await docks.server({ limits: { handshakeRate: 0.001, handshakeBurst: 1 } });
  const client = await docks.client();
  // The first as it is, the second since it shows a cookie.
  for (let session = 1; session <= 2; session++) await docks.join(server, client);
  const third = await docks.client({ times: { handshakeWait: 300 } });
  expect(await codeOf(third.connect({ port: portOf(server) }))).toBe('ERR_CONNECT_FAILED');
  expect(server.stats()).toMatchObject({ sessions: 2, handshakes: 2 });
  expect(server.stats().refused).toBeGreaterThan(0);
});

test('handshakeWait bounds a dial, and what a server keeps for one that is never ended', async () => {
  const server = await docks.server({ times: { handshakeWait: 500 } });
  // A first datagram that is answered, and a client that says nothing more.
  const silent = createSocket('udp4');
  silent.bind(0, '127.0.0.1');
  await once(silent, 'listening');
  const client = await docks.client({ times: { handshakeWait: 500 } });
  const init = once(silent, 'message');
  const dial = codeOf(client.connect({ port: silent.address().port }));
  const [bytes] = (await init) as [Buffer];
  silent.send(bytes, portOf(server), '127.0.0.1');
  await expect.poll(() => server.stats().halfOpen).toBe(1);
  expect(await dial).toBe('ERR_CONNECT_FAILED');
  await expect.poll(() => server.stats().halfOpen).toBe(0);
  silent.close();
});

test('keyUpdate: keys are changed by their age, and nobody notices', async () => {
  const pair = await docks.pair({}, { times: { keyUpdate: 1 } });
  const { out, into } = await streamOf(pair);
  for (let packet = 0; packet < 20; packet++) await out.write(String(packet));
  expect(pair.near.stats().keyUpdates).toBeGreaterThan(1);
  expect(await read(into, 21)).toEqual(['first', ...Array.from({ length: 20 }, (_, packet) => String(packet))]);
  expect(pair.far.stats().datagramsForged).toBe(0);
});

test('idle of either side holds: the lesser of both', async () => {
  const { near, far } = await docks.pair({ times: { idle: 1000, keepalive: 0 } }, { times: { keepalive: 0 } });
  for (let round = 0; round < 10; round++) await Promise.all([near.ping(), far.ping()]);
  const ended = await Promise.all([near.closed, far.closed]);
  expect(ended.map(({ error }) => error?.code)).toEqual(['ERR_PEER_SILENT', 'ERR_PEER_SILENT']);
});

test('sessionWindow: all streams of a session together', async () => {
  const limits = { sessionWindow: 100_000, sessionWindowMost: 100_000, streamWindow: 80_000, streamWindowMost: 80_000 };
  const pair = await docks.pair({ limits, datagramSize: 1200 });
  const streams = [await streamOf(pair), await streamOf(pair), await streamOf(pair)];
  const writes = streams.map(({ out }) => out.write(new Uint8Array(70_000)));
  for (let calm = 0; calm < 5; ) {
    await pair.near.ping();
    calm = pair.near.stats().inFlight === 0 ? calm + 1 : 0;
  }
  expect(pair.far.stats().bytesReceived).toBeLessThan(120_000);
  for (const { into } of streams) into.resume();
  await Promise.all(writes);
});

test('datagrams of nobody, by the thousand, cost a session nothing', async () => {
  const pair = await docks.pair();
  const { out, into } = await streamOf(pair);
  const random = seededRandom(20);
  const stranger = createSocket('udp4');
  const { port } = { port: portOf(pair.server) };
  for (let count = 0; count < 2000; count++) {
    const bytes = Buffer.from(random.bytes(1 + Math.floor(random.unit() * 1500)));
    // Half of them begin as the five kinds do.
    if (count % 2 === 0) bytes[0] = [0xd0, 0xd1, 0xd2, 0xd3, 0x40, 0x60][count % 6] ?? 0;
    await new Promise((sent) => stranger.send(bytes, port, '127.0.0.1', sent));
  }
  await out.write('through it all');
  expect(await read(into, 2)).toEqual(['first', 'through it all']);
  const { stray, sessions, halfOpen, handshakes } = pair.server.stats();
  expect(stray).toBeGreaterThan(500);
  expect([sessions, halfOpen, handshakes]).toEqual([1, 0, 1]);
  expect(pair.far.stats()).toMatchObject({ state: 'open', datagramsForged: 0 });
  stranger.close();
});
