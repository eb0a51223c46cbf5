import { afterEach, describe, expect, test } from 'vitest';
import { House, type Scheme } from '../../test/support/house.ts';
import { CuttingProxy } from '../../test/support/proxy.ts';
import { type Dialect, RawPeer } from '../../test/support/raw-peer.ts';
import { type ClientSocket, connect } from '../client/index.ts';
import type { CloseReason, HawserError } from '../core/index.ts';
import { type Peer, parseEndpoint } from '../transport/index.ts';
import { tcpTransport } from '../transports/net/index.ts';
import type { ServerOptions, ServerSocket } from './index.ts';

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

/** The server's side of the next socket that is let in. */
function nextSocket(house: House): Promise<ServerSocket> {
  return new Promise((resolve) => {
    const once = (socket: ServerSocket): void => {
      house.server.off('connection', once);
      resolve(socket);
    };
    house.server.on('connection', once);
  });
}

/** What a socket tells next under a name. */
function told<T>(socket: ServerSocket | ClientSocket, event: 'close' | 'down' | 'drain' | 'up'): Promise<T> {
  return new Promise((resolve) => (socket as ServerSocket).once(event as 'close', (what) => resolve(what as T)));
}

const errorOf = (waiting: Promise<unknown>): Promise<HawserError> =>
  waiting.then(
    () => expect.fail('no error'),
    (error: HawserError) => error,
  );
const text = (bytes: number): string => 'x'.repeat(bytes);

describe('limits.messageBytes', () => {
  // A peer over udpack is told the limit beforehand: src/transports/udpack has its own test.
  const framed = EVERY.filter(([scheme]) => scheme !== 'udpack');

  test.each(framed)('a longer message ends the peer over %s in %s, and nobody else', async (scheme, dialect) => {
    const house = await serve({ limits: { messageBytes: 4096 } }, scheme);
    const bystanders = await house.bystanders();
    const peer = await house.peer(scheme, dialect);
    await peer.enter();
    const echo = (size: number): unknown =>
      dialect === 'json'
        ? { event: 'echo', id: 1, data: text(size) }
        : peer.codec.request(0, 1, 'echo', text(size)).bytes;
    peer.say(echo(4000) as object);
    expect(await peer.expect(({ id }) => id === 1)).toMatchObject({ data: text(4000) });
    peer.say(echo(5000) as object);
    const { code } = await peer.end();
    if (scheme === 'ws') expect(code).toBe(1009);
    else if (dialect === 'hawser') expect(code).toBe(4503);
    else expect(peer.errors).toEqual(['ERR_MESSAGE_TOO_LARGE']);
    await bystanders.check();
    expect(house.server.stats.sockets).toBe(2);
  });

  test.each(STREAMS)('a client that hears a longer message over %s ends, and says why', async (scheme) => {
    const house = await serve({}, scheme);
    const arrived = nextSocket(house);
    const client = await house.client(scheme, { limits: { messageBytes: 4096 } });
    (await arrived).send('say', text(5000));
    const [reason, error] = await new Promise<[CloseReason, HawserError | undefined]>((resolve) =>
      client.on('close', (...args) => resolve(args)),
    );
    expect([1009, 4503]).toContain(reason.code);
    expect(error).toBeDefined();
    expect(client.state).toBe('ended');
  });
});

