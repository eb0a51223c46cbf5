/** Bytes of a channel that came and were not read yet, in chunks as they came. One reader. */
export class Inbox {
  /** Called when there is something to read, or when nothing will come any more. */
  onChange: (() => void) | undefined;
  /** Nothing will come any more; why, when it is not the ordinary end. */
  ended = false;
  error: Error | undefined;
  readonly #read: (size: number) => void;
  #chunks: { readonly bytes: Uint8Array; readonly size: number }[] = [];
  /** Nobody wants to read: what comes is dropped. */
  #shut = false;

  /** `read` hears the size of what was taken out, as it counts against the credit. */
  constructor(read: (size: number) => void) {
    this.#read = read;
  }

  put(bytes: Uint8Array, size: number): void {
    if (this.#shut) {
      this.#read(size);
      return;
    }
    this.#chunks.push({ bytes, size });
    this.onChange?.();
  }

  take(): Uint8Array | undefined {
    const chunk = this.#chunks.shift();
    if (chunk) this.#read(chunk.size);
    return chunk?.bytes;
  }

  /** The last bytes came; with an error what was not read is lost. */
  end(error?: Error): void {
    if (this.ended) return;
    this.ended = true;
    this.error = error;
    if (error) this.#chunks = [];
    this.onChange?.();
  }

  /** Drops what is there and what comes. */
  shut(): void {
    this.#shut = true;
    while (this.take());
  }
}
