import { afterEach, describe, expect, test } from 'vitest';
import { House, type Scheme } from '../../test/support/house.ts';
import { CuttingProxy } from '../../test/support/proxy.ts';
import type { Dialect, RawPeer } from '../../test/support/raw-peer.ts';
import { type ClientSocket, connect } from '../client/index.ts';
import type { CloseReason, HawserError } from '../core/index.ts';
import { parseEndpoint } from '../transport/index.ts';
import { hawserCodec } from '../wire/index.ts';
import type { Server, ServerOptions, ServerSocket } from './index.ts';

const STREAMS: Scheme[] = ['tcp', 'ipc', 'ws', 'udpack'];
const DIALECTS: Dialect[] = ['hawser', 'json'];
const EVERY: [Scheme, Dialect][] = STREAMS.flatMap((scheme) =>
  DIALECTS.map((dialect): [Scheme, Dialect] => [scheme, dialect]),
);

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function serve(options: ServerOptions, ...schemes: Scheme[]): Promise<House> {
  const house = await House.open(options, ...schemes);
  open.push(house);
  return house;
}

/** A client whose line runs through a proxy. */
async function through(house: House, options: Parameters<typeof connect>[1] = {}) {
  const { port = 0 } = parseEndpoint(house.url('tcp'));
  const proxy = house.keep(await CuttingProxy.open({ target: { port } }));
  return { proxy, client: house.keep(await connect(`tcp://127.0.0.1:${proxy.port}`, options)) };
}

/** The server's side of the only socket. */
function only(server: Server): ServerSocket {
  const [socket] = server.of('/').sockets;
  return socket as ServerSocket;
}

function told<T>(socket: ServerSocket | ClientSocket, event: 'close' | 'down' | 'up'): Promise<T> {
  return new Promise((resolve) => (socket as ServerSocket).once(event as 'close', (what) => resolve(what as T)));
}

const errorOf = (waiting: Promise<unknown>): Promise<HawserError> =>
  waiting.then(
    () => expect.fail('no error'),
    (error: HawserError) => error,
  );

/** Says a text byte by byte until the peer is sent away; resolves with how many bytes that took. */
async function drip(peer: RawPeer, bytes: Uint8Array): Promise<number> {
  const over = peer.end().then(() => true);
  for (let at = 0; at < bytes.length; at++) {
    peer.raw(bytes.subarray(at, at + 1));
    const pause = new Promise<false>((resolve) => setTimeout(resolve, 5, false));
    if (await Promise.race([over, pause])) return at;
  }
  return bytes.length;
}

describe('times.loginWait', () => {
  // Over udpack it begins when the handshake ends, and bytes of a datagram come together: src/transports/udpack has its own.
  const streams = EVERY.filter(([scheme]) => scheme !== 'udpack');
  const never = { authenticate: () => Promise.reject(new Error('no')), times: { loginWait: 100, closeWait: 100 } };

  test.each(streams)('who says nothing over %s in %s is let go', async (scheme, dialect) => {
    const house = await serve(never, scheme);
    const peer = await house.peer(scheme, dialect);
    const { code } = await peer.end();
    expect(peer.errors).toEqual(['ERR_LOGIN_TIMEOUT']);
    if (scheme === 'ws' || dialect === 'hawser') expect(code).toBe(4002);
  });

  test.each(streams)('a hello over %s in %s that comes in drips takes no longer', async (scheme, dialect) => {
    const house = await serve(never, scheme);
    const peer = await house.peer(scheme, dialect);
    // Frames of 1000 bytes of which every byte but the last may come.
    const head = scheme === 'ws' ? [dialect === 'json' ? 0x81 : 0x82, 0xfe, 0x03, 0xe8, 0, 0, 0, 0] : [0x4f, 0xa0];
    const body = Buffer.concat([
      Buffer.from(scheme !== 'ws' && dialect === 'json' ? [] : head),
      Buffer.from(`{"event":"hello","token":"${'x'.repeat(900)}`),
    ]);
    expect(await drip(peer, body)).toBeLessThan(body.length);
    await peer.end();
    expect(new Set(peer.errors)).toEqual(new Set(['ERR_LOGIN_TIMEOUT']));
  });

  test('authentication that takes too long is no excuse', async () => {
    const house = await serve({ ...never, authenticate: () => new Promise(() => {}) }, 'tcp');
    expect(await errorOf(connect(house.url('tcp')))).toMatchObject({ code: 'ERR_LOGIN_TIMEOUT' });
    expect(house.server.stats.sockets).toBe(0);
  });

  test('who is in has all the time', async () => {
    const house = await serve({ times: { loginWait: 500 } }, 'tcp');
    const client = await house.client('tcp');
    const late = await house.peer('tcp', 'hawser');
    await late.end();
    expect(await client.request('echo', 1)).toBe(1);
  });
});

