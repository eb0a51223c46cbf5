import type { Instant, Random, Timer, World } from '../../../src/core/index.ts';
import type { Bus, BusHost } from '../../../src/engine/index.ts';
import { seededRandom, type TestBus, type VirtualWorld } from '../../../src/testing/index.ts';

/** The world of one node's process: its clock goes its own way, and it can be stopped and go on. */
export class NodeWorld implements World {
  readonly random: Random;
  readonly #base: VirtualWorld;
  readonly #offset: number;
  readonly #rate: number;
  #held: (() => void)[] = [];
  #state: 'running' | 'frozen' | 'dead' = 'running';

  constructor(base: VirtualWorld, seed: number, offset: number, rate: number) {
    this.#base = base;
    this.#offset = offset;
    this.#rate = rate;
    this.random = seededRandom(seed);
  }

  now(): Instant {
    return this.#offset + this.#base.now() * this.#rate;
  }

  timer(at: Instant, run: () => void): Timer {
    let isOver = false;
    const timer = this.#base.timer((at - this.#offset) / this.#rate, () =>
      this.run(() => {
        if (!isOver) run();
      }),
    );
    return {
      cancel: () => {
        isOver = true;
        timer.cancel();
      },
    };
  }

  soon(run: () => void): void {
    this.#base.soon(() => this.run(run));
  }

  /** The time that is nobody's own. */
  get base(): Instant {
    return this.#base.now();
  }

  /** Runs it in this process: now, or when it goes on. */
  run(run: () => void): void {
    if (this.#state === 'running') run();
    else if (this.#state === 'frozen') this.#held.push(run);
  }

  get isFrozen(): boolean {
    return this.#state === 'frozen';
  }

  freeze(): void {
    this.#state = 'frozen';
  }

  thaw(): void {
    this.#state = 'running';
    for (const run of this.#held.splice(0)) run();
  }

  kill(): void {
    this.#state = 'dead';
    this.#held = [];
  }
}

/** What a bus tells its node waits while the node is stopped. */
export function busIn(world: NodeWorld, bus: TestBus): Bus {
  return {
    name: bus.name,
    payloadBytes: bus.payloadBytes,
    start: (host) => bus.start(hostIn(world, host)),
    publish: (subject, bytes) => bus.publish(subject, bytes),
    subscribe: (subject) => bus.subscribe(subject),
    unsubscribe: (subject) => bus.unsubscribe(subject),
    watchLog: (namespace, room) => bus.watchLog(namespace, room),
    unwatchLog: (namespace, room) => bus.unwatchLog(namespace, room),
    append: (...what) => bus.append(...what),
    read: (...what) => bus.read(...what),
    close: () => bus.close(),
    [Symbol.asyncDispose]: () => bus.close(),
  };
}

function hostIn(world: NodeWorld, host: BusHost): BusHost {
  return {
    received: (bytes) => world.run(() => host.received(bytes)),
    logged: (...what) => world.run(() => host.logged(...what)),
    reconnected: () => world.run(() => host.reconnected()),
    disconnected: (error) => world.run(() => host.disconnected(error)),
    report: (error, during) => world.run(() => host.report(error, during)),
  };
}
