import { afterEach, describe, expect, test } from 'vitest';
import { Opened } from '../../test/support/history-server.ts';
import { freshUrl, House } from '../../test/support/house.ts';
import type { Listener } from '../../test/support/listener.ts';
import type { HawserError } from '../core/index.ts';
import { type Engine, JoinedEngine, MemoryEngine, type Position } from '../engine/index.ts';
import type { Joined } from '../room/index.ts';
import { realWorld } from '../runtime/index.ts';
import { TestHub } from '../testing/index.ts';
import { createServer, type Server, type ServerOptions, type ServerSocket } from './index.ts';

const opened = new Opened();
afterEach(() => opened[Symbol.asyncDispose]());

const keep = opened.keep.bind(opened);
const listen = opened.listen.bind(opened);
const serve = opened.serve.bind(opened);

const connection = (server: Server): Promise<ServerSocket> =>
  new Promise((resolve) => server.on('connection', (socket) => resolve(socket)));

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as HawserError).code;
  }
  return 'none';
}

const rejection = (promise: Promise<unknown>): Promise<HawserError> =>
  promise.then(
    () => expect.fail('no error'),
    (error: HawserError) => error,
  );

describe('which rooms have history', () => {
  test.each([
    [{ size: 0 }, 'ERR_OPTION'],
    [{ size: 100_001 }, 'ERR_OPTION'],
    [{ size: 1.5 }, 'ERR_OPTION'],
    [{ size: Number.NaN }, 'ERR_OPTION'],
    [{ age: 0 }, 'ERR_OPTION'],
    [{ age: 2_678_400_001 }, 'ERR_OPTION'],
    [{ age: Infinity }, 'ERR_OPTION'],
    [{ size: 100_000, age: 2_678_400_000 }, 'none'],
    [{ size: 1, age: 1 }, 'none'],
    [undefined, 'none'],
  ])('%o: %s', (options, code) => {
    const server = keep(createServer());
    expect(codeOf(() => server.history('x', options))).toBe(code);
    expect(codeOf(() => server.of('/room/:id').history('x', options))).toBe(code);
  });

  test('a pattern is a text, given once, before somebody is in such a room', async () => {
    await using house = await House.open({}, 'tcp');
    const { server } = house;
    const codes = (pattern: string): string => codeOf(() => server.history(pattern));
    await house.client('tcp');
    expect(['', 'x'.repeat(257), 'hall', 'h*', '*', 'other', 'other'].map(codes)).toEqual([
      ...new Array(5).fill('ERR_ARGUMENT'),
      'none',
      'ERR_ARGUMENT',
    ]);
    server.of('/room/:id');
    expect(codeOf(() => server.of('/room/5').history('x'))).toBe('ERR_ARGUMENT');
  });

  test('the first of several patterns that cover a room counts, also in namespaces that a pattern makes', async () => {
    const server = keep(createServer({ engine: new MemoryEngine(realWorld()), onError: () => {} }));
    const pattern = server.of('/team/:id').history('short-*', { size: 1 }).history('*', { size: 5 });
    pattern.on('connection', (socket) => {
      socket.handle('join', (where) => {
        const { room, since } = where as { room: string; since?: Position };
        return socket.join(room, since ? { since } : {});
      });
    });
    const [url = ''] = await server.listen(freshUrl('tcp'));
    const team = server.of('/team/5');
    for (const room of ['short-1', 'long']) {
      const { positions } = await team.to(room).publish('say', 0);
      const since = { offset: positions[0]?.offset ?? 0, epoch: positions[0]?.epoch ?? '' };
      for (const n of [1, 2]) team.to(room).send('say', n);
      const client = await listen(`${url}/team/5`);
      const { recovered, reason } = (await client.socket.request('join', { room, since })) as Joined;
      expect([recovered, reason]).toEqual(room === 'long' ? [true, undefined] : [false, 'expired']);
    }
  });
});

