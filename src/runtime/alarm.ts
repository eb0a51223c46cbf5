import type { Instant } from '../core/index.ts';

export function now(): Instant {
  return performance.now();
}

/** A delay over 2^31 - 1 ms would fire at once. */
const DELAY_MOST = 2 ** 31 - 1;

/**
 * One timer of Node that is moved about all the time. It is armed anew only to fire earlier; when it fires before its time has come, it says nothing
 * and arms itself for the rest.
 */
export class Alarm {
  readonly #ring: () => void;
  #handle: NodeJS.Timeout | undefined;
  /** What it is armed for, and what is wanted. */
  #armed: Instant = Number.POSITIVE_INFINITY;
  #wanted: Instant = Number.POSITIVE_INFINITY;
  #ref = true;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Rings once at `at`, or never for undefined. What was set before is forgotten. */
  set(at: Instant | undefined): void {
    this.#wanted = at ?? Number.POSITIVE_INFINITY;
    if (this.#wanted < this.#armed) this.#arm();
  }

  /** Whether it keeps the process alive. */
  keepAlive(ref: boolean): void {
    this.#ref = ref;
    if (ref) this.#handle?.ref();
    else this.#handle?.unref();
  }

  clear(): void {
    clearTimeout(this.#handle);
    this.#handle = undefined;
    this.#armed = Number.POSITIVE_INFINITY;
    this.#wanted = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    clearTimeout(this.#handle);
    this.#armed = this.#wanted;
    const delay = Math.min(Math.max(0, Math.ceil(this.#wanted - now())), DELAY_MOST);
    this.#handle = setTimeout(() => this.#fire(), delay);
    if (!this.#ref) this.#handle.unref();
  }

  #fire(): void {
    this.#handle = undefined;
    this.#armed = Number.POSITIVE_INFINITY;
    if (this.#wanted === Number.POSITIVE_INFINITY) return;
    if (now() < this.#wanted) {
      this.#arm();
      return;
    }
    this.#wanted = Number.POSITIVE_INFINITY;
    this.#ring();
  }
}
