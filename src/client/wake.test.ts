import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { House } from '../../test/support/house.ts';
import { CuttingProxy } from '../../test/support/proxy.ts';
import { type CloseReason, HawserError, type Instant, type Timer, type World } from '../core/index.ts';
import { realWorld } from '../runtime/index.ts';
import type { ServerSocket } from '../server/index.ts';
import { MAGIC, parseEndpoint } from '../transport/index.ts';
import { tcpTransport } from '../transports/net/index.ts';
import { clientCodec } from '../wire/index.ts';
import { createConnect } from './connect.ts';
import type { ClientSocket } from './index.ts';
import type { ConnectOptions } from './options.ts';

const SOON = { timeout: 10_000, interval: 10 };

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** The real world, until its clock jumps: as in a machine that slept, all timers that are due by then run at once. */
class JumpingWorld implements World {
  readonly #real = realWorld();
  readonly random = this.#real.random;
  #ahead = 0;
  readonly #armed = new Set<{ at: Instant; run: () => void; timer: Timer }>();

  now(): Instant {
    return this.#real.now() + this.#ahead;
  }

  timer(at: Instant, run: () => void): Timer {
    const fire = (): void => {
      this.#armed.delete(one);
      one.timer.cancel();
      run();
    };
    const one = { at, run: fire, timer: this.#real.timer(at - this.#ahead, () => fire()) };
    this.#armed.add(one);
    return {
      cancel: () => {
        this.#armed.delete(one);
        one.timer.cancel();
      },
    };
  }

  soon(run: () => void): void {
    this.#real.soon(run);
  }

  jump(ms: number): void {
    this.#ahead += ms;
    for (const { at, run } of [...this.#armed].toSorted((a, b) => a.at - b.at)) if (at <= this.now()) run();
  }
}

interface Scene {
  readonly house: House;
  readonly proxy: CuttingProxy;
  readonly world: JumpingWorld;
  readonly client: ClientSocket;
  readonly downs: CloseReason[];
  readonly ups: unknown[];
  nudge(isOnline: boolean): void;
}

async function scene(options: ConnectOptions = {}): Promise<Scene> {
  const house = await House.open({ times: { readWait: 10_000_000, closeWait: 200, writeWait: 10_000_000 } }, 'tcp');
  open.push(house);
  const proxy = await CuttingProxy.open({ target: { port: parseEndpoint(house.url('tcp')).port ?? 0 } });
  open.push(proxy);
  const world = new JumpingWorld();
  let nudge: (isOnline: boolean) => void = () => {};
  const connect = createConnect({
    world,
    codec: clientCodec,
    transports: [tcpTransport],
    watch: (hear, signal) => {
      nudge = (isOnline) => {
        if (!signal.aborted) hear(isOnline);
      };
    },
  });
  const client = await connect(`tcp://127.0.0.1:${proxy.port}`, { reconnect: { first: 1, most: 5 }, ...options });
  open.push(client);
  const downs: CloseReason[] = [];
  const ups: unknown[] = [];
  client.on('down', (reason) => downs.push(reason));
  client.on('up', ({ recovered }) => ups.push(recovered));
  return { house, proxy, world, client, downs, ups, nudge: (isOnline) => nudge(isOnline) };
}

describe('a clock that jumps', () => {
  test('kills no link that still carries', async () => {
    const { world, client, downs } = await scene();
    for (let i = 0; i < 5; i++) {
      world.jump(3_600_000);
      expect(await client.request('echo', i)).toBe(i);
    }
    expect([downs, client.state]).toEqual([[], 'up']);
  });

  test('a link that died meanwhile is found within 5 s, and the session goes on over another', async () => {
    const { world, client, proxy, downs, ups } = await scene();
    proxy.hold();
    world.jump(3_600_000);
    expect(client.state).toBe('up');
    world.jump(4900);
    expect(client.state).toBe('up');
    world.jump(200);
    expect(downs).toMatchObject([{ code: 4000 }]);
    proxy.release();
    await expect.poll(() => ups, SOON).toEqual([true]);
  });
});

describe('a client that is paused', () => {
  test('does not take its own silence for the server’s, and comes back all the same when its link breaks', async () => {
    const { client, world, downs, ups, proxy, house } = await scene();
    const heard: unknown[] = [];
    client.on('n', (n) => heard.push(n));
    client.pause();
    for (let i = 0; i < 10; i++) {
      world.jump(20_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(downs).toEqual([]);
    proxy.cut();
    // Who doesn't read finds out by writing.
    while (downs.length === 0) {
      world.jump(20_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => ups, SOON).toEqual([true]);
    house.server.send('n', 1);
    world.jump(20_000);
    client.resume();
    await expect.poll(() => heard, SOON).toEqual([1]);
    expect(await client.request('echo', 2)).toBe(2);
    expect(downs).toMatchObject([{ code: 1006 }]);
  });
});

describe('a nudge', () => {
  test('a link that is dead is found within 5 s', async () => {
    const { world, proxy, downs, ups, nudge } = await scene();
    proxy.hold();
    world.jump(6000);
    expect(downs).toEqual([]);
    nudge(true);
    nudge(true);
    world.jump(4000);
    nudge(true);
    world.jump(1100);
    expect(downs).toMatchObject([{ code: 4000 }]);
    proxy.release();
    await expect.poll(() => ups, SOON).toEqual([true]);
  });

  test('a link that carries stays, and its round trip is measured', async () => {
    const { world, client, downs, nudge } = await scene();
    nudge(true);
    await expect.poll(() => client.rtt, SOON).toBeGreaterThanOrEqual(0);
    world.jump(6000);
    nudge(true);
    await client.request('echo', 1);
    world.jump(6000);
    expect([downs, client.state]).toEqual([[], 'up']);
  });

  test('who waits for the next attempt waits half a second at the most', async () => {
    const hour = 3_600_000;
    const { client, proxy, ups, nudge } = await scene({ reconnect: { first: hour, most: hour } });
    const waiting = new Promise<number>((resolve) => client.on('reconnecting', ({ delay }) => resolve(delay)));
    proxy.cut();
    expect(await waiting).toBeGreaterThan(1000);
    expect(ups).toEqual([]);
    nudge(true);
    nudge(true);
    await expect.poll(() => ups, SOON).toEqual([true]);
  });

  test('attempts without a network count for nothing', async () => {
    const { client, proxy, nudge } = await scene({ reconnect: { first: 1, most: 5, attempts: 2 } });
    const closed = new Promise<HawserError | undefined>((resolve) => client.on('close', (_, error) => resolve(error)));
    let tries = 0;
    client.on('reconnecting', () => tries++);
    nudge(false);
    open.splice(open.indexOf(proxy), 1);
    await proxy.close();
    await expect.poll(() => tries, SOON).toBeGreaterThan(10);
    expect(client.state).toBe('down');
    nudge(true);
    expect((await closed)?.code).toBe('ERR_CONNECT_FAILED');
    nudge(true);
    expect(client.state).toBe('ended');
  });
});

describe('a server that takes no byte', () => {
  test('is left after writeWait, and the session goes on over another link', async () => {
    const { client, proxy, world, downs, ups } = await scene({
      limits: { resumeBytes: 64 << 20, backlogBytes: 4 << 20 },
    });
    proxy.hold();
    const pad = 'x'.repeat(64 * 1024);
    let n = 0;
    while (client.send('n', { n, pad }, { overflow: 'drop' }) && n < 10_000) {
      n += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    world.jump(29_000);
    expect(downs).toEqual([]);
    world.jump(1500);
    await expect.poll(() => downs, SOON).toMatchObject([{ code: 1006, reason: 'the server reads nothing' }]);
    proxy.release();
    await expect.poll(() => ups, SOON).toEqual([true]);
  });
});

describe('fail-over after the link is taken', () => {
  /** Takes links, and does with them as it is told; never a welcome. */
  async function mute(onData: (socket: Socket) => void): Promise<{ url: string; links: () => number }> {
    let links = 0;
    const server = createTcpServer((socket) => {
      links += 1;
      socket.on('error', () => {});
      socket.once('data', () => onData(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const sockets = new Set<Socket>();
    server.on('connection', (socket) => sockets.add(socket));
    open.push({
      [Symbol.asyncDispose]: async () => {
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    });
    return { url: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`, links: () => links };
  }

  const connect = createConnect({ world: realWorld(), codec: clientCodec, transports: [tcpTransport] });

  test.each<[string, (socket: Socket) => void]>([
    ['says nothing', (socket) => socket.write(MAGIC)],
    [
      'hangs up',
      (socket) => {
        socket.write(MAGIC);
        socket.once('data', () => socket.destroy());
      },
    ],
  ])('a server that %s has its turn, then the next has, and is first from then on', async (_, onData) => {
    const house = await House.open({}, 'tcp');
    open.push(house);
    const silent = await mute(onData);
    const arrived = new Promise<ServerSocket>((resolve) => house.server.on('connection', resolve));
    const client = await connect([silent.url, house.url('tcp')], {
      times: { loginWait: 300 },
      reconnect: { first: 1, most: 5 },
    });
    open.push(client);
    expect(await client.request('echo', 1)).toBe(1);
    expect(silent.links()).toBe(1);
    const up = new Promise((resolve) => client.on('up', resolve));
    (await arrived).close(4006, 'again');
    await up;
    expect(silent.links()).toBe(1);
  });

  test('a refusal that may pass lets the next have its turn; one that will not does not', async () => {
    const refusal = new HawserError('ERR_TOO_MANY_SOCKETS', 'full');
    const full = await House.open({ authenticate: () => Promise.reject(refusal) }, 'tcp');
    const strict = await House.open({ authenticate: () => Promise.reject(new Error('no')) }, 'tcp');
    const house = await House.open({}, 'tcp');
    open.push(full, strict, house);
    const client = await connect([full.url('tcp'), house.url('tcp')]);
    open.push(client);
    expect(await client.request('echo', 1)).toBe(1);
    await expect(connect([strict.url('tcp'), house.url('tcp')])).rejects.toMatchObject({ code: 'ERR_AUTH_FAILED' });
    await expect(connect([full.url('tcp')])).rejects.toMatchObject({ code: 'ERR_TOO_MANY_SOCKETS' });
    await expect(connect([full.url('tcp'), 'tcp://127.0.0.1:1'])).rejects.toMatchObject({
      code: 'ERR_TOO_MANY_SOCKETS',
    });
  });
});
