/** An entry as it was heard. */
export interface Numbered {
  readonly offset: number;
  /** The entry before it in its room. */
  readonly before: number;
}

/** More of one room are not held. */
const HELD_MOST = 1000;

/**
 * Entries that came before the one that they follow: a server that takes entries of several connections at a time may publish them again in
 * another order than it has numbered them in.
 */
export class HeldEntries<T extends Numbered> {
  /** By offset. */
  #held: T[] = [];

  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** False when there is no room. */
  hold(entry: T): boolean {
    if (this.#held.length >= HELD_MOST) return false;
    const at = this.#held.findIndex(({ offset }) => offset > entry.offset);
    this.#held.splice(at < 0 ? this.#held.length : at, 0, entry);
    return true;
  }

  /** The first one, when nothing is missing before it: `newest` is the last one that was taken. */
  next(newest: number): T | undefined {
    const [first] = this.#held;
    return first !== undefined && first.before <= newest ? this.#held.shift() : undefined;
  }

  takeAll(): readonly T[] {
    const all = this.#held;
    this.#held = [];
    return all;
  }
}
