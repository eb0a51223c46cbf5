import type { Instant } from '../../core/index.ts';

/** What a pacer goes by; a `Controller` has it. */
export interface Pace {
  /** Bytes per ms; Infinity: not paced. */
  readonly pacingRate: number;
  /** Bytes that may leave in one burst. */
  readonly sendQuantum: number;
}

/** How much of a late timer's time is made up for, in ms and in bytes. */
const LATE_MOST = 20;
const LATE_BYTES = 131_072;

/**
 * Spreads what is sent over time: a bucket of bytes that fills at the pacing rate and holds one burst. Made for timers of 1 ms: who waits for
 * `nextAt` and comes late gets what the rate gave meanwhile, up to 20 ms or 128 KiB of it, so that the rate is met on average; who was not
 * waiting gets one burst at most.
 */
export class Pacer {
  readonly #pace: Pace;
  #credit = 0;
  #filledAt: Instant | undefined;
  /** When a sender that waits was told to come; undefined when nobody waits. */
  #promised: Instant | undefined;

  constructor(pace: Pace) {
    this.#pace = pace;
  }

  /** Whether `size` bytes may leave now. */
  allow(now: Instant, size: number): boolean {
    if (this.#pace.pacingRate === Infinity) return true;
    this.#fill(now);
    return this.#credit >= Math.min(size, this.#pace.sendQuantum);
  }

  /** `size` bytes left. To be called for all that left, paced or not. */
  spent(now: Instant, size: number): void {
    if (this.#pace.pacingRate === Infinity) return;
    this.#fill(now);
    // What leaves without leave (probes) is owed, but no more than a burst.
    this.#credit = Math.max(this.#credit - size, -this.#pace.sendQuantum);
  }

  /**
   * When there will be credit for `size` bytes, and at fast rates for about 1 ms's worth. `now` if it is there already. Asking means to
   * wait: a sender that is late then isn't punished.
   */
  nextAt(now: Instant, size: number): Instant {
    if (this.allow(now, size)) return now;
    const rate = this.#pace.pacingRate;
    const wanted = Math.max(Math.min(size, this.#pace.sendQuantum), Math.min(rate, this.#pace.sendQuantum));
    this.#promised = now + (wanted - this.#credit) / rate;
    return this.#promised;
  }

  #fill(now: Instant): void {
    const { pacingRate: rate, sendQuantum } = this.#pace;
    if (this.#filledAt === undefined) {
      this.#filledAt = now;
      this.#credit = sendQuantum;
      return;
    }
    if (now <= this.#filledAt) return;
    this.#credit += rate * (now - this.#filledAt);
    this.#filledAt = now;
    let room = sendQuantum;
    if (this.#promised !== undefined && now >= this.#promised) {
      room += Math.min(rate * Math.min(now - this.#promised, LATE_MOST), LATE_BYTES);
      this.#promised = undefined;
    }
    if (this.#credit > room) this.#credit = room;
  }
}
