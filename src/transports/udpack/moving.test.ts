import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { House } from '../../../test/support/house.ts';
import { CuttingProxy } from '../../../test/support/proxy.ts';
import { UdpRelay } from '../../../test/support/udp-relay.ts';
import { keyFiles } from '../../../test/support/udpack-keys.ts';
import { type ClientSocket, type ConnectOptions, connect } from '../../client/index.ts';
import type { ServerSocket } from '../../server/index.ts';
import { parseEndpoint } from '../../transport/index.ts';
import { createUdpackTransport } from './index.ts';

const open: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** Soon enough to wait for, and late enough that a machine with other work takes nobody for dead. */
const SOON = { heartbeat: 300, readWait: 1200 };
const EAGER: ConnectOptions = { reconnect: { first: 1, most: 5 } };
const key = (): string => `?key=${keyFiles().publicFile}`;
const portOf = (url: string): number => parseEndpoint(url).port ?? 0;

interface Scene {
  readonly house: House;
  readonly relay: UdpRelay;
  readonly proxy: CuttingProxy;
  /** The relay's first. */
  readonly urls: readonly string[];
}

/** A server over UDP and over WebSocket, each behind something that can be told to fail. WebSocket is held: UDP wins however long it takes. */
async function scene(): Promise<Scene> {
  const house = keep(await House.open({}, 'udpack', 'ws'));
  const relay = keep(await UdpRelay.open({ address: '127.0.0.1', port: portOf(house.url('udpack')) }));
  const proxy = keep(await CuttingProxy.open({ target: { port: portOf(house.url('ws')) } }));
  proxy.hold();
  const urls = [`udpack://127.0.0.1:${relay.port}${key()}`, `ws://127.0.0.1:${proxy.port}`];
  return { house, relay, proxy, urls };
}

function nextSocket(house: House): Promise<ServerSocket> {
  return new Promise((resolve) => house.server.on('connection', resolve));
}

function next(socket: ClientSocket, event: 'up' | 'down'): Promise<unknown> {
  return new Promise((resolve) => socket.once(event as 'up', resolve));
}

/** Says numbers until it is told to stop. */
class Talker {
  said = 0;
  readonly #say: (n: number) => unknown;
  readonly #timer: NodeJS.Timeout;

  constructor(say: (n: number) => unknown) {
    this.#say = say;
    this.#timer = setInterval(() => this.#say(this.said++), 2);
  }

