/**
 * Bytes that arrive in pieces. Memory is taken as they come, doubling up to the limit: an announced length alone costs
 * nothing.
 */
export class GrowingBytes {
  #bytes: Uint8Array = EMPTY;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** All bytes so far. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Appends `bytes`; `limit` is the most that will ever be asked for and must not be crossed. */
  append(bytes: Uint8Array, limit: number): void {
    const length = this.#length + bytes.length;
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(limit, Math.max(length, 2 * this.#bytes.length, FIRST_STEP_BYTES)));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
  }
}

const EMPTY = new Uint8Array(0);
const FIRST_STEP_BYTES = 4096;
