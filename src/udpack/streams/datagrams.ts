import { type Instant, varintLength } from '../../core/index.ts';
import { FRAME, type FrameWriter } from '../frames.ts';
import type { SentFrame } from '../sent.ts';
import type { EventQueue } from './events.ts';
import type { Expiring } from './expiries.ts';
import { Fifo } from './writes.ts';

/** What sends a datagram again never needs to know. */
const FORGOTTEN: SentFrame = {
  acked(): void {
    // Nobody waits for it.
  },
  lost(): void {
    // It is unreliable.
  },
};

class Waiting implements Expiring {
  readonly bytes: Uint8Array;
  readonly expires: Instant;
  over = false;
  readonly #queue: Datagrams;

  constructor(queue: Datagrams, bytes: Uint8Array, expires: Instant) {
    this.#queue = queue;
    this.bytes = bytes;
    this.expires = expires;
  }

  expire(): void {
    this.#queue.drop(this);
  }
}

/** Unreliable datagrams that wait to be sent. When they take more than `most` bytes the oldest give way. */
export class Datagrams {
  /** Bytes that wait. */
  bytes = 0;
  readonly #most: number;
  readonly #events: EventQueue;
  readonly #queue: Fifo<Waiting> = new Fifo();

  constructor(most: number, events: EventQueue) {
    this.#most = most;
    this.#events = events;
  }

  /** What a datagram takes in a frame. */
  static size(bytes: Uint8Array): number {
    return 1 + varintLength(bytes.length) + bytes.length;
  }

  get empty(): boolean {
    return this.#next() === undefined;
  }

  add(bytes: Uint8Array, expires: Instant): Expiring {
    const waiting = new Waiting(this, bytes, expires);
    this.#queue.push(waiting);
    this.bytes += Datagrams.size(bytes);
    for (let oldest = this.#next(); oldest !== undefined && this.bytes > this.#most; oldest = this.#next()) {
      this.drop(oldest);
    }
    return waiting;
  }

  drop(waiting: Waiting): void {
    if (waiting.over) return;
    this.#leave(waiting);
    this.#events.datagramsDropped(1);
  }

  /** @param room What a whole datagram has for one frame: what is longer can't be sent any more. */
  fill(writer: FrameWriter, sent: SentFrame[], room: number): void {
    for (let waiting = this.#next(); waiting !== undefined; waiting = this.#next()) {
      if (Datagrams.size(waiting.bytes) > room) this.drop(waiting);
      else if (writer.counted(FRAME.datagram, waiting.bytes)) {
        this.#leave(waiting);
        sent.push(FORGOTTEN);
      } else return;
    }
  }

  #next(): Waiting | undefined {
    while (this.#queue.at(0)?.over === true) this.#queue.shift();
    return this.#queue.at(0);
  }

  #leave(waiting: Waiting): void {
    waiting.over = true;
    this.bytes -= Datagrams.size(waiting.bytes);
  }
}
