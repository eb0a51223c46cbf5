import type { Address } from './address.ts';
import type { Crypto } from './crypto.ts';
import { type BlockCipher, WorkerIds } from './worker-ids.ts';

/** What became of a datagram that is another worker's: it is on its way, or that worker has too much to do, or no process has its number. */
export type Forwarded = 'sent' | 'busy' | 'gone';

/** The workers that share a socket, as one of them sees them. All but `self` is the same in each. */
export interface WorkerOptions {
  /** The number of this worker, from 0 to 255. No other process has it while this one lives. */
  readonly self: number;
  readonly keys: WorkerKeys;
  /** Numbers of those that take new sessions in, in ascending order, its own among them if it does. */
  takers(): readonly number[];
  /**
   * Hands a datagram to another worker, to be given to its `Endpoint.receive` as forwarded. The bytes are valid during the call.
   * `gone` is for a number that surely no process has: where that is not known, it is `busy`.
   */
  forward(worker: number, datagram: Uint8Array, from: Address): Forwarded;
}

/** What all workers of a server have in common, and nobody else. */
export interface WorkerKeys {
  readonly cipher: BlockCipher;
  /** Chooses who takes in a session. */
  readonly init: Uint8Array;
  readonly cookie: Uint8Array;
  /** What is to be added to an `Instant` of this worker so that it says the same to all of them, in ms. */
  readonly epoch: number;
}

/** Says for each datagram that belongs to nothing here which worker's it is. */
export class Routing {
  readonly self: number;
  readonly ids: WorkerIds;
  readonly #crypto: Crypto;
  readonly #options: WorkerOptions;

  constructor(crypto: Crypto, options: WorkerOptions) {
    this.self = options.self;
    this.ids = new WorkerIds(options.keys.cipher, options.self);
    this.#crypto = crypto;
    this.#options = options;
  }

  /** Who takes in the handshake with this ephemeral key: the same one each time, while the workers are the same. */
  takerOf(ephemeral: Uint8Array): number {
    const takers = this.#options.takers();
    if (takers.length === 0 || (takers.length === 1 && takers[0] === this.self)) return this.self;
    const mac = this.#crypto.mac(this.#options.keys.init, ephemeral);
    const word = new DataView(mac.buffer, mac.byteOffset).getUint32(0);
    return takers[word % takers.length] ?? this.self;
  }

  forward(worker: number, datagram: Uint8Array, from: Address): Forwarded {
    return this.#options.forward(worker, datagram, from);
  }
}
