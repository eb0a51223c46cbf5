import type { Address } from '../udpack/index.ts';
import type { UdpPort } from './udp-port.ts';

/** Memory of one pool, about; never fewer buffers than the first number, nor more than the second. */
const POOL_BYTES = 4 * 1024 * 1024;
const SLOTS_LEAST = 32;
const SLOTS_MOST = 256;

type Sent = (error: Error | null, to: Address, size: number) => void;

/** Buffers that datagrams are made in. Each belongs to the system from `send` until the system is done with it. */
export class SendPool {
  readonly #size: number;
  readonly #most: number;
  readonly #free: Slot[] = [];
  readonly #sent: Sent;
  #made = 0;
  #out = 0;
  #onIdle: (() => void) | undefined;
  /** Whether `take` found nothing since a buffer came back last. */
  wasEmpty = false;

  /** @param sent Hears how each sending went, after its buffer came back. */
  constructor(size: number, sent: Sent) {
    this.#size = size;
    this.#most = Math.min(Math.max(Math.floor(POOL_BYTES / size), SLOTS_LEAST), SLOTS_MOST);
    this.#sent = sent;
  }

  /** A buffer that is free; undefined while the system has them all. */
  take(): Slot | undefined {
    const slot = this.#free.pop() ?? this.#make();
    if (slot === undefined) this.wasEmpty = true;
    else this.#out++;
    return slot;
  }

  /** Gives back what was taken. */
  give(slot: Slot): void {
    this.#free.push(slot);
    this.#out--;
    if (this.#out === 0) this.#onIdle?.();
  }

  /** Resolves when the system has given everything back. */
  idle(): Promise<void> {
    if (this.#out === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #make(): Slot | undefined {
    if (this.#made === this.#most) return undefined;
    this.#made++;
    return new Slot(Buffer.allocUnsafeSlow(this.#size), (slot, error) => {
      this.give(slot);
      this.#sent(error, slot.to, slot.length);
      this.wasEmpty = false;
    });
  }
}

const NOWHERE: Address = { address: '', port: 0 };

/** A buffer, and where its datagram goes. */
export class Slot {
  readonly buffer: Buffer;
  to: Address = NOWHERE;
  length = 0;
  readonly #done: (error: Error | null) => void;

  constructor(buffer: Buffer, done: (slot: Slot, error: Error | null) => void) {
    this.buffer = buffer;
    this.#done = (error) => done(this, error);
  }

  send(port: UdpPort, to: Address, length: number): void {
    this.to = to;
    this.length = length;
    port.send(this.buffer, length, to, this.#done);
  }
}
