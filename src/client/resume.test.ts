import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { freshUrl, House, type Scheme } from '../../test/support/house.ts';
import { CuttingProxy, type ProxyOptions } from '../../test/support/proxy.ts';
import type { RawPeer } from '../../test/support/raw-peer.ts';
import type { HawserError, Random } from '../core/index.ts';
import { createServer, type Server, type ServerSocket } from '../server/index.ts';
import { seededRandom } from '../testing/index.ts';
import { parseEndpoint } from '../transport/index.ts';
import { type Hello, hawserCodec, type Welcome } from '../wire/index.ts';
import { type ClientSocket, type ConnectOptions, connect, type Up } from './index.ts';

const EAGER: ConnectOptions = { reconnect: { first: 1, most: 5 } };
const STREAMS: Scheme[] = ['tcp', 'ipc', 'ws'];

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

function keep<T extends AsyncDisposable>(one: T): T {
  open.push(one);
  return one;
}

let proxies = 0;

/** A proxy before an endpoint, and the URL by which it is reached. */
async function behindProxy(
  url: string,
  options: Partial<ProxyOptions> = {},
): Promise<{ proxy: CuttingProxy; url: string }> {
  const { scheme, path, port = 0 } = parseEndpoint(url);
  if (scheme === 'ipc') {
    proxies += 1;
    const front = join(tmpdir(), `hawser-cut-${process.pid}-${proxies}.sock`);
    return {
      proxy: keep(await CuttingProxy.open({ target: { path }, path: front, ...options })),
      url: `ipc://${front}`,
    };
  }
  const proxy = keep(await CuttingProxy.open({ target: { port }, ...options }));
  return { proxy, url: `${scheme}://127.0.0.1:${proxy.port}` };
}

function next<T>(socket: ClientSocket, event: 'up' | 'down' | 'close' | 'goaway'): Promise<T> {
  return new Promise((resolve) => socket.once(event as 'close', (what) => resolve(what as T)));
}

const errorOf = (waiting: Promise<unknown>): Promise<HawserError> =>
  waiting.then(
    () => expect.fail('no error'),
    (error: HawserError) => error,
  );

/** What each side says and hears: numbers, in order. */
const COUNT = 200;
const numbers = Array.from({ length: COUNT }, (_, i) => i);

/** Between 1 byte and some thousand, now and then very few; after many cuts the line holds, so that every run ends. */
function lifetimes(random: Random): () => number {
  let cuts = 0;
  return () => {
    cuts += 1;
    if (cuts > 40) return Number.POSITIVE_INFINITY;
    return (cuts === 1 ? 1500 : 1) + Math.floor(random.unit() ** 2 * 8000);
  };
}

describe.each(STREAMS)('a line over %s that is cut at any byte', (scheme) => {
  test.each([1, 2, 3])('loses, doubles and turns round nothing (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const house = keep(await House.open({}, scheme));
    const heard = { server: [] as number[], client: [] as number[], asked: [] as number[], askedBack: [] as number[] };
    const sockets: ServerSocket[] = [];
    house.server.on('connection', (socket) => {
      sockets.push(socket);
      socket.on('n', (data) => heard.server.push((data as { n: number }).n));
      socket.handle('n', (data) => {
        heard.asked.push((data as { n: number }).n);
        return data;
      });
    });
    const { proxy, url } = await behindProxy(house.url(scheme), { lifetime: lifetimes(random) });
    const client = keep(await connect(url, EAGER));
    const ups: (boolean | undefined)[] = [];
    client.on('up', ({ recovered }) => ups.push(recovered));
    client.on('n', (data) => heard.client.push((data as { n: number }).n));
    client.handle('n', (data) => {
      heard.askedBack.push((data as { n: number }).n);
      return data;
    });
    const [socket] = sockets as [ServerSocket];
    const answers: Promise<unknown>[] = [];
    for (const n of numbers) {
      const padding = new Uint8Array(Math.floor(random.unit() * 300));
      client.send('n', { n, padding });
      socket.send('n', { n, padding });
      if (n % 5 === 0) answers.push(client.request('n', { n }), socket.request('n', { n }));
      if (random.unit() < 0.3) await new Promise((resolve) => setImmediate(resolve));
    }
    const asked = numbers.filter((n) => n % 5 === 0);
    expect(await Promise.all(answers)).toEqual(asked.flatMap((n) => [{ n }, { n }]));
    expect(heard).toEqual({ server: numbers, client: numbers, asked, askedBack: asked });
    expect(ups.every((recovered) => recovered === true)).toBe(true);
    expect(ups.length).toBeGreaterThan(3);
    expect(sockets).toHaveLength(1);
    expect(proxy.connections).toBe(1);
  });
});

