/** Who can stand in rows: a bit for each that it stands in, which is the rows' own. */
export interface Standing {
  rows: number;
}

const LEAST = 16;

/**
 * A queue in which each stands once. In the steady state it allocates nothing: a Set that is added to and deleted from makes itself a new
 * table every few times, among what lives long, and has the collector go over everything.
 */
export class Row<Item extends Standing> {
  readonly #bit: number;
  /** A ring: from `#head` on, `#length` of them. Who was removed still has his place, without the bit. */
  #items: (Item | undefined)[] = new Array<Item | undefined>(LEAST).fill(undefined);
  #head = 0;
  #length = 0;

  /** @param bit Of `rows`; another one for each row that the same may stand in. */
  constructor(bit: number) {
    this.#bit = bit;
  }

  /** How many places there are to shift; of some nobody may come. */
  get length(): number {
    return this.#length;
  }

  /** Adds it at the end, unless it stands in the row. */
  add(item: Item): void {
    if ((item.rows & this.#bit) !== 0) return;
    item.rows |= this.#bit;
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#length++) & (this.#items.length - 1)] = item;
  }

  remove(item: Item): void {
    item.rows &= ~this.#bit;
  }

  /** Takes out the first one; undefined: there is none. */
  shift(): Item | undefined {
    while (this.#length > 0) {
      const item = this.#items[this.#head];
      this.#items[this.#head] = undefined;
      this.#head = (this.#head + 1) & (this.#items.length - 1);
      this.#length--;
      if (item === undefined || (item.rows & this.#bit) === 0) continue;
      item.rows &= ~this.#bit;
      return item;
    }
    return undefined;
  }

  #grow(): void {
    const items = new Array<Item | undefined>(this.#items.length * 2).fill(undefined);
    for (let at = 0; at < this.#length; at++) items[at] = this.#items[(this.#head + at) & (this.#items.length - 1)];
    this.#items = items;
    this.#head = 0;
  }
}
