import type { BlockCipher } from '../udpack/index.ts';

const ROUNDS = 27;
const KEY_BYTES = 16;

/**
 * Speck64/128 (Beaulieu and others, "The SIMON and SPECK families of lightweight block ciphers", 2013): 27 rounds of additions, rotations and
 * exclusive-ors of words of 32 bits, without tables, so that its time tells nothing. Of the 64-bit permutations that are well looked at, the
 * quickest in JavaScript; node:crypto has none that could be called for each datagram.
 */
export class Speck implements BlockCipher {
  readonly #keys: Int32Array = new Int32Array(ROUNDS);

  /** @param key 16 bytes, the most significant first. */
  constructor(key: Uint8Array) {
    const view = new DataView(key.buffer, key.byteOffset, KEY_BYTES);
    const rest = [view.getInt32(8), view.getInt32(4), view.getInt32(0)];
    let round = view.getInt32(12);
    for (let at = 0; at < ROUNDS; at++) {
      this.#keys[at] = round;
      const next = ((round + turnRight(rest[at % 3] ?? 0)) ^ at) | 0;
      rest[at % 3] = next;
      round = ((round << 3) | (round >>> 29)) ^ next;
    }
  }

  encrypt(block: Uint32Array): void {
    let x = (block[0] ?? 0) | 0;
    let y = (block[1] ?? 0) | 0;
    for (let at = 0; at < ROUNDS; at++) {
      x = ((((x >>> 8) | (x << 24)) + y) | 0) ^ (this.#keys[at] ?? 0);
      y = ((y << 3) | (y >>> 29)) ^ x;
    }
    block[0] = x;
    block[1] = y;
  }

  decrypt(block: Uint32Array): void {
    let x = (block[0] ?? 0) | 0;
    let y = (block[1] ?? 0) | 0;
    for (let at = ROUNDS - 1; at >= 0; at--) {
      const mixed = y ^ x;
      y = (mixed >>> 3) | (mixed << 29);
      const sum = ((x ^ (this.#keys[at] ?? 0)) - y) | 0;
      x = (sum << 8) | (sum >>> 24);
    }
    block[0] = x;
    block[1] = y;
  }
}

function turnRight(word: number): number {
  return (word >>> 8) | (word << 24);
}