describe('limits.backlogBytes', () => {
  const LIMITS = { backlogBytes: 262_144, resumeBytes: 262_144 };
  const NOISE = new Uint8Array(65_536);

  test.each(EVERY)('a peer that never reads over %s in %s is cut off, others see nothing', async (scheme, dialect) => {
    const house = await serve({ limits: LIMITS }, scheme);
    const bystanders = await house.bystanders();
    const arrived = nextSocket(house);
    const peer = await house.peer(scheme, dialect);
    peer.say(dialect === 'json' ? { event: 'hello' } : peer.codec.hello({ version: 1 }).bytes);
    const socket = await arrived;
    const closed = told<CloseReason>(socket, 'close');
    peer.pause();
    let sent = 0;
    while (socket.state === 'up') {
      house.server.to('hall').send('noise', NOISE);
      sent += NOISE.length;
      await bystanders.talker.request('echo', sent);
      await bystanders.listener.request('echo', sent);
    }
    expect(await closed).toMatchObject({ code: 4001 });
    // A peer that acknowledges nothing has an exact bound; without acknowledgement the system's own buffers come on top.
    expect(sent).toBeLessThanOrEqual(dialect === 'hawser' ? 10 * NOISE.length : 64 << 20);
    await bystanders.check();
    peer.resume();
    await peer.end();
  });

  test('send returns false over the mark, and drain follows', async () => {
    const house = await serve({ limits: LIMITS }, 'tcp');
    const arrived = nextSocket(house);
    const client = await house.client('tcp');
    const socket = await arrived;
    let heard = 0;
    client.on('noise', () => heard++);
    let sent = 1;
    while (socket.send('noise', NOISE)) sent += 1;
    const drained = told(socket, 'drain');
    expect(sent).toBeLessThanOrEqual(5);
    await drained;
    expect(socket.send('noise', 1)).toBe(true);
    await client.request('echo', 1);
    expect(heard).toBe(sent + 1);
  });

  test('what may be dropped is dropped, and the peer lives', async () => {
    const house = await serve({ limits: LIMITS }, 'tcp');
    const arrived = nextSocket(house);
    const client = await house.client('tcp');
    const socket = await arrived;
    let dropped = 0;
    for (let i = 0; i < 100; i++) if (!socket.send('noise', NOISE, { volatile: true })) dropped += 1;
    expect(dropped).toBeGreaterThan(90);
    expect(await client.request('echo', 1)).toBe(1);
  });

  test("a client's send throws when the server takes nothing", async () => {
    const house = await serve({}, 'tcp');
    const proxy = house.keep(await CuttingProxy.open({ target: { port: portOf(house) } }));
    const client = house.keep(await connect(`tcp://127.0.0.1:${proxy.port}`, { limits: LIMITS }));
    proxy.hold();
    const flood = (): void => {
      for (let i = 0; i < 100; i++) client.send('noise', NOISE);
    };
    expect(flood).toThrow(expect.objectContaining({ code: 'ERR_BACKLOG_FULL' }));
    expect(client.state).toBe('up');
    const drained = told(client, 'drain');
    proxy.release();
    await drained;
    expect(await client.request('echo', 1)).toBe(1);
  });

  test('a peer that only makes errors and never reads of them is cut off before it is in', async () => {
    const house = await serve({ authenticate: () => Promise.reject(new Error('no')), limits: LIMITS }, 'tcp');
    const peer = await house.peer('tcp', 'json');
    peer.pause();
    const over = peer.end();
    const flood = async (round: number): Promise<void> => {
      peer.raw('{]\n'.repeat(5000));
      if (round === 400) peer.resume();
      const turn = new Promise<boolean>((resolve) => setImmediate(resolve, true));
      if (round < 2000 && (await Promise.race([over.then(() => false), turn]))) await flood(round + 1);
    };
    await flood(0);
    await over;
    expect(peer.heard.length).toBeLessThan(400 * 5000);
  });
});

describe('limits.resumeBytes', () => {
  test('a session that is down ends when more than that waits for its peer, which is told', async () => {
    const house = await serve({ limits: { resumeBytes: 10_000 } }, 'tcp');
    const proxy = house.keep(await CuttingProxy.open({ target: { port: portOf(house) } }));
    const arrived = nextSocket(house);
    const client = house.keep(await connect(`tcp://127.0.0.1:${proxy.port}`, { reconnect: { first: 1 } }));
    const socket = await arrived;
    const [down, closed] = [told(socket, 'down'), told<CloseReason>(socket, 'close')];
    const up = told<{ recovered: boolean }>(client, 'up');
    proxy.hold();
    proxy.cut();
    await down;
    for (let i = 0; i < 12; i++) socket.send('noise', new Uint8Array(1000));
    expect(await closed).toMatchObject({ code: 4001 });
    proxy.release();
    expect(await up).toMatchObject({ recovered: false });
  });

  test('a client that is down throws when more than that waits', async () => {
    const house = await serve({}, 'tcp');
    const client = await house.client('tcp', { limits: { resumeBytes: 10_000 }, reconnect: { first: 60_000 } });
    const down = told(client, 'down');
    for (const socket of house.server.of('/').sockets) socket.close(4006, 'away');
    await down;
    const flood = (): void => {
      for (let i = 0; i < 12; i++) client.send('noise', new Uint8Array(1000));
    };
    expect(flood).toThrow(expect.objectContaining({ code: 'ERR_BACKLOG_FULL' }));
  });
});

