import type { Instant } from '../../core/index.ts';
import type { AckRanges } from '../frames.ts';
import { GRANULARITY, RoundTrips } from './rtt.ts';
import type { SentDatagram } from './sent-datagram.ts';

/** Where packet reordering begins to be taken for loss, and how far that may grow; RFC 9002 6.1.1, RFC 8985 6.2. */
const THRESHOLD = 3;
const THRESHOLD_MOST = 512;
/** The part of a round trip that a datagram may be late, beyond one; RFC 9002 6.1.2. It doubles up to a whole one. */
const LATENESS = 1 / 8;
const LATENESS_MOST = 1;
/** After so many losses in a row that were none of reordering, the thresholds are the first ones again; RFC 8985 6.2. */
const CALM_AFTER = 16;
/** A number that was given up is remembered for this many probe time-outs, in case its ack comes late. */
const REMEMBERED = 3;
const REMEMBERED_MOST = 4096;
/** Datagrams that ask for no ack are remembered too, for what an ack of them tells: the latest of them, since none may ever come. */
const QUIET_MOST = 1024;
/** So many datagrams may leave behind one that is not acknowledged; then it is given up, whatever the peer acknowledges. */
const ORDERS_MOST = 131_072;
/** Two probe time-outs of nothing but loss between acks are persistent congestion at three; RFC 9002 7.6.1. */
const PERSISTENT = 3;
const EXPONENT_MOST = 12;
/** A probe that is late by so many ms shows that the process was stopped. */
const STOPPED = 1000;
/** Probes come no more seldom than this, in ms. */
const PROBE_WAIT_MOST = 30_000;

/** What one ACK frame, or the passing of time, brought about. The arrays are reused: read them before the next call. */
export interface Outcome {
  /** Acknowledged for the first time and never given up, the oldest first. */
  readonly acked: SentDatagram[];
  /** Those of them that asked for an ack. */
  readonly asking: SentDatagram[];
  readonly lost: SentDatagram[];
  /** Given up before, and now acknowledged after all. */
  readonly spurious: SentDatagram[];
  ackedBytes: number;
  lostBytes: number;
  /** Whether the largest number of the ACK is new and asked for one, so that a round trip was measured. */
  measured: boolean;
  /** Every datagram between the first and the last lost one was lost, over a time that can't be chance. */
  persistent: boolean;
}

/**
 * The datagrams of one path that are under way, and what becomes of them: RFC 9002 sections 5 and 6, with thresholds that adapt to
 * reordering as in RFC 8985. Numbers here are orders: the place of a datagram among all of its path.
 */
export class Recovery {
  readonly trips: RoundTrips = new RoundTrips();
  /** Bytes that ask for an ack and were neither acknowledged nor given up. */
  inFlight = 0;
  /** How many datagrams those are. */
  flying = 0;
  /** The order of the next datagram. */
  next = 0;
  /** Probe time-outs in a row without an ack. */
  timeouts = 0;
  /** Datagrams given up, and those of them that had arrived after all. */
  lostCount = 0;
  spuriousCount = 0;
  /** When a datagram that asks for an ack left last. */
  lastAskedAt: Instant = 0;

