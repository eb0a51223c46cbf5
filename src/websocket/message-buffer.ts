/** The least that is taken at once, where the message may grow to it. */
const FIRST_BYTES = 4096;
/** The memory taken is at most this many times what the peer has really sent. */
const GROWTH = 4;

const EMPTY = new Uint8Array(0);

/** Makes memory, whatever lies in it: `Buffer.allocUnsafeSlow` of Node is one. */
export type Allocate = (length: number) => Uint8Array;

/** Where a message is put together that came in several chunks or fragments. */
export class MessageBuffer {
  /** Bytes put in so far. */
  length = 0;
  #bytes: Uint8Array = EMPTY;
  readonly #allocate: Allocate;

  constructor(allocate: Allocate = (length) => new Uint8Array(length)) {
    this.#allocate = allocate;
  }

  /** Bytes of memory taken. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /**
   * Puts in `bytes` from `start` to `end`. `ceiling` is what the message can still grow to; memory is taken in steps
   * towards it, so that announcing a long message costs nobody anything until it is sent.
   */
  append(bytes: Uint8Array, start: number, end: number, ceiling: number): void {
    const needed = this.length + end - start;
    if (needed > this.#bytes.length) this.#grow(needed, ceiling);
    this.#bytes.set(view(bytes, start, end), this.length);
    this.length = needed;
  }

  /** The whole message; the buffer is empty afterwards and keeps no memory. What lies behind the message is zeros. */
  take(): Uint8Array {
    if (this.length < this.#bytes.length) this.#bytes.fill(0, this.length);
    const whole = view(this.#bytes, 0, this.length);
    this.#bytes = EMPTY;
    this.length = 0;
    return whole;
  }

  #grow(needed: number, ceiling: number): void {
    const wanted = Math.max(needed * GROWTH, FIRST_BYTES);
    const grown = this.#allocate(Math.max(needed, Math.min(wanted, ceiling)));
    grown.set(view(this.#bytes, 0, this.length));
    this.#bytes = grown;
  }
}

/** A plain view, which costs half as much as the `subarray` of a subclass. */
export function view(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}
