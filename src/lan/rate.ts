import type { Instant } from '../core/index.ts';

/** A token bucket: so much a second in the long run, and so much at once. */
export class Rate {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at: Instant;

  constructor(perSecond: number, burst: number, now: Instant) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = now;
  }

  /** Whether so much may be used now; if so, it is. What is more than the burst may be used when the bucket is full, and is owed. */
  take(amount: number, now: Instant): boolean {
    this.#fill(now);
    if (this.#tokens < Math.min(amount, this.#burst)) return false;
    this.#tokens -= amount;
    return true;
  }

  /**
   * When `take` of this amount will say true, unless others take before; Infinity at a rate of 0. What isn't ready now is not before a
   * millisecond: a shorter wait might be none, by rounding.
   */
  readyAt(amount: number, now: Instant): Instant {
    this.#fill(now);
    const missing = Math.min(amount, this.#burst) - this.#tokens;
    return missing <= 0 ? now : now + Math.max(1, missing / this.#perMs);
  }

  /** A bucket that is full again need not be remembered. */
  isFull(now: Instant): boolean {
    this.#fill(now);
    return this.#tokens === this.#burst;
  }

  #fill(now: Instant): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
  }
}
