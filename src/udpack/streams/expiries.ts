import type { Instant } from '../../core/index.ts';

/** What has only so long to live. */
export interface Expiring {
  readonly expires: Instant;
  /** Whether it no longer matters that it grows old. */
  readonly over: boolean;
  /** It has grown too old. */
  expire(now: Instant): void;
}

/** What grows old, the next one first: a binary heap. What is over is left in it until it comes up, or is most of it. */
export class Expiries {
  #heap: Expiring[] = [];
  #sweepAt = 64;

  get size(): number {
    return this.#heap.length;
  }

  /** When the next one is due. */
  get next(): Instant | undefined {
    while (this.#heap[0]?.over === true) this.#pop();
    return this.#heap[0]?.expires;
  }

  add(item: Expiring): void {
    if (this.#heap.length >= this.#sweepAt) this.#sweep();
    this.#heap.push(item);
    this.#up(this.#heap.length - 1);
  }

  /** Expires all that are due. */
  run(now: Instant): void {
    for (let next = this.next; next !== undefined && next <= now; next = this.next) this.#pop()?.expire(now);
  }

  #sweep(): void {
    this.#heap = this.#heap.filter((item) => !item.over).toSorted((a, b) => a.expires - b.expires);
    this.#sweepAt = Math.max(64, this.#heap.length * 2);
  }

  #pop(): Expiring | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) {
      heap[0] = last;
      this.#down();
    }
    return top;
  }

  #up(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (this.#expires(parent) <= this.#expires(at)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #down(): void {
    let at = 0;
    for (;;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (this.#expires(child) < this.#expires(least)) least = child;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #expires(at: number): Instant {
    return this.#heap[at]?.expires ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const heap = this.#heap;
    const [x, y] = [heap[a], heap[b]];
    if (x === undefined || y === undefined) return;
    heap[a] = y;
    heap[b] = x;
  }
}
