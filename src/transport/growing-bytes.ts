/**
 * Bytes that arrive in pieces. Memory is taken as they come, at most four times as much as there are: an announced
 * length alone costs nothing.
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
      const grown = new Uint8Array(Math.min(limit, Math.max(4 * length, FIRST_STEP_BYTES)));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
  }
}

const EMPTY = new Uint8Array(0);
const FIRST_STEP_BYTES = 1024;
