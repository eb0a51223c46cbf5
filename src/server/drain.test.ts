import { afterEach, describe, expect, test } from 'vitest';
import { freshUrl } from '../../test/support/house.ts';
import { joinedServers, type JoinedServer as Node } from '../../test/support/joined-servers.ts';
import { RawPeer } from '../../test/support/raw-peer.ts';
import { type ClientSocket, type ConnectOptions, connect } from '../client/index.ts';
import { realWorld } from '../runtime/index.ts';
import type { Goaway } from '../wire/index.ts';
import { Elsewhere } from './drain.ts';
import type { ServerOptions } from './index.ts';
import { createServer } from './index.ts';

const world = realWorld();
const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function nodes(count: number, options: ServerOptions = {}): Promise<Node[]> {
  const all = await joinedServers(count, options);
  open.push(...all);
  return all;
}

async function client(urls: readonly string[], options: ConnectOptions = {}): Promise<ClientSocket> {
  const socket = await connect(urls, { reconnect: { first: 60_000 }, ...options });
  open.push(socket);
  return socket;
}

/** One after the other: where many come at once the first of their URLs may be slow to answer, and then the next one wins. */
async function clients(count: number, urls: readonly string[]): Promise<ClientSocket[]> {
  const all: ClientSocket[] = [];
  while (all.length < count) all.push(await client(urls));
  return all;
}

const next = <T>(socket: ClientSocket, event: 'goaway' | 'up' | 'down'): Promise<T> =>
  new Promise((resolve) => socket.on(event, ((told: T) => resolve(told)) as never));

test.each([
  ['ws', ['ws://a.example', 'ws://c.example', 'wss://b.example', 'wss://d.example']],
  ['wss', ['wss://b.example', 'wss://d.example']],
  ['http', ['http://c.example', 'https://d.example']],
  ['https', ['https://d.example']],
  ['tls', []],
])('who came by %s: is sent to what serves the same, by the name that it has for him', (scheme, urls) => {
  const there = ['ws://a.example', 'wss://b.example', 'http://c.example', 'https://d.example', 'tcp://e.example:1'];
  expect(new Elsewhere(there, world).for(scheme, false).toSorted()).toEqual(urls);
});

