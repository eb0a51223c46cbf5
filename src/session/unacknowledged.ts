import { assert, ON_PAGE, type Outbound } from '../core/index.ts';

/** A message that waits for its acknowledgement, as it is told after a session was lost. */
export interface Left {
  readonly message: Outbound;
  readonly channel: number;
  /** The id of a request, 0 for everything else. */
  readonly tag: number;
}

/** When this many places before the first kept message are empty, and half of all, the list is moved up. */
const EMPTY_MOST = 32;

/**
 * The messages of one channel from the first unacknowledged one on, by reference. Counts are totals since the session began:
 * `acknowledged` <= `sent` <= `end`; what lies beyond `sent` was never handed to a link.
 */
export class Unacknowledged {
  readonly channel: number;
  /** Bytes that are kept. */
  bytes = 0;
  acknowledged = 0;
  sent = 0;
  /** The other way: how many messages of the channel the peer sent and were handed on. */
  received = 0;
  /** How much of `received` the last acknowledgement told. */
  told = 0;
  /** The channel's last message was pushed; the peer's last one was handed on. */
  sentLast = false;
  receivedLast = false;
  /** From `#first` on, in order; the places before it are empty. */
  #messages: (Outbound | undefined)[] = [];
  /** The tags of requests by place in the order; there is no map before the first. */
  #tags: Map<number, number> | undefined;
  #first = 0;

  constructor(channel: number) {
    this.channel = channel;
  }

  push(message: Outbound, tag: number): void {
    if (tag !== 0) {
      this.#tags ??= new Map();
      this.#tags.set(this.end, tag);
    }
    this.#messages.push(message);
    this.bytes += message.length;
  }

  /** Nothing can come any more, either way, and nothing is kept. */
  get over(): boolean {
    return this.sentLast && this.receivedLast && this.acknowledged === this.end;
  }

  /** The place after the last message that is kept. */
  get end(): number {
    return this.acknowledged + this.#messages.length - this.#first;
  }

  /** All that is kept has been handed to a link. */
  markSent(): void {
    this.sent = this.end;
  }

  /** Whether a peer can have counted this far: no less than it said before, no more than was ever sent. */
  canAcknowledge(count: number): boolean {
    return count >= this.acknowledged && count <= this.sent;
  }

  /** Forgets what the peer has counted; the caller has asked `canAcknowledge`. */
  acknowledge(count: number): void {
    if (!ON_PAGE) assert(this.canAcknowledge(count), 'acknowledged the unsent');
    for (; this.acknowledged < count; this.acknowledged++) {
      this.bytes -= this.#messages[this.#first]?.length ?? 0;
      this.#messages[this.#first++] = undefined;
      this.#tags?.delete(this.acknowledged);
    }
    if (this.#first === this.#messages.length) this.#messages = [];
    else if (this.#first < EMPTY_MOST || this.#first * 2 < this.#messages.length) return;
    else this.#messages.splice(0, this.#first);
    this.#first = 0;
  }

  /** The messages that have these places in the order, counted from 0, as far as they are kept. */
  left(from: number, to: number): Left[] {
    const all: Left[] = [];
    for (let place = from; place < to; place++) {
      const message = this.#messages[this.#first + place - this.acknowledged];
      if (message) all.push({ message, channel: this.channel, tag: this.#tags?.get(place) ?? 0 });
    }
    return all;
  }
}
