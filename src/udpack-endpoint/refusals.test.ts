import { createHash, createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { createSocket, Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { UdpRelay } from '../../test/support/udp-relay.ts';
import { codeOf, Docks, KEYS, next, portOf, streamOf } from '../../test/support/udpack.ts';
import { generateKeys, UDPack, type UdpackOptions, type UdpackSession } from './index.ts';

let docks: Docks;
let relay: UdpRelay | undefined;

beforeEach(() => {
  docks = new Docks();
});

afterEach(async () => {
  vi.restoreAllMocks();
  await docks[Symbol.asyncDispose]();
  await relay?.[Symbol.asyncDispose]();
  relay = undefined;
});

/** Long enough for what is to happen, and short enough to wait for what is not. */
const SOON = { handshakeWait: 300 };

/** Both sides know how short the round trip is: what waits for a few of them waits no longer. */
async function timed(...sessions: UdpackSession[]): Promise<void> {
  for (let round = 0; round < 10; round++) await Promise.all(sessions.map((session) => session.ping()));
}

async function relayTo(server: UDPack): Promise<UdpRelay> {
  relay = await UdpRelay.open({ address: '127.0.0.1', port: portOf(server) });
  return relay;
}

function refusal(options: object): unknown {
  try {
    return new UDPack(options);
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

test.each([
  { port: -1 },
  { port: 65_536 },
  { port: 1.5 },
  { congestion: 'vegas' },
  { limits: { packetBytes: -1 } },
  { limits: { streems: 1 } },
  { times: { idle: Number.NaN } },
  { colour: 'red' },
])('%j is no option', (options) => {
  expect(refusal(options)).toBe('ERR_OPTION');
});

test.each(['prikey', 'pubkey'])('an RSA key as %s is refused, and the remedy named', (name) => {
  const rsa = generateKeyPairSync('rsa', {
    modulusLength: 1024,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const key = name === 'prikey' ? rsa.privateKey : rsa.publicKey;
  expect(() => new UDPack({ [name]: key })).toThrow(/RSA.*hawser keygen/);
  expect(refusal({ [name]: key })).toBe('ERR_KEY');
});

test('a listener off loopback without authToken needs the word anonymous', async () => {
  const prikey = KEYS.privateKey;
  for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.com'])
    expect(refusal({ prikey, host })).toBe('ERR_OPTION');
  await docks.open({ prikey, host: '0.0.0.0', anonymous: true });
  await docks.open({ prikey, host: '0.0.0.0', authToken: () => true });
  // Who only dials lets nobody in.
  await docks.open({ host: '0.0.0.0' });
});

test('dialling without a key is refused', async () => {
  expect(await codeOf((await docks.open()).connect({ port: 9 }))).toBe('ERR_OPTION');
  const client = await docks.open();
  expect(await codeOf(client.connect({ port: 9, key: 'no key at all' }))).toBe('ERR_KEY');
});

test("another server's key: nobody answers, and the client says what may be wrong", async () => {
  const server = await docks.server();
  const client = await docks.client({ pubkey: generateKeys().publicKey, times: SOON });
  await expect(client.connect({ port: portOf(server) })).rejects.toMatchObject({
    code: 'ERR_CONNECT_FAILED',
    message: expect.stringMatching(/127\.0\.0\.1:\d+: no answer.*public key/),
  });
  expect(server.stats().datagramsSent).toBe(0);
});

test.each([
  ['nobody listens on the port', undefined],
  ['a socket that never answers', 'silent'],
])('%s: the dial fails in time', async (_, silent) => {
  const other = createSocket('udp4');
  other.bind(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address();
  if (silent === undefined) other.close();
  const client = await docks.client({ times: SOON });
  expect(await codeOf(client.connect({ port }))).toBe('ERR_CONNECT_FAILED');
  if (silent !== undefined) other.close();
});

test('a server that speaks other versions alone', async () => {
  const other = createSocket('udp4');
  other.bind(0, '127.0.0.1');
  await once(other, 'listening');
  const publicKey = createPublicKey(KEYS.publicKey).export({ type: 'spki', format: 'der' }).subarray(-32);
  const macKey = createHash('sha256').update('UDPack 2 mac 1').update(publicKey).digest();
  other.on('message', (init, { port }) => {
    // VERSION: kind, version 0, the client's id, what is spoken, and a mac that only who got the INIT can make.
    const versions = Buffer.concat([Buffer.of(0xd3, 0, 0, 0, 0), init.subarray(5, 13), Buffer.from('UDP9')]);
    const mac = createHmac('sha256', macKey).update(init.subarray(-16)).update(versions).digest().subarray(0, 16);
    other.send(Buffer.concat([versions, mac]), port, '127.0.0.1');
  });
  const client = await docks.client();
  expect(await codeOf(client.connect({ port: other.address().port }))).toBe('ERR_VERSION');
  other.close();
});

test.each<[string, UdpackOptions['authToken']]>([
  ['false', () => false],
  ['a promise of false', async () => false],
  ['a word that is not true', () => 'yes' as unknown as boolean],
  [
    'an error',
    () => {
      throw new Error('the database is down');
    },
  ],
  ['a rejection', () => Promise.reject(new Error('the database is down'))],
])('authToken that gives %s lets nobody in', async (_, authToken) => {
  const server = await docks.server({ authToken: authToken ?? (() => true) });
  const sessions: unknown[] = [];
  server.on('session', (session) => sessions.push(session));
  const client = await docks.client({ token: 'let me in' });
  await expect(client.connect({ port: portOf(server) })).rejects.toMatchObject({
    code: 'ERR_AUTH_FAILED',
    message: expect.stringContaining('the token was refused'),
  });
  expect([sessions, [...server.sessions], [...client.sessions]]).toEqual([[], [], []]);
  const thrown = docks.reported.filter((line) => line === 'authToken: the database is down');
  expect(thrown.length).toBe(docks.reported.length);
});

test('authToken hears the token as text and as bytes, and from where it comes', async () => {
  const heard: unknown[] = [];
  const server = await docks.server({
    authToken: (token, { bytes, remote }) => {
      heard.push(token, bytes, remote.address);
      return token === 'ünï';
    },
  });
  const client = await docks.client({ token: 'ünï' });
  await client.connect({ port: portOf(server) });
  expect(heard).toEqual(['ünï', Buffer.from('ünï'), '127.0.0.1']);
  expect(await codeOf(client.connect({ port: portOf(server), token: Uint8Array.of(0xff, 0) }))).toBe('ERR_AUTH_FAILED');
  expect(heard[4]).toEqual(Buffer.of(0xff, 0));
});

test('a token that was good and has expired is refused; the session from before goes on', async () => {
  let expired = false;
  const server = await docks.server({ authToken: (token) => token === 'ticket' && !expired });
  const client = await docks.client({ token: 'ticket' });
  const session = await client.connect({ port: portOf(server) });
  expired = true;
  expect(await codeOf(client.connect({ port: portOf(server) }))).toBe('ERR_AUTH_FAILED');
  await session.ping();
});

test('a slow authToken: what the client said meanwhile is told once it is let in, and not before', async () => {
  let judge: (good: boolean) => void = () => {};
  const asked = vi.fn(
    () =>
      new Promise<boolean>((resolve) => {
        judge = resolve;
      }),
  );
  const server = await docks.server({ authToken: asked });
  const told: string[] = [];
  server.on('session', () => told.push('session')).on('stream', () => told.push('stream'));
  const client = await docks.client();
  const dial = client.connect({ port: portOf(server) });
  await expect.poll(() => asked).toHaveBeenCalled();
  expect(told).toEqual([]);
  judge(true);
  const near = await dial;
  (await near.openStream()).send('x');
  await next(server, 'stream');
  expect(told).toEqual(['session', 'stream']);
});

test('an authToken that never answers: both sides give up in time', async () => {
  const server = await docks.server({ authToken: () => new Promise<boolean>(() => {}), times: SOON });
  const client = await docks.client({ times: SOON });
  expect(await codeOf(client.connect({ port: portOf(server) }))).toBe('ERR_CONNECT_FAILED');
  await server.close();
});

test('a token longer than limits.tokenBytes is refused before anybody judges it', async () => {
  const asked = vi.fn(() => true);
  const server = await docks.server({ authToken: asked, limits: { tokenBytes: 8 } });
  const client = await docks.client();
  expect(await codeOf(client.connect({ port: portOf(server), token: '123456789' }))).toBe('ERR_AUTH_FAILED');
  expect(asked).not.toHaveBeenCalled();
  await client.connect({ port: portOf(server), token: '12345678' });
});

test('a name that nobody knows, and an address of the wrong kind', async () => {
  const client = await docks.client();
  await expect(client.connect({ port: 9, host: 'nobody.invalid' })).rejects.toMatchObject({
    code: 'ERR_CONNECT_FAILED',
    message: expect.stringContaining('nobody.invalid'),
  });
  await expect(client.connect({ port: 9, host: '::1' })).rejects.toMatchObject({
    code: 'ERR_CONNECT_FAILED',
    message: expect.stringContaining("host '::'"),
  });
  expect(await codeOf(docks.make({ host: 'nobody.invalid' }).ready())).toBe('ERR_CONNECT_FAILED');
});

test("an address that isn't this machine's can not be bound", async () => {
  await expect(docks.make({ host: '192.0.2.77' }).ready()).rejects.toMatchObject({
    code: 'ERR_CONNECT_FAILED',
    message: expect.stringContaining('192.0.2.77'),
  });
});

test('an address that no way leads to from here: the dial fails at once', async () => {
  const client = await docks.client();
  // From loopback nothing leaves the machine.
  await expect(client.connect({ port: 9, host: '192.0.2.1' })).rejects.toMatchObject({
    code: 'ERR_CONNECT_FAILED',
    message: expect.stringContaining("192.0.2.1:9 can't be reached"),
  });
  expect([...client.sessions]).toEqual([]);
});

test('a path for less than 1200 bytes carries no session', async () => {
  const via = await relayTo(await docks.server());
  via.weather = { mtu: 1199 };
  const client = await docks.client({ times: SOON });
  expect(await codeOf(client.connect({ port: via.port }))).toBe('ERR_CONNECT_FAILED');
  expect(via.lost.up).toBeGreaterThan(0);
});

test('what the system refuses as too long is sent shorter', async () => {
  const real = Socket.prototype.send;
  let refused = 0;
  vi.spyOn(Socket.prototype, 'send').mockImplementation(function (this: Socket, ...args: unknown[]) {
    const [, , length, , , done] = args as [Buffer, number, number, number, string, (error: Error) => void];
    if (length <= 1452) {
      Reflect.apply(real, this, args);
      return;
    }
    refused++;
    queueMicrotask(() => done(Object.assign(new Error('too long'), { code: 'EMSGSIZE' })));
  });
  const pair = await docks.pair();
  const { out, into } = await streamOf(pair);
  into.resume();
  await out.write(new Uint8Array(300_000));
  await timed(pair.near, pair.far);
  // Each side has tried one that was too long, once.
  expect(refused).toBe(2);
  expect(pair.near.stats().datagramSize).toBe(1452);
});

test('a peer that is gone: both sides hear of it after the idle time', async () => {
  const server = await docks.server({ times: { idle: 1000 } });
  const via = await relayTo(server);
  const { near, far } = await docks.join(server, await docks.client(), via);
  await timed(near, far);
  via.passes = () => false;
  const waiting = codeOf(near.ping());
  for (const { by, error } of [await near.closed, await far.closed]) {
    expect([by, error?.code]).toEqual(['self', 'ERR_PEER_SILENT']);
  }
  expect(await waiting).toBe('ERR_PEER_SILENT');
  expect(await codeOf(near.openStream())).toBe('ERR_PEER_SILENT');
  expect(() => near.sendDatagram('x')).toThrow(expect.objectContaining({ code: 'ERR_PEER_SILENT' }));
});

test('a quiet session is kept alive', async () => {
  const times = { idle: 2000, keepalive: 20 };
  const { near, far } = await docks.pair({ times }, { times });
  const before = near.stats().datagramsReceived;
  await expect.poll(() => near.stats().datagramsReceived).toBeGreaterThan(before + 10);
  expect([near.ended, far.ended]).toEqual([undefined, undefined]);
});

test('a server that was started anew ends the sessions from before, as soon as they speak', async () => {
  const server = await docks.server();
  const port = portOf(server);
  const via = await relayTo(server);
  const { near, far } = await docks.join(server, await docks.client(), via);
  await timed(near, far);
  via.passes = () => false;
  for (const session of server.sessions) void session.abort();
  await server.close();
  // Its farewell is not to come late.
  await expect.poll(() => via.lost.down).toBeGreaterThan(0);
  await docks.server({ port });
  via.passes = () => true;
  (await near.openStream()).send('Is anybody there? This is longer than a reset has to be.');
  expect(await near.closed).toMatchObject({ by: 'peer', error: { code: 'ERR_SESSION_LOST' } });
});

test('a server that was started anew after it had answered, and before it let anybody in: whoever dials begins anew', async () => {
  const server = await docks.server();
  const port = portOf(server);
  const via = await relayTo(server);
  const client = await docks.client();
  let answered = false;
  via.passes = (_, way) => {
    if (way === 'up') return !answered;
    answered = true;
    return true;
  };
  const token = 'This is longer than a reset has to be.'.repeat(4);
  const dialled = client.connect({ port: via.port, token });
  await expect.poll(() => via.lost.up).toBeGreaterThan(0);
  await server.abort();
  const tokens: string[] = [];
  await docks.server({ port, authToken: (shown) => tokens.push(shown) > 0 });
  via.passes = () => true;
  const session = await dialled;
  await session.ping();
  expect(tokens).toEqual([token]);
  expect(client.sessions).toEqual([session]);
});

test('a server with another key, or at another port, ends no session of its neighbour', async () => {
  const server = await docks.server();
  const neighbours = [await docks.server(), await docks.server({ prikey: generateKeys().privateKey })];
  const via = await relayTo(server);
  const { near } = await docks.join(server, await docks.client(), via);
  // Datagrams of the session reach the neighbours, too, and what they answer comes to the client from where it expects it.
  const stray = createSocket('udp4');
  const answers: Buffer[] = [];
  stray.on('message', (bytes) => answers.push(bytes));
  via.passes = (bytes, way) => {
    if (way === 'up') for (const one of neighbours) stray.send(bytes, portOf(one), '127.0.0.1');
    return true;
  };
  await near.ping();
  await expect.poll(() => answers.length).toBeGreaterThanOrEqual(2);
  via.passes = () => true;
  for (const answer of answers) await via.inject(answer);
  await near.ping();
  expect(near.ended).toBeUndefined();
  stray.close();
});

test('no more sessions than limits.sessions', async () => {
  const server = await docks.server({ limits: { sessions: 1 } });
  await (await docks.client()).connect({ port: portOf(server) });
  const second = await docks.client({ times: SOON });
  expect(await codeOf(second.connect({ port: portOf(server) }))).toBe('ERR_CONNECT_FAILED');
  expect([...server.sessions].length).toBe(1);
});