describe('when a session goes on', () => {
  test('it may be over another transport, when the first URL is dead', async () => {
    const house = keep(await House.open({}, 'tcp', 'ws', 'ipc'));
    const heard: unknown[] = [];
    house.server.on('connection', (socket) => socket.on('n', (n) => heard.push(n)));
    const { proxy, url } = await behindProxy(house.url('tcp'));
    const client = keep(await connect([url, house.url('ws'), house.url('ipc')], EAGER));
    expect(client.transport).toBe('tcp');
    const { id } = client;
    const up = next<Up>(client, 'up');
    client.send('n', 1);
    proxy.hold();
    client.send('n', 2);
    await proxy.close();
    client.send('n', 3);
    expect(await up).toMatchObject({ recovered: true, transport: 'ws', unacknowledged: [] });
    await client.request('echo', 1);
    expect(heard).toEqual([1, 2, 3]);
    expect(client.id).toBe(id);
  });

  test('the server keeps its socket, its rooms and its user, and tells of both ends', async () => {
    const house = keep(await House.open({ authenticate: ({ token }) => ({ user: token ?? null }) }, 'tcp'));
    const { proxy, url } = await behindProxy(house.url('tcp'));
    const client = keep(await connect(url, { ...EAGER, token: 'ada' }));
    const [socket] = house.server.of('/').sockets as [ServerSocket];
    const log: string[] = [];
    for (const event of ['down', 'up', 'close'] as const) socket.on(event, () => log.push(event));
    const heard: unknown[] = [];
    client.on('say', (data) => heard.push(data));
    const up = next(client, 'up');
    const down = next(client, 'down');
    proxy.cut();
    await down;
    house.server.to('hall').send('say', 1);
    house.server.user('ada').send('say', 2);
    await up;
    await client.request('echo', 1);
    expect(heard).toEqual([1, 2]);
    expect(log).toEqual(['down', 'up']);
    expect(house.server.of('/').sockets).toEqual([socket]);
  });

  test('what authentication says besides the user is what it said last', async () => {
    let asked = 0;
    const house = keep(await House.open({ authenticate: () => ({ user: 'ada', claims: ++asked }) }, 'tcp'));
    const { proxy, url } = await behindProxy(house.url('tcp'));
    const client = keep(await connect(url, EAGER));
    const [socket] = house.server.of('/').sockets as [ServerSocket];
    const up = next<Up>(client, 'up');
    const before = socket.claims;
    proxy.cut();
    expect(await up).toMatchObject({ recovered: true });
    expect([before, socket.claims, socket.user]).toEqual([1, 2, 'ada']);
  });

  test('a listener that throws does not make its event come twice', async () => {
    const house = keep(await House.open({}, 'tcp'));
    const heard: unknown[] = [];
    house.server.on('connection', (socket) =>
      socket.on('n', (n) => {
        heard.push(n);
        throw new Error('mine');
      }),
    );
    const { proxy, url } = await behindProxy(house.url('tcp'));
    const client = keep(await connect(url, EAGER));
    client.send('n', 1);
    await client.request('echo', 1);
    const up = next<Up>(client, 'up');
    proxy.cut();
    expect(await up).toMatchObject({ recovered: true });
    client.send('n', 2);
    await client.request('echo', 1);
    expect(heard).toEqual([1, 2]);
    expect(house.reported).toHaveLength(2);
  });
});

