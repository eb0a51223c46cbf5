import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Papers } from '../../../test/support/quic-peer.ts';
import { UdpRelay } from '../../../test/support/udp-relay.ts';
import type { Channel } from '../../channel/index.ts';
import { type ClientSocket, connect } from '../../client/index.ts';
import { createServer, type ServerOptions, type ServerSocket } from '../../server/index.ts';
import { parseEndpoint } from '../../transport/index.ts';
import { createQuicTransport, type QuicSettings } from './index.ts';

const papers = new Papers();
afterAll(() => papers[Symbol.dispose]());

const open: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

interface Scene {
  readonly relay: UdpRelay;
  readonly client: ClientSocket;
  readonly socket: ServerSocket;
  readonly reported: unknown[];
}

/** A client and its socket on the server, with a relay between them that may lose datagrams. */
async function scene(options: ServerOptions = {}, settings: QuicSettings = {}, seed = 1): Promise<Scene> {
  const reported: unknown[] = [];
  const transports = [createQuicTransport({ datagramBytes: 1200, ...settings })];
  const times = { closeWait: 300 };
  const server = keep(createServer({ transports, times, onError: (error) => reported.push(error), ...options }));
  server.on('connection', (socket) => socket.handle('echo', (data) => data));
  const [url = ''] = await server.listen(papers.at());
  const relay = keep(await UdpRelay.open({ address: '127.0.0.1', port: parseEndpoint(url).port ?? 0 }, { seed }));
  const met = new Promise<ServerSocket>((resolve) => server.on('connection', resolve));
  const client = keep(await connect(papers.to(url, relay.port), { transports }));
  return { relay, client, socket: await met, reported };
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
    // What leaves first is the long one's alone; in one order for all it would hold up the others.
    slow.send('e', BULK);
    setImmediate(() => {
      quick.send('e', 1);
      client.send('e', 1);
    });
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

  test.each([1, 2, 3])(
    'one in ten, both ways (seed %d): all arrives, in order, and the goodbye behind it',
    async (seed) => {
      const { relay, client, socket, reported } = await scene({}, {}, seed);
      relay.weather = { loss: 0.1, late: 0.1, copies: 0.05, flips: 0.02 };
      const heard: number[] = [];
      socket.on('n', (n) => heard.push(n as number));
      const ofChannel: number[] = [];
      socket.on('channel', (channel) => channel.on('n', (n) => ofChannel.push((n as { n: number }).n)));
      const channel = client.openChannel('c');
      for (let n = 0; n < 200; n++) {
        client.send('n', n);
        channel.send('n', { n, pad: BULK.slice(0, 500) });
      }
      expect(await client.request('echo', BULK, { timeout: 15_000 })).toBe(BULK);
      await expect.poll(() => [heard.length, ofChannel.length]).toEqual([200, 200]);
      expect([heard, ofChannel]).toEqual([heard.toSorted((a, b) => a - b), ofChannel.toSorted((a, b) => a - b)]);
      expect(reported).toEqual([]);
    },
    30_000,
  );
});

describe('many channels', () => {
  test.each([11, 12])(
    'as many as the peer takes, again and again, over a way that loses (seed %d)',
    async (seed) => {
      const most = 6;
      const { relay, client, socket, reported } = await scene({ limits: { channels: most } }, {}, seed);
      relay.weather = { loss: 0.03 };
      socket.on('channel', (channel) => {
        channel.handle('double', (n) => Number(n) * 2);
        channel.on('end', () => channel.end());
      });
      const use = async (n: number): Promise<void> => {
        const channel = client.openChannel('c', n);
        expect(await channel.request('double', n)).toBe(n * 2);
        channel.end();
        expect(await channel.closed).toBeUndefined();
      };
      let begun = 0;
      const row = async (): Promise<void> => {
        while (begun < 60) await use(begun++);
      };
      await Promise.all(Array.from({ length: most }, row));
      expect(client.state).toBe('up');
      expect(reported).toEqual([]);
    },
    30_000,
  );

  test('of both sides at once, more of the server than the client has streams for: all are served', async () => {
    const { client, socket, reported } = await scene({ limits: { channels: 2 } });
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
    expect(reported).toEqual([]);
  });
});

describe('a way that changes', () => {
  test('a NAT that gives the client another port: the link goes on', async () => {
    const { relay, client } = await scene();
    expect(await client.request('echo', 1)).toBe(1);
    let links = 0;
    client.on('up', () => links++);
    const before = await relay.ports();
    await relay.rebind();
    expect(await client.request('echo', 2)).toBe(2);
    expect(await client.request('echo', BULK)).toBe(BULK);
    expect(await relay.ports()).not.toEqual(before);
    expect([links, client.state]).toEqual([0, 'up']);
  });

  test('signs of life keep a silent link; without them it ends by itself', async () => {
    const { relay, client } = await scene({}, { idleWait: 1500, keepalive: 50 });
    const came = relay.came.up;
    // More than the idle time.
    await expect.poll(() => relay.came.up).toBeGreaterThan(came + 40);
    expect(client.state).toBe('up');
    const down = new Promise<{ code: number }>((resolve) => client.on('down', resolve));
    relay.passes = () => false;
    expect((await down).code).toBe(1006);
  });

  test('a way that is dead for a while: the socket goes on over a new link, with nothing lost or doubled', async () => {
    const { relay, client, socket, reported } = await scene({}, { idleWait: 1500, keepalive: 50, handshakeWait: 500 });
    const heard: unknown[] = [];
    socket.on('n', (n) => heard.push(n));
    socket.on('channel', (channel) => channel.on('n', (n) => heard.push(`c${String(n)}`)));
    const channel = client.openChannel('c');
    for (const one of [client, channel]) one.send('n', 0);
    await expect.poll(() => heard.length).toBe(2);
    relay.passes = () => false;
    const down = new Promise((resolve) => client.on('down', resolve));
    for (const one of [client, channel]) one.send('n', 1);
    await down;
    for (const one of [client, channel]) one.send('n', 2);
    const up = new Promise((resolve) => client.on('up', resolve));
    relay.passes = () => true;
    expect(await up).toMatchObject({ recovered: true, transport: 'quic' });
    await expect.poll(() => heard.length).toBe(6);
    expect(heard.filter((one) => typeof one === 'number')).toEqual([0, 1, 2]);
    expect(heard.filter((one) => typeof one === 'string')).toEqual(['c0', 'c1', 'c2']);
    expect(reported).toEqual([]);
  });
});