describe('limits.sockets and limits.socketsPerAddress', () => {
  test.each(EVERY)(
    'one too many over %s in %s is turned away, and a place that is left is free',
    async (scheme, dialect) => {
      const house = await serve({ limits: { sockets: 2 } }, scheme);
      const first = await house.client(scheme);
      const arrived = nextSocket(house);
      const second = await house.client(scheme);
      const gone = told(await arrived, 'close');
      const refused = await RawPeer.open(house.url(scheme), dialect).catch((error: Error) => error);
      if (refused instanceof Error) {
        expect(refused.message).toMatch(/429|4004/);
      } else {
        refused.say('{}');
        expect(await refused.error()).toBe('ERR_TOO_MANY_SOCKETS');
        await refused.end();
      }
      expect(await errorOf(connect(house.url(scheme)))).toMatchObject({ code: 'ERR_HANDSHAKE_REFUSED' });
      await second.close();
      await gone;
      await (await house.client(scheme)).request('echo', 1);
      expect(await first.request('echo', 1)).toBe(1);
    },
  );

  test('a client that may wait comes in when there is a place', async () => {
    const house = await serve({ limits: { sockets: 1 } }, 'tcp');
    const first = await house.client('tcp');
    const waiting = house.client('tcp', { persistent: true, reconnect: { first: 1, most: 5 } });
    await first.request('echo', 1);
    await first.close();
    expect(await (await waiting).request('echo', 2)).toBe(2);
  });

  test('a peer whose link broke may resume, though all places are taken', async () => {
    const house = await serve({ limits: { sockets: 1 } }, 'tcp');
    const proxy = house.keep(await CuttingProxy.open({ target: { port: portOf(house) } }));
    const client = house.keep(await connect(`tcp://127.0.0.1:${proxy.port}`, { reconnect: { first: 1, most: 5 } }));
    const up = told<{ recovered: boolean }>(client, 'up');
    proxy.cut();
    expect(await up).toMatchObject({ recovered: true });
  });

  test('the limit by address counts those of one address, and not loopback', async () => {
    const far = { ...tcpTransport, schemes: ['tcp'], listen: farAway };
    const house = await serve({ limits: { socketsPerAddress: 1 }, transports: [far], insecure: true }, 'tcp');
    const [one, two] = [await house.client('tcp'), await house.client('tcp')];
    expect(await Promise.all([one, two].map((client) => client.request('echo', 1)))).toEqual([1, 1]);
    expect(await errorOf(connect(house.url('tcp')))).toMatchObject({ code: 'ERR_HANDSHAKE_REFUSED' });
    const near = await serve({ limits: { socketsPerAddress: 1 } }, 'tcp');
    await near.client('tcp');
    expect(await (await near.client('tcp')).request('echo', 1)).toBe(1);
  });
});

