/** The first bytes of each side of a byte stream that speaks Hawser's own protocol; no text and no TLS begins so. */
export const MAGIC: Uint8Array = Uint8Array.of(0x89, 0x48, 0x57, 0x53, 0x31, 0x0d, 0x0a, 0x1a);

/** What the first bytes of a stream say: its dialect, that there are too few of them yet, or nothing we know. */
export type Opening = 'more' | 'magic' | 'line' | 'unknown';

/** Tells by the first bytes which framing a peer speaks. Feed it until it says anything but `more`. */
export class Sniffer {
  #matched = 0;
  #rest: Uint8Array = MAGIC.subarray(0, 0);

  /** The bytes after the magic, or all of them where there is none: the framing's first chunk. */
  get rest(): Uint8Array {
    return this.#rest;
  }

  receive(chunk: Uint8Array): Opening {
    let at = 0;
    for (; at < chunk.length && this.#matched < MAGIC.length; at++, this.#matched++) {
      if (chunk[at] !== MAGIC[this.#matched]) return this.#other(chunk);
    }
    this.#rest = chunk.subarray(at);
    return this.#matched === MAGIC.length ? 'magic' : 'more';
  }

  #other(chunk: Uint8Array): Opening {
    this.#rest = chunk;
    return this.#matched === 0 && chunk[0] === BRACE ? 'line' : 'unknown';
  }
}

const BRACE = 0x7b;
