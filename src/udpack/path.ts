import type { Instant } from '../core/index.ts';
import type { Address } from './address.ts';
import { type Controller, Pacer, type SendTag } from './congestion/index.ts';
import type { AckRanges } from './frames.ts';
import type { RemoteId } from './ids.ts';
import { MTU_LEAST, MtuSearch } from './mtu.ts';
import { type Outcome, Recovery } from './recovery/recovery.ts';
import { GRANULARITY } from './recovery/rtt.ts';
import type { SentDatagram } from './recovery/sent-datagram.ts';
import type { Trace } from './session-types.ts';
import { traceLost } from './tracing.ts';

/** Where round trips take longer than so many ms, on the average, datagrams are paced, however short one of them was. */
const UNPACED_MOST = 10;
/** Unanswered probe time-outs after which longer datagrams are suspected. */
const SILENT_TIMEOUTS = 3;

/** The numbers of one id of the peer's, as they lie among the orders of the path that it is used on. */
export interface SendSpace {
  readonly remote: RemoteId;
  /** The order of the space's number 0. */
  readonly base: number;
}

export interface PathInit {
  readonly address: Address;
  readonly remote: RemoteId;
  readonly controller: Controller;
  /** The longest datagram that may ever go this way, in bytes of UDP payload. */
  readonly datagramSize: number;
  /** The longest that the peer says it holds acks back, in ms. */
  readonly ackDelay: number;
  /** Whether the peer has shown that it receives what is sent to this address. */
  readonly proved: boolean;
  /** Hears of losses. */
  readonly trace?: Trace | undefined;
}

/** One way to the peer: an address, an id of the peer's to send to, and what is known of the network between. */
export class Path {
  address: Address;
  readonly recovery: Recovery;
  controller: Controller;
  mtu: MtuSearch;
  /** The id in use, and those before it on this path. */
  space: SendSpace;
  proved: boolean;
  /** Before the address is proved, no more bytes are sent than came from it. */
  receivedBytes = 0;
  sentBytes = 0;
  /** What the peer is to answer, if it was asked, and when that was first. */
  challenge: Uint8Array | undefined;
  challengedAt: Instant = 0;
  challengeSentAt: Instant = Number.NEGATIVE_INFINITY;
  /** Datagrams that may leave though the window is full: probes. */
  probes = 0;

  #pacer: Pacer;
  readonly #datagramSize: number;
  readonly #trace: Trace | undefined;

  constructor(init: PathInit) {
    this.address = init.address;
    this.recovery = new Recovery(init.ackDelay);
    this.controller = init.controller;
    this.proved = init.proved;
    this.#datagramSize = init.datagramSize;
    this.mtu = new MtuSearch(init.datagramSize);
    this.space = { remote: init.remote, base: 0 };
    this.#pacer = new Pacer(init.controller);
    this.#trace = init.trace;
  }

  /** From now on datagrams go to another id of the peer's, in its own number space. */
  use(remote: RemoteId): void {
    this.space = { remote, base: this.recovery.next };
  }

  /** The number of the next datagram in the space of now. */
  get nextNumber(): number {
    return this.recovery.next - this.space.base;
  }

  /**
   * A router gave the peer another port: the way there is the same, and so is what was learnt of it (RFC 9000 9.4). Both paths have one controller
   * and one search from here on, for the one before may be gone back to.
   */
  learnFrom(before: Path): void {
    this.controller = before.controller;
    this.#pacer = new Pacer(this.controller);
    this.mtu = before.mtu;
    this.mtu.onOtherNumbers();
  }

  /** The peer is heard from another address, and there is no id to spare for a path of its own: this one goes there. */
  moveTo(address: Address, bytes: number, challenge: Uint8Array, now: Instant): void {
    // A router that only gave it another port leads the same way (RFC 9000 9.4).
    if (address.address !== this.address.address) this.#forget(now);
    this.address = address;
    this.proved = false;
    this.receivedBytes = bytes;
    this.sentBytes = 0;
    this.challenge = challenge;
    this.challengedAt = now;
    this.challengeSentAt = Number.NEGATIVE_INFINITY;
  }

  /** Bytes that may still go to an address that isn't proved. */
  get allowance(): number {
    return this.proved ? Number.POSITIVE_INFINITY : this.receivedBytes - this.sentBytes;
  }

  /** Whether the window has room for a datagram of this size. */
  hasWindow(size: number): boolean {
    return this.recovery.inFlight + size <= this.controller.window;
  }

