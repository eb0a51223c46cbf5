import { afterEach, describe, expect, test } from 'vitest';
import { type JoinedServer, joinedServers } from '../../test/support/joined-servers.ts';
import { type ClientSocket, connect } from '../client/index.ts';
import { type CloseReason, HawserError } from '../core/index.ts';
import { createServer, type ServerOptions } from './index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** Two servers that are one cluster; each has the room `hall`, in which everybody is. */
class Pair {
  readonly near: JoinedServer;
  readonly far: JoinedServer;

  private constructor(near: JoinedServer, far: JoinedServer) {
    this.near = near;
    this.far = far;
  }

  static async open(options: ServerOptions = {}): Promise<Pair> {
    const servers = await joinedServers(2, options);
    open.push(...servers);
    for (const { server } of servers) server.on('connection', (socket) => void socket.join('hall'));
    const [near, far] = servers as [JoinedServer, JoinedServer];
    return new Pair(near, far);
  }

  /** One client of each node, by these names. Resolves when both nodes know of both. */
  async clients(near: string, far: string): Promise<readonly [ClientSocket, ClientSocket]> {
    const clients = [await client(this.near, near), await client(this.far, far)] as const;
    for (const { server } of [this.near, this.far]) {
      while ((await server.count('hall')) < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return clients;
  }
}

async function client({ url }: JoinedServer, user: string): Promise<ClientSocket> {
  const socket = await connect(url, { user });
  open.push(socket);
  return socket;
}

function over(socket: ClientSocket): Promise<CloseReason> {
  return new Promise((resolve) => socket.on('close', resolve));
}

describe('the nodes', () => {
  test('know of each other who they are, where they listen, and how many sockets they have', async () => {
    const { near, far } = await Pair.open({ node: { name: 'web', metadata: { zone: 'b' } } });
    await client(far, 'ada');
    await far.server.nodes();
    while ((await near.server.nodes())[1]?.sockets !== 1) await new Promise((resolve) => setTimeout(resolve, 5));
    const nodes = await near.server.nodes();
    expect(nodes.map(({ id, isSelf, isAlive, state }) => [id, isSelf, isAlive, state])).toEqual([
      [near.engine.id, true, true, 'up'],
      [far.engine.id, false, true, 'up'],
    ]);
    expect(nodes.map(({ name, endpoints, sockets, metadata }) => ({ name, endpoints, sockets, metadata }))).toEqual([
      { name: 'web', endpoints: [near.url], sockets: 0, metadata: { zone: 'b' } },
      { name: 'web', endpoints: [far.url], sockets: 1, metadata: { zone: 'b' } },
    ]);
  });

  test('say where clients reach them, when that is elsewhere; and that they are going', async () => {
    const { near, far } = await Pair.open({ node: { endpoints: ['wss://example.org'] } });
    expect((await near.server.nodes()).map(({ endpoints }) => endpoints)).toEqual([
      ['wss://example.org'],
      ['wss://example.org'],
    ]);
    const told: string[] = [];
    far.engine.announce = ({ state }) => told.push(state);
    await far.server.close({ drain: 0 });
    expect(told).toEqual(['draining']);
  });

  test.each([
    { name: '' },
    { name: 'x'.repeat(257) },
    { metadata: { text: 'ä'.repeat(2048) } },
    { metadata: [] as never },
    { metadata: { big: 1n } },
    { metadata: undefined, name: 7 as never },
  ])('what a node can not say of itself is refused: %o', (node) => {
    expect(() => createServer({ node: node as object })).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
  });

  test('metadata of 4 KiB is taken', () => {
    expect(createServer({ node: { metadata: { text: 'x'.repeat(4096 - '{"text":""}'.length) } } })).toBeDefined();
  });
});

describe('a call to all nodes', () => {
  test('finds sockets with their users, nodes and rooms; by room, user and id', async () => {
    const pair = await Pair.open();
    const { near, far } = pair;
    const [ada, bob] = await pair.clients('ada', 'bob');
    const { sockets, total, silentNodes, failedNodes } = await near.server.all().find();
    expect(sockets).toEqual([
      { id: ada.id, user: 'ada', node: near.engine.id, rooms: ['hall'], roomCount: 1 },
      { id: bob.id, user: 'bob', node: far.engine.id, rooms: ['hall'], roomCount: 1 },
    ]);
    expect([total, silentNodes, failedNodes]).toEqual([2, [], []]);
    const { server } = near;
    const found = [
      await server.to('hall').find({ most: 1 }),
      await server.user('bob').find(),
      await server.all().find({ sockets: [bob.id ?? ''] }),
      await server.to('hall').except('hall').find(),
      await server.to().find(),
      await server.of('/nowhere').all().find(),
    ];
    expect(found.map((one) => [one.sockets.map(({ user }) => user), one.total])).toEqual([
      [['ada'], 2],
      [['bob'], 1],
      [['bob'], 1],
      [[], 0],
      [[], 0],
      [[], 0],
    ]);
    await expect(server.all().find({ most: -1 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  test('lists a hundred rooms of a socket, and says how many there are', async () => {
    const { near, far } = await Pair.open();
    await client(near, 'ada');
    const rooms = Array.from({ length: 120 }, (_, at) => `room-${at}`);
    await near.server.user('ada').join(...rooms);
    const { sockets } = await far.server.user('ada').find();
    expect([sockets[0]?.rooms.length, sockets[0]?.roomCount]).toEqual([100, 121]);
  });

  test('has sockets join and leave: at once here, and there when it resolves', async () => {
    const pair = await Pair.open();
    const { near, far } = pair;
    await pair.clients('ada', 'bob');
    const joining = near.server.all().join('desk', { timeout: 1000 });
    expect(near.server.of('/').socketsIn('desk')).toHaveLength(1);
    expect(await joining).toEqual({ sockets: 2, silentNodes: [], failedNodes: [] });
    expect(far.server.of('/').socketsIn('desk')).toHaveLength(1);
    expect(await far.server.to('desk').leave('desk')).toMatchObject({ sockets: 2 });
    expect([...near.server.of('/').socketsIn('desk'), ...far.server.of('/').socketsIn('desk')]).toEqual([]);
  });

  test('tells what was in the way on another node', async () => {
    const { near, far } = await Pair.open({ limits: { roomsPerSocket: 1 } });
    await client(far, 'bob');
    const { sockets, failedNodes } = await near.server.user('bob').join('desk');
    expect(sockets).toBe(0);
    expect(failedNodes).toMatchObject([{ node: far.engine.id, error: { code: 'ERR_TOO_MANY_ROOMS' } }]);
    await client(near, 'ada');
    expect(() => near.server.all().join('desk')).toThrow(expect.objectContaining({ code: 'ERR_TOO_MANY_ROOMS' }));
  });

  test('ends sockets on all nodes', async () => {
    const pair = await Pair.open();
    const { near } = pair;
    const [ada, bob] = await pair.clients('ada', 'bob');
    const ends = [over(ada), over(bob)];
    expect(await near.server.to('hall').disconnect(4777, 'enough')).toMatchObject({ sockets: 2 });
    expect(await Promise.all(ends)).toMatchObject([
      { code: 4777, reason: 'enough' },
      { code: 4777, reason: 'enough' },
    ]);
    expect(() => near.server.all().disconnect(1005)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });

  test('asks sockets on all nodes', async () => {
    const pair = await Pair.open();
    const { near, far } = pair;
    const [ada, bob] = await pair.clients('ada', 'bob');
    const eve = await client(far, 'eve');
    await client(far, 'mute').then((mute) => mute.handle('vote', () => new Promise(() => {})));
    ada.handle('vote', (data) => ['ada', data]);
    bob.handle('vote', (data) => ['bob', data]);
    eve.handle('vote', () => {
      throw new HawserError('ERR_UNDECIDED', 'not yet', { data: 7 });
    });
    const { answers, errors, silent } = await near.server.all().requestAll('vote', { by: 'noon' }, { timeout: 1000 });
    expect(answers).toEqual([
      { socket: ada.id, user: 'ada', data: ['ada', { by: 'noon' }] },
      { socket: bob.id, user: 'bob', data: ['bob', { by: 'noon' }] },
    ]);
    expect(errors).toMatchObject([{ user: 'eve', error: { code: 'ERR_UNDECIDED', message: 'not yet', data: 7 } }]);
    expect(silent).toMatchObject([{ user: 'mute' }]);
  });

  test('asks no more sockets of a node than its limit', async () => {
    const pair = await Pair.open({ limits: { requestAll: 1 } });
    const { near, far } = pair;
    const [ada] = await pair.clients('ada', 'bob');
    await client(far, 'eve');
    ada.handle('vote', () => 'yes');
    const { answers, failedNodes } = await near.server.all().requestAll('vote');
    expect(answers).toMatchObject([{ data: 'yes' }]);
    expect(failedNodes).toMatchObject([{ node: far.engine.id, error: { code: 'ERR_TOO_MANY_REQUESTS' } }]);
    await expect(far.server.all().requestAll('vote')).rejects.toMatchObject({ code: 'ERR_TOO_MANY_REQUESTS' });
  });

  test('names who is silent, answers with what is alive, and ends with its signal', async () => {
    const pair = await Pair.open();
    const { near, far } = pair;
    const [ada] = await pair.clients('ada', 'bob');
    ada.handle('vote', () => 'yes');
    far.bus.hold();
    const { server } = near;
    expect(await server.all().find({ timeout: 20 })).toMatchObject({ total: 1, silentNodes: [far.engine.id] });
    expect(await server.all().join('desk', { timeout: 20 })).toMatchObject({
      sockets: 1,
      silentNodes: [far.engine.id],
    });
    expect(await server.all().leave('desk', { timeout: 20 })).toMatchObject({
      sockets: 1,
      silentNodes: [far.engine.id],
    });
    const asked = await server.all().requestAll('vote', undefined, { timeout: 10 });
    expect(asked).toMatchObject({ answers: [{ data: 'yes' }], silentNodes: [far.engine.id] });
    const calls = [
      (signal: AbortSignal) => server.all().find({ signal, timeout: 0 }),
      (signal: AbortSignal) => server.all().join('desk', { signal }),
      (signal: AbortSignal) => server.all().leave('desk', { signal }),
      (signal: AbortSignal) => server.user('nobody').disconnect(4777, 'x', { signal }),
      (signal: AbortSignal) => server.all().requestAll('vote', 1, { signal }),
    ];
    for (const call of calls) {
      const stop = new AbortController();
      const called = call(stop.signal);
      stop.abort();
      await expect(called).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    }
  });

  test('of more names than a question may have is refused, on this node too', async () => {
    const { near } = await Pair.open();
    await client(near, 'ada');
    const rooms = Array.from({ length: 10_001 }, (_, at) => `${at}`);
    const refused = expect.objectContaining({ code: 'ERR_ARGUMENT' });
    for (const call of [
      () => near.server.to(...rooms).join('desk'),
      () => near.server.all().leave(...rooms),
      () => near.server.to('x'.repeat(1 << 20), 'y').disconnect(),
    ]) {
      expect(call).toThrow(refused);
    }
    await expect(near.server.all().find({ sockets: rooms })).rejects.toThrow(refused);
    expect(near.server.of('/').socketsIn('desk')).toEqual([]);
  });
});

const TARGET = { namespace: '/', rooms: ['hall'], users: [], exceptRooms: [], exceptSockets: [] };

describe('what other nodes say', () => {
  test.each([
    ['nothing', undefined],
    ['a text', 'find/1'],
    ['an unknown kind', { kind: 'find/2', target: TARGET, most: 1 }],
    ['no target', { kind: 'find/1', most: 1 }],
    ['a target without lists', { kind: 'find/1', target: { namespace: '/' }, most: 1 }],
    ['names that are none', { kind: 'find/1', target: { ...TARGET, users: [{}] }, most: 1 }],
    ['a namespace beyond all bounds', { kind: 'find/1', target: { ...TARGET, namespace: '/'.repeat(1025) }, most: 1 }],
    ['a negative length', { kind: 'find/1', target: TARGET, most: -1 }],
    ['no length', { kind: 'find/1', target: TARGET, most: Number.NaN }],
    ['ids that are none', { kind: 'find/1', target: TARGET, most: 1, sockets: 'x' }],
    ['rooms that are none', { kind: 'join/1', target: TARGET, rooms: [7] }],
    ['too many rooms', { kind: 'leave/1', target: TARGET, rooms: Array.from({ length: 10_001 }, () => 'x') }],
    ['a reason that is none', { kind: 'disconnect/1', target: TARGET, code: 4777, reason: 7 }],
    ['a request without a name', { kind: 'request/1', target: TARGET, timeout: 1 }],
    ['a request without a time', { kind: 'request/1', target: TARGET, name: 'vote' }],
  ])('a question that is %s is refused, and nobody is asked or ended', async (_, question) => {
    const pair = await Pair.open();
    const { near, far } = pair;
    const [ada, bob] = await pair.clients('ada', 'bob');
    const { answers, errors } = await near.engine.ask(question);
    expect([answers, errors]).toMatchObject([[], [{ node: far.engine.id, error: { code: 'ERR_UNSUPPORTED' } }]]);
    expect([await ada.request('echo', 1), await bob.request('echo', 2)]).toEqual([1, 2]);
  });

  test('a close code that no frame can carry is refused', async () => {
    const { near } = await Pair.open();
    const { errors } = await near.engine.ask({ kind: 'disconnect/1', target: TARGET, code: 1005, reason: '' });
    expect(errors).toMatchObject([{ error: { code: 'ERR_ARGUMENT' } }]);
  });

  test.each([
    undefined,
    7,
    [],
    {},
    { sockets: 'many', total: 1 },
    { sockets: [1], total: 1 },
    { sockets: [{ id: 1, user: null, rooms: [], roomCount: 0 }], total: 1 },
    { sockets: [{ id: '1', user: 7, rooms: [], roomCount: 0 }], total: 1 },
    { sockets: [{ id: '1', user: null, rooms: [7], roomCount: 0 }], total: 1 },
    { sockets: [], total: -1 },
    { answers: [{}], errors: [], silent: [] },
    { answers: [], errors: [{ socket: '1', user: null, error: 'no' }], silent: [] },
    { answers: [], errors: [], silent: [null] },
  ])('an answer without sense is told as a failure of that node: %o', async (answer) => {
    const { near, far } = await Pair.open();
    near.engine.ask = async () => ({ answers: [{ node: far.engine.id, data: answer }], errors: [], silent: [] });
    const failed = { failedNodes: [{ node: far.engine.id, error: { code: 'ERR_MESSAGE_MALFORMED' } }] };
    expect(await near.server.all().find()).toMatchObject({ total: 0, ...failed });
    expect(await near.server.all().join('desk')).toMatchObject({ sockets: 0, ...failed });
    expect(await near.server.all().requestAll('vote')).toMatchObject({
      answers: [],
      errors: [],
      silent: [],
      ...failed,
    });
  });

  test('an engine that fails is told, and rejects nothing that nobody waits for', async () => {
    const { near } = await Pair.open();
    await client(near, 'ada');
    near.engine.ask = () => Promise.reject(new HawserError('ERR_ENGINE_DOWN'));
    const failed = { failedNodes: [{ node: '', error: { code: 'ERR_ENGINE_DOWN' } }] };
    expect(await near.server.all().join('desk')).toMatchObject({ sockets: 1, ...failed });
  });
});
