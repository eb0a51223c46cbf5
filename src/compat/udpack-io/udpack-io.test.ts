import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { codeOf, KEYS } from '../../../test/support/udpack.ts';
import type { HawserError } from '../../core/index.ts';
import { generateKeys, UDPack } from '../../udpack-endpoint/index.ts';
import { encodeValue } from '../../wire/index.ts';
import { type Channel, Client, type ClientOptions, Server, type ServerOptions, type Socket } from './index.ts';

let open: { udpack: UDPack }[];
let reported: string[];

beforeEach(() => {
  open = [];
  reported = [];
});

afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(open.map(({ udpack }) => udpack.close()));
});

const onError = (error: unknown, during: string): void => {
  reported.push(`${during}: ${(error as Error).message}`);
};

async function serve(options: Partial<ServerOptions> = {}): Promise<Server> {
  const server = new Server({ prikey: KEYS.privateKey, onError, ...options });
  open.push(server);
  await once(server, 'listening');
  return server;
}

function make(options: Partial<ClientOptions> = {}): Client {
  const client = new Client({ pubkey: KEYS.publicKey, onError, ...options });
  open.push(client);
  return client;
}

function portOf({ udpack }: Server): number {
  return udpack.endpoint?.port ?? 0;
}

/** A client that is connected. */
async function dial(server: Server, options: Partial<ClientOptions> = {}): Promise<Client> {
  const client = make(options);
  await new Promise<void>((resolve, reject) => {
    client.connect(portOf(server), '127.0.0.1', (error) => (error === null ? resolve() : reject(error)));
  });
  return client;
}

function openChannel(client: Client): Promise<Channel> {
  return new Promise((resolve, reject) => {
    client.openChannel((error, channel) => (channel === undefined ? reject(error) : resolve(channel)));
  });
}

/** A channel as both ends see it. */
async function channelOf(server: Server, client: Client): Promise<{ near: Channel; far: Channel }> {
  const arrived = once(server, 'channel') as Promise<[Channel]>;
  const near = await openChannel(client);
  near.send('hello');
  const [far] = await arrived;
  await once(far, 'hello');
  return { near, far };
}

function sent(channel: Channel, event: string, data?: unknown): Promise<HawserError | null> {
  return new Promise((resolve) => channel.send(event, data, resolve));
}

describe('server and client', () => {
  test('tell of each other, and of the speed', async () => {
    const server = await serve();
    const connected = once(server, 'connection') as Promise<[Socket]>;
    const client = make();
    const listening = once(client, 'listening');
    const here = once(client, 'connection') as Promise<[Socket]>;
    const speeds = Promise.all([once(server, 'speed'), once(client, 'speed')]);
    client.connect(portOf(server), '127.0.0.1');
    await listening;
    const [[far], [near]] = [await connected, await here];
    expect([near.remote, far.remote.address]).toEqual([{ address: '127.0.0.1', port: portOf(server) }, '127.0.0.1']);
    const word = { send: expect.any(Number) as number, recv: expect.any(Number) as number };
    expect(await speeds).toEqual([[word], [word]]);
  });

  test('a token that is refused is told to the callback, and as connect_error', async () => {
    const server = await serve({ authToken: (token) => token === 'right' });
    await dial(server, { token: 'right' });
    const client = make({ token: 'wrong' });
    const told = once(client, 'connect_error');
    const heard = await new Promise<unknown>((resolve) => {
      client.connect(portOf(server), '127.0.0.1', resolve);
    });
    expect([heard, await told]).toEqual([expect.objectContaining({ code: 'ERR_AUTH_FAILED' }), [heard]]);
  });

  test('a port that is taken is told as error', async () => {
    const port = portOf(await serve());
    const second = new Server({ prikey: KEYS.privateKey, port });
    const third = new Client({ pubkey: KEYS.publicKey, port });
    open.push(second, third);
    const errors = await Promise.all([once(second, 'error'), once(third, 'error')]);
    for (const [error] of errors) expect(error).toMatchObject({ code: 'ERR_ADDRESS_IN_USE' });
  });

  test('openChannel without a session says so', async () => {
    expect(await codeOf(openChannel(make()))).toBe('ERR_CLOSED');
  });

  test('close ends all politely: what was sent arrives, then sockets, channels, clients and servers tell close', async () => {
    const server = await serve();
    const client = await dial(server);
    const { near, far } = await channelOf(server, client);
    const heard: unknown[] = [];
    far.on('last', (data) => heard.push(data));
    const socket = [...server.udpack.sessions][0];
    const closes = [near, far, client].map((one) => once(one, 'close'));
    near.send('last', 'words');
    expect([client.close(), client.close()]).toEqual([client, client]);
    await Promise.all(closes);
    expect(heard).toEqual(['words']);
    expect((await socket?.closed)?.by).toBe('peer');
    const closed = once(server, 'close');
    expect(server.close().close()).toBe(server);
    await closed;
  });

  test('a client that is closed while it dials tells its callback, and is silent otherwise', async () => {
    const nobody = await serve();
    const client = make({ pubkey: generateKeys().publicKey });
    const told = vi.fn();
    client.on('connect_error', told).on('connection', told);
    const heard = new Promise((resolve) => {
      client.connect(portOf(nobody), '127.0.0.1', resolve);
    });
    await expect.poll(() => nobody.udpack.stats().datagramsReceived).toBeGreaterThan(0);
    const closed = once(client, 'close');
    client.close();
    expect(await heard).toMatchObject({ code: 'ERR_CLOSED' });
    await closed;
    expect(told).not.toHaveBeenCalled();
  });

  test('a socket closes the session of its peer alone', async () => {
    const server = await serve();
    const sockets: Socket[] = [];
    server.on('connection', (socket) => sockets.push(socket));
    const [one, other] = [await dial(server), await dial(server)];
    await expect.poll(() => sockets).toHaveLength(2);
    const away = once(one, 'connection').then(([socket]) => socket as Socket);
    const closed = once(sockets[0] as Socket, 'close');
    expect(sockets[0]?.close()).toBe(sockets[0]);
    await closed;
    // It dials again by itself; the other one has felt nothing.
    await away;
    expect(await sent(await openChannel(other), 'still here')).toBeNull();
  });
});

