import type { Instant } from '../../../src/core/index.ts';

interface Entry {
  readonly at: Instant;
  readonly order: number;
  readonly run: () => void;
}

/** What is to happen, in virtual time; what is due at the same time happens in the order it was asked for. */
export class Events {
  now: Instant = 0;
  readonly #heap: Entry[] = [];
  #order = 0;

  at(at: Instant, run: () => void): void {
    const entry: Entry = { at: Math.max(at, this.now), order: this.#order++, run };
    const heap = this.#heap;
    let place = heap.length;
    heap.push(entry);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const other = heap[parent] as Entry;
      if (!before(entry, other)) break;
      heap[place] = other;
      place = parent;
    }
    heap[place] = entry;
  }

  /** Runs all that is due up to `end`. */
  runUntil(end: Instant): void {
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#dropFirst();
      this.now = next.at;
      next.run();
    }
    this.now = end;
  }

  #dropFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    let place = 0;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Entry, heap[child] as Entry)) child++;
      if (!before(heap[child] as Entry, last)) break;
      heap[place] = heap[child] as Entry;
      place = child;
    }
    heap[place] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
