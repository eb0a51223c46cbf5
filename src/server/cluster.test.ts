import { afterEach, describe, expect, test } from 'vitest';
import { House } from '../../test/support/house.ts';
import { PairedEngine } from '../../test/support/paired-engine.ts';
import type { ClientSocket } from '../client/index.ts';
import { type CloseReason, HawserError } from '../core/index.ts';
import { createServer, type ServerOptions } from './index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

class Pair {
  readonly near: House;
  readonly far: House;
  readonly engines: readonly [PairedEngine, PairedEngine];

  private constructor(near: House, far: House, engines: readonly [PairedEngine, PairedEngine]) {
    this.near = near;
    this.far = far;
    this.engines = engines;
  }

  static async open(options: ServerOptions = {}): Promise<Pair> {
    const cluster = new Set<PairedEngine>();
    const engines = [new PairedEngine(cluster), new PairedEngine(cluster)] as const;
    const houses: House[] = [];
    for (const [at, engine] of engines.entries()) {
      const node = { name: ['near', 'far'][at] ?? '', metadata: { zone: at } };
      const house = await House.open({ nameOneself: true, engine, node, ...options }, 'tcp');
      open.push(house);
      houses.push(house);
    }
    return new Pair(houses[0] as House, houses[1] as House, engines);
  }

  /** One client of each node, by these names. */
  async clients(near: string, far: string): Promise<readonly [ClientSocket, ClientSocket]> {
    return [await this.near.client('tcp', { user: near }), await this.far.client('tcp', { user: far })];
  }
}

function over(socket: ClientSocket): Promise<CloseReason> {
  return new Promise((resolve) => socket.on('close', resolve));
}

describe('the nodes', () => {
  test('know of each other who they are, where they listen, and how many sockets they have', async () => {
    const { near, far } = await Pair.open();
    await far.client('tcp', { user: 'ada' });
    await far.server.nodes();
    const nodes = await near.server.nodes();
    expect(nodes.map(({ id, name, isSelf, isAlive, state }) => [id, name, isSelf, isAlive, state])).toEqual([
      ['node-1', 'near', true, true, 'up'],
      ['node-2', 'far', false, true, 'up'],
    ]);
    expect(nodes.map(({ endpoints, sockets, metadata }) => ({ endpoints, sockets, metadata }))).toEqual([
      { endpoints: near.server.endpoints, sockets: 0, metadata: { zone: 0 } },
      { endpoints: far.server.endpoints, sockets: 1, metadata: { zone: 1 } },
    ]);
  });

  test('say where clients reach them, when that is elsewhere; and that they are going', async () => {
    const pair = await Pair.open({ node: { endpoints: ['wss://example.org'] } });
    await pair.far.server.close({ drain: 0 });
    const states: unknown[] = [];
    const engine = new PairedEngine(new Set());
    engine.announce = (notice) => states.push([notice.state, notice.sockets]);
    const server = createServer({ engine });
    await server.listen('tcp://127.0.0.1:0');
    await server.close({ drain: 0 });
    expect(states).toEqual([
      ['up', 0],
      ['draining', 0],
    ]);
    const [self, ...others] = await pair.near.server.nodes();
    expect([self?.endpoints, others]).toEqual([['wss://example.org'], []]);
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
    const { near } = pair;
    const [ada, bob] = await pair.clients('ada', 'bob');
    const { sockets, total, silentNodes, failedNodes } = await near.server.all().find();
    expect(sockets).toEqual([
      { id: ada.id, user: 'ada', node: 'node-1', rooms: ['hall'], roomCount: 1 },
      { id: bob.id, user: 'bob', node: 'node-2', rooms: ['hall'], roomCount: 1 },
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
    await near.client('tcp', { user: 'ada' });
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
    await far.client('tcp', { user: 'bob' });
    const { sockets, failedNodes } = await near.server.user('bob').join('desk');
    expect(sockets).toBe(0);
    expect(failedNodes).toMatchObject([{ node: 'node-2', error: { code: 'ERR_TOO_MANY_ROOMS' } }]);
    await near.client('tcp', { user: 'ada' });
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
    const eve = await far.client('tcp', { user: 'eve' });
    await far.client('tcp', { user: 'mute' }).then((mute) => mute.handle('vote', () => new Promise(() => {})));
    ada.handle('vote', (data) => ['ada', data]);
    bob.handle('vote', (data) => ['bob', data]);
    eve.handle('vote', () => {
      throw new HawserError('ERR_UNDECIDED', 'not yet', { data: 7 });
    });
    const { answers, errors, silent } = await near.server.all().requestAll('vote', { by: 'noon' }, { timeout: 300 });
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
    await far.client('tcp', { user: 'eve' });
    ada.handle('vote', () => 'yes');
    const { answers, failedNodes } = await near.server.all().requestAll('vote');
    expect(answers).toMatchObject([{ data: 'yes' }]);
    expect(failedNodes).toMatchObject([{ node: 'node-2', error: { code: 'ERR_TOO_MANY_REQUESTS' } }]);
    await expect(far.server.all().requestAll('vote')).rejects.toMatchObject({ code: 'ERR_TOO_MANY_REQUESTS' });
  });

  test('names who is silent, answers with what is alive, and ends with its signal', async () => {
    const pair = await Pair.open();
    const { near, engines } = pair;
    const [ada] = await pair.clients('ada', 'bob');
    ada.handle('vote', () => 'yes');
    engines[1].isMute = true;
    const { server } = near;
    expect(await server.all().find({ timeout: 20 })).toMatchObject({ total: 1, silentNodes: ['node-2'] });
    expect(await server.all().join('desk', { timeout: 20 })).toMatchObject({ sockets: 1, silentNodes: ['node-2'] });
    expect(await server.all().leave('desk', { timeout: 20 })).toMatchObject({ sockets: 1, silentNodes: ['node-2'] });
    const asked = await server.all().requestAll('vote', undefined, { timeout: 10 });
    expect(asked).toMatchObject({ answers: [{ data: 'yes' }], silentNodes: ['node-2'] });
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
    await near.client('tcp', { user: 'ada' });
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
    const { engines } = pair;
    const [ada, bob] = await pair.clients('ada', 'bob');
    const { answers, errors } = await engines[0].ask(question);
    expect([answers, errors]).toMatchObject([[], [{ node: 'node-2', error: { code: 'ERR_UNSUPPORTED' } }]]);
    expect([await ada.request('echo', 1), await bob.request('echo', 2)]).toEqual([1, 2]);
  });

  test('a close code that no frame can carry is refused', async () => {
    const { engines } = await Pair.open();
    const { errors } = await engines[0].ask({ kind: 'disconnect/1', target: TARGET, code: 1005, reason: '' });
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
    const { near, engines } = await Pair.open();
    engines[0].ask = async () => ({ answers: [{ node: 'node-2', data: answer }], errors: [], silent: [] });
    const failed = { failedNodes: [{ node: 'node-2', error: { code: 'ERR_MESSAGE_MALFORMED' } }] };
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
    const { near, engines } = await Pair.open();
    await near.client('tcp', { user: 'ada' });
    engines[0].ask = () => Promise.reject(new HawserError('ERR_ENGINE_DOWN'));
    const failed = { failedNodes: [{ node: '', error: { code: 'ERR_ENGINE_DOWN' } }] };
    expect(await near.server.all().join('desk')).toMatchObject({ sockets: 1, ...failed });
  });
});
