import type { Instant } from '../../core/index.ts';

/** How often something may happen: so many times at once after a calm, and so many a second in the long run. */
export class Allowance {
  readonly #most: number;
  readonly #rate: number;
  #left: number;
  #at: Instant;

  constructor(most: number, rate: number, now: Instant) {
    this.#most = most;
    this.#rate = rate;
    this.#left = most;
    this.#at = now;
  }

  /** It has happened `count` times more. False: that is too often. */
  take(now: Instant, count = 1): boolean {
    this.#left = Math.min(this.#most, this.#left + ((now - this.#at) / 1000) * this.#rate) - count;
    this.#at = now;
    return this.#left >= 0;
  }
}