/** Soon enough to wait for, and late enough that a machine with other work takes nobody for dead. */
const quick = { heartbeat: 200, readWait: 600 };

describe('times.heartbeat and times.readWait', () => {
  test.each<[Scheme, Dialect]>([
    ['tcp', 'hawser'],
    ['ipc', 'hawser'],
    ['ws', 'hawser'],
    ['ws', 'json'],
  ])('a peer that answers nothing over %s in %s is given up, others see nothing', async (scheme, dialect) => {
    const house = await serve({ times: { ...quick, closeWait: 50, resumeWindow: 0 } }, scheme);
    const bystanders = await house.bystanders();
    const entered = new Promise<ServerSocket>((resolve) => house.server.on('connection', resolve));
    const peer = await house.peer(scheme, dialect);
    peer.say(dialect === 'json' ? { event: 'hello' } : hawserCodec.hello({ version: 1 }).bytes);
    const closed = told<CloseReason>(await entered, 'close');
    peer.pause();
    expect(await closed).toMatchObject({ code: 4000 });
    await bystanders.check();
  });

  test('a peer that answers pings may be silent for ever', async () => {
    const house = await serve({ times: quick }, 'tcp', 'ws');
    const [tcp, ws, json] = [await house.client('tcp'), await house.client('ws'), await house.peer('ws', 'json')];
    await json.enter();
    const gone = Promise.race([told(tcp, 'down'), told(ws, 'down'), json.end()]).then(() => 'gone');
    // One that does not answer shows that the time has passed, several times over.
    for (let i = 0; i < 2; i++) {
      const mute = await house.peer('tcp', 'hawser');
      await mute.enter();
      expect(await Promise.race([gone, mute.end()])).toMatchObject({ code: 4000 });
    }
    expect(await tcp.request('echo', 1)).toBe(1);
    expect(await ws.request('echo', 1)).toBe(1);
    expect(json.errors).toEqual([]);
    // Whichever side asks first, the other has heard from it and need not ask.
    const theirs = house.server.of('/').sockets.filter(({ handshake }) => handshake.transport === 'tcp');
    expect(Math.max(...[tcp, ...theirs].map(({ rtt }) => rtt ?? 0))).toBeGreaterThan(0);
  });

  test('a line that is dead without a word is found out on both sides, and the session goes on over a new one', async () => {
    const house = await serve({ times: { ...quick, closeWait: 50 } }, 'tcp');
    const { proxy, client } = await through(house, {
      times: { ...quick, closeWait: 50 },
      reconnect: { first: 1, most: 5 },
    });
    const socket = only(house.server);
    const heard: unknown[] = [];
    socket.on('n', (n) => heard.push(n));
    const [here, there, up] = [
      told<CloseReason>(client, 'down'),
      told<CloseReason>(socket, 'down'),
      told<{ recovered: boolean }>(client, 'up'),
    ];
    proxy.hold();
    client.send('n', 1);
    expect([await here, await there]).toMatchObject([{ code: 4000 }, { code: 4000 }]);
    client.send('n', 2);
    proxy.release();
    expect(await up).toMatchObject({ recovered: true });
    await client.request('echo', 1);
    expect(heard).toEqual([1, 2]);
    expect(house.server.of('/').sockets).toEqual([socket]);
  });
});

describe('times.writeWait', () => {
  test('a link that takes no byte is cut, and the session waits for another', async () => {
    const house = await serve(
      {
        times: { writeWait: 300, loginWait: 2000, readWait: 60_000 },
        limits: { backlogBytes: 64 << 20, resumeBytes: 64 << 20 },
      },
      'tcp',
    );
    const bystanders = await house.bystanders();
    const peer = await house.peer('tcp', 'hawser');
    const entered = new Promise<ServerSocket>((resolve) => house.server.on('connection', resolve));
    peer.say(hawserCodec.hello({ version: 1 }).bytes);
    const socket = await entered;
    const down = told<CloseReason>(socket, 'down');
    peer.pause();
    for (let i = 0; i < 512; i++) socket.send('noise', new Uint8Array(65_536));
    expect(await down).toMatchObject({ code: 4005 });
    expect(socket.state).toBe('down');
    await bystanders.check();
  });
});