describe('members of a room with history', () => {
  test('get its messages in one order with their offsets, in both dialects and on both transports', async () => {
    await using house = await House.open({}, 'tcp', 'ws');
    house.server.of('/hall').history('*');
    const { server } = house;
    server.of('/hall').on('connection', (socket) => {
      socket.join('room');
    });
    const members = [await listen(`${house.url('ws')}/hall`), await listen(`${house.url('tcp')}/hall`)];
    const plain = await house.peer('tcp', 'json');
    await plain.enter({ namespace: '/hall' });
    for (let n = 1; n <= 20; n++) server.of('/hall').to('room').send('say', n);
    for (const member of members) {
      expect(await member.take(21)).toEqual(['positioned', ...Array.from({ length: 20 }, (_, i) => `${i + 1}`)]);
      expect(member.socket.position('room')).toMatchObject({ offset: 20 });
    }
    const told = await plain.expect(({ name }) => name === 'positioned');
    expect(told).toMatchObject({ data: { offset: 0 }, meta: { room: 'room' } });
    for (let n = 1; n <= 20; n++) {
      expect(await plain.next()).toMatchObject({ name: 'say', data: n, meta: { room: 'room', offset: n } });
    }
  });

  test('what leaves somebody out leaves him out, and rooms without history and users get theirs beside', async () => {
    const { server, url } = await serve();
    server.of('/both').history('kept');
    server.of('/both').on('connection', (socket) => {
      socket.join('kept');
      socket.join(socket.id);
    });
    const coming = new Promise<ServerSocket>((resolve) => server.of('/both').on('connection', resolve));
    const ada = await listen(`${url}/both`);
    const socket = await coming;
    const bob = await listen(`${url}/both`);
    socket.to('kept').send('say', 'from ada');
    server.of('/both').to('kept', ada.socket.id, bob.socket.id).send('say', 'to both');
    server.of('/both').to('kept').except(bob.socket.id).send('say', 'not to bob');
    server.of('/both').to('kept').send('say', 'volatile', { volatile: true });
    server.of('/both').to('kept').send('say', 'end');
    expect(await ada.take(5)).toEqual(['positioned', 'to both', 'not to bob', 'volatile', 'end']);
    expect(await bob.take(5)).toEqual(['positioned', 'from ada', 'to both', 'volatile', 'end']);
    expect(ada.heard).toEqual([]);
  });

  test('what is no message is refused at once, and nobody gets it', async () => {
    const { server } = await serve();
    expect(codeOf(() => server.to('room').send('say', () => 1))).toBe('ERR_UNENCODABLE');
    expect((await rejection(server.to('room').publish('say', Symbol('x')))).code).toBe('ERR_UNENCODABLE');
  });
});

