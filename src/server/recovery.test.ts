import { afterEach, describe, expect, test } from 'vitest';
import { Opened } from '../../test/support/history-server.ts';
import { freshUrl } from '../../test/support/house.ts';
import { CuttingProxy } from '../../test/support/proxy.ts';
import { RawPeer } from '../../test/support/raw-peer.ts';
import type { ClientSocket, Up } from '../client/index.ts';
import { type Engine, JoinedEngine, MemoryEngine } from '../engine/index.ts';
import { realWorld } from '../runtime/index.ts';
import { TestHub } from '../testing/index.ts';
import { parseEndpoint } from '../transport/index.ts';
import type { Incoming } from '../wire/index.ts';
import { createServer } from './index.ts';

const opened = new Opened();
afterEach(() => opened[Symbol.asyncDispose]());

const keep = opened.keep.bind(opened);
const listen = opened.listen.bind(opened);
const serve = opened.serve.bind(opened);

const next = <T>(socket: ClientSocket, event: 'up' | 'down' | 'close'): Promise<T> =>
  new Promise((resolve) => socket.once(event as 'close', (what) => resolve(what as T)));

describe('a client that comes back', () => {
  /** An engine whose log outlives its server. */
  class Lasting extends MemoryEngine {
    override async close(): Promise<void> {}
  }

  test('with its session: nothing is recovered by the room, since nothing was lost', async () => {
    const { server, url } = await serve();
    const proxy = keep(await CuttingProxy.open({ target: { port: parseEndpoint(url).port ?? 0 } }));
    const client = await listen(`tcp://127.0.0.1:${proxy.port}`);
    expect(await client.take(1)).toEqual(['positioned']);
    const up = next<Up>(client.socket, 'up');
    proxy.cut();
    server.to('room').send('say', 1);
    expect((await up).recovered).toBe(true);
    server.to('room').send('say', 2);
    expect(await client.take(2)).toEqual(['1', '2']);
  });

  test.each(['tcp', 'ws'] as const)(
    'without its session, over %s: it is given what it missed, without a word of its application',
    async (scheme) => {
      const { server, url } = await serve({ times: { resumeWindow: 0, closeWait: 200 } }, freshUrl(scheme));
      const proxy = keep(await CuttingProxy.open({ target: { port: parseEndpoint(url).port ?? 0 } }));
      const client = await listen(`${scheme}://127.0.0.1:${proxy.port}`);
      server.to('room').send('say', 1);
      expect(await client.take(2)).toEqual(['positioned', '1']);
      for (let round = 0; round < 3; round++) {
        const up = next<Up>(client.socket, 'up');
        proxy.cut();
        for (const n of ['a', 'b']) server.to('room').send('say', `${round}${n}`);
        expect((await up).recovered).not.toBe(true);
        server.to('room').send('say', `${round}c`);
        // What was sent after it had come back may be told as missed, too.
        const heard = await client.take(4);
        expect(heard.filter((one) => one !== 'recovered')).toEqual(['a', 'b', 'c'].map((n) => `${round}${n}`));
      }
      expect(client.heard).toEqual([]);
    },
  );

  test('after a restart of the server whose log is there still', async () => {
    const engine = new Lasting(realWorld());
    const first = await serve({ engine });
    const client = await listen(first.url);
    first.server.to('room').send('say', 1);
    expect(await client.take(2)).toEqual(['positioned', '1']);
    const up = next<Up>(client.socket, 'up');
    await first.server.close({ drain: 0 });
    const second = createServer({ engine, times: { closeWait: 200 } });
    second.history('*', { size: 100 });
    for (const n of [2, 3]) second.to('room').send('say', n);
    second.on('connection', (socket) => {
      socket.join('room');
    });
    await second.listen(first.url);
    keep(second);
    expect((await up).recovered).toBe(false);
    second.to('room').send('say', 4);
    expect((await client.take(4)).filter((one) => one !== 'recovered')).toEqual(['2', '3', '4']);
  });

  test('shows no more than a server takes that takes short messages: of many rooms those that it heard of last', async () => {
    const limits = { messageBytes: 2048 };
    const { server, url } = await serve({ limits, times: { resumeWindow: 0, closeWait: 200 } });
    const proxy = keep(await CuttingProxy.open({ target: { port: parseEndpoint(url).port ?? 0 } }));
    const rooms = Array.from({ length: 200 }, (_, at) => `some room ${at}`);
    server.on('connection', (socket) => {
      for (const room of rooms) socket.join(room);
    });
    const client = await listen(`tcp://127.0.0.1:${proxy.port}`);
    expect(new Set(await client.take(201))).toEqual(new Set(['positioned']));
    const up = next<Up>(client.socket, 'up');
    proxy.cut();
    await up;
    const told = await client.take(201);
    expect(told.filter((event) => event === 'recovered')).toHaveLength(2048 / 128);
    expect(told.filter((event) => event === 'positioned')).toHaveLength(201 - 2048 / 128);
  });

  test('after a restart of the server whose log is lost is told so', async () => {
    const first = await serve();
    const client = await listen(first.url);
    first.server.to('room').send('say', 1);
    expect(await client.take(2)).toEqual(['positioned', '1']);
    await first.server.close({ drain: 0 });
    const second = await serve({}, first.url);
    expect(await client.take(1)).toEqual(['gap']);
    second.server.to('room').send('say', 2);
    expect(await client.take(1)).toEqual(['2']);
    expect(client.socket.position('room')).toMatchObject({ offset: 1 });
  });

  test('to another node is given what it missed there', async () => {
    const hub = new TestHub({ world: realWorld() });
    const engine = (): Engine => new JoinedEngine(hub.bus(), { world: realWorld() });
    const nodes = [await serve({ engine: engine() }), await serve({ engine: engine() })];
    const [here, there] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
    const client = await listen(here.url);
    const stays = await listen(there.url);
    for (let n = 1; n <= 10; n++) await (n % 2 === 0 ? here : there).server.to('room').publish('say', n);
    const all = Array.from({ length: 10 }, (_, i) => `${i + 1}`);
    expect(await client.take(11)).toEqual(['positioned', ...all]);
    expect(await stays.take(11)).toEqual(['positioned', ...all]);
    const position = client.socket.position('room');
    await client.socket.close();
    for (const n of [11, 12]) await here.server.to('room').publish('say', n);
    const moved = keep(await RawPeer.open(there.url, 'hawser'));
    await moved.enter({ namespace: '/', positions: [['room', position?.offset, position?.epoch]] });
    const told: string[] = [];
    while (told.at(-1) !== 'recovered') {
      const { name, data, meta } = (await moved.next()) as Incoming;
      if (meta?.room === 'room') told.push(name === 'say' ? String(data) : name);
    }
    expect(told).toEqual(['11', '12', 'recovered']);
    expect(await stays.take(2)).toEqual(['11', '12']);
  });
});