/** Plays a client by hand, to show what tickets do. */
async function enter(house: House, hello: Partial<Hello> = {}): Promise<{ peer: RawPeer; welcome: Welcome }> {
  const peer = await house.peer('tcp', 'hawser');
  const welcome = (await peer.enter({ ...hello })).data as Welcome;
  return { peer, welcome };
}

describe('a ticket', () => {
  const whoever = { authenticate: ({ user }: { user: string | undefined }) => ({ user: user ?? null }) };

  test('takes the session from a link that is still up, which is closed as replaced', async () => {
    const house = keep(await House.open(whoever, 'tcp'));
    const first = await enter(house, { user: 'ada' });
    const resume = { ticket: first.welcome.ticket as Uint8Array, counts: [[0, 0]] as const };
    const second = await enter(house, { user: 'ada', resume });
    expect(second.welcome).toMatchObject({ recovered: true, id: first.welcome.id, counts: [[0, 0]] });
    expect(await first.peer.end()).toMatchObject({ code: 4500 });
    expect(house.server.stats).toMatchObject({ sockets: 1, links: 1 });
  });

  test.each<[string, Partial<Hello>, (resume: NonNullable<Hello['resume']>) => object]>([
    ['of another user', { user: 'eve' }, (resume) => resume],
    ['with counts that can not be', { user: 'ada' }, (resume) => ({ ...resume, counts: [[0, 7]] })],
    [
      'with counts of a channel that never was',
      { user: 'ada' },
      (resume) => ({
        ...resume,
        counts: [
          [0, 0],
          [3, 1],
        ],
      }),
    ],
    [
      'with a count said twice',
      { user: 'ada' },
      (resume) => ({
        ...resume,
        counts: [
          [0, 0],
          [0, 0],
        ],
      }),
    ],
    ['that nobody issued', { user: 'ada' }, (resume) => ({ ...resume, ticket: new Uint8Array(16) })],
    ['in another namespace', { user: 'ada', namespace: '/other' }, (resume) => resume],
  ])('%s brings nothing back, and harms nobody', async (_, hello, change) => {
    const house = keep(await House.open(whoever, 'tcp'));
    house.server.of('/other');
    const first = await enter(house, { user: 'ada' });
    const resume = change({ ticket: first.welcome.ticket as Uint8Array, counts: [[0, 0]] }) as NonNullable<
      Hello['resume']
    >;
    const second = await enter(house, { ...hello, resume });
    expect(second.welcome.recovered).toBe(false);
    expect(second.welcome.id).not.toBe(first.welcome.id);
    expect(second.welcome.user).toBe(hello.user);
    first.peer.say(hawserCodec.request(0, 1, 'echo', 'still here').bytes);
    expect(await first.peer.expect(({ id }) => id === 1)).toMatchObject({ data: 'still here' });
  });

  test('is void once its successor was used', async () => {
    const house = keep(await House.open(whoever, 'tcp'));
    const resume = (welcome: Welcome): Partial<Hello> => ({
      resume: { ticket: welcome.ticket as Uint8Array, counts: [[0, 0]] },
    });
    const first = await enter(house);
    const second = await enter(house, resume(first.welcome));
    const third = await enter(house, resume(second.welcome));
    third.peer.say(hawserCodec.ping(1).bytes);
    await third.peer.expect(({ kind }) => kind === 13 || kind === 14);
    expect([second.welcome.recovered, third.welcome.recovered]).toEqual([true, true]);
    for (const { welcome } of [first, second]) {
      expect((await enter(house, resume(welcome))).welcome.recovered).toBe(false);
    }
    expect(await second.peer.end()).toMatchObject({ code: 4500 });
  });

  test('brings nothing back once the socket has ended', async () => {
    const house = keep(await House.open({ times: { resumeWindow: 50 } }, 'tcp'));
    const first = await enter(house);
    const [socket] = house.server.of('/').sockets as [ServerSocket];
    const closed = new Promise((resolve) => socket.on('close', resolve));
    first.peer.cut();
    await closed;
    const resume = { ticket: first.welcome.ticket as Uint8Array, counts: [[0, 0]] as const };
    expect((await enter(house, { resume })).welcome.recovered).toBe(false);
    expect(house.server.stats.sockets).toBe(1);
  });
});

