import { afterEach, describe, expect, test } from 'vitest';
import { House, type Scheme } from '../../test/support/house.ts';
import { CuttingProxy } from '../../test/support/proxy.ts';
import { type Channel, type ClientSocket, connect } from '../client/index.ts';
import type { CloseReason, HawserError } from '../core/index.ts';
import { parseEndpoint } from '../transport/index.ts';
import type { ServerOptions, ServerSocket } from './index.ts';

const SCHEMES: Scheme[] = ['tcp', 'ws'];
const SOON = { timeout: 15_000, interval: 10 };
const PAD = 'x'.repeat(1024);
/** Far more than all the buffers between two sockets hold. */
const MANY = 20_000;

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** A peer whose line can be held, in one of the dialects, and the server's end of it. */
interface Pair {
  readonly house: House;
  readonly socket: ServerSocket;
  /** The numbers that came, in order. */
  readonly heard: number[];
  hold(): void;
  release(): void;
}

function nextSocket(house: House): Promise<ServerSocket> {
  return new Promise((resolve) => {
    const arrived = (socket: ServerSocket): void => {
      house.server.off('connection', arrived);
      resolve(socket);
    };
    house.server.on('connection', arrived);
  });
}

async function hawserPair(
  scheme: Scheme,
  options: ServerOptions = {},
): Promise<Pair & { readonly client: ClientSocket }> {
  const house = await House.open(options, scheme);
  open.push(house);
  const proxy = await CuttingProxy.open({ target: { port: parseEndpoint(house.url(scheme)).port ?? 0 } });
  open.push(proxy);
  const arrived = nextSocket(house);
  const client = house.keep(await connect(`${scheme}://127.0.0.1:${proxy.port}`, { reconnect: { first: 1, most: 5 } }));
  const heard: number[] = [];
  client.on('n', (data) => heard.push((data as { n: number }).n));
  return { house, client, socket: await arrived, heard, hold: () => proxy.hold(), release: () => proxy.release() };
}

async function jsonPair(scheme: Scheme): Promise<Pair> {
  const house = await House.open({}, scheme);
  open.push(house);
  const arrived = nextSocket(house);
  const peer = await house.peer(scheme, 'json');
  await peer.enter();
  return {
    house,
    socket: await arrived,
    get heard() {
      return peer.heard.flatMap((one) => (one.kind !== 0 && one.name === 'n' ? [(one.data as { n: number }).n] : []));
    },
    hold: () => peer.pause(),
    release: () => peer.resume(),
  };
}

const PAIRS: [string, () => Promise<Pair>][] = [
  ...SCHEMES.flatMap((scheme): [string, () => Promise<Pair>][] => [
    [`${scheme} in hawser`, () => hawserPair(scheme)],
    [`${scheme} in json`, () => jsonPair(scheme)],
  ]),
  ['udpack in json', () => jsonPair('udpack')],
];

