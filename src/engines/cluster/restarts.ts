import type { Instant } from '../../core/index.ts';

/** A worker that ends of itself sooner than this after it was ready has died quickly, ms. */
export const QUICK = 2000;
const WAIT_LEAST = 100;
const WAIT_MOST = 5000;

/** How long to wait before a worker that has died is replaced, so that one that dies at once doesn't keep the machine busy. */
export class Restarts {
  readonly #most: number;
  #quick = 0;

  /** So many quick deaths in a row are allowed. */
  constructor(most: number) {
    this.#most = most;
  }

  /** One has died that was ready at `readyAt`, if ever: ms to wait before the next one starts. Undefined: it is of no use. */
  died(readyAt: Instant | undefined, now: Instant): number | undefined {
    if (readyAt !== undefined && now - readyAt >= QUICK) {
      this.#quick = 0;
      return 0;
    }
    this.#quick += 1;
    if (this.#quick > this.#most) return undefined;
    return Math.min(WAIT_MOST, WAIT_LEAST * 2 ** (this.#quick - 1));
  }
}
