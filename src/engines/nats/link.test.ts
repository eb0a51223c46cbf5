import { describe, expect, test } from 'vitest';
import { virtualWorld } from '../../testing/index.ts';
import type { NatsModules } from './client.ts';
import { NatsLink, WAITING_MOST } from './link.ts';
import { resolveNatsOptions } from './options.ts';

/** As much of a connection as the link needs. */
class FakeConnection {
  readonly info = { max_payload: 1000 };
  readonly subjects: string[] = [];
  readonly published: string[] = [];
  flushed: (() => void) | undefined;
  isEnded = false;
  #end: (reason?: Error) => void = () => {};
  readonly #ended = new Promise<Error | undefined>((resolve) => {
    this.#end = resolve;
  });

  /** For good, as when the client finds no way to go on. */
  end(reason?: Error): void {
    this.isEnded = true;
    this.#end(reason);
  }

  closed(): Promise<Error | undefined> {
    return this.#ended;
  }

  isClosed(): boolean {
    return this.isEnded;
  }

  async *status(): AsyncGenerator<{ readonly type: 'close' }> {
    await this.#ended;
    yield { type: 'close' };
  }

  subscribe(subject: string): { unsubscribe(): void } {
    this.subjects.push(subject);
    return { unsubscribe: () => this.subjects.splice(this.subjects.indexOf(subject), 1) };
  }

  publish(subject: string): void {
    this.published.push(subject);
  }

  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.flushed = resolve;
    });
  }

  async close(): Promise<void> {
    this.end();
  }
}

class Scene {
  readonly world = virtualWorld();
  readonly told: string[] = [];
  readonly connections: FakeConnection[] = [];
  /** What the next dials end in, where it is not a connection. */
  readonly failures: Error[] = [];
  readonly #wait: number;
  readonly link: NatsLink = new NatsLink(
    {
      transport: { connect: () => this.#dial() },
      jetstream: { jetstreamManager: async () => ({}) },
    } as unknown as NatsModules,
    resolveNatsOptions({ servers: 'a', reconnectWait: 100 }),
    this.world,
    {
      up: () => this.told.push('up'),
      down: () => this.told.push('down'),
      changed: () => this.told.push('changed'),
      failed: (error) => this.told.push((error as { code: string }).code),
    },
  );

  get connection(): FakeConnection | undefined {
    return this.connections.at(-1);
  }

  constructor(wait = 0) {
    this.#wait = wait;
  }

  async #dial(): Promise<FakeConnection> {
    if (this.#wait > 0)
      await new Promise<void>((resolve) => void this.world.timer(this.world.now() + this.#wait, resolve));
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    const connection = new FakeConnection();
    this.connections.push(connection);
    return connection;
  }
}

describe('a link to NATS', () => {
  test('is made anew when its client gives up, with all that it heard', async () => {
    const { link, world, told, connections, failures } = new Scene();
    await link.start();
    const stopped = link.hear('a', () => {});
    link.hear('b', () => {});
    stopped.stop();
    failures.push(new Error('not yet'), Object.assign(new Error('no'), { name: 'AuthorizationError' }));
    connections[0]?.end(new Error('gone'));
    await world.advanceAsync(0);
    expect([told, link.isUp, link.publish('a', new Uint8Array(1))]).toEqual([['down'], false, false]);
    link.hear('c', () => {});
    await world.advanceAsync(100);
    await world.advanceAsync(100);
    expect(told).toEqual(['down', 'ERR_CONNECT_FAILED', 'ERR_AUTH_FAILED']);
    await world.advanceAsync(100);
    expect([told.at(-1), link.isUp, connections[1]?.subjects]).toEqual(['up', true, ['b', 'c']]);
    await Promise.all([link.close(), world.advanceAsync(1000)]);
    expect([told.length, link.isUp, connections[1]?.isEnded]).toEqual([4, false, true]);
  });

  test('takes no more than waits for a server that says nothing', async () => {
    const scene = new Scene();
    const { link, world } = scene;
    await link.start();
    const chunk = new Uint8Array(WAITING_MOST / 4);
    const taken = [1, 2, 3, 4, 5].map(() => link.publish('a', chunk));
    expect(taken).toEqual([true, true, true, true, false]);
    scene.connection?.flushed?.();
    await world.advanceAsync(0);
    expect([link.publish('a', chunk), link.publish('a', chunk)]).toEqual([true, false]);
    expect(scene.connection?.published.length).toBe(5);
  });

  test('that is closed waits for nothing once what was published is there', async () => {
    const scene = new Scene();
    const { link, world } = scene;
    await link.start();
    const closed = link.close();
    scene.connection?.flushed?.();
    await closed;
    expect([scene.connection?.isEnded, world.timers]).toEqual([true, 0]);
  });

  test('that comes about after its time is closed', async () => {
    const { link, world, connections } = new Scene(10_000);
    const failed = link.start().catch((error: unknown) => error);
    await world.advanceAsync(5000);
    expect(await failed).toMatchObject({ code: 'ERR_CONNECT_FAILED' });
    await world.advanceAsync(5000);
    expect(connections.map(({ isEnded }) => isEnded)).toEqual([true]);
  });
});
