import type { Events } from './events.ts';

export interface BottleneckOptions {
  /** Bytes per ms. */
  readonly rate: number;
  /** The most that waits, in bytes; what comes beyond is dropped. */
  readonly queue: number;
  /** Chance of each datagram to vanish before the queue. */
  readonly loss?: number;
}

/** One datagram on its way. */
export interface Parcel {
  readonly size: number;
  readonly arrive: () => void;
}

/** A link of limited rate with one drop-tail queue before it. */
export class Bottleneck {
  readonly #events: Events;
  readonly #random: () => number;
  readonly #waiting: Parcel[] = [];
  #first = 0;
  #busy = false;
  rate: number;
  loss: number;
  readonly queue: number;
  /** Bytes that wait now. */
  queued = 0;
  /** Bytes that passed, that the full queue refused, that vanished by chance. */
  passed = 0;
  dropped = 0;
  vanished = 0;

  constructor(events: Events, options: BottleneckOptions, random: () => number) {
    this.#events = events;
    this.#random = random;
    this.rate = options.rate;
    this.queue = options.queue;
    this.loss = options.loss ?? 0;
  }

  send(parcel: Parcel): void {
    if (this.loss > 0 && this.#random() < this.loss) {
      this.vanished += parcel.size;
    } else if (this.queued + parcel.size > this.queue) {
      this.dropped += parcel.size;
    } else {
      this.queued += parcel.size;
      this.#waiting.push(parcel);
      if (!this.#busy) this.#serve();
    }
  }

  #serve(): void {
    const parcel = this.#waiting[this.#first];
    this.#busy = parcel !== undefined;
    if (parcel === undefined) return;
    this.#first++;
    if (this.#first > 1024) {
      this.#waiting.splice(0, this.#first);
      this.#first = 0;
    }
    this.#events.at(this.#events.now + parcel.size / this.rate, () => {
      this.queued -= parcel.size;
      this.passed += parcel.size;
      parcel.arrive();
      this.#serve();
    });
  }
}
