import { assert, type Outbound } from '../core/index.ts';

/** A message that waits for its acknowledgement, as it is told after a session was lost. */
export interface Left {
  readonly message: Outbound;
  readonly channel: number;
  /** The id of a request, 0 for everything else. */
  readonly tag: number;
}

const FIRST_SIZE = 8;

/**
 * The messages of one channel from the first unacknowledged one on, by reference, in a ring that doubles. Counts are totals since
 * the session began: `acknowledged` <= `sent` <= `acknowledged + length`; what lies beyond `sent` was never handed to a link.
 */
export class Unacknowledged {
  readonly channel: number;
  #ring: (Outbound | undefined)[] = [];
  /** The tags by place in the ring; there are none until a request is sent. */
  #tags: number[] | undefined;
  #head = 0;
  #length = 0;
  #acknowledged = 0;
  #sent = 0;
  #bytes = 0;

  constructor(channel: number) {
    this.channel = channel;
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  get sent(): number {
    return this.#sent;
  }

  push(message: Outbound, tag: number): void {
    if (this.#length === this.#ring.length) this.#grow();
    const at = (this.#head + this.#length) & (this.#ring.length - 1);
    this.#ring[at] = message;
    if (tag !== 0) this.#tags ??= new Array<number>(this.#ring.length).fill(0);
    if (this.#tags !== undefined) this.#tags[at] = tag;
    this.#length += 1;
    this.#bytes += message.length;
  }

  /** All that is kept has been handed to a link. */
  markSent(): void {
    this.#sent = this.#acknowledged + this.#length;
  }

  /** Whether a peer can have counted this far: no less than it said before, no more than was ever sent. */
  canAcknowledge(count: number): boolean {
    return count >= this.#acknowledged && count <= this.#sent;
  }

  /** Forgets what the peer has counted; the caller has asked `canAcknowledge`. */
  acknowledge(count: number): void {
    assert(this.canAcknowledge(count), 'acknowledged the unsent');
    const mask = this.#ring.length - 1;
    for (; this.#acknowledged < count; this.#acknowledged++) {
      this.#bytes -= this.#ring[this.#head]?.length ?? 0;
      this.#ring[this.#head] = undefined;
      this.#head = (this.#head + 1) & mask;
      this.#length -= 1;
    }
    if (this.#length === 0 && this.#ring.length > FIRST_SIZE) this.#release();
  }

  /** The message that has this place in the order, counted from 0; undefined when it is not kept. */
  at(index: number): Outbound | undefined {
    return this.#ring[this.#slot(index)];
  }

  left(from: number, to: number): Left[] {
    const all: Left[] = [];
    for (let index = from; index < to; index++) {
      const message = this.at(index);
      if (message !== undefined)
        all.push({ message, channel: this.channel, tag: this.#tags?.[this.#slot(index)] ?? 0 });
    }
    return all;
  }

  /** The place after the last message that is kept. */
  get end(): number {
    return this.#acknowledged + this.#length;
  }

  #slot(index: number): number {
    return (this.#head + index - this.#acknowledged) & (this.#ring.length - 1);
  }

  #grow(): void {
    const size = Math.max(FIRST_SIZE, this.#ring.length * 2);
    const ring = new Array<Outbound | undefined>(size).fill(undefined);
    const tags = this.#tags === undefined ? undefined : new Array<number>(size).fill(0);
    for (let i = 0; i < this.#length; i++) {
      const at = (this.#head + i) & (this.#ring.length - 1);
      ring[i] = this.#ring[at];
      if (tags !== undefined) tags[i] = this.#tags?.[at] ?? 0;
    }
    this.#ring = ring;
    this.#tags = tags;
    this.#head = 0;
  }

  /** An idle session keeps no ring. */
  #release(): void {
    this.#ring = [];
    this.#tags = undefined;
    this.#head = 0;
  }
}
