import type { Instant } from '../core/index.ts';

interface Entry<Item> {
  readonly at: Instant;
  readonly item: Item;
}

/** When each of many items wants to be looked at: a binary heap. An item that changes its mind leaves its old entry to be skipped. */
export class Deadlines<Item> {
  #heap: Entry<Item>[] = [];
  readonly #wanted = new Map<Item, Instant>();

  /** When the first one is due. */
  get next(): Instant | undefined {
    this.#skip();
    return this.#heap[0]?.at;
  }

  /** The item is to be looked at then; undefined: not at all. */
  set(item: Item, at: Instant | undefined): void {
    const before = this.#wanted.get(item);
    if (before === at) return;
    if (at === undefined) this.#wanted.delete(item);
    else {
      this.#wanted.set(item, at);
      this.#push({ at, item });
    }
    if (this.#heap.length > 64 && this.#heap.length > this.#wanted.size * 4) this.#rebuild();
  }

  /** Takes out an item that is due at `now`. */
  take(now: Instant): Item | undefined {
    this.#skip();
    const first = this.#heap[0];
    if (first === undefined || first.at > now) return undefined;
    this.#pop();
    this.#wanted.delete(first.item);
    return first.item;
  }

  /** Drops entries at the top that are no longer meant. */
  #skip(): void {
    for (let top = this.#heap[0]; top !== undefined && this.#wanted.get(top.item) !== top.at; top = this.#heap[0])
      this.#pop();
  }

  #rebuild(): void {
    this.#heap = [];
    for (const [item, at] of this.#wanted) this.#push({ at, item });
  }

  #push(entry: Entry<Item>): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const above = heap[parent];
      if (above === undefined || above.at <= entry.at) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if ((heap[child + 1]?.at ?? Number.POSITIVE_INFINITY) < (heap[child]?.at ?? 0)) child++;
      const below = heap[child];
      if (below === undefined || below.at >= last.at) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}