describe('channels', () => {
  test('carry events with data of every kind, both ways and in order', async () => {
    const server = await serve();
    const { near, far } = await channelOf(server, await dial(server));
    const data = [undefined, null, 0, -1.5, 2 ** 53 - 1, 'grüß', true, [1, [2]], { a: { b: [] } }, Uint8Array.of(1, 2)];
    const heard: unknown[] = [];
    far.on('there', (value) => {
      heard.push(value);
      far.send('back', value);
    });
    const back: unknown[] = [];
    near.on('back', (value) => back.push(value));
    for (const value of data) near.send('there', value);
    await expect.poll(() => back).toHaveLength(data.length);
    const plain = (value: unknown): unknown => (value instanceof Uint8Array ? [...value] : (value ?? null));
    expect(heard.map(plain)).toEqual(data.map(plain));
    expect(back.map(plain)).toEqual(data.map(plain));
  });

  test('the callback hears when the peer has it, and why it never will', async () => {
    const server = await serve({ limits: { packetBytes: 10_000 } });
    const { near } = await channelOf(server, await dial(server));
    expect(await sent(near, 'small', 'x')).toBeNull();
    expect(await sent(near, 'huge', 'x'.repeat(10_000))).toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE' });
    const round: unknown[] = [];
    round.push(round);
    for (const data of [round, () => {}, Symbol('x')]) {
      expect(await sent(near, 'odd', data)).toMatchObject({ code: expect.stringMatching(/^ERR_/) });
    }
    expect(await sent(near, 'goes on')).toBeNull();
    near.close();
    expect(await sent(near, 'late')).toMatchObject({ code: 'ERR_CLOSED' });
  });

  test('values of many megabytes arrive whole', async () => {
    const server = await serve();
    const { near, far } = await channelOf(server, await dial(server));
    const chunk = Buffer.alloc(8_000_000, 'a long story');
    const heard = once(far, 'chunk');
    expect(await sent(near, 'chunk', { chunk })).toBeNull();
    const [{ chunk: arrived }] = (await heard) as [{ chunk: Uint8Array }];
    expect(Buffer.from(arrived).equals(chunk)).toBe(true);
  });

  test('data may change after send', async () => {
    const server = await serve();
    const { near, far } = await channelOf(server, await dial(server));
    const bytes = Uint8Array.of(1, 2, 3);
    const heard = once(far, 'bytes');
    near.send('bytes', bytes);
    bytes.fill(9);
    expect([...((await heard)[0] as Uint8Array)]).toEqual([1, 2, 3]);
  });

  test.each(['error', 'close', 'newListener', 'removeListener'])('%s is no event to be sent', async (event) => {
    const server = await serve();
    const { near } = await channelOf(server, await dial(server));
    expect(await sent(near, event)).toMatchObject({ code: 'ERR_EVENT_RESERVED' });
  });

  test('close is told to both ends once', async () => {
    const server = await serve();
    const client = await dial(server);
    const { near, far } = await channelOf(server, client);
    const closes: string[] = [];
    near.on('close', () => closes.push('near'));
    far.on('close', () => closes.push('far'));
    expect(near.close().close()).toBe(near);
    await expect.poll(() => closes.toSorted()).toEqual(['far', 'near']);
    const other = await channelOf(server, client);
    expect(await sent(other.near, 'another')).toBeNull();
    expect(closes).toHaveLength(2);
  });

  test('what a listener or a callback throws is reported, and harms nothing else', async () => {
    const server = await serve();
    const { near, far } = await channelOf(server, await dial(server));
    far.on('bang', () => {
      throw new Error('of a listener');
    });
    near.on('bang', () => {
      throw new Error('of the other side');
    });
    await new Promise<void>((resolve) => {
      near.send('bang', {}, () => {
        resolve();
        throw new Error('of a callback');
      });
    });
    expect(await sent(far, 'bang')).toBeNull();
    near.send('close', {}, () => {
      throw new Error('of a refusal');
    });
    await expect
      .poll(() => reported.toSorted())
      .toEqual([
        "a listener of 'bang': of a listener",
        "a listener of 'bang': of the other side",
        'the callback of a write: of a callback',
        "the callback of send('close'): of a refusal",
      ]);
  });

  test('without onError that is written to stderr', async () => {
    const error = vi.spyOn(console, 'error').mockImplementation(() => {});
    const server = new Server({ prikey: KEYS.privateKey });
    open.push(server);
    await once(server, 'listening');
    const { near, far } = await channelOf(server, await dial(server));
    far.on('bang', () => {
      throw new Error('oops');
    });
    near.send('bang');
    await expect.poll(() => error).toHaveBeenCalledTimes(1);
    expect(error.mock.calls[0]?.[0]).toBe("udpack.io: a listener of 'bang' failed:");
  });
});

