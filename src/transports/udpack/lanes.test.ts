import { afterEach, describe, expect, test } from 'vitest';
import { House } from '../../../test/support/house.ts';
import { UdpRelay } from '../../../test/support/udp-relay.ts';
import { keyFiles } from '../../../test/support/udpack-keys.ts';
import type { Channel } from '../../channel/index.ts';
import { type ClientSocket, connect } from '../../client/index.ts';
import type { ServerOptions, ServerSocket } from '../../server/index.ts';
import { parseEndpoint } from '../../transport/index.ts';

const open: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

interface Scene {
  readonly house: House;
  readonly relay: UdpRelay;
  readonly client: ClientSocket;
  readonly socket: ServerSocket;
}

/** A client and its socket on the server, with a relay between them that may lose datagrams. */
async function scene(options: ServerOptions = {}, seed = 1): Promise<Scene> {
  const house = keep(await House.open(options, 'udpack'));
  const relay = keep(
    await UdpRelay.open({ address: '127.0.0.1', port: parseEndpoint(house.url('udpack')).port ?? 0 }, { seed }),
  );
  const met = new Promise<ServerSocket>((resolve) => house.server.on('connection', resolve));
  const client = keep(await connect(`udpack://127.0.0.1:${relay.port}?key=${keyFiles().publicFile}`));
  return { house, relay, client, socket: await met };
}

/** Loses so many datagrams of one way, from the next one on. */
function loseNext(relay: UdpRelay, count: number): void {
  let left = count;
  relay.passes = (_, way) => way !== 'up' || left-- <= 0;
}

const BULK = 'x'.repeat(100_000);

describe('what is lost', () => {
  test('holds back its own channel, and neither the others nor the socket', async () => {
    const { relay, client, socket } = await scene();
    const order: string[] = [];
    socket.on('channel', (channel) => channel.on('e', () => order.push(channel.name)));
    socket.on('e', () => order.push('socket'));
    const slow = client.openChannel('slow');
    const quick = client.openChannel('quick');
    for (const one of [slow, quick, client]) one.send('e', 0);
    await expect.poll(() => order.length).toBe(3);
    order.length = 0;
    loseNext(relay, 1);
    // The first datagram is the long one's alone; in one order for all it would hold up the others.
    slow.send('e', BULK);
    quick.send('e', 1);
    client.send('e', 1);
    await expect.poll(() => order.length).toBe(3);
    expect(relay.lost.up).toBe(1);
    expect(order.at(-1)).toBe('slow');
  });

  test('stays lost when it was volatile; one too long for a datagram arrives', async () => {
    const { relay, client, socket } = await scene();
    const heard: unknown[] = [];
    socket.on('v', (data) => heard.push(data));
    expect(client.send('v', 'first', { volatile: true })).toBe(true);
    await expect.poll(() => heard).toEqual(['first']);
    relay.passes = () => false;
    expect(client.send('v', 'lost', { volatile: true })).toBe(true);
    await expect.poll(() => relay.lost.up).toBeGreaterThan(0);
    relay.passes = () => true;
    expect(client.send('v', BULK, { volatile: true })).toBe(true);
    expect(client.send('v', 'last', { volatile: true })).toBe(true);
    expect(await client.request('echo', 1)).toBe(1);
    await expect.poll(() => heard.length).toBe(3);
    expect(new Set(heard)).toEqual(new Set(['first', BULK, 'last']));
  });

  test('of a welcome with what follows it: the client hears all, in order', async () => {
    const house = keep(await House.open({}, 'udpack'));
    const relay = keep(
      await UdpRelay.open({ address: '127.0.0.1', port: parseEndpoint(house.url('udpack')).port ?? 0 }),
    );
    house.server.on('connection', (socket) => {
      // The WELCOME leaves in this turn, and is lost.
      let left = 1;
      relay.passes = (_, way) => way !== 'down' || left-- <= 0;
      setImmediate(() => {
        socket.send('v', 'volatile', { volatile: true });
        socket.openChannel('early').send('n', 1);
        socket.send('n', 0);
      });
    });
    const heard: unknown[] = [];
    const client = keep(
      await connect(`udpack://127.0.0.1:${relay.port}?key=${keyFiles().publicFile}`, {
        prepare: (socket) => {
          const early = socket as unknown as ClientSocket;
          early.on('n', (n) => heard.push(n));
          early.on('channel', (channel) => channel.on('n', (n) => heard.push([channel.name, n])));
        },
      }),
    );
    expect(await client.request('echo', 1)).toBe(1);
    await expect.poll(() => heard.length).toBe(2);
    expect(new Set(heard.map(String))).toEqual(new Set(['0', 'early,1']));
    expect(relay.lost.down).toBe(1);
    expect(house.reported).toEqual([]);
  });
});

describe('many channels', () => {
  test.each([
    [11, 'the opener'],
    [12, 'the opener'],
    [13, 'the other side'],
    [14, 'the other side'],
  ])(
    'as many as the peer takes, again and again, over a way that loses one in ten (seed %d), ended first by %s',
    async (seed, who) => {
      const most = 6;
      const { house, relay, client, socket } = await scene({ limits: { channels: most } }, seed);
      relay.weather = { loss: 0.1 };
      socket.on('channel', (channel) => {
        channel.handle('double', (n) => {
          if (who === 'the other side') setImmediate(() => channel.end());
          return Number(n) * 2;
        });
        channel.on('end', () => channel.end());
      });
      const use = async (n: number): Promise<number> => {
        const channel = client.openChannel('c', n);
        const ended = new Promise<void>((resolve) => channel.on('end', resolve));
        const doubled = await channel.request('double', n);
        if (who === 'the other side') await ended;
        channel.end();
        expect(await channel.closed).toBeUndefined();
        return Number(doubled);
      };
      let begun = 0;
      const row = async (): Promise<void> => {
        while (begun < 120) {
          const n = begun++;
          expect(await use(n)).toBe(n * 2);
        }
      };
      await Promise.all(Array.from({ length: most }, row));
      expect(client.state).toBe('up');
      expect(house.reported).toEqual([]);
    },
    30_000,
  );

  test('of both sides at once, more of the server than the client has lanes for: all are served', async () => {
    const { house, client, socket } = await scene({ limits: { channels: 2 } });
    const serve = (channel: Channel): void => {
      channel.handle('echo', (data) => data);
      channel.on('end', () => channel.end());
    };
    client.on('channel', serve);
    socket.on('channel', serve);
    const ofServer = Array.from({ length: 50 }, (_, n) => socket.openChannel('s', n));
    const ofClient = [0, 1].map((n) => client.openChannel('c', n));
    const all = [...ofServer, ...ofClient];
    const answers = await Promise.all(all.map((channel, n) => channel.request('echo', n)));
    expect(answers).toEqual(Array.from({ length: 52 }, (_, n) => n));
    for (const channel of all) channel.end();
    const ended = await Promise.all(all.map((channel) => channel.closed));
    expect(ended.every((error) => error === undefined)).toBe(true);
    expect(house.reported).toEqual([]);
  });
});
