import { Ranges } from '../ranges.ts';

const PAGE_BYTES = 4096;

/**
 * What came before its turn. Bytes lie in pages by their offset, so that memory follows the span from the first missing byte to the
 * last that came, which credit bounds, however small the pieces and however often they come.
 */
export class Reorder {
  /** What is here, from the first missing byte on. */
  readonly held: Ranges = new Ranges();
  readonly #pages: Map<number, Uint8Array> = new Map();

  get bytes(): number {
    return this.#pages.size * PAGE_BYTES;
  }

  insert(offset: number, data: Uint8Array): void {
    this.held.add(offset, offset + data.length);
    for (let at = 0; at < data.length; ) {
      const index = Math.floor((offset + at) / PAGE_BYTES);
      const within = offset + at - index * PAGE_BYTES;
      const length = Math.min(data.length - at, PAGE_BYTES - within);
      this.#page(index).set(data.subarray(at, at + length), within);
      at += length;
    }
  }

  /** What is here from `from` on, up to `to` or a page's end. */
  piece(from: number, to: number): Uint8Array {
    const index = Math.floor(from / PAGE_BYTES);
    const within = from - index * PAGE_BYTES;
    return this.#page(index).subarray(within, Math.min(PAGE_BYTES, within + to - from));
  }

  /** A copy of `[from, to)`. */
  copy(from: number, to: number): Uint8Array {
    const bytes = new Uint8Array(to - from);
    for (let at = from; at < to; ) {
      const piece = this.piece(at, to);
      bytes.set(piece, at - from);
      at += piece.length;
    }
    return bytes;
  }

  /** Lets go of what lies below `to`; what lies below `from` is gone already. */
  drop(from: number, to: number): void {
    if (!this.held.empty) this.held.remove(0, to);
    if (this.#pages.size === 0) return;
    const last = Math.floor(to / PAGE_BYTES);
    for (let index = Math.floor(from / PAGE_BYTES); index < last; index++) this.#pages.delete(index);
    if (this.held.empty) this.#pages.delete(last);
  }

  clear(): void {
    this.held.clear();
    this.#pages.clear();
  }

  #page(index: number): Uint8Array {
    let page = this.#pages.get(index);
    if (page === undefined) {
      page = new Uint8Array(PAGE_BYTES);
      this.#pages.set(index, page);
    }
    return page;
  }
}