describe('a peer that means harm', () => {
  /** A peer that speaks UDPack, and writes what it wants on one stream. */
  async function hostile(server: Server, ...packets: Uint8Array[]): Promise<void> {
    const peer = await new UDPack({ pubkey: KEYS.publicKey }).ready();
    open.push({ udpack: peer });
    const session = await peer.connect({ port: portOf(server) });
    const stream = await session.openStream();
    for (const packet of packets) await stream.write(packet);
    await stream.write(encodeValue(['over', null]));
  }

  /** What a channel of the server has heard until the word that all is over. */
  async function heardBy(server: Server, ...packets: Uint8Array[]): Promise<unknown[][]> {
    const heard: unknown[][] = [];
    const over = new Promise<void>((resolve) => {
      server.on('channel', (channel) => {
        const { emit } = channel;
        channel.emit = (event: string | symbol, ...args: unknown[]) => {
          if (event !== 'newListener' && event !== 'over') heard.push([event, ...args]);
          return emit.call(channel, event, ...args);
        };
        channel.on('over', () => resolve());
      });
    });
    await hostile(server, ...packets);
    await over;
    return heard;
  }

  test('packets that are no events are reported, and the channel goes on', async () => {
    const server = await serve();
    const odd = [
      new Uint8Array(),
      Uint8Array.of(0xc1),
      Buffer.from('["event", 1]'),
      encodeValue('event'),
      encodeValue([]),
      encodeValue([7, 'x']),
      encodeValue([null]),
      encodeValue({ 0: 'event' }),
      // An array that promises 2^32 - 1 values, a string of as many bytes, and arrays within arrays within arrays.
      Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff, 1),
      Uint8Array.of(0x92, 0xdb, 0xff, 0xff, 0xff, 0xff, 1),
      new Uint8Array(100_000).fill(0x91),
    ];
    expect(await heardBy(server, ...odd)).toEqual([]);
    expect(reported).toEqual(odd.map(() => 'a channel: a packet came that is no event'));
  });

  test('reserved names are not told, whoever listens', async () => {
    const server = await serve();
    server.on('channel', (channel) => channel.on('error', () => reported.push('told')));
    const names = ['error', 'close', 'newListener', 'removeListener'];
    expect(await heardBy(server, ...names.map((name) => encodeValue([name, {}])))).toEqual([]);
    expect(reported).toEqual(names.map(() => 'a channel: a packet came that is no event'));
  });

  test('a map with the key __proto__ is no data, at any depth; other names of objects are mere names', async () => {
    const server = await serve();
    const map = (key: string, value: number[]): number[] => [0x81, 0xa0 + key.length, ...Buffer.from(key), ...value];
    const data = (value: number[]): Uint8Array => Uint8Array.from([0x92, 0xa4, ...Buffer.from('data'), ...value]);
    const owned = map('owned', [0xc3]);
    const names = ['__proto__', 'constructor', 'hasOwnProperty', 'toString'];
    const heard = await heardBy(
      server,
      data(map('__proto__', owned)),
      data([0x91, ...map('deep', map('__proto__', owned))]),
      data(map('constructor', map('prototype', owned))),
      ...names.map((name) => encodeValue([name, 1])),
    );
    expect(heard).toEqual([
      ['data', { constructor: { prototype: { owned: true } } }],
      ...names.map((name) => [name, 1]),
    ]);
    expect(reported).toEqual(['', ''].map(() => 'a channel: a packet came that is no event'));
    expect([({} as Record<string, unknown>)['owned'], Object.hasOwn(Object.prototype, 'owned')]).toEqual([
      undefined,
      false,
    ]);
  });

  test('a value longer than limits.packetBytes ends the session that sends it, and no other', async () => {
    const server = await serve({ limits: { packetBytes: 1000 } });
    const bystander = await dial(server);
    const client = await dial(server);
    const channel = await openChannel(client);
    expect(await sent(channel, 'long', 'x'.repeat(2000))).toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE' });
    expect(await sent(await openChannel(bystander), 'fine')).toBeNull();
  });
});

