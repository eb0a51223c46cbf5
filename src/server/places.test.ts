import { afterEach, describe, expect, expectTypeOf, test } from 'vitest';
import { House, type Scheme } from '../../test/support/house.ts';
import { RawPeer } from '../../test/support/raw-peer.ts';
import { type ClientSocket, type ConnectOptions, connect } from '../client/index.ts';
import type { HawserError } from '../core/index.ts';
import { createServer, type ServerNamespace, type ServerOptions } from './index.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function serve(options: ServerOptions, ...schemes: Scheme[]): Promise<House> {
  const house = await House.open(options, ...schemes);
  open.push(house);
  return house;
}

function at(house: House, path: string, options: ConnectOptions = {}, scheme: Scheme = 'ws'): Promise<ClientSocket> {
  const url = house.url(scheme);
  const full = scheme === 'ws' ? new URL(path, url).href : `${url}?namespace=${encodeURIComponent(path)}`;
  return connect(full, options).then((socket) => house.keep(socket));
}

const errorOf = (waiting: Promise<unknown>): Promise<HawserError> =>
  waiting.then(
    () => expect.fail('no error'),
    (error: HawserError) => error,
  );

/** Resolves when the pattern's next namespace was dropped, with its name. */
function dropped(house: House, path = '/room/:id'): Promise<string> {
  return new Promise((resolve) => house.server.of(path as '/room/:id').on('close', ({ name }) => resolve(name)));
}

describe.each<Scheme>(['ws', 'tcp'])('a pattern over %s', (scheme) => {
  test('makes a namespace for each path, with its handlers, names and rooms of its own', async () => {
    const house = await serve({}, scheme);
    house.server.of('/room/:id').on('connection', (socket, namespace) => {
      expectTypeOf(namespace.params).toEqualTypeOf<{ readonly id: string }>();
      socket.join('lobby');
      socket.handle('where', () => [namespace.name, namespace.params.id, socket.params['id'], socket.namespace.name]);
      socket.on('say', (data) => namespace.to('lobby').send('say', data));
    });
    const [seven, other, eight] = [
      await at(house, '/room/7', {}, scheme),
      await at(house, '/room/7/', {}, scheme),
      await at(house, '/room/ä b', {}, scheme),
    ];
    expect(await seven.request('where')).toEqual(['/room/7', '7', '7', '/room/7']);
    expect(await eight.request('where')).toEqual(['/room/ä b', 'ä b', 'ä b', '/room/ä b']);
    const heard = new Promise((resolve) => other.on('say', resolve));
    const wrong = new Promise((resolve) => eight.on('say', resolve));
    seven.send('say', 1);
    expect(await heard).toBe(1);
    house.server.of('/room/ä b').send('say', 2);
    expect(await wrong).toBe(2);
    expect(house.server.of('/room/:id').namespaces.map(({ name, size }) => [name, size])).toEqual([
      ['/room/7', 2],
      ['/room/ä b', 1],
    ]);
    expect(house.reported).toEqual([]);
  });
});

test('a plain WebSocket is in the namespace of its path without a word', async () => {
  const house = await serve({}, 'ws');
  house.server.of('/room/:id').on('connection', (socket, { params }) => socket.send('welcome to', params.id));
  const peer = house.keep(await RawPeer.open(`${house.url('ws')}/room/%C3%A4%20b?x=1`, 'json'));
  expect(await peer.next()).toMatchObject({ name: 'welcome to', data: 'ä b' });
  expect(house.server.of('/room/ä b').sockets.map(({ handshake }) => handshake)).toMatchObject([
    { namespace: '/room/ä b', query: { x: '1' } },
  ]);
});