describe('limits.pendingRequests', () => {
  test('a client asks no more at one time', async () => {
    const house = await serve({}, 'tcp');
    house.server.on('connection', (socket) => socket.handle('wait', () => new Promise(() => {})));
    const client = await house.client('tcp', { limits: { pendingRequests: 2 } });
    const waiting = [client.request('wait'), client.request('wait')].map((one) => one.catch(() => undefined));
    expect(await errorOf(client.request('wait'))).toMatchObject({ code: 'ERR_TOO_MANY_REQUESTS', delivered: 'no' });
    await client.close();
    await Promise.all(waiting);
  });

  test('a server asks no more of one peer at one time', async () => {
    const house = await serve({ limits: { pendingRequests: 2 } }, 'tcp');
    const arrived = nextSocket(house);
    const client = await house.client('tcp');
    let release = (): void => {};
    client.handle(
      'wait',
      () =>
        new Promise<void>((resolve) => {
          release = resolve;
        }),
    );
    const socket = await arrived;
    const waiting = [socket.request('wait'), socket.request('wait', 1, { timeout: 60_000 }).catch(() => 'over')];
    expect(await errorOf(socket.request('wait'))).toMatchObject({ code: 'ERR_TOO_MANY_REQUESTS' });
    await client.request('echo', 1);
    release();
    await client.close();
    expect(await waiting[1]).toBe('over');
    await waiting[0]?.catch(() => undefined);
  });

  test.each(EVERY)('a server handles no more of one peer over %s in %s', async (scheme, dialect) => {
    const house = await serve({ limits: { pendingRequests: 2 } }, scheme);
    const release: (() => void)[] = [];
    house.server.on('connection', (socket) =>
      socket.handle('wait', () => new Promise<void>((resolve) => release.push(resolve))),
    );
    const peer = await house.peer(scheme, dialect);
    await peer.enter();
    for (let id = 1; id <= 3; id++) {
      peer.say(dialect === 'json' ? { event: 'wait', id } : peer.codec.request(0, id, 'wait', undefined).bytes);
    }
    expect(await peer.next()).toMatchObject({ kind: 7, name: 'ERR_TOO_MANY_REQUESTS', id: 3 });
    for (const run of release) run();
    expect([await peer.next(), await peer.next()].map((one) => (one as { id: unknown }).id)).toEqual([1, 2]);
  });
});

describe('limits.roomsPerSocket and limits.nameLength', () => {
  test('a join too many, or of a name too long, throws at the server and says so to the peer', async () => {
    const house = await serve({ limits: { roomsPerSocket: 2, nameLength: 5 } }, 'tcp');
    house.server.on('connection', (socket) => socket.handle('join', (room) => socket.join(room as string)));
    const client = await house.client('tcp');
    await client.request('join', 'a');
    expect(await errorOf(client.request('join', 'b'))).toMatchObject({ code: 'ERR_TOO_MANY_ROOMS' });
    expect(await errorOf(client.request('join', 'too long'))).toMatchObject({ code: 'ERR_ARGUMENT' });
    expect(() => house.server.to('hall').send('longer', 1)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });

  test('nobody may have a name too long', async () => {
    const authenticate = ({ user }: { user: string | undefined }) => ({ user: user ?? null });
    const house = await serve({ authenticate, limits: { nameLength: 5 } }, 'tcp');
    expect((await house.client('tcp', { user: 'short' })).user).toBe('short');
    expect(await errorOf(connect(house.url('tcp'), { user: 'longer' }))).toMatchObject({ code: 'ERR_AUTH_FAILED' });
    expect(await errorOf(connect(house.url('tcp'), { user: '' }))).toMatchObject({ code: 'ERR_AUTH_FAILED' });
  });
});

function portOf(house: House): number {
  return parseEndpoint(house.url('tcp')).port ?? 0;
}

/** As tcp, but every other peer seems to come from another machine, the first and the third from the same. */
const farAway: NonNullable<typeof tcpTransport.listen> = (endpoint, options) => {
  let peers = 0;
  const seen = (peer: Peer): Peer => ({ ...peer, local: false, address: `192.0.2.${peers % 2}` });
  return tcpTransport.listen?.(endpoint, {
    ...options,
    admit: (peer) => {
      const refusal = options.admit(seen(peer));
      if (refusal === undefined) peers += 1;
      return refusal;
    },
    onLink: (link) => {
      peers -= 1;
      Object.defineProperty(link, 'peer', { value: seen(link.peer) });
      peers += 1;
      options.onLink(link);
    },
  }) as ReturnType<NonNullable<typeof tcpTransport.listen>>;
};
