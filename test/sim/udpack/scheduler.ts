import type { Instant } from '../../../src/core/index.ts';

/** More than this in one run is no run that ends. */
const STEPS_MOST = 3_000_000;

/** Virtual time: what is to happen, the next first; at the same time in the order in which it was asked for. */
export class Scheduler {
  now: Instant = 0;
  /** How much has happened. */
  steps = 0;
  #asked = 0;
  // A binary heap in three columns.
  readonly #times: number[] = [];
  readonly #turns: number[] = [];
  readonly #runs: (() => void)[] = [];

  get pending(): number {
    return this.#times.length;
  }

  /** When the next thing happens; undefined: never. */
  get next(): Instant | undefined {
    return this.#times[0];
  }

  at(time: Instant, run: () => void): void {
    let at = this.#times.length;
    const due = Math.max(time, this.now);
    this.#set(at, due, this.#asked++, run);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (this.#before(parent, at)) return;
      this.#swap(parent, at);
      at = parent;
    }
  }

  after(wait: number, run: () => void): void {
    this.at(this.now + wait, run);
  }

  /** Lets the next thing happen; false when there is none. */
  step(): boolean {
    const run = this.#runs[0];
    if (run === undefined) return false;
    this.now = this.#times[0] ?? this.now;
    if (++this.steps > STEPS_MOST) throw new Error('too much happens');
    this.#pop();
    run();
    return true;
  }

  /** Lets all happen that happens until `time`. */
  run(time: Instant): void {
    while ((this.next ?? Infinity) <= time) this.step();
    this.now = Math.max(this.now, time);
  }

  #pop(): void {
    const last = this.#times.length - 1;
    this.#swap(0, last);
    this.#times.pop();
    this.#turns.pop();
    this.#runs.pop();
    let at = 0;
    for (;;) {
      const left = at * 2 + 1;
      if (left >= last) return;
      const child = left + 1 < last && this.#before(left + 1, left) ? left + 1 : left;
      if (this.#before(at, child)) return;
      this.#swap(at, child);
      at = child;
    }
  }

  #before(a: number, b: number): boolean {
    const difference = (this.#times[a] ?? 0) - (this.#times[b] ?? 0);
    return difference < 0 || (difference === 0 && (this.#turns[a] ?? 0) < (this.#turns[b] ?? 0));
  }

  #swap(a: number, b: number): void {
    const [time, turn, run] = [this.#times[a], this.#turns[a], this.#runs[a]];
    const [time2, turn2, run2] = [this.#times[b], this.#turns[b], this.#runs[b]];
    if (time === undefined || turn === undefined || run === undefined) return;
    if (time2 === undefined || turn2 === undefined || run2 === undefined) return;
    this.#set(a, time2, turn2, run2);
    this.#set(b, time, turn, run);
  }

  #set(at: number, time: number, turn: number, run: () => void): void {
    this.#times[at] = time;
    this.#turns[at] = turn;
    this.#runs[at] = run;
  }
}
