const FIRST_BYTES = 1024;

/** The last bytes of a direction: the window over which compression looks back. Memory is taken as it fills. */
export class History {
  readonly #most: number;
  #memory: Uint8Array = new Uint8Array(0);
  #length = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** A view that holds until the next `add`; undefined while there is nothing. */
  get bytes(): Uint8Array | undefined {
    return this.#length === 0 ? undefined : this.#memory.subarray(0, this.#length);
  }

  add(bytes: Uint8Array): void {
    const fresh = bytes.length > this.#most ? bytes.subarray(bytes.length - this.#most) : bytes;
    const kept = Math.min(this.#length, this.#most - fresh.length);
    const before = this.#memory;
    const length = kept + fresh.length;
    if (length > before.length) {
      this.#memory = new Uint8Array(Math.min(this.#most, Math.max(length, before.length * 2, FIRST_BYTES)));
    }
    this.#memory.set(before.subarray(this.#length - kept, this.#length));
    this.#memory.set(fresh, kept);
    this.#length = length;
  }
}