  stop(): number {
    clearInterval(this.#timer);
    return this.said;
  }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

describe('UDP that is blocked', () => {
  test('from the beginning: the other URL wins, without waiting for the end of the dial that was tried first', async () => {
    const house = keep(await House.open({}, 'ws'));
    const proxy = keep(await CuttingProxy.open({ target: { port: portOf(house.url('ws')) } }));
    proxy.hold();
    const hole = createSocket('udp4').bind(0, '127.0.0.1');
    keep({ [Symbol.asyncDispose]: async () => void hole.close() });
    await once(hole, 'listening');
    // However long it takes to make the first datagram: it was sent before the other one wins.
    hole.on('message', () => proxy.release());
    const urls = [`udpack://127.0.0.1:${hole.address().port}${key()}`, `ws://127.0.0.1:${proxy.port}`];
    const transports = [createUdpackTransport({ times: { handshakeWait: 60_000 } })];
    const client = keep(await connect(urls, { transports, timeout: 0 }));
    expect(client.transport).toBe('ws');
    expect(await client.request('echo', 1)).toBe(1);
  });

  test('alone: no answer is ERR_CONNECT_FAILED, and what was aborted leaves nothing behind', async () => {
    const hole = createSocket('udp4').bind(0, '127.0.0.1');
    keep({ [Symbol.asyncDispose]: async () => void hole.close() });
    await once(hole, 'listening');
    const url = `udpack://127.0.0.1:${hole.address().port}${key()}`;
    const transports = [createUdpackTransport({ times: { handshakeWait: 200 } })];
    await expect(connect(url, { transports })).rejects.toMatchObject({ code: 'ERR_CONNECT_FAILED' });
    const controller = new AbortController();
    const dialled = connect(url, { signal: controller.signal });
    await once(hole, 'message');
    controller.abort();
    await expect(dialled).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('UDP that dies later', () => {
  test.each<[string, ConnectOptions]>([
    ['is noticed by the session', { times: SOON }],
    ['is noticed by answers that are due', { transports: [createUdpackTransport({ answerWait: 1000 })] }],
  ])('%s: the socket goes on over WebSocket, and every message arrives once and in order', async (_, options) => {
    const { house, relay, proxy, urls } = await scene();
    const met = nextSocket(house);
    const client = keep(await connect(urls, { ...EAGER, ...options }));
    const socket = await met;
    const heard = { up: [] as unknown[], down: [] as unknown[], channel: [] as unknown[] };
    const told: unknown[] = [];
    client.on('down', ({ code }) => told.push(['down', code]));
    client.on('up', ({ transport, recovered }) => told.push([transport, recovered]));
    socket.on('n', (n) => heard.up.push(n));
    client.on('n', (n) => heard.down.push(n));
    socket.on('channel', (channel) => channel.on('n', (n) => heard.channel.push(n)));
    const channel = client.openChannel('numbers');
    expect([client.transport, socket.handshake.transport]).toEqual(['udpack', 'udpack']);

    const talkers = [
      new Talker((n) => client.send('n', n)),
      new Talker((n) => socket.send('n', n)),
      new Talker((n) => channel.send('n', n)),
    ];
    await expect.poll(() => heard.channel.length).toBeGreaterThan(20);
    const up = next(client, 'up');
    relay.passes = () => false;
    proxy.release();
    expect(await up).toMatchObject({ transport: 'ws', recovered: true });
    const [toServer, toClient, byChannel] = talkers.map((talker) => talker.stop());
    await expect.poll(() => heard.up.length).toBe(toServer);
    await expect.poll(() => heard.down.length).toBe(toClient);
    await expect.poll(() => heard.channel.length).toBe(byChannel);
    expect(heard).toEqual({ up: upTo(toServer ?? 0), down: upTo(toClient ?? 0), channel: upTo(byChannel ?? 0) });
    expect(client.transport).toBe('ws');
    expect(told).toEqual([
      ['down', expect.any(Number)],
      ['ws', true],
    ]);
    expect(house.reported).toEqual([]);
  });

  test('and comes back: a stream of bytes goes there and back with the socket, whole', async () => {
    const { house, relay, proxy, urls } = await scene();
    const times = SOON;
    const met = nextSocket(house);
    const client = keep(await connect(urls, { ...EAGER, times }));
    const socket = await met;
    const bytes = new Uint8Array(6_000_000);
    for (let i = 0; i < bytes.length; i++) bytes[i] = i * 31 + (i >> 8);
    socket.on('channel', async (channel) => {
      const writer = channel.writable.getWriter();
      for await (const chunk of channel.readable) await writer.write(chunk);
      await writer.close();
    });
    const channel = client.openChannel('echo');
    const writer = channel.writable.getWriter();
    const written = (async () => {
      for (let at = 0; at < bytes.length; at += 50_000) await writer.write(bytes.subarray(at, at + 50_000));
      await writer.close();
    })();
    const back: Uint8Array[] = [];
    let length = 0;
    const ups: unknown[] = [];
    client.on('up', ({ transport, recovered }) => ups.push([transport, recovered]));
    for await (const chunk of channel.readable) {
      back.push(chunk);
      const before = length;
      length += chunk.length;
      const passes = (mark: number): boolean => before < mark && length >= mark;
      if (passes(1_000_000)) {
        relay.passes = () => false;
        proxy.release();
      }
      if (passes(3_000_000)) {
        relay.passes = () => true;
        proxy.hold();
        proxy.cut();
      }
    }
    await written;
    expect(Buffer.compare(Buffer.concat(back), bytes)).toBe(0);
    expect(ups).toEqual([
      ['ws', true],
      ['udpack', true],
    ]);
    expect(await channel.closed).toBeUndefined();
  }, 30_000);
});

test('a client whose router forgets it keeps its link', async () => {
  const { house, relay, urls } = await scene();
  const client = keep(await connect(urls[0] as string, EAGER));
  const downs: unknown[] = [];
  client.on('down', (reason) => downs.push(reason));
  expect(await client.request('echo', 1)).toBe(1);
  await relay.rebind();
  expect(await client.request('echo', 2)).toBe(2);
  expect(downs).toEqual([]);
  expect(house.server.stats.sockets).toBe(1);
});