describe('positions that are shown', () => {
  const peerOf = async (url: string): Promise<RawPeer> => keep(await RawPeer.open(url, 'hawser'));
  const toldTo = async (url: string, positions: unknown): Promise<Incoming> => {
    const peer = await peerOf(url);
    await peer.enter({ namespace: '/', positions });
    return peer.expect(({ meta }) => meta?.room === 'room');
  };

  test('by nobody, as by an old client', async () => {
    const { url } = await serve();
    expect(await toldTo(url, undefined)).toMatchObject({ name: 'positioned' });
  });

  test.each([
    ['of a log that never was', [['room', 5, 'none']], 'epoch'],
    ['of a room that nobody joins', [['other', 5, 'none']], undefined],
    [
      'twice',
      [
        ['room', 1, 'a'],
        ['room', 5, 'b'],
      ],
      'epoch',
    ],
    [
      'with names that objects inherit',
      [
        ['__proto__', 1, 'toString'],
        ['room', 2 ** 53 - 1, '__proto__'],
      ],
      'epoch',
    ],
  ])('%s', async (_, positions, reason) => {
    const { url, server } = await serve();
    await server.to('room').publish('say', 1);
    const told = await toldTo(url, positions);
    expect(told.name).toBe(reason === undefined ? 'positioned' : 'gap');
    expect((told.data as { reason?: string }).reason).toBe(reason);
  });

  test.each([
    ['more than there may be', Array.from({ length: 1001 }, () => ['room', 1, 'e'])],
    ['of no count', [['room', -1, 'e']]],
    ['of a long epoch', [['room', 1, 'e'.repeat(65)]]],
    ['that are none', { room: 1 }],
  ])('%s: the message is malformed', async (_, positions) => {
    const { url } = await serve();
    const peer = await peerOf(url);
    peer.say(peer.codec.hello({ version: 1, namespace: '/', positions: positions as never }).bytes);
    expect(await peer.error()).toBe('ERR_MESSAGE_MALFORMED');
  });

  test('count once: who leaves and joins again begins anew', async () => {
    const server = keep(createServer());
    server.history('*');
    server.on('connection', async (socket) => {
      await socket.join('room');
      socket.leave('room');
      await socket.join('room');
    });
    const [url = ''] = await server.listen(freshUrl('tcp'));
    const { positions } = await server.to('room').publish('say', 1);
    const peer = await peerOf(url);
    await peer.enter({ namespace: '/', positions: [['room', 0, positions[0]?.epoch]] });
    const told: string[] = [];
    while (told.length < 3) told.push(((await peer.next()) as Incoming).name);
    expect(told).toEqual(['say', 'recovered', 'positioned']);
  });
});
