import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { type Bus, type BusHost, HawserError, JoinedEngine, realWorld, type Subject } from '../index.ts';
import { engineSuite } from './index.ts';

/** The bus of docs/guides/engines.md, of nothing but what the public door has. */
class LocalBus implements Bus {
  readonly name = 'local';
  readonly payloadBytes = 65_536;
  readonly #hub: EventEmitter;
  #host: BusHost | undefined;

  constructor(hub: EventEmitter) {
    this.#hub = hub;
  }

  async start(host: BusHost): Promise<void> {
    this.#host = host;
  }

  publish(subject: Subject, bytes: Uint8Array): void {
    this.#hub.emit(textOf(subject), bytes);
  }

  subscribe(subject: Subject): void {
    this.#hub.on(textOf(subject), this.#hear);
  }

  unsubscribe(subject: Subject): void {
    this.#hub.off(textOf(subject), this.#hear);
  }

  watchLog(): void {}

  unwatchLog(): void {}

  async append(): Promise<never> {
    throw new HawserError('ERR_UNSUPPORTED', 'the local bus keeps no logs');
  }

  async read(): Promise<never> {
    throw new HawserError('ERR_UNSUPPORTED', 'the local bus keeps no logs');
  }

  async close(): Promise<void> {
    for (const name of this.#hub.eventNames()) this.#hub.off(name, this.#hear);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Later, as a server would; and each hearer has bytes of its own. */
  readonly #hear = (bytes: Uint8Array): void => {
    queueMicrotask(() => this.#host?.received(new Uint8Array(bytes)));
  };
}

/** Its fields in one order, whoever made it. */
const textOf = (subject: Subject): string => JSON.stringify(subject, ['kind', 'namespace', 'room', 'user', 'node']);

const hubs = new Map<string, EventEmitter>();

engineSuite('own', {
  api: { describe, test, expect },
  world: realWorld(),
  joins: true,
  makeEngine: (cluster, times) => {
    const hub = hubs.get(cluster) ?? new EventEmitter().setMaxListeners(0);
    hubs.set(cluster, hub);
    return new JoinedEngine(new LocalBus(hub), { world: realWorld(), times });
  },
});
