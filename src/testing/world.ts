import type { Instant, Random, Timer, World } from '../core/index.ts';

/**
 * A world whose clock stands still until it is told to move, and whose chance comes from a seed: the same calls with the
 * same seed give the same run, to the millisecond.
 */
export interface VirtualWorld extends World {
  readonly seed: number;
  /** Errors that were reported, oldest first. */
  readonly reported: readonly unknown[];
  /** Timers that are armed. */
  readonly timers: number;
  /** When the first armed timer is due; undefined when none is. */
  readonly nextTimer: Instant | undefined;
  report(error: unknown): void;
  /** Runs what was asked for `soon`, what that asks for, and the timers due now; the clock stands still. */
  settle(): void;
  /** Moves the clock by `ms`, stopping at each timer on the way; between timers everything asked for `soon` has run. */
  advance(ms: number): void;
  /** As `advance`, but lets promises settle between the steps: for code under test that awaits. */
  advanceAsync(ms: number): Promise<void>;
}

/** A world of its own for one test. Equal timers run in the order they were armed. */
export function virtualWorld(seed = 1): VirtualWorld {
  return new SeededWorld(seed);
}

/** A seeded generator (sfc32), good enough to vary tests; never for secrets. */
export function seededRandom(seed: number): Random {
  return new SeededRandom(seed);
}

class SeededWorld implements VirtualWorld {
  readonly seed: number;
  readonly random: Random;
  readonly reported: unknown[] = [];
  #now: Instant = 0;
  #armed = 0;
  #sequence = 0;
  #soon: (() => void)[] = [];
  readonly #heap: VirtualTimer[] = [];

  constructor(seed: number) {
    this.seed = seed;
    this.random = seededRandom(seed);
  }

  get timers(): number {
    return this.#armed;
  }

  get nextTimer(): Instant | undefined {
    return this.#first()?.at;
  }

  now(): Instant {
    return this.#now;
  }

  report(error: unknown): void {
    this.reported.push(error);
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  timer(at: Instant, run: () => void): Timer {
    const timer = new VirtualTimer(at, this.#sequence++, run, () => {
      this.#armed--;
    });
    this.#armed++;
    push(this.#heap, timer);
    return timer;
  }

  settle(): void {
    for (let round = 0; this.#step(this.#now); round++) {
      if (round >= ROUNDS_MAX) throw new Error(`the world of seed ${this.seed} does not come to rest`);
    }
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    this.settle();
    for (let at = this.nextTimer; at !== undefined && at <= end; at = this.nextTimer) {
      this.#now = at;
      this.settle();
    }
    this.#now = end;
  }

  async advanceAsync(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.#settleAsync();
    for (let at = this.nextTimer; at !== undefined && at <= end; at = this.nextTimer) {
      this.#now = at;
      await this.#settleAsync();
    }
    this.#now = end;
  }

  async #settleAsync(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      if (this.#step(this.#now)) quiet = -1;
      await Promise.resolve();
    }
  }

  /** One round: all that waits for `soon`, or else one timer that is due. False when there was neither. */
  #step(until: Instant): boolean {
    if (this.#soon.length > 0) {
      const runs = this.#soon;
      this.#soon = [];
      for (const run of runs) run();
      return true;
    }
    const timer = this.#first();
    if (timer === undefined || timer.at > until) return false;
    pop(this.#heap);
    timer.fire();
    return true;
  }

  #first(): VirtualTimer | undefined {
    while (this.#heap[0]?.over) pop(this.#heap);
    return this.#heap[0];
  }
}

/** Rounds that `settle` grants before it takes the code under test for one that never rests. */
const ROUNDS_MAX = 1_000_000;
/** Turns of the microtask queue without work after which promises count as settled. */
const QUIET_TURNS = 16;

class VirtualTimer implements Timer {
  readonly at: Instant;
  readonly sequence: number;
  over = false;
  #run: () => void;
  #done: () => void;

  constructor(at: Instant, sequence: number, run: () => void, done: () => void) {
    this.at = at;
    this.sequence = sequence;
    this.#run = run;
    this.#done = done;
  }

  cancel(): void {
    if (this.over) return;
    this.over = true;
    this.#done();
  }

  fire(): void {
    this.cancel();
    this.#run();
  }
}

function before(a: VirtualTimer, b: VirtualTimer): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

function push(heap: VirtualTimer[], timer: VirtualTimer): void {
  let at = heap.push(timer) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || !before(timer, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = timer;
}

function pop(heap: VirtualTimer[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    let below = heap[child];
    const right = heap[child + 1];
    if (below !== undefined && right !== undefined && before(right, below)) {
      child++;
      below = right;
    }
    if (below === undefined || !before(below, last)) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = last;
}

class SeededRandom implements Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#a = 0x9e3779b9;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    this.#c = seed | 0;
    for (let i = 0; i < 12; i++) this.#next();
  }

  unit(): number {
    return this.#next() / 2 ** 32;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.#next() >>> 24;
    return bytes;
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
}
