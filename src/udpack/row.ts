/** Who can stand in rows: two bits for each that it stands in, which are the rows' own. */
export interface Standing {
  rows: number;
}

const LEAST = 16;
/** From the bit of who stands in a row to that of who has a place there: who was removed has, until it is his turn. */
const PLACE = 8;

/**
 * A queue in which each stands once. In the steady state it allocates nothing: a Set that is added to and deleted from makes itself a new
 * table every few times, among what lives long, and has the collector go over everything.
 */
export class Row<Item extends Standing> {
  readonly #bit: number;
  readonly #placeBit: number;
  /** A ring: from `#head` on, `#length` of them. Nobody has two places: who was removed and comes again stands where he stood. */
  #items: (Item | undefined)[] = new Array<Item | undefined>(LEAST).fill(undefined);
  #head = 0;
  #length = 0;

  /** @param bit Of the lower eight of `rows`; another one for each row that the same may stand in. */
  constructor(bit: number) {
    this.#bit = bit;
    this.#placeBit = bit << PLACE;
  }

  /** How many places there are to shift; of some nobody may come. */
  get length(): number {
    return this.#length;
  }

  /** Adds it at the end, unless it has a place. */
  add(item: Item): void {
    item.rows |= this.#bit;
    if ((item.rows & this.#placeBit) !== 0) return;
    item.rows |= this.#placeBit;
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
      if (item === undefined) continue;
      const stands = (item.rows & this.#bit) !== 0;
      item.rows &= ~(this.#bit | this.#placeBit);
      if (stands) return item;
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
