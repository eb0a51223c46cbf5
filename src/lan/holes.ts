import type { Instant } from '../core/index.ts';
import type { Range } from './datagrams.ts';
import type { GapReason } from './types.ts';

/** Numbers from `from` up to, not including, `to`, that are missing. */
export interface Hole {
  from: number;
  to: number;
  /** How often it was asked for since the last of it came. */
  asks: number;
  /** When it is asked for, or asked for again; when it is given up after the last time. */
  askAt: Instant;
  /** Why it never comes; undefined while it may. */
  lost: GapReason | undefined;
  /** It is from before this subscriber came: that it comes is no recovery. */
  readonly old: boolean;
}

/** What is missing of one publisher's messages, in their order; no two touch that are alike and weren't asked for. */
export class Holes {
  readonly #list: Hole[] = [];

  get count(): number {
    return this.#list.length;
  }

  get first(): Hole | undefined {
    return this.#list[0];
  }

  /** Numbers that may still come. */
  get missing(): number {
    return this.#list.reduce((sum, hole) => sum + (hole.lost === undefined ? hole.to - hole.from : 0), 0);
  }

  shift(): void {
    this.#list.shift();
  }

  /** Adds what is behind all that is missing so far. */
  append(from: number, to: number, askAt: Instant, old = false): void {
    const last = this.#list.at(-1);
    if (last?.to === from && last.asks === 0 && last.lost === undefined && last.old === old) last.to = to;
    else this.#list.push({ from, to, asks: 0, askAt, lost: undefined, old });
  }

  /**
   * Takes a range out, since it came. Returns how many of its numbers were missing; `asked` hears of the pieces that had been asked for.
   * What is left of a hole is asked for again at `askAt`.
   */
  fill(from: number, to: number, askAt: Instant, asked: (from: number, to: number) => void): number {
    let filled = 0;
    for (let i = this.#find(from); i < this.#list.length; i++) {
      const hole = this.#list[i] as Hole;
      if (hole.from >= to) break;
      const piece = { from: Math.max(from, hole.from), to: Math.min(to, hole.to) };
      filled += piece.to - piece.from;
      if (hole.asks > 0 && !hole.old) asked(piece.from, piece.to);
      i += this.#cut(i, hole, piece, askAt);
    }
    return filled;
  }

  /** Says of a range that it never comes; only what is missing is meant. */
  lose(from: number, to: number, reason: GapReason): void {
    for (let i = this.#find(from); i < this.#list.length; i++) {
      const hole = this.#list[i] as Hole;
      if (hole.from >= to) return;
      if (hole.lost !== undefined) continue;
      if (hole.from < from) this.split(i++, from);
      if ((this.#list[i] as Hole).to > to) this.split(i, to);
      (this.#list[i] as Hole).lost = reason;
    }
  }

  /** The first `most` holes that may still come. None of them is longer than `length`: what is, is split. */
  open(most: number, length: number): Hole[] {
    const open: Hole[] = [];
    for (let i = 0; i < this.#list.length && open.length < most; i++) {
      const hole = this.#list[i] as Hole;
      if (hole.lost !== undefined) continue;
      if (hole.to - hole.from > length) this.split(i, hole.from + length);
      open.push(hole);
    }
    return open;
  }

  /** Makes two of a hole. */
  split(place: number, at: number): void {
    const hole = this.#list[place] as Hole;
    this.#list.splice(place + 1, 0, { ...hole, from: at });
    hole.to = at;
  }

  /** The place of the first hole that ends behind `from`. */
  #find(from: number): number {
    let low = 0;
    let high = this.#list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#list[middle] as Hole).to <= from) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Takes a piece out of the hole at this place; returns by how much the places of those behind it move. */
  #cut(place: number, hole: Hole, piece: Range, askAt: Instant): number {
    if (hole.asks > 0) {
      hole.asks = 1;
      hole.askAt = askAt;
    }
    if (piece.from === hole.from && piece.to === hole.to) {
      this.#list.splice(place, 1);
      return -1;
    }
    if (piece.from === hole.from) hole.from = piece.to;
    else {
      if (piece.to < hole.to) this.split(place, piece.to);
      hole.to = piece.from;
    }
    return 0;
  }
}