describe('a server that goes', () => {
  test('sends its clients to the nodes that stay, where they go at once', async () => {
    const [near, far] = (await nodes(2)) as [Node, Node];
    // With a back-off of a minute: only who is sent away comes back so soon.
    const socket = await client([near.url, far.url]);
    expect([near.sockets, far.sockets]).toEqual([1, 0]);
    const goaway = next<Goaway>(socket, 'goaway');
    const up = next<{ recovered: boolean }>(socket, 'up');
    await near.server.close();
    expect(await goaway).toMatchObject({ code: 4006, alternatives: [far.url] });
    expect(await up).toMatchObject({ recovered: false });
    expect(await socket.request('echo', 1)).toBe(1);
    expect(far.sockets).toBe(1);
  });

  test('sends nobody to a node that goes, too, and nobody anywhere when told so', async () => {
    const [near, far] = (await nodes(2)) as [Node, Node];
    const [early, late] = [await client([near.url]), await client([far.url])];
    const told = [next<Goaway>(early, 'goaway'), next<Goaway>(late, 'goaway')];
    await near.server.close({ redirect: false, retryAfter: 5.5 });
    await far.server.close();
    const [first, second] = await Promise.all(told);
    expect([first?.alternatives, first?.retryAfter, second?.alternatives]).toEqual([undefined, 5, undefined]);
  });

  test('sends clients to the URLs that are given, and refuses what is none', async () => {
    const [near] = (await nodes(1)) as [Node];
    const socket = await client([near.url]);
    const goaway = next<Goaway>(socket, 'goaway');
    for (const redirect of [['nonsense'], ['ftp://b.example'], ['tcp://0.0.0.0:1'], ['tcp://[::]:1']]) {
      await expect(near.server.close({ redirect })).rejects.toMatchObject({ code: 'ERR_OPTION' });
    }
    for (const times of [{ drain: -1 }, { delay: Number.NaN }, { retryAfter: '5' as never }]) {
      await expect(near.server.close(times)).rejects.toMatchObject({ code: 'ERR_OPTION' });
    }
    expect(await socket.request('echo', 1)).toBe(1);
    await near.server.close({ redirect: ['tcp://b.example:7000/?token=secret', 'ws://c.example'] });
    expect((await goaway).alternatives).toEqual(['tcp://b.example:7000']);
  });

  test('sends clients by their own URLs where the others have no address that could be told', async () => {
    const [near, far] = (await nodes(2, { node: { endpoints: ['tcp://0.0.0.0:7000', 'ipc:///far.sock'] } })) as [
      Node,
      Node,
    ];
    const socket = await client([near.url, far.url]);
    const goaway = next<Goaway>(socket, 'goaway');
    const up = next(socket, 'up');
    await near.server.close({ retryAfter: 60_000 });
    expect((await goaway).alternatives).toEqual([]);
    await up;
    expect(far.sockets).toBe(1);
  });

  test('ends what is under way first, and cuts off what is not done in time', async () => {
    const [near, far] = (await nodes(2)) as [Node, Node];
    let finish: (() => void) | undefined;
    near.server.on('connection', (socket) => {
      socket.handle('slow', () => new Promise((resolve) => (finish = () => resolve('done'))));
      socket.handle('never', () => new Promise(() => {}));
    });
    const [slow, stuck] = [await client([near.url, far.url]), await client([near.url, far.url])];
    const [answer, none] = [slow.request('slow'), stuck.request('never')];
    none.catch(() => {});
    const goaways = Promise.all([slow, stuck].map((socket) => next(socket, 'goaway')));
    const closing = near.server.close({ drain: 600 });
    await goaways;
    finish?.();
    expect(await answer).toBe('done');
    await closing;
    await expect(none).rejects.toMatchObject({ code: 'ERR_SESSION_LOST', delivered: 'unknown' });
    expect(await stuck.request('echo', 2)).toBe(2);
    expect(far.sockets).toBe(2);
  });

  test('spreads its clients over the time that it has, and over the nodes that stay', async () => {
    const [near, ...others] = await nodes(3);
    if (near === undefined) throw new Error('no node');
    const urls = [near.url, ...others.map(({ url }) => url)];
    const sockets = await clients(40, urls);
    const begun = world.now();
    const moments: number[] = [];
    const ups = sockets.map((socket) => {
      socket.on('goaway', () => moments.push(world.now() - begun));
      return next(socket, 'up');
    });
    await near.server.close({ drain: 1000 });
    expect(moments).toHaveLength(40);
    await Promise.all(ups);
    // By chance all of 40 in one half would be one in 2^39.
    expect(moments.some((at) => at < 400)).toBe(true);
    expect(moments.some((at) => at > 400)).toBe(true);
    const counts = others.map((node) => node.sockets);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(40);
    expect(Math.min(...counts)).toBeGreaterThan(0);
  });

  test('says so first: it is not ready, and still lets clients in until its delay is over', async () => {
    const [near, far] = (await nodes(2)) as [Node, Node];
    const closing = near.server.close({ delay: 1000, drain: 100 });
    expect(near.server.readiness(1000)).toBe('draining');
    const late = await connect(near.url, { reconnect: false });
    expect(await late.request('echo', 3)).toBe(3);
    const others = (await far.server.nodes()).filter(({ isSelf }) => !isSelf);
    expect(others.map(({ state }) => state)).toEqual(['draining']);
    expect(await near.server.push({ event: 'say' })).toEqual([{ ok: true }]);
    for (const more of [near.server.listen(freshUrl('tcp')), near.server.receive('tcp://127.0.0.1:1')]) {
      await expect(more).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    }
    await late.closed;
    await closing;
    await expect(connect(near.url, { reconnect: false })).rejects.toMatchObject({ code: 'ERR_CONNECT_FAILED' });
  });

  test('tells peers of the JSON dialect, too', async () => {
    const [near, far] = (await nodes(2)) as [Node, Node];
    const peer = await RawPeer.open(near.url, 'json', {});
    open.push(peer);
    await peer.enter();
    const error = peer.expect(({ name }) => name === 'ERR_SERVER_CLOSING');
    await near.server.close();
    expect((await error).data).toMatchObject({ data: { alternatives: [far.url] } });
  });

  test('costs its clients nothing of a room with history: they go on by another node where they were', async () => {
    const [near, far] = (await nodes(2)) as [Node, Node];
    for (const { server } of [near, far]) {
      server.history('news', { size: 1000, age: 60_000 });
      server.on('connection', (socket) => void socket.join('news'));
    }
    const sockets = await clients(10, [near.url, far.url]);
    const heard: unknown[][] = sockets.map((socket) => {
      const mine: unknown[] = [];
      socket.on('item', (data) => mine.push(data));
      return mine;
    });
    const gaps: unknown[] = [];
    for (const socket of sockets) socket.on('gap', (gap) => gaps.push(gap));
    const over = new AbortController();
    let count = 0;
    const publishing = (async () => {
      while (!over.signal.aborted || count < 50) await far.server.to('news').publish('item', count++);
    })();
    const ups = sockets.map((socket) => next(socket, 'up'));
    await near.server.close({ drain: 2000 });
    await Promise.all(ups);
    over.abort();
    await publishing;
    const all = Array.from({ length: count }, (_, at) => at);
    while (heard.some((mine) => mine.at(-1) !== count - 1)) await new Promise((resolve) => setTimeout(resolve, 10));
    // From the first that each has heard on, every one, once and in order.
    for (const mine of heard) expect(mine).toEqual(all.slice(mine[0] as number));
    expect([gaps, far.sockets]).toEqual([[], 10]);
  });

  test('tells its clients which of their events it had', async () => {
    const [near, far] = (await nodes(2)) as [Node, Node];
    const heard: unknown[] = [];
    near.server.on('connection', (socket) => socket.on('say', (data) => heard.push(data)));
    const socket = await client([near.url, far.url]);
    const up = next<{ unacknowledged: readonly unknown[] }>(socket, 'up');
    socket.on('goaway', () => socket.send('say', 1));
    await near.server.close();
    expect((await up).unacknowledged).toEqual([]);
    expect(heard).toEqual([1]);
  });
});