describe('who is where', () => {
  test('a fixed path wins over patterns, and of these the most telling does', async () => {
    const house = await serve({}, 'tcp');
    for (const path of ['/*', '/room/*rest', '/room/:id', '/:kind/7']) {
      house.server.of(path).on('connection', (socket) => socket.handle('by', () => [path, { ...socket.params }]));
    }
    house.server.of('/room/lobby', { fixed: true }).on('connection', (socket) => socket.handle('by', () => 'fixed'));
    const by = async (path: string): Promise<unknown> => (await at(house, path, {}, 'tcp')).request('by');
    expect(await by('/room/lobby')).toBe('fixed');
    expect(await by('/room/7')).toEqual(['/room/:id', { id: '7' }]);
    expect(await by('/desk/7')).toEqual(['/:kind/7', { kind: 'desk' }]);
    expect(await by('/room/7/8')).toEqual(['/room/*rest', { rest: '7/8' }]);
    expect(await by('/anything')).toEqual(['/*', { '*': 'anything' }]);
  });

  test('a namespace of a pattern that becomes a fixed one keeps who is in it', async () => {
    const house = await serve({}, 'tcp');
    house.server.of('/room/:id').on('connection', (socket) => socket.handle('by', () => 'pattern'));
    const first = await at(house, '/room/7', {}, 'tcp');
    const seven = house.server.of('/room/7', { fixed: true });
    seven.on('connection', (socket) => socket.handle('by', () => 'fixed'));
    const second = await at(house, '/room/7', {}, 'tcp');
    const heard = [first, second].map((socket) => new Promise((resolve) => socket.on('say', resolve)));
    expect([await first.request('by'), await second.request('by')]).toEqual(['pattern', 'fixed']);
    seven.send('say', 1);
    expect(await Promise.all(heard)).toEqual([1, 1]);
    expect(house.server.of('/room/:id').namespaces).toEqual([]);
  });

  test.each([
    '/room/',
    '/room/7/8',
    '/ROOM/7',
    '/room//7',
    '/room/:id',
    '/room/*',
    '/room/a%5Cb',
    `/room/${'x'.repeat(2000)}`,
  ])('nobody is at %s', async (path) => {
    const house = await serve({}, 'ws', 'tcp');
    house.server.of('/room/:id');
    const url = house.url('ws');
    expect(await errorOf(RawPeer.open(`${url}${path}`, 'json'))).toMatchObject({
      message: expect.stringContaining('404'),
    });
    const decoded = decodeURIComponent(path);
    expect(await errorOf(at(house, decoded, {}, 'tcp'))).toMatchObject({ code: 'ERR_NO_SUCH_NAMESPACE' });
    expect(house.server.of('/room/:id').namespaces).toEqual([]);
  });

  test.each(['/room/..', '/room/.', '/room/a\\b', '/room/a\nb', ''])(
    'nor at %o, as HELLO may say',
    async (namespace) => {
      const house = await serve({}, 'tcp');
      house.server.of('/room/:id');
      const peer = await house.peer('tcp', 'json');
      peer.say({ event: 'hello', namespace });
      expect(await peer.error()).toBe('ERR_NO_SUCH_NAMESPACE');
    },
  );

  test('an escaped slash is refused, since a proxy that guards paths would not see it', async () => {
    const house = await serve({}, 'ws');
    house.server.of('/*');
    expect(await errorOf(RawPeer.open(`${house.url('ws')}/a%2Fb`, 'json'))).toMatchObject({
      message: expect.stringContaining('400'),
    });
  });

  test('a peer that names itself anew stays where it is, however it writes the path', async () => {
    const house = await serve({ nameOneself: true }, 'tcp');
    house.server.of('/room/:id');
    const peer = await house.peer('tcp', 'json');
    await peer.enter({ namespace: '/room/7/', user: 'ada' });
    await peer.enter({ namespace: '/room/7/', user: 'bob' });
    peer.say({ event: 'hello', namespace: '/room/8', user: 'bob' });
    expect(await peer.error()).toBe('ERR_PROTOCOL');
  });

  test.each(['a', '', '/a//b', '/..', '/room/:', '/:a/:a', '/*a/b'])('an application has no namespace %o', (path) => {
    expect(() => createServer().of(path)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });

  test('two patterns that fit the same paths are a mistake, and one that is asked for twice is one', () => {
    const server = createServer();
    expect(server.of('/room/:id')).toBe(server.of('/room/:id/'));
    expect(() => server.of('/room/:name')).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });

  test('handlers and options belong to the pattern, not to what it makes', () => {
    const server = createServer();
    server.of('/room/:id');
    const seven: ServerNamespace = server.of('/room/7');
    const refused = expect.objectContaining({ code: 'ERR_ARGUMENT' });
    expect(() => seven.on('connection', () => {})).toThrow(refused);
    expect(() => server.of('/room/7', { fixed: false })).toThrow(refused);
  });
});

describe('a namespace that a pattern makes', () => {
  test('is not there before somebody was let in, and what is sent to it is quiet', async () => {
    const house = await serve({ authenticate: () => Promise.reject(new Error('no')) }, 'tcp');
    const made: string[] = [];
    house.server.of('/room/:id').on('open', ({ name }) => made.push(name));
    const seven = house.server.of('/room/7');
    seven.send('say', 1);
    seven.to('lobby').user('ada').except('muted').send('say', 1);
    expect([seven.size, seven.sockets, await seven.to('lobby').count()]).toEqual([0, [], 0]);
    expect(await errorOf(at(house, '/room/7', {}, 'tcp'))).toMatchObject({ code: 'ERR_AUTH_FAILED' });
    expect([made, house.server.of('/room/:id').namespaces]).toEqual([[], []]);
  });

  test('can be kept hold of by its path before, while and after it is there', async () => {
    const house = await serve({ times: { namespaceGrace: 0 } }, 'tcp');
    house.server.of('/room/:id').on('connection', (socket) => socket.join('lobby'));
    const seven = house.server.of('/room/7');
    const lobby = seven.to('lobby');
    for (const round of [1, 2]) {
      const gone = dropped(house);
      const client = await at(house, '/room/7', {}, 'tcp');
      const heard = new Promise((resolve) => client.on('say', resolve));
      lobby.send('say', round);
      expect([await heard, seven.size]).toEqual([round, 1]);
      await client.close();
      expect([await gone, seven.size]).toEqual(['/room/7', 0]);
    }
  });

  test('outlives its last socket by the grace time, and is the same for who comes in it', async () => {
    const house = await serve({ times: { namespaceGrace: 1500, resumeWindow: 0 } }, 'tcp');
    const seen: ServerNamespace[] = [];
    const left: string[] = [];
    house.server.of('/room/:id').on('connection', (socket, namespace) => {
      seen.push(namespace);
      socket.on('close', () => left.push(socket.id));
    });
    const gone = dropped(house);
    for (const _ of [1, 2]) await (await at(house, '/room/7', {}, 'tcp')).close();
    expect(house.server.of('/room/:id').namespaces).toHaveLength(1);
    expect(await gone).toBe('/room/7');
    expect(house.server.of('/room/:id').namespaces).toEqual([]);
    await (await at(house, '/room/7', {}, 'tcp')).close();
    expect(seen[1]).toBe(seen[0]);
    expect(seen[2]).not.toBe(seen[0]);
  });

  test('is not empty while a socket waits for its peer to come back', async () => {
    const house = await serve({ times: { namespaceGrace: 0 } }, 'tcp');
    house.server.of('/room/:id').on('connection', (socket) => socket.handle('echo', (data) => data));
    const peer = await house.peer('tcp', 'hawser');
    const down = new Promise<void>((resolve) => {
      house.server.of('/room/:id').on('connection', (socket) => socket.on('down', () => resolve()));
    });
    await peer.enter({ namespace: '/room/7' });
    peer.cut();
    await down;
    await (await at(house, '/room/8', {}, 'tcp')).request('echo', 1);
    expect(house.server.of('/room/:id').namespaces.map(({ name }) => name)).toEqual(['/room/7', '/room/8']);
  });
});

describe('limits.namespaces', () => {
  test('one too many is refused over every transport, those that exist and fixed ones go on', async () => {
    const house = await serve({ limits: { namespaces: 2 } }, 'ws', 'tcp');
    house.server.of('/room/:id').on('connection', (socket) => socket.handle('echo', (data) => data));
    const [seven] = [await at(house, '/room/7'), await at(house, '/room/8', {}, 'tcp')];
    const refused = await errorOf(at(house, '/room/9'));
    expect(refused).toMatchObject({ code: 'ERR_HANDSHAKE_REFUSED', data: { status: 503 } });
    const peer = await house.peer('tcp', 'hawser');
    peer.say(peer.codec.hello({ version: 1, namespace: '/room/9' }).bytes);
    expect(await peer.error()).toBe('ERR_TOO_MANY_NAMESPACES');
    expect((await peer.end()).code).toBe(4007);
    expect(await seven.request('echo', 1)).toBe(1);
    expect(await (await at(house, '/room/7', {}, 'tcp')).request('echo', 2)).toBe(2);
    expect(await (await house.client('tcp')).request('echo', 3)).toBe(3);
  });

  test('those that nobody is in give way, the one that is empty for longest first', async () => {
    const house = await serve({ limits: { namespaces: 2 } }, 'tcp');
    house.server.of('/room/:id').on('connection', (socket) => socket.handle('echo', (data) => data));
    const names = (): string[] => house.server.of('/room/:id').namespaces.map(({ name }) => name);
    for (const id of [1, 2, 3, 4]) {
      const gone = new Promise((resolve) => {
        house.server.of('/room/:id').on('connection', (socket) => socket.on('close', resolve));
      });
      await (await at(house, `/room/${id}`, {}, 'tcp')).close();
      await gone;
    }
    expect(names()).toEqual(['/room/3', '/room/4']);
    const three = await at(house, '/room/3', {}, 'tcp');
    await at(house, '/room/5', {}, 'tcp');
    expect(names()).toEqual(['/room/3', '/room/5']);
    expect(await errorOf(at(house, '/room/6', {}, 'tcp'))).toMatchObject({ code: 'ERR_TOO_MANY_NAMESPACES' });
    expect(await three.request('echo', 1)).toBe(1);
  });

  test('strangers who come and go with a path of their own each leave nothing behind', async () => {
    const house = await serve({ limits: { namespaces: 50 }, times: { namespaceGrace: 0 } }, 'tcp');
    house.server.of('/*');
    const bystanders = await house.bystanders();
    let last: Promise<string> | undefined;
    for (let n = 0; n < 200; n++) {
      const peer = await RawPeer.open(house.url('tcp'), 'json');
      await peer.enter({ namespace: `/${n}/x` });
      last ??= dropped(house, '/*');
      peer.cut();
      await peer.end();
    }
    await last;
    await bystanders.check();
    expect(house.server.of('/*').namespaces.length).toBeLessThanOrEqual(50);
    while (house.server.of('/*').namespaces.length > 0) await dropped(house, '/*');
    expect((await house.server.of('/199/x').rooms()).size).toBe(0);
  });
});
