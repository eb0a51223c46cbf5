import { afterEach, describe, expect, test } from 'vitest';
import { connect } from '../../client/index.ts';
import { announce, openUdp } from '../../lan-endpoint/index.ts';
import { createServer, type Server, type ServerOptions } from '../../server/index.ts';

const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** A group that nobody else asks on. */
async function freeGroup(): Promise<string> {
  await using probe = await openUdp('udp://127.0.0.1:0');
  return `udp://239.192.77.78:${probe.address().port}`;
}

async function serving(urls: readonly string[], options: ServerOptions = {}): Promise<Server> {
  const server = createServer(options);
  open.push(server);
  await server.listen(...urls);
  return server;
}

describe('lan:', () => {
  test.each(['tcp://127.0.0.1:0', 'ws://127.0.0.1:0'])('finds a server on %s', async (url) => {
    const group = await freeGroup();
    const server = await serving([url]);
    server.of('/chat').on('connection', (socket) => void socket.send('where', socket.handshake));
    open.push(await announce(server, { name: 'chat', group }));
    await using socket = await connect({ url: 'lan:chat?namespace=/chat&colour=red', lan: { group } });
    expect(socket.transport).toBe(url.split(':')[0]);
    const [where] = await new Promise<unknown[]>((resolve) => socket.once('where', (...all) => resolve(all)));
    expect(where).toMatchObject({ query: { colour: 'red' } });
  });

  test('takes the server with the least load, and the next one when that is not there', async () => {
    const group = await freeGroup();
    const [idle, busy] = [await serving(['tcp://127.0.0.1:0']), await serving(['tcp://127.0.0.1:0'])];
    const here = await announce(idle, { name: 'pair', group, load: () => 1 });
    open.push(here, await announce(busy, { name: 'pair', group, load: () => 2 }));
    await using first = await connect({ url: 'lan:pair', lan: { group } });
    expect([idle.stats.sockets, busy.stats.sockets, first.transport]).toEqual([1, 0, 'tcp']);
    const endpoints = ['tcp://127.0.0.1:1'];
    open.push(await announce({ endpoints }, { name: 'pair', group, load: () => 0 }));
    await using second = await connect({ url: 'lan:pair', lan: { group } });
    expect([idle.stats.sockets, busy.stats.sockets, second.transport]).toEqual([2, 0, 'tcp']);
  });

  test('looks anew when the server is somewhere else', async () => {
    const group = await freeGroup();
    const old = await serving(['tcp://127.0.0.1:0']);
    const gone = await announce(old, { name: 'mover', group });
    await using socket = await connect({ url: 'lan:mover', lan: { group } }, { reconnect: { first: 10, most: 50 } });
    const up = new Promise((resolve) => socket.once('up', resolve));
    await gone.close();
    const moved = await serving(['tcp://127.0.0.1:0']);
    open.push(await announce(moved, { name: 'mover', group }));
    await old.close();
    await up;
    expect(moved.stats.sockets).toBe(1);
  });

  test('with a key believes nobody else', async () => {
    const group = await freeGroup();
    const key = 'a key that both of them have';
    const liar = await serving(['tcp://127.0.0.1:0']);
    const server = await serving(['tcp://127.0.0.1:0']);
    open.push(await announce(liar, { name: 'safe', group, load: () => 0 }));
    open.push(await announce(server, { name: 'safe', group, key, load: () => 1 }));
    await using socket = await connect({ url: 'lan:safe', lan: { group, key } });
    expect([liar.stats.sockets, server.stats.sockets, socket.transport]).toEqual([0, 1, 'tcp']);
  });

  test('what answers with endpoints that are none is passed over, and is no reason to give up', async () => {
    const group = await freeGroup();
    const odd = ['ws://127.0.0.1:1/%zz', 'tcp://127.0.0.1', 'udpack://127.0.0.1:1'];
    open.push(await announce({ endpoints: odd }, { name: 'odd', group, load: () => 0 }));
    const url = { url: 'lan:odd', lan: { group } };
    await expect(connect(url)).rejects.toMatchObject({ code: 'ERR_CONNECT_FAILED' });
    const server = await serving(['tcp://127.0.0.1:0']);
    open.push(await announce(server, { name: 'odd', group, load: () => 1 }));
    await using socket = await connect(url);
    expect([server.stats.sockets, socket.transport]).toEqual([1, 'tcp']);
  });

  test('says when nobody is there', async () => {
    const group = await freeGroup();
    const lan = { group, timeout: 50 };
    await expect(connect({ url: 'lan:nobody', lan })).rejects.toMatchObject({
      code: 'ERR_CONNECT_FAILED',
      message: 'no server called nobody has answered',
    });
    await expect(connect({ url: 'lan:', lan })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    open.push(await announce({ endpoints: ['https://127.0.0.1:1/'] }, { name: 'web', group }));
    await expect(connect({ url: 'lan:web', lan })).rejects.toMatchObject({ code: 'ERR_CONNECT_FAILED' });
    await expect(connect({ url: 'lan:web', lan: { group, interface: 'any' } })).rejects.toMatchObject({
      code: 'ERR_OPTION',
    });
  });
});
