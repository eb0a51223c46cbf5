import type { Instant, Timer, World } from '../../../core/index.ts';

/** The first wait, which doubles, and the longest, ms. */
const FIRST = 50;
const MOST = 2000;

/** Whether a request may be answered otherwise when it is sent again: too many requests, a time that ran out, a proxy's or the server's trouble. */
export function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** When to try again what fails, and when to give up. */
export class Retries {
  readonly #world: World;
  readonly #patience: number;
  #since: Instant | undefined;
  #wait: number = FIRST;
  #timer: Timer | undefined;

  /** @param patience How long it may fail in a row, ms. */
  constructor(world: World, patience: number) {
    this.#world = world;
    this.#patience = patience;
  }

  succeeded(): void {
    this.#since = undefined;
    this.#wait = FIRST;
  }

  /** Calls `run` after a while, which is longer each time; false when it has failed for too long. */
  again(run: () => void): boolean {
    const now = this.#world.now();
    this.#since ??= now;
    if (now - this.#since > this.#patience) return false;
    // Spread, for after a cut many come at once.
    const wait = this.#wait * (0.5 + this.#world.random.unit() / 2);
    this.#wait = Math.min(MOST, this.#wait * 2);
    this.#timer = this.#world.timer(now + wait, run);
    return true;
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}