describe('a client that is sent away', () => {
  const STRANGER = 'tcp://127.0.0.1:1';

  test('follows to an address of its own URLs alone, and to others by leave of the application', async () => {
    const [near, far] = (await nodes(2)) as [Node, Node];
    const asked: string[] = [];
    const reconnect = { first: 1, most: 20 };
    const staying = await client([near.url], { reconnect });
    const choosing = await client([near.url], {
      reconnect,
      followRedirects: (url) => {
        asked.push(url);
        return url === far.url;
      },
    });
    const careless = await client([near.url], {
      reconnect,
      onError: () => {},
      followRedirects: () => {
        throw new Error('a mistake');
      },
    });
    const following = await client([near.url], { followRedirects: true });
    const ups = [choosing, following].map((socket) => next(socket, 'up'));
    const downs = [staying, careless].map((socket) => next(socket, 'down'));
    await near.server.close({ redirect: [STRANGER, far.url, 'tls://127.0.0.1:1', 'ws://127.0.0.1:1'] });
    await Promise.all([...ups, ...downs]);
    expect(asked.toSorted()).toEqual([STRANGER, far.url].toSorted());
    expect(far.sockets).toBe(2);
    expect([staying.state, careless.state]).toEqual(['down', 'down']);
  });

  test('keeps its namespace and its query', async () => {
    const [near, far] = (await nodes(2)) as [Node, Node];
    for (const { server } of [near, far]) server.of('/chat');
    const seen = new Promise((resolve) =>
      far.server.of('/chat').on('connection', ({ handshake }) => resolve(handshake.query)),
    );
    const socket = await client([`${near.url}/chat?lang=de`], { followRedirects: true });
    const up = next(socket, 'up');
    await near.server.close();
    await up;
    expect(await seen).toEqual({ lang: 'de' });
  });
});

describe('who is on the way in when a server begins to close', () => {
  test.each(['tcp', 'ws'] as const)('is let in, and nobody after him (%s)', async (scheme) => {
    let known = (): void => {};
    let asked = (): void => {};
    const arrived = new Promise<void>((resolve) => (asked = resolve));
    const server = createServer({
      authenticate: () => {
        asked();
        return new Promise((resolve) => (known = () => resolve({ user: 'ada' })));
      },
    });
    const [url = ''] = await server.listen(freshUrl(scheme));
    const coming = connect(url, { token: 't' });
    await arrived;
    const closing = server.close();
    await expect(connect(url, { token: 't' })).rejects.toMatchObject({ code: 'ERR_CONNECT_FAILED' });
    known();
    expect((await coming).user).toBe('ada');
    await closing;
  });

  test('is not waited for longer than a moment', async () => {
    const server = createServer({ authenticate: () => new Promise(() => {}), times: { closeWait: 50 } });
    const [url = ''] = await server.listen(freshUrl('tcp'));
    const coming = connect(url, { token: 't' }).catch((error: unknown) => error);
    await expect.poll(() => server.stats.connections).toBe(1);
    await server.close({ drain: 100 });
    expect(await coming).toMatchObject({ code: 'ERR_DISCONNECTED' });
  });
});
