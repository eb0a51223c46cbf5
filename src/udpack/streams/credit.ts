import type { Instant } from '../../core/index.ts';

/** What is left by which windows of streams may grow, shared by the streams of a session. */
export interface GrowthPool {
  left: number;
}

/**
 * A window that was all used within so many round trips grows: a sender that gets one per round trip is held back by the window, and not by
 * the path; where a loss has to be made good first, one takes two or three.
 */
const GROWS_WITHIN = 4;

/** A sender that may send less than this is as good as blocked: it is told of any credit at once. */
const NEARLY_BLOCKED = 2400;

/**
 * Credit that this side gives to the peer for one stream, or for the session. The peer may send up to what was `announced`; what it
 * sent is `received`; what this machine has got rid of, to the application or into a packet that is being put together, is `released`.
 * So no more than `window` is held here, or on its way.
 */
export class ReceiveCredit {
  window: number;
  announced: number;
  received = 0;
  released = 0;
  readonly #most: number;
  readonly #pool: GrowthPool | undefined;
  #epochAt: Instant | undefined;
  #epochReleased = 0;
  #grown = 0;

  /** @param pool Where growth is taken from; without it, it is free up to `most`. */
  constructor(window: number, most: number, pool?: GrowthPool) {
    this.window = window;
    this.announced = window;
    this.#most = Math.max(window, most);
    this.#pool = pool;
  }

  /** Whether the peer should hear of more credit: a quarter of the window is to be had, or it can hardly send. */
  get due(): boolean {
    const more = this.released + this.window - this.announced;
    return more > 0 && (more * 4 >= this.window || this.announced - this.received < NEARLY_BLOCKED);
  }

  /** What to announce now. Doubles the window if all of it was used within four round trips. */
  announce(now: Instant, rtt: number): number {
    if (this.#epochAt === undefined) this.#begin(now);
    else if (this.released - this.#epochReleased >= this.window) {
      if (now - this.#epochAt < GROWS_WITHIN * rtt) this.growTo(this.window * 2);
      this.#begin(now);
    }
    this.announced = Math.max(this.announced, this.released + this.window);
    return this.announced;
  }

  /** Makes the window at least so large, as far as the limits allow. */
  growTo(window: number): void {
    let more = Math.min(window, this.#most) - this.window;
    if (this.#pool !== undefined) more = Math.min(more, this.#pool.left);
    if (more <= 0) return;
    if (this.#pool !== undefined) this.#pool.left -= more;
    this.#grown += more;
    this.window += more;
  }

  /** Gives back what growth took from the pool. */
  close(): void {
    if (this.#pool !== undefined) this.#pool.left += this.#grown;
    this.#grown = 0;
  }

  #begin(now: Instant): void {
    this.#epochAt = now;
    this.#epochReleased = this.released;
  }
}
