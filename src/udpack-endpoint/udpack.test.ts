import { getEventListeners, once } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { codeOf, Docks, KEYS, next, portOf, read, streamOf } from '../../test/support/udpack.ts';
import { generateKeys, publicKeyText, readPublicKey, UDPack, type UdpackSession, type UdpackStream } from './index.ts';

let docks: Docks;

beforeEach(() => {
  docks = new Docks();
});

afterEach(async () => {
  vi.restoreAllMocks();
  await docks[Symbol.asyncDispose]();
});

test('listening is told after the constructor has returned, and ready resolves with the endpoint', async () => {
  const udpack = docks.make();
  expect(udpack.endpoint).toBeUndefined();
  const listening = once(udpack, 'listening');
  await listening;
  expect(udpack.endpoint).toEqual({ address: '127.0.0.1', port: expect.any(Number) });
  expect(await udpack.ready()).toBe(udpack);
});

test.each([
  ['127.0.0.1', undefined, '127.0.0.1', '127.0.0.1'],
  ['::1', undefined, '::1', '::1'],
  ['[::1]', '[::1]', '::1', '::1'],
  ['::', '127.0.0.1', '::', '127.0.0.1'],
  ['::', '::1', '::', '::1'],
  ['localhost', undefined, '127.0.0.1', '127.0.0.1'],
])('on %s, dialled as %s', async (host, dialled, bound, peer) => {
  const server = await docks.server({ host, anonymous: true });
  expect(server.endpoint?.address).toBe(bound);
  const client = await docks.client({ host: peer.includes(':') ? '::1' : '127.0.0.1' });
  const arrived = next(server, 'session');
  const near = await client.connect({ port: portOf(server), ...(dialled === undefined ? {} : { host: dialled }) });
  const [far] = await arrived;
  expect([near.remote, far.remote]).toEqual([
    { address: peer, port: portOf(server) },
    { address: peer, port: portOf(client) },
  ]);
  expect([near.id, near.role, far.role]).toEqual([far.id, 'client', 'server']);
  expect(near.id).toMatch(/^[\da-f]{16}$/);
});

test('an endpoint of both kinds dials IPv4 and IPv6', async () => {
  const [four, six] = [await docks.server(), await docks.server({ host: '::1' })];
  const client = await docks.client({ host: '::' });
  const sessions = [
    await client.connect({ port: portOf(four), host: '127.0.0.1' }),
    await client.connect({ port: portOf(six), host: '::1' }),
  ];
  expect(sessions.map(({ remote }) => remote.address)).toEqual(['127.0.0.1', '::1']);
  expect([...client.sessions]).toEqual(sessions);
});

test('one endpoint takes sessions in and dials others', async () => {
  const [one, other] = [await docks.server({ pubkey: KEYS.publicKey }), await docks.server({ pubkey: KEYS.publicKey })];
  const there = await docks.join(one, other);
  const back = await docks.join(other, one);
  expect([there.near.role, back.near.role, [...one.sessions].length]).toEqual(['client', 'client', 2]);
});

test('connect with a callback, and openStream with one', async () => {
  const server = await docks.server();
  const client = docks.make({ pubkey: KEYS.publicKey });
  // Not bound yet: it waits for that.
  const session = await new Promise<UdpackSession | undefined>((resolve, reject) => {
    const returned = client.connect(portOf(server), '127.0.0.1', (error, dialled) =>
      error === null ? resolve(dialled) : reject(error),
    );
    expect(returned).toBe(client);
  });
  const arrived = next(server, 'stream');
  const stream = await new Promise<UdpackStream | undefined>((resolve, reject) => {
    client.openStream((error, opened) => (error === null ? resolve(opened) : reject(error)));
  });
  expect(stream?.session).toBe(session);
  stream?.send('hello');
  const [into] = await arrived;
  expect(await read(into, 1)).toEqual(['hello']);
});

test('what can not be dialled is told to the callback and as connect_error', async () => {
  const client = await docks.client();
  const told = once(client, 'connect_error');
  const heard = await new Promise<unknown>((resolve) => {
    client.connect(0, '127.0.0.1', resolve);
  });
  expect(heard).toMatchObject({ code: 'ERR_ARGUMENT' });
  expect((await told)[0]).toBe(heard);
});

test.each([-1, 65_536, 1.5, Number.NaN])('port %s is none to dial', async (port) => {
  expect(await codeOf((await docks.client()).connect({ port }))).toBe('ERR_ARGUMENT');
});

