/**
 * A set of whole numbers, kept as ascending half-open ranges `[from, to)` that neither touch nor overlap. Made for few ranges:
 * searching is binary, inserting moves what comes after.
 */
export class Ranges {
  /** from, to, from, to … */
  readonly #edges: number[] = [];

  /** How many ranges there are. */
  get count(): number {
    return this.#edges.length / 2;
  }

  get empty(): boolean {
    return this.#edges.length === 0;
  }

  /** The lowest number, or undefined. */
  get first(): number | undefined {
    return this.#edges[0];
  }

  /** One past the highest number; 0 when empty. */
  get end(): number {
    return this.#edges.at(-1) ?? 0;
  }

  /** Where range `at` begins; ranges are counted from 0, the lowest first. */
  fromAt(at: number): number {
    return this.#edges[at * 2] ?? 0;
  }

  /** Where range `at` ends: the first number that is not in it. */
  toAt(at: number): number {
    return this.#edges[at * 2 + 1] ?? 0;
  }

  has(value: number): boolean {
    // A number is inside when an odd number of edges lies at or below it.
    return (this.#edgesUpTo(value) & 1) === 1;
  }

  /** Whether every number of `[from, to)` is in the set. */
  covers(from: number, to: number): boolean {
    if (from >= to) return true;
    const at = this.#edgesUpTo(from);
    return (at & 1) === 1 && (this.#edges[at] ?? 0) >= to;
  }

  /** Whether a number of `[from, to)` is in the set. */
  overlaps(from: number, to: number): boolean {
    const at = this.indexAt(from);
    return from < to && at < this.count && this.fromAt(at) < to;
  }

  /** Which range `value` lies in, or else the first one after it; `count` if there is none. */
  indexAt(value: number): number {
    return this.#edgesUpTo(value) >>> 1;
  }

  /** Adds `[from, to)` and returns how many of its numbers were new. */
  add(from: number, to: number): number {
    if (from >= to) return 0;
    const edges = this.#edges;
    const last = edges.length - 1;
    // What comes in order makes the last range longer.
    if (last > 0 && edges[last] === from) {
      edges[last] = to;
      return to - from;
    }
    let start = this.#edgesBelow(from);
    let end = this.#edgesUpTo(to);
    let fresh = to - from;
    const first = start & 1 ? (edges[--start] ?? 0) : from;
    const after = end & 1 ? (edges[end++] ?? 0) : to;
    for (let at = start; at < end; at += 2) {
      fresh -= Math.max(0, Math.min(edges[at + 1] ?? 0, to) - Math.max(edges[at] ?? 0, from));
    }
    edges.splice(start, end - start, first, after);
    return fresh;
  }

  /** Takes `[from, to)` out. */
  remove(from: number, to: number): void {
    if (from >= to || this.empty) return;
    const edges = this.#edges;
    const start = this.#edgesBelow(from);
    const end = this.#edgesUpTo(to);
    const kept: number[] = [];
    if (start & 1) kept.push(from);
    if (end & 1) kept.push(to);
    edges.splice(start, end - start, ...kept);
  }

  /** Takes the lowest `count` ranges out. */
  dropFirst(count: number): void {
    this.#edges.splice(0, count * 2);
  }

  clear(): void {
    this.#edges.length = 0;
  }

  /** How many edges are at or below `value`. */
  #edgesUpTo(value: number): number {
    const edges = this.#edges;
    let low = 0;
    let high = edges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((edges[middle] ?? 0) <= value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** How many edges are below `value`. */
  #edgesBelow(value: number): number {
    const edges = this.#edges;
    let low = 0;
    let high = edges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((edges[middle] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
