import { ID_BYTES } from './frames.ts';

/** Workers that can share a port: an id has 8 bits for the number of its own. */
export const WORKERS_MOST = 256;

/** A keyed permutation of blocks of 64 bits, which are two words. */
export interface BlockCipher {
  /** Puts the block that these two words stand for in their place. */
  encrypt(block: Uint32Array): void;
  decrypt(block: Uint32Array): void;
}

/** The bits of the first word, from the highest: 8 of the worker, 16 zeros, 8 of chance; the second word is chance. */
const WORKER_AT = 24;
const CHECK = 0x00ff_ff00;

/**
 * Connection ids that say which worker their session lives in, to who has the key; to others they are chance. What was not made with the key
 * is told apart but for once in 65,536 times.
 */
export class WorkerIds {
  readonly #cipher: BlockCipher;
  readonly #self: number;
  readonly #block = new Uint32Array(2);

  /** @param self The number of this worker, below `WORKERS_MOST`. */
  constructor(cipher: BlockCipher, self: number) {
    this.#cipher = cipher;
    this.#self = self;
  }

  /** An id of this worker's, of 8 random bytes, which are used up. */
  make(random: Uint8Array): Uint8Array {
    const block = this.#block;
    const view = new DataView(random.buffer, random.byteOffset, ID_BYTES);
    block[0] = (this.#self << WORKER_AT) | (view.getUint32(0) & 0xff);
    block[1] = view.getUint32(4);
    this.#cipher.encrypt(block);
    view.setUint32(0, block[0]);
    view.setUint32(4, block[1]);
    return random;
  }

  /** The worker that made the id at `bytes[at, at + 8)`; -1: none of ours did. */
  workerOf(bytes: Uint8Array, at: number): number {
    const block = this.#block;
    block[0] = wordAt(bytes, at);
    block[1] = wordAt(bytes, at + 4);
    this.#cipher.decrypt(block);
    return (block[0] & CHECK) === 0 ? block[0] >>> WORKER_AT : -1;
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}