  /** Slot `order - #base`; undefined: acknowledged, given up or skipped. */
  #table: (SentDatagram | undefined)[] = [];
  #head = 0;
  #base = 0;
  /** Datagrams in the table that ask for no ack, and an order below which there are none. */
  #quiet = 0;
  #quietFrom = 0;
  /** Skipped orders that are not below `#base`. */
  #skipped: number[] = [];
  /** Given up, the lowest order first, until their time is over. */
  #given: SentDatagram[] = [];
  #givenAt: Instant[] = [];
  #largestAcked = -1;
  #lossAt: Instant | undefined;
  #threshold: number = THRESHOLD;
  #lateness: number = LATENESS;
  #calm = 0;
  /** When the last ack came that had news; the end of time before a round trip was measured. */
  #lastAckAt: Instant = Number.POSITIVE_INFINITY;
  readonly #ackDelay: number;
  readonly #outcome: Outcome = {
    acked: [],
    asking: [],
    lost: [],
    spurious: [],
    ackedBytes: 0,
    lostBytes: 0,
    measured: false,
    persistent: false,
  };

  /** @param ackDelay The longest that the peer says it holds acks back, in ms. */
  constructor(ackDelay: number) {
    this.#ackDelay = ackDelay;
  }

  /** Leaves a number out: who acknowledges it lies. */
  skip(): void {
    this.#skipped.push(this.next++);
    this.#table.push(undefined);
  }

  onSent(datagram: SentDatagram): void {
    this.next++;
    this.#table.push(datagram);
    if (this.next - this.#base > ORDERS_MOST) this.#lossAt ??= datagram.sentAt;
    if (!datagram.asks) {
      this.#quiet++;
      this.#forgetQuiet();
      return;
    }
    this.inFlight += datagram.size;
    this.flying++;
    this.lastAskedAt = datagram.sentAt;
  }

  /**
   * Takes in an ACK. Undefined: it names a number that was never sent.
   * @param base What is to be added to the numbers of the ACK to get orders.
   * @param delay How long the peer held the ack back, in ms.
   */
  onAck(ranges: AckRanges, base: number, delay: number, now: Instant): Outcome | undefined {
    const outcome = this.#reset();
    if ((ranges.to[0] ?? 0) + base > this.next) return undefined;
    if (this.#namesSkipped(ranges, base)) return undefined;
    const largest = (ranges.to[0] ?? 0) + base - 1;
    const newest = this.#at(largest);
    // An ack that waited for us says nothing of the path: a probe would have left long before, had we not been stopped.
    const stopped = now > (this.probeAt(this.#ackDelay) ?? now) + STOPPED;
    for (let at = ranges.count - 1; at >= 0; at--)
      this.#ackRange((ranges.from[at] ?? 0) + base, (ranges.to[at] ?? 0) + base);
    if (this.#given.length > 0) {
      this.#reconsider(ranges, base);
      this.forget(now, this.#ackDelay);
    }
    if (outcome.acked.length + outcome.spurious.length === 0) return outcome;
    this.#largestAcked = Math.max(this.#largestAcked, largest);
    if (newest?.asks === true && !stopped) {
      this.trips.sample(now - newest.sentAt, delay);
      outcome.measured = true;
    }
    this.#detect(now);
    this.timeouts = 0;
    if (this.trips.measured) this.#lastAckAt = now;
    this.#trim();
    return outcome;
  }

  /** The datagrams that time alone has shown to be lost. */
  onLossTime(now: Instant): Outcome {
    const outcome = this.#reset();
    this.#detect(now);
    this.#trim();
    return outcome;
  }

  /** When `onLossTime` wants to be called; undefined while no datagram is only waiting for its time to be up. */
  get lossAt(): Instant | undefined {
    return this.#lossAt;
  }

  /**
   * When a probe is due; undefined while nothing is under way.
   * @param ackDelay How long the peer may hold an ack back.
   */
  probeAt(ackDelay: number): Instant | undefined {
    if (this.flying === 0) return undefined;
    const wait = this.trips.probeTimeout(ackDelay) * 2 ** Math.min(this.timeouts, EXPONENT_MOST);
    return this.lastAskedAt + Math.min(wait, PROBE_WAIT_MOST);
  }

  /** A probe is due: the contents of up to `most` of the oldest datagrams are to be sent again; they stay under way. */
  onProbeTimeout(most: number, now: Instant): void {
    this.timeouts++;
    let left = most;
    for (let at = this.#head; at < this.#table.length && left > 0; at++) {
      const datagram = this.#table[at];
      if (datagram === undefined || !datagram.asks || datagram.repeated || datagram.probe) continue;
      datagram.repeated = true;
      left--;
      for (const frame of datagram.frames) frame.lost(now);
    }
  }

  /** Gives all up that is under way, since its path is no longer used; late acks are still heard. */
  abandon(now: Instant): void {
    this.#reset();
    for (let at = this.#head; at < this.#table.length; at++) {
      const datagram = this.#table[at];
      if (datagram === undefined) continue;
      this.#giveUp(datagram, at, now);
      if (!datagram.repeated) for (const frame of datagram.frames) frame.lost(now);
    }
    this.#lossAt = undefined;
    this.#trim();
  }

  /** Forgets what was given up long ago. */
  forget(now: Instant, ackDelay: number): void {
    const patience = this.trips.probeTimeout(ackDelay) * REMEMBERED;
    let old = 0;
    while (old < this.#given.length && now - (this.#givenAt[old] ?? 0) > patience) old++;
    old = Math.max(old, this.#given.length - REMEMBERED_MOST);
    if (old === 0) return;
    this.#given.splice(0, old);
    this.#givenAt.splice(0, old);
  }

  /** Orders that are kept book of. */
  get orders(): number {
    return this.#table.length - this.#head;
  }

  /** Nothing of this path is remembered any more. */
  get quiet(): boolean {
    return this.flying === 0 && this.#given.length === 0;
  }

  #ackRange(from: number, to: number): void {
    const outcome = this.#outcome;
    const last = Math.min(to, this.#base + this.#table.length - this.#head);
    for (let order = Math.max(from, this.#base); order < last; order++) {
      const at = order - this.#base + this.#head;
      const datagram = this.#table[at];
      if (datagram === undefined) continue;
      this.#table[at] = undefined;
      outcome.acked.push(datagram);
      if (!datagram.asks) {
        this.#quiet--;
        continue;
      }
      outcome.asking.push(datagram);
      outcome.ackedBytes += datagram.size;
      this.inFlight -= datagram.size;
      this.flying--;
    }
  }

  /** Looks for acks of what was given up; both are gone through once, from above. */
  #reconsider(ranges: AckRanges, base: number): void {
    let range = 0;
    for (let at = this.#given.length - 1; at >= 0; at--) {
      const datagram = this.#given[at];
      const number = (datagram?.order ?? 0) - base;
      while (range < ranges.count && number < (ranges.from[range] ?? 0)) range++;
      if (range === ranges.count) return;
      if (datagram === undefined || number >= (ranges.to[range] ?? 0)) continue;
      this.#given.splice(at, 1);
      this.#givenAt.splice(at, 1);
      if (!datagram.probe) this.#onSpurious(datagram, (ranges.to[0] ?? 0) + base - 1);
    }
  }

  #onSpurious(datagram: SentDatagram, largest: number): void {
    this.#outcome.spurious.push(datagram);
    this.spuriousCount++;
    this.#calm = 0;
    // It came this much later than the one that made us give it up.
    const late = Math.max(this.#largestAcked, largest) - datagram.order + 1;
    this.#threshold = Math.min(THRESHOLD_MOST, Math.max(this.#threshold, late));
    this.#lateness = Math.min(LATENESS_MOST, this.#lateness * 2);
  }

  #detect(now: Instant): void {
    this.#lossAt = undefined;
    const trip = Math.max(this.trips.latest, this.trips.smoothed);
    const delay = Math.max(trip * (1 + this.#lateness), GRANULARITY);
    const outcome = this.#outcome;
    const old = this.next - ORDERS_MOST;
    const end = Math.min(Math.max(this.#largestAcked, old) - this.#base + this.#head, this.#table.length);
    for (let at = this.#head; at < end; at++) {
      const datagram = this.#table[at];
      if (datagram === undefined) continue;
      const late = this.#largestAcked - datagram.order >= this.#threshold || datagram.order < old;
      if (late || datagram.sentAt + delay <= now) {
        this.#giveUp(datagram, at, now);
      } else {
        // Later ones left later.
        this.#lossAt = datagram.sentAt + delay;
        break;
      }
    }
    if (outcome.lost.length === 0) return;
    outcome.persistent = this.#persistent(outcome.lost);
    if (++this.#calm < CALM_AFTER) return;
    this.#threshold = THRESHOLD;
    this.#lateness = LATENESS;
  }

  #giveUp(datagram: SentDatagram, at: number, now: Instant): void {
    this.#table[at] = undefined;
    if (!datagram.asks) {
      this.#quiet--;
      return;
    }
    this.inFlight -= datagram.size;
    this.flying--;
    this.lostCount++;
    this.#outcome.lost.push(datagram);
    if (!datagram.probe) this.#outcome.lostBytes += datagram.size;
    this.#given.push(datagram);
    this.#givenAt.push(now);
  }

  /**
   * RFC 9002 7.6.2: nothing between two lost datagrams was acknowledged, they left far apart, and a round trip had been measured
   * before. What left after the last ack can have been acknowledged by this one alone.
   */
  #persistent(lost: readonly SentDatagram[]): boolean {
    const { acked } = this.#outcome;
    const least = this.trips.probeTimeout(this.#ackDelay) * PERSISTENT;
    let passed = 0;
    let first: SentDatagram | undefined;
    for (const datagram of lost) {
      if (datagram.probe || datagram.sentAt <= this.#lastAckAt) continue;
      for (; (acked[passed]?.order ?? Number.POSITIVE_INFINITY) < datagram.order; passed++) first = undefined;
      first ??= datagram;
      if (datagram.sentAt - first.sentAt >= least) return true;
    }
    return false;
  }

  #namesSkipped(ranges: AckRanges, base: number): boolean {
    for (const order of this.#skipped) if (named(ranges, order - base)) return true;
    return false;
  }

  #at(order: number): SentDatagram | undefined {
    return order < this.#base ? undefined : this.#table[order - this.#base + this.#head];
  }

  #forgetQuiet(): void {
    for (let order = Math.max(this.#quietFrom, this.#base); this.#quiet > QUIET_MOST && order < this.next; order++) {
      const at = order - this.#base + this.#head;
      if (this.#table[at]?.asks === false) {
        this.#table[at] = undefined;
        this.#quiet--;
      }
      this.#quietFrom = order + 1;
    }
    this.#trim();
  }

  /** Forgets the beginning of the table that is done with. */
  #trim(): void {
    const table = this.#table;
    while (this.#head < table.length && table[this.#head] === undefined) {
      this.#head++;
      this.#base++;
    }
    while (this.#skipped.length > 0 && (this.#skipped[0] ?? 0) < this.#base) this.#skipped.shift();
    if (this.#head < 1024 || this.#head * 2 < table.length) return;
    this.#table = table.slice(this.#head);
    this.#head = 0;
  }

  #reset(): Outcome {
    const outcome = this.#outcome;
    outcome.acked.length = 0;
    outcome.asking.length = 0;
    outcome.lost.length = 0;
    outcome.spurious.length = 0;
    outcome.ackedBytes = 0;
    outcome.lostBytes = 0;
    outcome.measured = false;
    outcome.persistent = false;
    return outcome;
  }
}

/** Whether the ACK names this number. */
function named(ranges: AckRanges, number: number): boolean {
  for (let at = 0; at < ranges.count; at++) {
    if (number >= (ranges.to[at] ?? 0)) return false;
    if (number >= (ranges.from[at] ?? 0)) return true;
  }
  return false;
}