test('the session dialled last is the one that openStream of the endpoint takes', async () => {
  const [one, other] = [await docks.server(), await docks.server()];
  const client = await docks.client();
  expect(await codeOf(client.openStream())).toBe('ERR_CLOSED');
  await docks.join(one, client);
  const { near } = await docks.join(other, client);
  expect((await client.openStream({ kind: 'bytes' })).session).toBe(near);
  await near.close();
  expect(await codeOf(client.openStream())).toBe('ERR_CLOSED');
  const refused = await new Promise((resolve) => client.openStream(resolve));
  expect(refused).toMatchObject({ code: 'ERR_CLOSED' });
});

test('a signal stops a dial before, while and never after', async () => {
  const server = await docks.server();
  const client = await docks.client();
  const { port } = { port: portOf(server) };
  expect(await codeOf(client.connect({ port, signal: AbortSignal.abort() }))).toBe('ERR_ABORTED');

  const during = new AbortController();
  const dial = client.connect({ port, signal: during.signal });
  during.abort(new Error('enough'));
  await expect(dial).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: { message: 'enough' } });

  const sent = new AbortController();
  const silent = await docks.open();
  const pending = client.connect({ port: portOf(silent), signal: sent.signal });
  await expect.poll(() => silent.stats().datagramsReceived).toBeGreaterThan(0);
  sent.abort();
  expect(await codeOf(pending)).toBe('ERR_ABORTED');

  const after = new AbortController();
  const session = await client.connect({ port, signal: after.signal });
  after.abort();
  await session.ping();
  expect([...client.sessions]).toEqual([session]);
});

test('a signal stops a dial while the name is looked up', async () => {
  const client = await docks.client();
  const during = new AbortController();
  const dial = client.connect({ port: 9, host: 'nobody.invalid', signal: during.signal });
  during.abort();
  expect(await codeOf(dial)).toBe('ERR_ABORTED');
});

test('the signal of an endpoint ends it at once: before it is bound, while it is open', async () => {
  const early = new UDPack({ signal: AbortSignal.abort() });
  expect(await codeOf(early.ready())).toBe('ERR_ABORTED');

  const end = new AbortController();
  const server = await docks.server({ signal: end.signal });
  const { near } = await docks.join(server, await docks.client());
  const closed = once(server, 'close');
  end.abort();
  await closed;
  expect(getEventListeners(end.signal, 'abort')).toEqual([]);
  expect(await near.closed).toMatchObject({ by: 'peer', code: 0, error: undefined });
  expect(await codeOf(server.connect({ port: 9, key: KEYS.publicKey }))).toBe('ERR_CLOSED');
});

test('an endpoint that is closed before it is bound harms nobody', async () => {
  const udpack = new UDPack();
  const closed = once(udpack, 'close');
  await udpack.close();
  await closed;
  expect(await codeOf(udpack.ready())).toBe('ERR_CLOSED');
});

test('dials that are under way when the endpoint is closed are told, at whatever point they are', async () => {
  const silent = await docks.open();
  const client = await docks.client();
  const dials = [client.connect({ port: portOf(silent) }), client.connect({ port: 9, host: 'nobody.invalid' })].map(
    codeOf,
  );
  await expect.poll(() => silent.stats().datagramsReceived).toBeGreaterThan(0);
  await client.close();
  // Whether the name was found to be unknown first is the system's affair.
  expect(await Promise.all(dials)).toEqual(['ERR_CLOSED', expect.stringMatching(/^ERR_(CLOSED|CONNECT_FAILED)$/)]);
  expect(await codeOf(client.connect({ port: 9 }))).toBe('ERR_CLOSED');
});

test('close resolves when the port is free again, and twice is no more', async () => {
  const server = await docks.server();
  const port = portOf(server);
  const closes: string[] = [];
  server.on('close', () => closes.push('close'));
  await Promise.all([server.close(), server.close(3, 'again'), server[Symbol.asyncDispose]()]);
  expect(closes).toEqual(['close']);
  expect(portOf(await docks.server({ port }))).toBe(port);
});

test('await using closes an endpoint politely: what was written arrives', async () => {
  const server = await docks.server();
  const arrived = next(server, 'stream');
  let near: UdpackSession;
  {
    await using client = await docks.client();
    near = await client.connect({ port: portOf(server) });
    (await near.openStream()).send('last words');
  }
  const [into] = await arrived;
  expect(await read(into, 1)).toEqual(['last words']);
  expect(near.ended).toMatchObject({ by: 'self', code: 0 });
});