describe('joining with a position', () => {
  /** A server with a log of 10 messages of which 5 are kept, and how a socket of it joins. */
  async function prepare(options: ServerOptions = {}): Promise<{
    server: Server;
    client: Listener;
    at: (offset: number) => Position;
    join: (since?: Position | null) => Promise<Joined>;
  }> {
    const server = keep(createServer(options));
    server.history('room', { size: 5 });
    const coming = connection(server);
    const [url = ''] = await server.listen(freshUrl('tcp'));
    const client = await listen(url);
    const socket = await coming;
    let epoch = '';
    for (let n = 1; n <= 10; n++) epoch = (await server.to('room').publish('say', n)).positions[0]?.epoch ?? '';
    const join = (since?: Position | null): Promise<Joined> =>
      socket.join('room', since === undefined ? {} : { since });
    return { server, client, at: (offset) => ({ offset, epoch }), join };
  }

  test('gives what was missed, then what is new', async () => {
    const { server, client, at, join } = await prepare();
    const joining = join(at(7));
    server.to('room').send('say', 11);
    expect(await joining).toEqual({ room: 'room', position: at(10), recovered: true, missed: 3, reason: undefined });
    server.to('room').send('say', 12);
    expect(await client.take(6)).toEqual(['8', '9', '10', 'recovered', '11', '12']);
    expect(await join(at(1))).toMatchObject({ position: at(12), recovered: false, missed: 0, reason: undefined });
  });

  test('nothing was missed', async () => {
    const { client, at, join } = await prepare();
    expect(await join(at(10))).toMatchObject({ position: at(10), recovered: true, missed: 0 });
    expect(await client.take(1)).toEqual(['recovered']);
  });

  test.each([
    ['expired', (at: Position) => ({ ...at, offset: 4 }), {}],
    ['unknown', (at: Position) => ({ ...at, offset: 11 }), {}],
    ['unknown', (at: Position) => ({ ...at, offset: Number.MAX_SAFE_INTEGER }), {}],
    ['epoch', (at: Position) => ({ ...at, epoch: 'another' }), {}],
    ['epoch', (at: Position) => ({ ...at, epoch: '' }), {}],
    ['too-many', (at: Position) => ({ ...at, offset: 5 }), { limits: { recovery: 4 } }],
  ])('a gap: %s', async (reason, since, options: ServerOptions) => {
    const { server, client, at, join } = await prepare(options);
    expect(await join(since(at(10)))).toEqual({ room: 'room', position: at(10), recovered: false, missed: 0, reason });
    server.to('room').send('say', 11);
    await client.take(1).then((told) => expect(told).toEqual(['gap']));
    expect(await client.take(1)).toEqual(['11']);
  });

  test('as many as one may be given', async () => {
    const { client, at, join } = await prepare({ limits: { recovery: 5 } });
    expect(await join(at(5))).toMatchObject({ recovered: true, missed: 5 });
    expect(await client.take(6)).toEqual(['6', '7', '8', '9', '10', 'recovered']);
  });

  test.each([
    [{ offset: -1, epoch: 'e' }],
    [{ offset: 1.5, epoch: 'e' }],
    [{ offset: 2 ** 53, epoch: 'e' }],
    [{ offset: 1, epoch: 'e'.repeat(65) }],
    [{ offset: 1 } as unknown as Position],
    [{ offset: '1', epoch: 'e' } as unknown as Position],
  ])('%o is none', async (since) => {
    const { join } = await prepare();
    expect(codeOf(() => join(since))).toBe('ERR_ARGUMENT');
  });

  test('in a room that keeps nothing is told so, when something was asked for', async () => {
    const server = keep(createServer());
    const coming = connection(server);
    const [url = ''] = await server.listen(freshUrl('tcp'));
    const client = await listen(url);
    const socket = await coming;
    const nothing = { position: undefined, recovered: false, missed: 0 };
    expect(await socket.join('a', { since: { offset: 1, epoch: 'e' } })).toEqual({
      room: 'a',
      ...nothing,
      reason: 'no-history',
    });
    expect(await socket.join('b')).toEqual({ room: 'b', ...nothing, reason: undefined });
    server.to('b').send('say', 'end');
    expect(await client.take(2)).toEqual(['gap', 'end']);
  });

  test('who leaves before it is known is told that, and gets nothing', async () => {
    const { server, client, at, join } = await prepare();
    const joining = join(at(7));
    void server.to('room').leave('room');
    expect(await joining).toMatchObject({ position: undefined, recovered: false, reason: 'left' });
    expect(await join(at(8))).toMatchObject({ recovered: true, missed: 2 });
    expect(await client.take(3)).toEqual(['9', '10', 'recovered']);
    const again = join(at(1));
    await client.socket.close();
    expect(await again).toMatchObject({ recovered: false });
  });

  test('a member that reads slowly is given no more than its link takes, and misses nothing', async () => {
    const { server, client, at } = await prepare({ limits: { backlogBytes: 16 * 1024 }, times: { closeWait: 200 } });
    server.of('/slow').history('room', { size: 1000 });
    let position = at(0);
    for (let n = 0; n <= 200; n++) {
      const { positions } = await server
        .of('/slow')
        .to('room')
        .publish('say', `${n} ${'x'.repeat(10_000)}`);
      if (n === 0) position = { offset: positions[0]?.offset ?? 0, epoch: positions[0]?.epoch ?? '' };
    }
    let joined: Promise<Joined> | undefined;
    server.of('/slow').on('connection', (socket) => {
      joined = socket.join('room', { since: position });
    });
    const ends: unknown[] = [];
    const [url = ''] = server.endpoints;
    const slow = await listen(`${url}/slow`);
    slow.socket.on('down', (why) => ends.push(why));
    slow.socket.pause();
    server.of('/slow').to('room').send('say', '201 live');
    slow.socket.resume();
    const numbers = (await slow.take(202)).map((one) => one.split(' ')[0]);
    expect(numbers).toEqual([...Array.from({ length: 201 }, (_, i) => `${i + 1}`), 'recovered']);
    expect(await joined).toMatchObject({ recovered: true, missed: 201 });
    expect([ends, client.heard]).toEqual([[], []]);
  });
});

