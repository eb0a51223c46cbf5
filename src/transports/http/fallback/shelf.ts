/**
 * Events on their way down a link, as bytes: each is kept until the client says that it was heard, so that a stream which broke can go on where it
 * was. Events are numbered from 1. A pure machine: who sends the bytes is told how many may go.
 */
export class Shelf {
  readonly #keptBytes: number;
  /** Bytes of events that are not acknowledged, in order; the first chunk may begin with bytes that are. */
  #chunks: Uint8Array[] = [];
  /** How much of the first chunk is acknowledged. */
  #skip = 0;
  /** The chunk that was given to the stream last, and where it begins: those before it need not be looked at again. */
  #at = 0;
  #atStart = 0;
  /** Where events end that are not acknowledged, counted in bytes from the link's beginning. */
  #ends: number[] = [];
  /** Where the last event ends of those that were announced. */
  #announced = 0;
  /** Where the first event begins that is not acknowledged, and its number. */
  #base = 0;
  #first = 1;
  #written = 0;
  #sent = 0;

  /** So many bytes at the most are sent ahead of what is acknowledged, or one event where that is longer. */
  constructor(keptBytes: number) {
    this.#keptBytes = keptBytes;
  }

  /** The number of the next event. */
  get next(): number {
    return this.#first + this.#ends.length;
  }

  /** Bytes put here since the beginning. */
  get written(): number {
    return this.#written;
  }

  /** Up to where the present stream has been given them. */
  get sent(): number {
    return this.#sent;
  }

  /** Whether all that was announced is put here and given to the stream: only then may something stand between two events. */
  get isBetweenEvents(): boolean {
    return this.#sent === this.#announced;
  }

  /** The next event will have so many bytes. */
  announce(length: number): void {
    this.#announced += length;
    this.#ends.push(this.#announced);
  }

  /** Puts down bytes of events that were announced; they are the shelf's from here on. */
  put(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#written += bytes.length;
  }

  /** The client has heard all events up to this number. False for a number that it can't have heard. */
  acknowledge(number: number): boolean {
    const count = number - this.#first + 1;
    if (!Number.isInteger(number) || number < 0 || count > this.#ends.length) return false;
    if (count <= 0) return true;
    const base = this.#ends[count - 1] as number;
    // What is not even written can't have been heard.
    if (base > this.#written) return false;
    this.#ends.splice(0, count);
    this.#first += count;
    this.#forget(base);
    if (this.#sent < base) this.#sent = base;
    return true;
  }

  /** A new stream begins with the first event that is not acknowledged. */
  rewind(): void {
    this.#sent = this.#base;
    this.#at = 0;
    this.#atStart = this.#base - this.#skip;
  }

  /** The next bytes for the stream, `most` at the most; undefined when there are none, or none that may go yet. */
  take(most: number): Uint8Array | undefined {
    const first = this.#ends[0] ?? this.#base;
    const limit = Math.min(this.#written, this.#sent + most, Math.max(first, this.#base + this.#keptBytes));
    if (limit <= this.#sent) return undefined;
    const pieces: Uint8Array[] = [];
    while (this.#sent < limit) {
      const chunk = this.#chunks[this.#at] as Uint8Array;
      const end = this.#atStart + chunk.length;
      if (end > this.#sent) {
        const piece = chunk.subarray(this.#sent - this.#atStart, Math.min(end, limit) - this.#atStart);
        pieces.push(piece);
        this.#sent += piece.length;
      }
      if (end <= this.#sent) {
        this.#at += 1;
        this.#atStart = end;
      }
    }
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
  }

  /**
   * Up to where to send so that whole events go, about `most` bytes of what is put here, or one event where that is longer: then it may not be put here
   * wholly yet. Undefined when there is none.
   */
  endWithin(most: number): number | undefined {
    if (this.#sent === this.#written) return undefined;
    const limit = Math.min(this.#written, this.#sent + most, this.#base + this.#keptBytes);
    let end: number | undefined;
    for (const one of this.#ends) {
      if (one <= this.#sent) continue;
      if (end !== undefined && one > limit) break;
      end = one;
    }
    return end;
  }

  #forget(base: number): void {
    let skip = this.#skip + base - this.#base;
    let gone = 0;
    for (; gone < this.#chunks.length; gone++) {
      const { length } = this.#chunks[gone] as Uint8Array;
      if (skip < length) break;
      skip -= length;
    }
    this.#chunks.splice(0, gone);
    this.#skip = skip;
    this.#base = base;
    this.#at -= gone;
    if (this.#at >= 0) return;
    this.#at = 0;
    this.#atStart = base - skip;
  }
}