test('a signal hurries a polite close, and is left alone afterwards', async () => {
  const server = await docks.server({ limits: { streamWindow: 1000 } });
  const client = await docks.client({ times: { closeWait: 60_000 } });
  const pair = await docks.join(server, client);
  const { out } = await streamOf(pair);
  const write = codeOf(out.write(new Uint8Array(100_000)));
  const hurry = new AbortController();
  const closed = client.close(5, 'bye', { signal: hurry.signal });
  hurry.abort();
  await closed;
  expect(await pair.near.closed).toMatchObject({ by: 'self', code: 5, reason: 'bye' });
  expect(await write).toBe('ERR_CLOSED');
  expect(getEventListeners(hurry.signal, 'abort')).toEqual([]);
});

test('abort waits for nothing, and closed resolves with it', async () => {
  const { server, client, near, far } = await docks.pair({ times: { closeWait: 60_000 } });
  const stream = await far.openStream();
  stream.send(new Uint8Array(1_000_000));
  await server.abort(8, 'now');
  await server.closed;
  expect(await near.closed).toMatchObject({ by: 'peer', code: 8, reason: 'now' });
  expect(client.stats().sessions).toBe(0);
});

test('a port that can not be bound is closed', async () => {
  const taken = await docks.server();
  const other = docks.make({ port: portOf(taken) });
  expect(await codeOf(other.ready())).toBe('ERR_ADDRESS_IN_USE');
  await other.closed;
});

test('a signal ends the waiting for ready, and nothing else', async () => {
  const udpack = docks.make();
  const stop = new AbortController();
  const ready = codeOf(udpack.ready({ signal: stop.signal }));
  stop.abort();
  expect(await ready).toBe('ERR_ABORTED');
  expect(await udpack.ready()).toBe(udpack);
});

test('ping and pong of any session are told by the endpoint', async () => {
  const { server, client, near, far } = await docks.pair();
  const told = Promise.all([once(server, 'ping'), once(client, 'pong')]);
  const rtt = await near.ping();
  expect(await told).toEqual([[far], [near, rtt]]);
});

test('close of an endpoint tells the code and the reason to all sessions, goaway too', async () => {
  const server = await docks.server();
  const pairs = [await docks.join(server, await docks.client()), await docks.join(server, await docks.client())];
  const told = Promise.all(pairs.map(({ client }) => once(client, 'goaway')));
  server.goaway(7, 'soon');
  expect((await told).map(([session, ...rest]) => [session === undefined, ...rest])).toEqual([
    [false, 7, 'soon'],
    [false, 7, 'soon'],
  ]);
  await server.close(9, 'now');
  for (const { near } of pairs) expect(await near.closed).toMatchObject({ by: 'peer', code: 9, reason: 'now' });
});