/** A server that can be killed and come back at the same endpoint. */
async function revive(url: string): Promise<Server> {
  const server = keep(createServer());
  server.on('connection', (socket) => {
    socket.handle('echo', (data) => data);
    socket.handle('never', () => new Promise(() => {}));
  });
  await server.listen(url);
  return server;
}

describe.each(['tcp', 'ipc', 'ws'] as const)('a server over %s that dies and comes back', (scheme) => {
  test('tells that nothing is recovered; what was never sent is sent, what may have arrived is listed', async () => {
    const first = await revive(freshUrl(scheme));
    const [endpoint = ''] = first.endpoints;
    const { proxy, url } = await behindProxy(endpoint);
    const client = keep(await connect(url, EAGER));
    await client.request('echo', 1);
    proxy.hold();
    client.send('said', { n: 1 });
    client.send('said', { n: 2 });
    const unknown = errorOf(client.request('never', 'sent'));
    const [down, up] = [next(client, 'down'), next<Up>(client, 'up')];
    await first.close({ drain: 0 });
    proxy.cut();
    await down;
    client.send('waits', { n: 3 });
    const no = errorOf(client.request('never', 'not sent'));
    const heard: unknown[] = [];
    const second = await revive(endpoint);
    const arrived = new Promise<void>((resolve) =>
      second.on('connection', (socket) =>
        socket.onAny((name, data) => {
          heard.push([name, data]);
          resolve();
        }),
      ),
    );
    proxy.release();
    const { recovered, unacknowledged } = await up;
    expect(recovered).toBe(false);
    expect(unacknowledged).toEqual([
      { event: 'said', data: { n: 1 } },
      { event: 'said', data: { n: 2 } },
    ]);
    expect(await unknown).toMatchObject({ code: 'ERR_SESSION_LOST', delivered: 'unknown' });
    expect(await no).toMatchObject({ code: 'ERR_SESSION_LOST', delivered: 'no' });
    await arrived;
    expect(await client.request('echo', 2)).toBe(2);
    expect(heard).toEqual([['waits', { n: 3 }]]);
  });
});

describe('a server that goes away', () => {
  test('says so first; its clients go to another one', async () => {
    const [first, second] = [keep(await House.open({}, 'tcp')), keep(await House.open({}, 'ws'))];
    const client = keep(await connect([first.url('tcp'), second.url('ws')], EAGER));
    const [goaway, up] = [next<{ code: number }>(client, 'goaway'), next<Up>(client, 'up')];
    await first.server.close();
    expect(await goaway).toMatchObject({ code: 4006 });
    expect(await up).toMatchObject({ recovered: false, transport: 'ws' });
    expect(await client.request('echo', 1)).toBe(1);
  });

  test('waits for handlers at work, and their answers arrive', async () => {
    const house = keep(await House.open({}, 'tcp'));
    let release = (): void => {};
    house.server.on('connection', (socket) =>
      socket.handle(
        'slow',
        () =>
          new Promise<string>((resolve) => {
            release = () => resolve('done');
          }),
      ),
    );
    const client = keep(await connect(house.url('tcp'), EAGER));
    const asked = client.request('slow');
    await client.request('echo', 1);
    const goaway = next(client, 'goaway');
    const closed = house.server.close();
    await goaway;
    release();
    expect(await asked).toBe('done');
    await closed;
    await expect(connect(house.url('tcp'))).rejects.toMatchObject({ code: 'ERR_CONNECT_FAILED' });
  });
});
