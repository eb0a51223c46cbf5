import { type Aead, TAG_BYTES } from '../udpack/index.ts';
import { AEAD_MODULE } from './aead-module.ts';

/** Above this, in bytes, the cipher of OpenSSL makes good for what a call of it costs; bench/results has the figures. */
const SHORT = 4096;
/** A header that is taken here has at most so many bytes: a handshake's hash has. */
const HEADER_MOST = 32;
/** Headers are filled up to a multiple of so many. */
const BLOCK = 16;

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly KEY_AT: WebAssembly.Global<'i32'>;
  readonly NONCE_AT: WebAssembly.Global<'i32'>;
  readonly MADE_AT: WebAssembly.Global<'i32'>;
  readonly GIVEN_AT: WebAssembly.Global<'i32'>;
  readonly TEXT_AT: WebAssembly.Global<'i32'>;
  seal(header: number, length: number): void;
  open(header: number, length: number): number;
}

/** The module of wasm/chacha20-poly1305.ts, and where things lie in its memory. One for all sessions: no call waits in the midst. */
class Machine {
  readonly #run: Exports;
  readonly #memory: Uint8Array;
  readonly #keyAt: number;
  readonly #nonceAt: number;
  readonly #madeAt: number;
  readonly #givenAt: number;
  readonly #textAt: number;
  /** Whose key lies there. */
  #key: Uint8Array | undefined;

  constructor() {
    const module = new WebAssembly.Module(Buffer.from(AEAD_MODULE, 'base64'));
    this.#run = new WebAssembly.Instance(module).exports as unknown as Exports;
    this.#memory = new Uint8Array(this.#run.memory.buffer);
    this.#keyAt = this.#run.KEY_AT.value;
    this.#nonceAt = this.#run.NONCE_AT.value;
    this.#madeAt = this.#run.MADE_AT.value;
    this.#givenAt = this.#run.GIVEN_AT.value;
    this.#textAt = this.#run.TEXT_AT.value;
  }

  seal(key: Uint8Array, nonce: Uint8Array, header: Uint8Array, target: Uint8Array, from: number, to: number): void {
    const memory = this.#memory;
    const at = this.#textAt;
    const length = to - from;
    this.#lay(key, nonce, header);
    memory.set(target.subarray(from, to), at);
    this.#run.seal(header.length, length);
    target.set(memory.subarray(at, at + length), from);
    target.set(memory.subarray(this.#madeAt, this.#madeAt + TAG_BYTES), to);
  }

  open(
    key: Uint8Array,
    nonce: Uint8Array,
    header: Uint8Array,
    source: Uint8Array,
    from: number,
    to: number,
  ): Uint8Array | undefined {
    const memory = this.#memory;
    const at = this.#textAt;
    const end = to - TAG_BYTES;
    this.#lay(key, nonce, header);
    memory.set(source.subarray(from, end), at);
    memory.set(source.subarray(end, to), this.#givenAt);
    if (this.#run.open(header.length, end - from) === 0) return undefined;
    // Of node:buffer's pool: a buffer for each datagram would be most of what the collector has to do.
    const text = Buffer.allocUnsafe(end - from);
    text.set(memory.subarray(at, at + end - from));
    return text;
  }

  #lay(key: Uint8Array, nonce: Uint8Array, header: Uint8Array): void {
    const memory = this.#memory;
    const at = this.#textAt;
    if (this.#key !== key) memory.set(key, this.#keyAt);
    this.#key = key;
    memory.set(nonce, this.#nonceAt);
    if (header.length === 0) return;
    const from = at - Math.ceil(header.length / BLOCK) * BLOCK;
    memory.fill(0, from, at);
    memory.set(header, from);
  }
}

let machine: Machine | false | undefined;

/** Undefined where there is no WebAssembly, or none with SIMD: every version of Node that is supported has it, unless told not to. */
function theMachine(): Machine | undefined {
  if (machine === undefined) {
    try {
      machine = new Machine();
    } catch {
      machine = false;
    }
  }
  return machine === false ? undefined : machine;
}

/**
 * ChaCha20-Poly1305 under one key: short messages by WebAssembly, in this thread, where a call costs less than making a cipher object; long
 * ones, and all where there is no WebAssembly, by `long`.
 */
export function aeadOf(key: Uint8Array, long: Aead): Aead {
  const short = theMachine();
  return short === undefined ? long : new EitherAead(short, key, long);
}

class EitherAead implements Aead {
  readonly #short: Machine;
  readonly #key: Uint8Array;
  readonly #long: Aead;

  constructor(short: Machine, key: Uint8Array, long: Aead) {
    this.#short = short;
    this.#key = new Uint8Array(key);
    this.#long = long;
  }

  seal(nonce: Uint8Array, header: Uint8Array, target: Uint8Array, from: number, to: number): void {
    if (to - from > SHORT || header.length > HEADER_MOST) this.#long.seal(nonce, header, target, from, to);
    else this.#short.seal(this.#key, nonce, header, target, from, to);
  }

  open(nonce: Uint8Array, header: Uint8Array, source: Uint8Array, from: number, to: number): Uint8Array | undefined {
    const length = to - TAG_BYTES - from;
    if (length < 0) return undefined;
    if (length > SHORT || header.length > HEADER_MOST) return this.#long.open(nonce, header, source, from, to);
    return this.#short.open(this.#key, nonce, header, source, from, to);
  }
}