describe('a server that goes away', () => {
  test('and comes back: the client dials again, and opens channels there', async () => {
    const first = await serve();
    const port = portOf(first);
    const client = make();
    const before = once(client, 'connection') as Promise<[Socket]>;
    client.connect(port, '127.0.0.1');
    const closed = once((await before)[0], 'close');
    const away = once(client.udpack, 'goaway');
    for (const session of first.udpack.sessions) session.goaway(1, 'to be mended');
    await away;
    first.close();
    await once(first, 'close');
    const second = await serve({ port });
    const [socket] = (await once(client, 'connection')) as [Socket];
    expect(socket.remote.port).toBe(port);
    await closed;
    const { near } = await channelOf(second, client);
    expect(await sent(near, 'back again')).toBeNull();
  });

  test('for longer than a dial takes: the client tells each failure, and goes on dialling', async () => {
    const first = await serve();
    const port = portOf(first);
    const client = await dial(first, { times: { handshakeWait: 500 } });
    const errors: unknown[] = [];
    const twice = new Promise<void>((resolve) => {
      client.on('connect_error', (error) => errors.push(error) === 2 && resolve());
    });
    first.close();
    await twice;
    for (const error of errors) expect(error).toMatchObject({ code: 'ERR_CONNECT_FAILED' });
    const connected = once(client, 'connection');
    const second = await serve({ port });
    await connected;
    await channelOf(second, client);
  });

  test('and takes the token no more: the client is told, and stays away', async () => {
    let good = true;
    const server = await serve({ authToken: () => good });
    const client = await dial(server);
    // Another one has lost its server, and goes on dialling.
    const gone = await serve();
    const other = await dial(gone, { times: { handshakeWait: 500 } });
    const told: unknown[] = [];
    client.on('connect_error', (error) => told.push(error));
    const late = once(other, 'connect_error');
    good = false;
    for (const session of server.udpack.sessions) void session.close();
    gone.close();
    await late;
    await once(other, 'connect_error');
    expect(told).toEqual([expect.objectContaining({ code: 'ERR_AUTH_FAILED' })]);
  });

  test('a client that was closed dials nobody any more', async () => {
    const server = await serve();
    const client = await dial(server);
    const told = vi.fn();
    client.on('connect_error', told);
    const dials = vi.spyOn(client.udpack, 'connect');
    const left = once([...client.udpack.sessions][0] as never, 'close');
    for (const session of server.udpack.sessions) void session.close();
    await left;
    const closed = once(client, 'close');
    client.close();
    await closed;
    expect([dials.mock.calls, told.mock.calls]).toEqual([[], []]);
  });
});