describe('times.resumeWindow', () => {
  test('a peer that comes back later is told so, and its requests are lost', async () => {
    const house = await serve({ times: { resumeWindow: 100 } }, 'tcp');
    house.server.on('connection', (socket) => socket.handle('never', () => new Promise(() => {})));
    const { proxy, client } = await through(house, { reconnect: { first: 1, most: 5 } });
    await client.request('echo', 1);
    const socket = only(house.server);
    const [asked, back] = [errorOf(client.request('never')), errorOf(socket.request('never'))];
    const up = told<{ recovered: boolean }>(client, 'up');
    const closed = told<CloseReason>(socket, 'close');
    proxy.hold();
    proxy.cut();
    expect(await closed).toMatchObject({ code: 1006 });
    expect(await back).toMatchObject({ code: 'ERR_CLOSED', delivered: 'unknown' });
    proxy.release();
    expect(await up).toMatchObject({ recovered: false });
    expect(await asked).toMatchObject({ code: 'ERR_SESSION_LOST', delivered: 'unknown' });
    expect(house.server.stats.sockets).toBe(1);
  });

  test('0 turns resume off: the socket ends with its link', async () => {
    const house = await serve({ times: { resumeWindow: 0 } }, 'tcp');
    const { proxy, client } = await through(house, { reconnect: { first: 1, most: 5 } });
    const { id } = client;
    const closed = told<CloseReason>(only(house.server), 'close');
    const up = told<{ recovered: boolean | undefined }>(client, 'up');
    proxy.cut();
    await closed;
    expect((await up).recovered).not.toBe(true);
    expect(client.id).not.toBe(id);
  });
});

describe('times.closeWait', () => {
  test.each(EVERY)('a peer over %s in %s that is told to go and does not is cut', async (scheme, dialect) => {
    const house = await serve({ times: { closeWait: 100 } }, scheme);
    const peer = await house.peer(scheme, dialect);
    await peer.enter();
    const socket = only(house.server);
    peer.pause();
    for (let i = 0; i < 12; i++) socket.send('noise', new Uint8Array(65_536));
    const closed = told<CloseReason>(socket, 'close');
    socket.close();
    expect(await closed).toMatchObject({ code: 4507 });
    expect(house.server.stats.sockets).toBe(0);
    await house.server.close();
    peer.resume();
    await peer.end();
  });

  test('a server that closes waits no longer than it drains', async () => {
    const house = await serve({ times: { closeWait: 60_000 } }, 'tcp');
    house.server.on('connection', (socket) => socket.handle('never', () => new Promise(() => {})));
    const peer = await house.peer('tcp', 'hawser');
    await peer.enter();
    peer.say(hawserCodec.request(0, 1, 'never', undefined).bytes);
    peer.say(hawserCodec.request(0, 2, 'echo', undefined).bytes);
    await peer.expect(({ id }) => id === 2);
    peer.pause();
    for (let i = 0; i < 12; i++) only(house.server).send('noise', new Uint8Array(65_536));
    await house.server.close({ drain: 100 });
    expect(house.server.stats.sockets).toBe(0);
  });
});

describe('times.requestTimeout', () => {
  test('is what a request waits, both ways, unless it says otherwise', async () => {
    const house = await serve({ times: { requestTimeout: 30 } }, 'tcp');
    const release: (() => void)[] = [];
    const wait = (): Promise<string> => new Promise((resolve) => release.push(() => resolve('late')));
    house.server.on('connection', (socket) => socket.handle('wait', wait));
    const client = await house.client('tcp', { times: { requestTimeout: 30 } });
    client.handle('wait', wait);
    const socket = only(house.server);
    const patient = [client.request('wait', 1, { timeout: 0 }), socket.request('wait', 1, { timeout: 60_000 })];
    const errors = await Promise.all([client.request('wait'), socket.request('wait')].map(errorOf));
    for (const error of errors) expect(error).toMatchObject({ code: 'ERR_TIMEOUT' });
    for (const run of release) run();
    expect(await Promise.all(patient)).toEqual(['late', 'late']);
    expect(await client.request('echo', 1, { timeout: 0 })).toBe(1);
  });
});

test.each(STREAMS)('a server that pauses a peer over %s does not take it for silent', async (scheme) => {
  const house = await serve({ times: quick }, scheme);
  const client = await house.client(scheme);
  const socket = only(house.server);
  const downs: unknown[] = [];
  socket.on('down', (reason) => downs.push(reason));
  socket.pause();
  // Two who are not paused and say nothing are judged, one after the other: by then the first would have been, too.
  for (let i = 0; i < 2; i++) {
    const mute = await house.peer(scheme, 'hawser');
    await mute.enter();
    expect((await mute.end()).code).not.toBe(1000);
  }
  expect([downs, socket.state]).toEqual([[], 'up']);
  socket.resume();
  expect(await client.request('echo', 1)).toBe(1);
});
