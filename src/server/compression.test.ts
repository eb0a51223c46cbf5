import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as visit } from 'node:net';
import { constants, deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { concat, frame, KEY } from '../../test/support/websocket-frames.ts';
import { type ClientSocket, type ConnectOptions, connect } from '../client/index.ts';
import { createServer, type Server, type ServerOptions } from './index.ts';

const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

const LIMIT = 50_000;
const LONG = 'all work and no play '.repeat(1000);

async function serve(options: ServerOptions = {}): Promise<{ server: Server; url: string }> {
  const server = createServer({
    compression: true,
    limits: { messageBytes: LIMIT },
    onError: (error) => reported.push(error),
    ...options,
  });
  open.push(() => server.close({ drain: 0 }));
  server.on('connection', (socket) => {
    socket.join('lobby');
    socket.handle('echo', (value) => value);
    socket.on('say', (text) => server.to('lobby').send('say', text));
  });
  const [url = ''] = await server.listen('ws://127.0.0.1:0');
  return { server, url };
}

const reported: unknown[] = [];

async function dial(url: string, options: ConnectOptions = {}): Promise<ClientSocket> {
  const socket = await connect(url, { reconnect: false, compression: true, ...options });
  open.push(() => socket.close());
  return socket;
}

describe('a server that compresses', () => {
  test.each<[string, NonNullable<ConnectOptions['compression']>, boolean]>([
    ['with a client that does', true, true],
    ['with one that takes contexts over', { serverContextTakeover: true, clientContextTakeover: true }, true],
    ['with one that does not', false, false],
  ])('answers as ever, %s', async (_, compression, less) => {
    const { server, url } = await serve({ compression: { serverContextTakeover: true, clientContextTakeover: true } });
    const socket = await dial(url, { compression });
    for (let i = 0; i < 10; i++) expect(await socket.request('echo', `${i} ${LONG}`)).toBe(`${i} ${LONG}`);
    const { bytesRead, bytesWritten } = server.stats;
    expect([bytesRead, bytesWritten].map((bytes) => bytes < 10 * LONG.length)).toEqual([less, less]);
  });

  test('speaks to all members of a room, those who compress and those who do not', async () => {
    const { server, url } = await serve();
    const members = [await dial(url), await dial(url), await dial(url, { compression: false })];
    const heard = members.map((member) => new Promise((resolve) => member.once('say', resolve)));
    server.to('lobby').send('say', LONG);
    expect(await Promise.all(heard)).toEqual([LONG, LONG, LONG]);
  });

  test('refuses options that can not be', () => {
    expect(() => createServer({ compression: { level: 11 } })).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
  });

  test('a client is told of options that can not be', async () => {
    const { url } = await serve();
    await expect(dial(url, { compression: { threshold: -1 } })).rejects.toMatchObject({ code: 'ERR_OPTION' });
  });
});

/** What a raw client that offered compression is told after these bytes, and the close code of it, if it has one. */
async function intrude(url: string, bytes: Uint8Array, offer = 'permessage-deflate'): Promise<string> {
  const socket = visit(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
      `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: ${offer}\r\n\r\n`,
  );
  socket.write(bytes);
  socket.end();
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

const deflated = (bytes: Uint8Array): Uint8Array =>
  deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
const part = (opcode: number, payload: Uint8Array, fin = true, rsv = 4): Uint8Array =>
  frame({ fin, rsv, opcode, payload, key: KEY });
const codeIn = (said: string): number => {
  const at = said.lastIndexOf('\x88');
  return at < 0 ? 0 : said.charCodeAt(at + 2) * 256 + said.charCodeAt(at + 3);
};

describe('peers that do it wrong', () => {
  test.each([
    ['a bomb', part(2, deflated(new Uint8Array(1 << 26)).subarray(0, LIMIT)), 1009],
    [
      'a bomb in fragments',
      concat([
        part(2, deflated(new Uint8Array(1 << 20)).subarray(0, 500), false),
        part(0, deflated(new Uint8Array(1 << 20)).subarray(500), true, 0),
      ]),
      1009,
    ],
    ['no deflate data', part(1, new Uint8Array(randomBytes(100)).fill(0xff, 0, 5)), 1007],
    ['the bit where it may not be', part(9, new Uint8Array(1)), 1002],
  ])('%s ends its connection', async (_, bytes, code) => {
    const { url } = await serve();
    const neighbour = await dial(url);
    expect(codeIn(await intrude(url, bytes))).toBe(code);
    expect(await neighbour.request('echo', LONG)).toBe(LONG);
  });

  test('an offer that can not be read is 400; one that can not be accepted goes without', async () => {
    const { url } = await serve();
    expect(await intrude(url, new Uint8Array(0), 'permessage-deflate; =')).toMatch(/^HTTP\/1\.1 400 /);
    const without = await intrude(
      url,
      part(1, deflated(new Uint8Array(5))),
      'permessage-deflate; server_max_window_bits=99',
    );
    expect([without.includes('Sec-WebSocket-Extensions'), codeIn(without)]).toEqual([false, 1002]);
  });

  test('whatever intruders send, nobody else notices, and nothing is reported', async () => {
    const { server, url } = await serve();
    const [one, other] = [await dial(url), await dial(url)];
    const say = fc.constantFrom(
      '{"event":"say","data":"hi"}',
      '{"event":"echo","id":1,"data":[]}',
      LONG,
      '{"event":"hello","user":"x"}',
      'x',
    );
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 50 }),
      say.map((text) => deflated(Buffer.from(text))),
      fc.tuple(say, fc.nat(60), fc.nat(255)).map(([text, at, byte]) => {
        const bytes = new Uint8Array(deflated(Buffer.from(text)));
        bytes[at % bytes.length] = byte;
        return bytes;
      }),
    );
    const frames = fc.array(fc.tuple(fc.constantFrom(0, 1, 2, 9), payload, fc.boolean(), fc.constantFrom(0, 4)), {
      maxLength: 5,
    });
    await fc.assert(
      fc.asyncProperty(frames, async (all) => {
        await intrude(url, concat(all.map(([opcode, bytes, fin, rsv]) => part(opcode, bytes, fin, rsv))));
      }),
      { numRuns: 100 },
    );
    expect(await one.request('echo', LONG)).toBe(LONG);
    expect(await other.request('echo', LONG)).toBe(LONG);
    await expect.poll(() => server.stats.sockets).toBe(2);
    expect(reported).toEqual([]);
  });
});
