import { FRAME, type Framer, HEAD_BYTES } from './frame.ts';

/** The longest frame that travels in pieces, bytes. */
export const FRAGMENTED_BYTES: number = 16 * 1024 * 1024;
/** Behind the head of a piece: the length of the whole, where in it this piece belongs, and the number of the whole; 4 bytes each. */
const PIECE_HEAD = HEAD_BYTES + 12;

/** The frames that carry a frame that is longer than `most`. */
export function piecesOf(frame: Uint8Array, framer: Framer, most: number): Uint8Array[] {
  const room = most - PIECE_HEAD;
  const pieces: Uint8Array[] = [];
  const number = framer.nextCut();
  for (let at = 0; at < frame.length; at += room) {
    const part = frame.subarray(at, at + room);
    const piece = new Uint8Array(PIECE_HEAD + part.length);
    piece.set(framer.head(FRAME.fragment));
    const view = new DataView(piece.buffer);
    view.setUint32(HEAD_BYTES, frame.length);
    view.setUint32(HEAD_BYTES + 4, at);
    view.setUint32(HEAD_BYTES + 8, number);
    piece.set(part, PIECE_HEAD);
    pieces.push(piece);
  }
  return pieces;
}

/** Puts the pieces of one sender together, which come one behind the other. */
export class Pieces {
  #parts: Uint8Array[] = [];
  #length = 0;
  #total = 0;
  #number = 0;

  /** The whole frame with its last piece; nothing before it, nor when a piece was missed; `false` for what is none, or too long a whole. */
  add(piece: Uint8Array): Uint8Array | false | undefined {
    if (piece.length <= PIECE_HEAD) return this.#give(false);
    const view = new DataView(piece.buffer, piece.byteOffset);
    const total = view.getUint32(HEAD_BYTES);
    const at = view.getUint32(HEAD_BYTES + 4);
    const number = view.getUint32(HEAD_BYTES + 8);
    const part = piece.subarray(PIECE_HEAD);
    if (total > FRAGMENTED_BYTES || at + part.length > total) return this.#give(false);
    if (at === 0) this.#begin(total, number);
    // Who begins to hear in the middle, or lost a piece, has nothing to add it to.
    if (at !== this.#length || total !== this.#total || number !== this.#number) return this.#give(undefined);
    this.#parts.push(part);
    this.#length += part.length;
    return this.#length < total ? undefined : this.#give(this.#whole());
  }

  #begin(total: number, number: number): void {
    this.#parts = [];
    this.#length = 0;
    this.#total = total;
    this.#number = number;
  }

  #whole(): Uint8Array {
    const whole = new Uint8Array(this.#total);
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  #give<T>(what: T): T {
    this.#begin(0, 0);
    return what;
  }
}
