import type { Instant } from '../core/index.ts';
import type { FrameWriter } from './frames.ts';
import { ReceivedSpace } from './received.ts';

/** RFC 9000 13.2.2: an ack for every second datagram, until the peer asks for fewer. */
const EVERY = 2;
/** What a peer may ask for. */
const EVERY_MOST = 256;
/** Ranges in one ACK. */
const RANGES_MOST = 32;

/** What was received on all our ids, and the acks that are owed for it. */
export class Acks {
  /** The ACK that `write` wrote last: of which id, up to which number. */
  sequence = -1;
  largest = -1;

  readonly #spaces = new Map<number, ReceivedSpace>();
  readonly #delayMost: number;
  #every: number = EVERY;
  #delay: number;
  #rateSequence = -1;

  /** @param delayMost The longest that an ack is held back, in ms: what we said in the handshake. */
  constructor(delayMost: number) {
    this.#delayMost = delayMost;
    this.#delay = delayMost;
  }

  /** The space of our id with this sequence number. */
  space(sequence: number): ReceivedSpace {
    const known = this.#spaces.get(sequence);
    if (known !== undefined) return known;
    const space = new ReceivedSpace(sequence);
    this.#spaces.set(sequence, space);
    return space;
  }

  /** A datagram that asks for an ack was taken in. */
  owe(space: ReceivedSpace, number: number, now: Instant): void {
    space.owe(number, now, this.#every, this.#delay);
  }

  /** The peer has given an id back. */
  forget(sequence: number): void {
    this.#spaces.delete(sequence);
  }

  /** ACK_RATE: the peer wishes for fewer acks. A wish that is older than one heard before is ignored. */
  onRate(sequence: number, every: number, delay: number): void {
    if (sequence <= this.#rateSequence) return;
    this.#rateSequence = sequence;
    this.#every = Math.max(EVERY, Math.min(EVERY_MOST, every));
    this.#delay = Math.min(this.#delayMost, delay);
  }

  /** By when an ack must leave. */
  get ackAt(): Instant | undefined {
    let first: Instant | undefined;
    for (const { ackAt } of this.#spaces.values()) {
      if (ackAt !== undefined && (first === undefined || ackAt < first)) first = ackAt;
    }
    return first;
  }

  /** Writes the ACK that is owed longest; false when none is, or it doesn't fit. `done` makes it count. */
  write(writer: FrameWriter, now: Instant): boolean {
    const space = this.#owed();
    if (space === undefined || !writer.ack(space.sequence, space.ranges, now - space.largestAt, RANGES_MOST))
      return false;
    this.sequence = space.sequence;
    this.largest = space.largest;
    return true;
  }

  /** Writes the ACK that is owed, or the one that left last once more: a session's last word says what has arrived. */
  writeLast(writer: FrameWriter, now: Instant): void {
    const space = this.#owed() ?? this.#spaces.get(this.sequence);
    if (space !== undefined) writer.ack(space.sequence, space.ranges, now - space.largestAt, RANGES_MOST);
  }

  /** The ACK that `write` wrote last has left. */
  done(): void {
    this.#spaces.get(this.sequence)?.acked();
  }

  /** An ACK of ours arrived. */
  confirmed(sequence: number, largest: number): void {
    this.#spaces.get(sequence)?.confirmed(largest);
  }

  /** Ranges that the next ACK would name: many of them call for a sign that the last ones were heard. */
  get ranges(): number {
    let most = 0;
    for (const { ranges } of this.#spaces.values()) most = Math.max(most, ranges.count);
    return most;
  }

  #owed(): ReceivedSpace | undefined {
    let space: ReceivedSpace | undefined;
    for (const candidate of this.#spaces.values()) {
      if (candidate.ackAt === undefined) continue;
      if (space?.ackAt === undefined || candidate.ackAt < space.ackAt) space = candidate;
    }
    return space;
  }
}