test('a code that can not be is refused, and nothing is closed', async () => {
  const { server, near } = await docks.pair();
  for (const code of [-1, 0.5, 2 ** 53]) {
    expect(() => server.goaway(code)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect(await codeOf(server.close(code))).toBe('ERR_ARGUMENT');
    expect(() => near.goaway(code)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect(await codeOf(near.close(code))).toBe('ERR_ARGUMENT');
    expect(await codeOf(near.abort(code))).toBe('ERR_ARGUMENT');
  }
  await near.ping();
});

test('stats count what crosses the socket', async () => {
  const pair = await docks.pair();
  const { out } = await streamOf(pair);
  await out.write(new Uint8Array(5000));
  const { sessions, bytesSent, datagramsSent, bytesReceived, datagramsReceived } = pair.client.stats();
  expect(sessions).toBe(1);
  expect(bytesSent).toBeGreaterThan(5000 + 1200);
  expect(datagramsSent).toBeGreaterThan(1);
  expect(datagramsSent).toBeLessThan(bytesSent);
  expect([bytesReceived > 0, datagramsReceived > 0]).toEqual([true, true]);
  // The search for longer datagrams may still be under way.
  await expect.poll(() => pair.client.stats().bytesSent - pair.server.stats().bytesReceived).toBe(0);
  expect(pair.server.stats()).toMatchObject({ handshakes: 1, halfOpen: 0, refused: 0, retries: 0, stray: 0 });
  expect(docks.make().stats()).toMatchObject({ sessions: 0, handshakes: 0, bytesSent: 0 });
});

test('a listener that throws is reported, and nobody else is harmed', async () => {
  const server = await docks.server();
  server.on('session', () => {
    throw new Error('of session');
  });
  server.on('stream', (stream) => {
    stream.on('data', () => {
      throw new Error('of data');
    });
  });
  const client = await docks.client();
  client.on('connect_error', () => {
    throw new Error('of connect_error');
  });
  const near = await client.connect({ port: portOf(server) });
  await (await near.openStream()).write('hello');
  await codeOf(client.connect({ port: 0 }));
  await new Promise<void>((resolve) => {
    client.connect(portOf(server), '127.0.0.1', () => {
      resolve();
      throw new Error('of a callback');
    });
  });
  await near.ping();
  expect(docks.reported.toSorted()).toEqual([
    "a listener of 'connect_error': of connect_error",
    "a listener of 'data': of data",
    "a listener of 'session': of session",
    "a listener of 'session': of session",
    'the callback of connect: of a callback',
  ]);
});

test('without onError it is written to stderr', async () => {
  const error = vi.spyOn(console, 'error').mockImplementation(() => {});
  await using udpack = new UDPack();
  udpack.on('listening', () => {
    throw new Error('oops');
  });
  await udpack.ready();
  await expect.poll(() => error).toHaveBeenCalledTimes(1);
  expect(error.mock.calls[0]?.[0]).toBe("udpack: a listener of 'listening' failed:");
});

/** What keeps the process alive now. */
function alive(kind: string): number {
  return process.getActiveResourcesInfo().filter((name) => name === kind).length;
}

test('unref lets the process end, also before the port is bound; ref takes that back', async () => {
  const before = alive('UDPWrap');
  const udpack = docks.make().unref();
  await udpack.ready();
  expect(alive('UDPWrap')).toBe(before);
  expect(udpack.ref()).toBe(udpack);
  expect(alive('UDPWrap')).toBe(before + 1);
  udpack.unref();
  expect(alive('UDPWrap')).toBe(before);
});

test('timers of a session keep no process alive that the endpoint does not', async () => {
  const { server, client } = await docks.pair();
  server.unref();
  client.unref();
  const [timers, sockets] = [alive('Timeout'), alive('UDPWrap')];
  client.ref();
  expect([alive('Timeout') - timers, alive('UDPWrap') - sockets]).toEqual([1, 1]);
});

test('the address in use is told, by the error event alone when nobody waits for ready', async () => {
  const port = portOf(await docks.server());
  const second = docks.make({ port });
  await expect(second.ready()).rejects.toMatchObject({
    code: 'ERR_ADDRESS_IN_USE',
    message: expect.stringContaining(`127.0.0.1:${port}`) as string,
  });
  const third = docks.make({ port });
  const [error] = (await once(third, 'error')) as unknown[];
  expect(error).toMatchObject({ code: 'ERR_ADDRESS_IN_USE' });
});

test('an address in use is told to who dials, too, and nobody else need listen', async () => {
  const port = portOf(await docks.server());
  const options = { port, pubkey: KEYS.publicKey };
  expect(await codeOf(docks.make(options).connect({ port: 9 }))).toBe('ERR_ADDRESS_IN_USE');
  const heard = await new Promise((resolve) => docks.make(options).connect(9, '127.0.0.1', resolve));
  expect(heard).toMatchObject({ code: 'ERR_ADDRESS_IN_USE' });
});

test('a listener of error that throws is reported', async () => {
  const second = docks.make({ port: portOf(await docks.server()) });
  second.on('error', () => {
    throw new Error('oops');
  });
  expect(await codeOf(second.ready())).toBe('ERR_ADDRESS_IN_USE');
  await expect.poll(() => docks.reported).toEqual(["a listener of 'error': oops"]);
});

test('a socket that fails is told, and the endpoint closes', async () => {
  const { server, near } = await docks.pair();
  const failed = once(server, 'error');
  const closed = new Promise<void>((resolve) => void server.once('close', resolve));
  const { Socket } = await import('node:dgram');
  const sends = vi.spyOn(Socket.prototype, 'send');
  near.ping().catch(() => {});
  const sockets = sends.mock.contexts as InstanceType<typeof Socket>[];
  const own = (): InstanceType<typeof Socket> | undefined =>
    sockets.find((socket) => socket.address().port === portOf(server));
  await expect.poll(own).toBeDefined();
  own()?.emit('error', new Error('the cable is cut'));
  expect((await failed)[0]).toMatchObject({ code: 'ERR_CONNECT_FAILED', message: expect.stringContaining('cable') });
  await closed;
});

test('generated keys work in every form in which they are read', async () => {
  const { privateKey, publicKey } = generateKeys();
  const server = await docks.server({ prikey: Buffer.from(privateKey) });
  const client = await docks.open();
  const raw = readPublicKey(publicKey);
  for (const key of [publicKey, Buffer.from(publicKey), raw, publicKeyText(raw)]) {
    const session = await client.connect({ port: portOf(server), key });
    expect(session.remote.port).toBe(portOf(server));
  }
});
