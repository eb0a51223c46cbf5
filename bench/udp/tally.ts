import type { Latency } from '../asking.ts';

/** The same clock in every process of the machine, in ms. */
export function clock(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1e3 + nanos / 1e6;
}

/** Latencies since the last summary, in ms. */
export class Latencies {
  #values: Float64Array = new Float64Array(1 << 16);
  #count = 0;

  add(ms: number): void {
    if (this.#count === this.#values.length) {
      const wider = new Float64Array(this.#count * 2);
      wider.set(this.#values);
      this.#values = wider;
    }
    this.#values[this.#count++] = ms;
  }

  /** Forgets them, too. */
  summary(): Latency | undefined {
    const count = this.#count;
    if (count === 0) return undefined;
    this.#count = 0;
    const sorted = this.#values.subarray(0, count).toSorted();
    const at = (share: number): number => sorted[Math.min(count - 1, Math.floor(share * count))] ?? Number.NaN;
    return { count, p50: at(0.5), p95: at(0.95), p99: at(0.99), most: at(1) };
  }
}

/** Cuts what comes into messages of one size, whatever pieces it comes in. */
export class Messages {
  readonly #size: number;
  readonly #hear: (message: Uint8Array) => void;
  readonly #part: Uint8Array;
  #held = 0;

  /** @param hear The message is valid during the call. */
  constructor(size: number, hear: (message: Uint8Array) => void) {
    this.#size = size;
    this.#hear = hear;
    this.#part = new Uint8Array(size);
  }

  push(bytes: Uint8Array): void {
    const size = this.#size;
    let at = 0;
    if (this.#held > 0) {
      at = Math.min(size - this.#held, bytes.length);
      this.#part.set(bytes.subarray(0, at), this.#held);
      this.#held += at;
      if (this.#held < size) return;
      this.#held = 0;
      this.#hear(this.#part);
    }
    for (; at + size <= bytes.length; at += size) this.#hear(bytes.subarray(at, at + size));
    this.#part.set(bytes.subarray(at));
    this.#held = bytes.length - at;
  }
}

/** Bytes that look like chance, the same each time. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 0x9e3779b9;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