/** Lets the event loop turn, so that what can be written is. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function sendMany(send: (n: number) => unknown): Promise<void> {
  for (let n = 0; n < MANY; n++) {
    send(n);
    if (n % 100 === 0) await turn();
  }
}

function isRising(numbers: readonly number[]): boolean {
  return numbers.every((n, at) => at === 0 || n > (numbers[at - 1] as number));
}

describe.each(PAIRS)('a peer on %s that reads nothing for a while', (_, make) => {
  test('latest: lives, and hears the newest when it reads again; nobody else notices', async () => {
    const pair = await make();
    const { house, socket, hold, release } = pair;
    const bystanders = await house.bystanders();
    hold();
    await sendMany((n) => socket.send('n', { n, PAD }, { overflow: 'latest' }));
    expect(socket.state).toBe('up');
    expect(socket.dropped).toBeGreaterThan(MANY / 2);
    expect(house.server.stats.dropped).toBe(socket.dropped);
    await bystanders.check();
    release();
    await expect.poll(() => pair.heard.at(-1), SOON).toBe(MANY - 1);
    expect(isRising(pair.heard)).toBe(true);
    expect(pair.heard.length + socket.dropped).toBe(MANY);
  });

  test('latest in a broadcast: those who read hear all, the slow one the newest of each room', async () => {
    const pair = await make();
    const { house, socket, hold, release } = pair;
    const bystanders = await house.bystanders();
    const all: number[] = [];
    bystanders.listener.on('n', (data) => all.push((data as { n: number }).n));
    hold();
    for (let n = 0; n < 4000; n++) {
      house.server.to('hall').send('n', { n, PAD }, { overflow: 'latest' });
      if (n % 50 === 49) await bystanders.talker.request('echo', n);
      while (all.length < n - 100) await turn();
    }
    await expect.poll(() => all.length, SOON).toBe(4000);
    await bystanders.check();
    expect(socket.state).toBe('up');
    release();
    await expect.poll(() => pair.heard.at(-1), SOON).toBe(3999);
    expect(isRising(pair.heard)).toBe(true);
    expect(pair.heard.length + socket.dropped).toBe(4000);
  });

  test('drop: lives, and hears what was sent while there was room', async () => {
    const pair = await make();
    const { socket, hold, release } = pair;
    hold();
    await sendMany((n) => socket.send('n', { n, PAD }, { overflow: 'drop' }));
    expect(socket.state).toBe('up');
    release();
    await expect.poll(() => pair.heard.length, SOON).toBe(MANY - socket.dropped);
    await socket.drained();
    expect(socket.send('n', { n: MANY }, { overflow: 'drop' })).toBe(true);
    await expect.poll(() => pair.heard.at(-1), SOON).toBe(MANY);
    expect(isRising(pair.heard)).toBe(true);
  });

  test('block: the sender is told by an error, and may go on later', async () => {
    const pair = await make();
    const { socket, hold, release } = pair;
    hold();
    let sent = 0;
    const refused = await sendMany((n) => {
      socket.send('n', { n, PAD }, { overflow: 'block' });
      sent += 1;
    }).catch((error: HawserError) => error.code);
    expect(refused).toBe('ERR_BACKLOG_FULL');
    expect(socket.state).toBe('up');
    release();
    await socket.drained({ timeout: 15_000 });
    socket.send('n', { n: MANY });
    await expect.poll(() => pair.heard.at(-1), SOON).toBe(MANY);
    expect(pair.heard).toHaveLength(sent + 1);
  });

  test('block in a broadcast: a member that is full is left out', async () => {
    const pair = await make();
    const { house, socket, hold, release } = pair;
    hold();
    await sendMany((n) => house.server.to('hall').send('n', { n, PAD }, { overflow: 'block' }));
    expect(socket.state).toBe('up');
    expect(socket.dropped).toBeGreaterThan(0);
    release();
    await expect.poll(() => pair.heard.length, SOON).toBe(MANY - socket.dropped);
  });

  test('disconnect, which is the default: the peer is cut off', async () => {
    for (const options of [{}, { overflow: 'disconnect' }] as const) {
      const { socket, hold } = await make();
      socket.overflow = 'overflow' in options ? 'block' : undefined;
      const closed = new Promise<CloseReason>((resolve) => socket.on('close', resolve));
      hold();
      await sendMany((n) => socket.send('n', { n, PAD }, options));
      expect((await closed).code).toBe(4001);
    }
  });

  test('drained: who waits for it sends everything, as fast as the peer reads', async () => {
    const pair = await make();
    const { socket, hold, release } = pair;
    hold();
    let waits = 0;
    for (let n = 0; n < MANY; n++) {
      if (n % 100 === 0) await turn();
      if (socket.send('n', { n, PAD })) continue;
      waits += 1;
      release();
      await socket.drained();
    }
    expect(waits).toBeGreaterThan(0);
    await expect.poll(() => pair.heard.length, SOON).toBe(MANY);
    expect(isRising(pair.heard)).toBe(true);
    expect(socket.dropped).toBe(0);
  });
});

/** Over udpack what is volatile doesn't wait in line: src/transports/udpack has its tests. */
const LINES = PAIRS.filter(([name]) => !name.startsWith('udpack'));

describe.each(LINES)('a peer on %s that reads nothing for a while', (_, make) => {
  test('volatile: the same, but for what was on its way', async () => {
    const pair = await make();
    const { house, socket, hold, release } = pair;
    hold();
    await sendMany((n) => socket.send('n', { n, PAD }, { volatile: true }));
    await sendMany((n) => house.server.to('hall').send('n', { n: MANY + n, PAD }, { volatile: true }));
    expect(socket.state).toBe('up');
    release();
    await expect.poll(() => pair.heard.length, SOON).toBe(2 * MANY - socket.dropped);
    expect(isRising(pair.heard)).toBe(true);
  });
});

