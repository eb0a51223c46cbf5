import type { Connection } from './connection.ts';

/** The longest preface of either side, in bytes, its length not counted. */
const PREFACE_MOST = 1024;
const LENGTH_BYTES = 2;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** What either side says first on the main stream: the protocols that a dialler offers, best first, or the one that the listener has taken. */
export function prefaceOf(protocols: readonly string[]): Uint8Array {
  const names = encoder.encode(protocols.join(' '));
  const bytes = new Uint8Array(LENGTH_BYTES + names.length);
  bytes.set([names.length >> 8, names.length & 0xff]);
  bytes.set(names, LENGTH_BYTES);
  return bytes;
}

/** Reads a preface as it comes, and not a byte behind it. */
export class PrefaceReader {
  readonly #connection: Connection;
  readonly #stream: number;
  #bytes = new Uint8Array(LENGTH_BYTES);
  #has = 0;
  #inNames = false;

  constructor(connection: Connection, stream: number) {
    this.#connection = connection;
    this.#stream = stream;
  }

  /** The names, when they are whole; undefined before that, and `false` for what is no preface. */
  read(): readonly string[] | false | undefined {
    while (!this.#inNames || this.#has < this.#bytes.length) {
      const read = this.#connection.read(this.#stream, this.#bytes.length - this.#has);
      if (read === undefined) return undefined;
      if (read.last) return false;
      this.#bytes.set(read.bytes, this.#has);
      this.#has += read.bytes.length;
      if (this.#inNames || this.#has < LENGTH_BYTES) continue;
      const length = ((this.#bytes[0] ?? 0) << 8) | (this.#bytes[1] ?? 0);
      if (length > PREFACE_MOST) return false;
      this.#bytes = new Uint8Array(length);
      this.#has = 0;
      this.#inNames = true;
    }
    return namesIn(this.#bytes);
  }
}

function namesIn(bytes: Uint8Array): readonly string[] | false {
  try {
    return decoder
      .decode(bytes)
      .split(' ')
      .filter((name) => name !== '');
  } catch {
    return false;
  }
}
