import type { Instant } from '../../../src/core/index.ts';
import type { Address, Forwarded, WorkerKeys, WorkerOptions } from '../../../src/udpack/index.ts';
import { Speck } from '../../../src/udpack-endpoint/speck.ts';
import type { Chance } from './chance.ts';
import type { Host } from './network.ts';
import type { Process } from './process.ts';
import type { Scheduler } from './scheduler.ts';

/** The longest that one worker's death is not known to another, and that a datagram is under way between them, in ms. */
const NEWS_MOST = 50;
const WAY_MOST = 2;

interface Worker {
  readonly process: Process;
  diedAt: Instant;
  /** How long each of the others takes to hear of that. */
  news: readonly number[];
}

/** One socket that several processes have: each datagram is read by one of them, as chance will have it. */
export class SharedSocket implements Host {
  readonly name = 'server';
  readonly address: Address;
  /** Datagrams handed on, and those that were dropped for one that was too busy or had died. */
  forwarded = 0;
  dropped = 0;
  readonly #scheduler: Scheduler;
  readonly #chance: Chance;
  /** How often one is too busy. */
  readonly #busy: number;
  readonly #workers: Worker[] = [];
  readonly #keys: WorkerKeys;

  constructor(address: Address, scheduler: Scheduler, chance: Chance, busy: number) {
    this.address = address;
    this.#scheduler = scheduler;
    this.#chance = chance;
    this.#busy = busy;
    this.#keys = { cipher: new Speck(chance.bytes(16)), init: chance.bytes(32), cookie: chance.bytes(32), epoch: 0 };
  }

  /** Who is stopped does not read; the others do. */
  receive(datagram: Uint8Array, from: Address): void {
    const living = this.#workers.filter(({ process }) => !process.dead);
    const reading = living.filter(({ process }) => !process.stopped);
    if (living.length > 0) this.#chance.pick(reading.length > 0 ? reading : living).process.receive(datagram, from);
  }

  /** Called for the workers in the order of their numbers. */
  add(process: Process): void {
    this.#workers.push({ process, diedAt: Number.NEGATIVE_INFINITY, news: [] });
  }

  died(self: number): void {
    const worker = this.#workers[self];
    if (worker === undefined) return;
    worker.diedAt = this.#scheduler.now;
    worker.news = this.#workers.map(() => this.#chance.unit() * NEWS_MOST);
  }

  /** What the worker with this number is told of the others. */
  optionsOf(self: number): WorkerOptions {
    return {
      self,
      keys: this.#keys,
      takers: () => [...this.#workers.keys()].filter((worker) => worker === self || !this.#knowsDead(self, worker)),
      forward: (worker, datagram, from) => this.#forward(self, worker, datagram, from),
    };
  }

  #knowsDead(self: number, of: number): boolean {
    const { process, diedAt, news } = this.#workers[of] ?? {};
    return process === undefined || (process.dead && this.#scheduler.now >= (diedAt ?? 0) + (news?.[self] ?? 0));
  }

  #forward(self: number, to: number, datagram: Uint8Array, from: Address): Forwarded {
    if (this.#knowsDead(self, to)) return 'gone';
    if (this.#chance.often(this.#busy)) {
      this.dropped++;
      return 'busy';
    }
    this.forwarded++;
    const bytes = datagram.slice();
    const { process } = this.#workers[to] ?? {};
    this.#scheduler.after(this.#chance.unit() * WAY_MOST, () => process?.receive(bytes, from, true));
    return 'sent';
  }
}