describe.each(SCHEMES)('a client on %s whose server reads nothing', (scheme) => {
  test('is told by an error by default; disconnect ends it', async () => {
    const { client, hold } = await hawserPair(scheme);
    hold();
    const first = await sendMany((n) => client.send('n', { n, PAD })).catch((error: HawserError) => error.code);
    expect(first).toBe('ERR_BACKLOG_FULL');
    expect(client.state).toBe('up');
    const closed = new Promise<unknown[]>((resolve) => client.on('close', (...args) => resolve(args)));
    expect(client.send('n', 0, { overflow: 'disconnect' })).toBe(false);
    const [reason, error] = await closed;
    expect(reason).toMatchObject({ code: 4001 });
    expect(error).toMatchObject({ code: 'ERR_BACKLOG_FULL' });
  });

  test('latest: waits for a link too, and nothing is doubled by a resume', async () => {
    const { client, socket, house, hold, release } = await hawserPair(scheme);
    const heard: number[] = [];
    socket.on('n', (data) => heard.push((data as { n: number }).n));
    hold();
    await sendMany((n) => client.send('n', { n, PAD }, { overflow: 'latest' }));
    const down = new Promise((resolve) => client.once('down', resolve));
    for (const link of open) if (link instanceof CuttingProxy) link.cut();
    await down;
    client.send('n', { n: MANY }, { overflow: 'latest' });
    client.send('n', { n: MANY + 1 }, { overflow: 'latest' });
    release();
    await expect.poll(() => heard.at(-1), SOON).toBe(MANY + 1);
    expect(isRising(heard)).toBe(true);
    expect(heard.length + client.dropped).toBe(MANY + 2);
    expect(house.server.stats.sockets).toBe(1);
  });
});

test('a namespace has a policy for all its sockets, and its broadcasts', async () => {
  const { house, socket, client, heard, hold, release } = await hawserPair('tcp');
  expect(socket.overflow).toBe(undefined);
  expect(() => house.server.of('/', { overflow: 'sometimes' as 'drop' })).toThrow(
    expect.objectContaining({ code: 'ERR_OPTION' }),
  );
  house.server.of('/', { overflow: 'latest' });
  const again = nextSocket(house);
  socket.close(4006, 'come back');
  const other = await again;
  expect(other.overflow).toBe('latest');
  hold();
  await sendMany((n) => house.server.send('n', { n, PAD }));
  release();
  await expect.poll(() => heard.at(-1), SOON).toBe(MANY - 1);
  expect(heard.length + other.dropped).toBe(MANY);
  expect(client.state).toBe('up');
});

test('a lost session gives room to who waited for it', async () => {
  const { client, house, socket, hold, release } = await hawserPair('tcp');
  hold();
  const full = await sendMany((n) => client.send('n', { n, PAD })).catch((error: HawserError) => error.code);
  expect(full).toBe('ERR_BACKLOG_FULL');
  const drained = client.drained();
  const again = nextSocket(house);
  const heard: unknown[] = [];
  client.send('newest', 1, { overflow: 'latest' });
  house.server.on('connection', (one) => one.on('newest', (data) => heard.push(data)));
  socket.close(4006, 'come back');
  release();
  for (const link of open) if (link instanceof CuttingProxy) link.cut();
  expect((await again).id).not.toBe(socket.id);
  await drained;
  await expect.poll(() => heard, SOON).toEqual([1]);
});

describe('a channel whose reader pauses', () => {
  async function channels(): Promise<{ writer: Channel; reader: Channel; heard: number[] }> {
    const { client, socket } = await hawserPair('tcp');
    const taken = new Promise<Channel>((resolve) => socket.on('channel', (channel) => resolve(channel as Channel)));
    const writer = client.openChannel('numbers');
    const reader = await taken;
    const heard: number[] = [];
    reader.on('n', (data) => heard.push((data as { n: number }).n));
    reader.pause();
    return { writer, reader, heard };
  }

  test('latest: the newest comes when it goes on', async () => {
    const { writer, reader, heard } = await channels();
    writer.overflow = 'latest';
    await sendMany((n) => writer.send('n', { n, PAD }));
    expect(writer.dropped).toBeGreaterThan(MANY / 2);
    reader.resume();
    await expect.poll(() => heard.at(-1), SOON).toBe(MANY - 1);
    expect(isRising(heard)).toBe(true);
    expect(heard.length + writer.dropped).toBe(MANY);
  });

  test('drop: what was sent while there was room comes', async () => {
    const { writer, reader, heard } = await channels();
    await sendMany((n) => writer.send('n', { n, PAD }, { overflow: 'drop' }));
    reader.resume();
    await writer.drained();
    expect(writer.send('n', { n: MANY }, { overflow: 'drop' })).toBe(true);
    await expect.poll(() => heard.at(-1), SOON).toBe(MANY);
    expect(heard.length + writer.dropped).toBe(MANY + 1);
  });

  test('block, which is the default, throws; disconnect resets the channel and leaves the socket', async () => {
    const { writer, reader } = await channels();
    const refused = await sendMany((n) => writer.send('n', { n, PAD })).catch((error: HawserError) => error.code);
    expect(refused).toBe('ERR_BACKLOG_FULL');
    const stream = reader.events('n');
    expect(writer.send('n', 0, { overflow: 'disconnect' })).toBe(false);
    expect(await reader.closed).toMatchObject({ code: 'ERR_BACKLOG_FULL' });
    await expect(stream.next()).rejects.toMatchObject({ code: 'ERR_BACKLOG_FULL' });
    await writer.closed;
    await expect(writer.drained()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });
});
