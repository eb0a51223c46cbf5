import type { Instant } from '../core/index.ts';
import { Queue } from './queue.ts';

/** A datagram that was sent to all: messages from `first` up to, not including, `next`. */
export interface Sent {
  readonly bytes: Uint8Array;
  readonly to: undefined;
  readonly first: number;
  readonly next: number;
  readonly at: Instant;
}

export interface StoreBounds {
  readonly messages: number;
  readonly bytes: number;
  /** In ms. */
  readonly age: number;
}

/** The last datagrams of a publisher, as they were sent: what is asked for again is sent again, byte for byte. */
export class Store {
  readonly #bounds: StoreBounds;
  readonly #sent = new Queue<Sent>();
  #bytes = 0;
  #next = 1;

  constructor(bounds: StoreBounds) {
    this.#bounds = bounds;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get messages(): number {
    return this.#next - this.oldest;
  }

  /** The number of the oldest message that is kept; when there is none, of the next one to come. */
  get oldest(): number {
    return this.#sent.at(0)?.first ?? this.#next;
  }

  /** The number after that of the newest message. */
  get next(): number {
    return this.#next;
  }

  add(sent: Sent): void {
    this.#sent.push(sent);
    this.#bytes += sent.bytes.length;
    this.#next = sent.next;
    this.expire(sent.at);
  }

  /** Lets go of what the bounds don't allow. */
  expire(now: Instant): void {
    const { messages, bytes, age } = this.#bounds;
    for (let oldest = this.#sent.at(0); oldest !== undefined; oldest = this.#sent.at(0)) {
      if (this.messages <= messages && this.#bytes <= bytes && now - oldest.at <= age) return;
      this.#sent.shift();
      this.#bytes -= oldest.bytes.length;
    }
  }

  /** Hands out the datagrams that have messages from `from` up to, not including, `to`, in their order, until `take` says false. */
  find(from: number, to: number, take: (sent: Sent) => boolean): void {
    let low = 0;
    let high = this.#sent.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sent.at(middle) as Sent).next <= from) low = middle + 1;
      else high = middle;
    }
    for (let place = low; place < this.#sent.length; place++) {
      const sent = this.#sent.at(place) as Sent;
      if (sent.first >= to || !take(sent)) return;
    }
  }
}