describe('publishing', () => {
  test('says where the message is, in each room with history', async () => {
    const { server } = await serve();
    const first = await server.to('a', 'b', 'a').publish('say', 1);
    expect(first.positions.map(({ room, offset }) => [room, offset])).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
    expect((await server.to('a').publish('say', 2)).positions).toMatchObject([{ room: 'a', offset: 2 }]);
    expect(await server.to().publish('say')).toEqual({ positions: [], isDuplicate: false });
    expect(await server.all().publish('say')).toEqual({ positions: [], isDuplicate: false });
  });

  test('again by the same id publishes nothing, with history and without', async () => {
    const hub = new TestHub({ world: realWorld() });
    const engine = (): Engine => new JoinedEngine(hub.bus(), { world: realWorld() });
    const nodes = [createServer({ engine: engine() }), createServer({ engine: engine() })].map(keep);
    const members: Listener[] = [];
    for (const server of nodes) {
      server.history('kept');
      server.on('connection', (socket) => {
        for (const room of ['kept', 'plain']) socket.join(room);
      });
      const [url = ''] = await server.listen(freshUrl('tcp'));
      members.push(await listen(url));
    }
    for (const member of members) expect(await member.take(1)).toEqual(['positioned']);
    const [here, there] = nodes as [Server, Server];
    const kept = await here.to('kept').publish('say', 'k', { id: 'k1' });
    expect(await there.to('kept').publish('say', 'k', { id: 'k1' })).toEqual({ ...kept, isDuplicate: true });
    for (const member of members) expect(await member.take(1)).toEqual(['k']);
    expect(await here.to('plain').publish('say', 'p', { id: 'p1' })).toEqual({ positions: [], isDuplicate: false });
    for (const member of members) expect(await member.take(1)).toEqual(['p']);
    for (const node of nodes) {
      expect(await node.to('plain').publish('say', 'p', { id: 'p1' })).toEqual({ positions: [], isDuplicate: true });
    }
    await here.to('kept').publish('say', 'end');
    for (const member of members) expect(await member.take(1)).toEqual(['end']);
  });

  test.each([[''], ['x'.repeat(129)], [5 as unknown as string]])('%o is no id', async (id) => {
    const { server } = await serve();
    expect((await rejection(server.to('a').publish('say', 1, { id }))).code).toBe('ERR_ARGUMENT');
  });

  /** An engine whose log answers when it is told to. */
  class Slow extends MemoryEngine {
    readonly waiting: (() => void)[] = [];

    override async append(...args: Parameters<MemoryEngine['append']>): ReturnType<MemoryEngine['append']> {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
      return super.append(...args);
    }
  }

  test('more than may be on their way is refused, and reported where nobody waits', async () => {
    const engine = new Slow(realWorld());
    const reported: unknown[] = [];
    const { server } = await serve({ engine, limits: { appends: 2 }, onError: (error) => reported.push(error) });
    const waiting = [server.to('a').publish('say', 1), server.to('b').publish('say', 1)];
    expect(await rejection(server.to('a').publish('say', 2))).toMatchObject({
      code: 'ERR_BACKLOG_FULL',
      delivered: 'no',
    });
    server.to('a').send('say', 3);
    await Promise.resolve();
    for (const go of engine.waiting) go();
    await Promise.all(waiting);
    expect(reported).toMatchObject([{ code: 'ERR_BACKLOG_FULL' }]);
    engine.waiting.length = 0;
    const again = server.to('a').publish('say', 4);
    engine.waiting[0]?.();
    expect((await again).positions).toMatchObject([{ offset: 2 }]);
  });

  test('is given up after a time, or by a signal', async () => {
    const { server } = await serve({ engine: new Slow(realWorld()) });
    const late = { code: 'ERR_TIMEOUT', delivered: 'unknown' };
    expect(await rejection(server.to('a').publish('say', 1, { timeout: 1 }))).toMatchObject(late);
    const stop = new AbortController();
    const stopped = rejection(server.to('a').publish('say', 1, { signal: stop.signal }));
    stop.abort();
    expect(await stopped).toMatchObject({ code: 'ERR_ABORTED', delivered: 'unknown' });
    const never = rejection(server.to('a').publish('say', 1, { signal: AbortSignal.abort() }));
    expect(await never).toMatchObject({ code: 'ERR_ABORTED', delivered: 'no' });
  });
});
