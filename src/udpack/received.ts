import type { Instant } from '../core/index.ts';
import { Ranges } from './ranges.ts';

/** Numbers further below the largest than this are taken for repeated. */
export const REPLAY_WINDOW = 4096;
/** More ranges than these are not remembered for acks: the lowest go. */
const RANGES_MOST = 64;

/** The datagrams that came to one of our ids: none is taken in twice, and all that ask for it are acknowledged. */
export class ReceivedSpace {
  /** The sequence number of the id. */
  readonly sequence: number;
  /** The largest number opened; -1 before the first. */
  largest = -1;
  /** What the next ACK names. */
  readonly ranges: Ranges = new Ranges();
  /** When the largest number came: an ack's delay counts from then. */
  largestAt: Instant = 0;
  /** By when an ack must leave; undefined while none is owed. */
  ackAt: Instant | undefined;

  /** One bit per number of the window. */
  readonly #seen = new Uint32Array(REPLAY_WINDOW / 32);
  #unacked = 0;

  constructor(sequence: number) {
    this.sequence = sequence;
  }

  /** Whether this number was opened before, or is too old to tell. */
  repeated(number: number): boolean {
    if (number > this.largest) return false;
    if (number <= this.largest - REPLAY_WINDOW) return true;
    return ((this.#seen[(number % REPLAY_WINDOW) >>> 5] ?? 0) & (1 << (number & 31))) !== 0;
  }

  /** Notes a number whose datagram was opened. `repeated` must have said no. */
  note(number: number, now: Instant): void {
    if (number > this.largest) {
      this.#forgetUpTo(number);
      this.largest = number;
      this.largestAt = now;
    }
    const word = (number % REPLAY_WINDOW) >>> 5;
    this.#seen[word] = (this.#seen[word] ?? 0) | (1 << (number & 31));
    this.ranges.add(number, number + 1);
    if (this.ranges.count > RANGES_MOST) this.ranges.dropFirst(1);
  }

  /** The number noted last is not to be acknowledged: its sender is to think it lost. */
  disown(number: number): void {
    this.ranges.remove(number, number + 1);
  }

  /**
   * The number noted last asks for an ack.
   * @param every So many datagrams that ask make an ack leave at once (RFC 9000 13.2.2).
   * @param delay Otherwise it leaves after this many ms.
   */
  owe(number: number, now: Instant, every: number, delay: number): void {
    this.#unacked++;
    // Late, or behind a gap: the sender should know at once (RFC 9000 13.2.1). Before the first range there is none.
    const gap = this.ranges.count > 1 && this.ranges.fromAt(this.ranges.count - 1) === number;
    if (this.#unacked >= every || number < this.largest || gap) this.ackAt = now;
    else this.ackAt ??= now + delay;
  }

  /** An ack has left. */
  acked(): void {
    this.#unacked = 0;
    this.ackAt = undefined;
  }

  /** The peer knows of our acks up to and including `largest`; they need not be said again (RFC 9000 13.2.4). */
  confirmed(largest: number): void {
    // The top range stays, so that there is something to acknowledge.
    const keep = Math.min(largest + 1, this.ranges.fromAt(this.ranges.count - 1));
    this.ranges.remove(0, keep);
  }

  /** Clears the bits that numbers up to `number` will use. */
  #forgetUpTo(number: number): void {
    if (number - this.largest >= REPLAY_WINDOW) {
      this.#seen.fill(0);
      return;
    }
    for (let at = this.largest + 1; at <= number; at++) {
      const word = (at % REPLAY_WINDOW) >>> 5;
      this.#seen[word] = (this.#seen[word] ?? 0) & ~(1 << (at & 31));
    }
  }
}