  /**
   * When pacing lets the next datagram leave. What it has beyond the least size is owed: otherwise a frame of a few bytes, such as credit,
   * would wait for as long as 60,000 bytes take at the rate of a sender that says little. Where a round trip is shorter than what timers
   * tell apart, acks come before any timer rings, and the window alone holds back; not when they have become long since.
   */
  pacedAt(now: Instant): Instant {
    const { least, smoothed } = this.recovery.trips;
    if (least < GRANULARITY && smoothed < UNPACED_MOST) return now;
    return this.#pacer.allow(now, MTU_LEAST) ? now : this.#pacer.nextAt(now, MTU_LEAST);
  }

  /** Notes a datagram that leaves now. */
  onSent(datagram: SentDatagram): void {
    this.sentBytes += datagram.size;
    if (datagram.asks) {
      this.controller.onSent(datagram, datagram.sentAt, datagram.size, this.recovery.inFlight);
      this.#pacer.spent(datagram.sentAt, datagram.size);
    }
    this.recovery.onSent(datagram);
  }

  /** Takes in an ACK of `space`; undefined: it names what was never sent. What is left to do with the outcome is the caller's. */
  onAck(ranges: AckRanges, base: number, delay: number, now: Instant): Outcome | undefined {
    const inFlightBefore = this.recovery.inFlight;
    const outcome = this.recovery.onAck(ranges, base, delay, now);
    if (outcome !== undefined) this.#settle(outcome, inFlightBefore, now);
    return outcome;
  }

  /** Loss by time. */
  onLossTime(now: Instant): void {
    const inFlightBefore = this.recovery.inFlight;
    this.#settle(this.recovery.onLossTime(now), inFlightBefore, now);
  }

  /** Nothing was heard for a probe time-out. */
  onProbeTimeout(now: Instant): void {
    this.recovery.onProbeTimeout(2, now);
    this.probes = 2;
    if (this.recovery.timeouts === SILENT_TIMEOUTS && this.mtu.onSilence(now)) this.controller.onMtu(this.mtu.size);
  }

  /** Gives all up that is under way, since another path is used. It may be come back to. */
  abandon(now: Instant): void {
    this.recovery.abandon(now);
    this.mtu.onAbandoned();
    this.probes = 0;
  }

  /** The system refused to send a datagram of this size. */
  onRefused(size: number, now: Instant): void {
    if (this.mtu.onRefused(size, now)) this.controller.onMtu(this.mtu.size);
  }

  /** The network between is another one: nothing that was learnt of it holds. */
  #forget(now: Instant): void {
    this.abandon(now);
    this.recovery.trips.forget();
    this.mtu = new MtuSearch(this.#datagramSize);
    this.controller.onPathReset();
    this.controller.onMtu(this.mtu.size);
  }

  /** Lets the frames, the search for the MTU and congestion control hear what became of their datagrams. */
  #settle(outcome: Outcome, inFlightBefore: number, now: Instant): void {
    for (const datagram of outcome.acked) this.#delivered(datagram, now);
    for (const datagram of outcome.spurious) {
      for (const frame of datagram.frames) frame.acked(now);
      this.controller.onSpuriousLoss(now, datagram);
    }
    if (outcome.lost.length > 0) this.#lose(outcome, now);
    if (outcome.ackedBytes === 0) return;
    const { trips, inFlight } = this.recovery;
    this.controller.onAck(now, {
      acked: outcome.asking,
      bytes: outcome.ackedBytes,
      inFlightBefore,
      inFlight,
      lostBytes: outcome.lostBytes,
      latestRtt: outcome.measured ? trips.latest : undefined,
      smoothedRtt: trips.smoothed,
    });
  }

  #lose({ lost: given, lostBytes: bytes, persistent }: Outcome, now: Instant): void {
    const lost: SendTag[] = [];
    for (const datagram of given) {
      if (this.#gone(datagram, now)) lost.push(datagram);
    }
    const { inFlight } = this.recovery;
    if (lost.length > 0) this.controller.onLost(now, { lost, bytes, inFlight, persistent });
  }

  /** Whether the loss may be congestion's. */
  #gone(datagram: SentDatagram, now: Instant): boolean {
    if (this.#trace !== undefined) traceLost(this.#trace, this, datagram, now);
    if (datagram.probe) {
      this.mtu.onProbeLost(datagram.size);
      return false;
    }
    if (this.mtu.onLost(datagram.size, datagram.order, now)) this.controller.onMtu(this.mtu.size);
    if (!datagram.repeated) for (const frame of datagram.frames) frame.lost(now);
    return true;
  }

  #delivered(datagram: SentDatagram, now: Instant): void {
    for (const frame of datagram.frames) frame.acked(now);
    if (datagram.probe) {
      if (this.mtu.onProbeAcked(datagram.size)) this.controller.onMtu(this.mtu.size);
    } else this.mtu.onAcked(datagram.size, datagram.order);
  }
}
