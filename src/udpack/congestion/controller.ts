import type { Instant } from '../../core/index.ts';

/** The ways of controlling congestion, by name. */
export type ControllerName = 'bbr' | 'cubic' | 'newreno';

/**
 * What a controller keeps per datagram in flight. The caller makes its own record of a sent datagram implement this, with `newSendTag`
 * for the first values; `onSent` fills it in, and nobody else writes to it. Only datagrams that count as in flight have one.
 */
export interface SendTag {
  /** When it was sent. */
  sentAt: Instant;
  /** Bytes of UDP payload. */
  size: number;
  /** Bytes that had been delivered when it was sent. */
  delivered: number;
  /** When the last of those was acknowledged. */
  deliveredAt: Instant;
  /** When the first datagram of the sample that this one ends was sent. */
  firstSentAt: Instant;
  /** Bytes that had been lost when it was sent. */
  lost: number;
  /** Bytes in flight, this one among them. */
  inFlight: number;
  /** Sent while there was less to send than was allowed. */
  appLimited: boolean;
  /** Which reaction to loss it belongs to, if it was lost. */
  reaction: number;
}

/** One ACK frame that newly acknowledged something. The caller may use one object, and one array, again and again. */
export interface AckEvent {
  /** What was newly acknowledged, in the order sent: the largest last. Never empty. Datagrams given up before are not in it. */
  readonly acked: readonly SendTag[];
  /** The sizes of `acked` together. */
  readonly bytes: number;
  /** Bytes in flight before this ACK frame, and before the losses that it showed. */
  readonly inFlightBefore: number;
  /** Bytes in flight now, without what this ACK frame showed to be lost. */
  readonly inFlight: number;
  /** Bytes that this ACK frame showed to be lost. */
  readonly lostBytes: number;
  /**
   * The round trip that this ACK frame measured, in ms, without the peer's delay in as far as that is known; undefined when it
   * measured none (its largest was not newly acknowledged).
   */
  readonly latestRtt: number | undefined;
  /** The smoothed round trip, in ms, with this sample in it. */
  readonly smoothedRtt: number;
}

/** Datagrams that were given up. */
export interface LossEvent {
  /** In the order sent. Never empty. */
  readonly lost: readonly SendTag[];
  /** Their sizes together. */
  readonly bytes: number;
  /** Bytes in flight without them. */
  readonly inFlight: number;
  /** They make up persistent congestion (RFC 9002 section 7.6). */
  readonly persistent: boolean;
}

/**
 * Decides how much may be in flight and how fast it leaves. Pure: knows no clock but what it is told, bytes and ms throughout.
 *
 * The caller takes the bytes off its count first, then reports: for one ACK frame `onLost` (if it showed losses), then `onAck`. A loss
 * timer reports `onLost` alone. Time must not go backwards. What isn't counted in flight (acks alone, padding that asks for nothing)
 * isn't reported; probes that may exceed the window are reported as all others.
 */
export interface Controller {
  readonly name: ControllerName;
  /** Bytes that may be in flight. A datagram may leave while in flight and its size stay within. */
  readonly window: number;
  /** Bytes per ms; Infinity while there is nothing to pace by. */
  readonly pacingRate: number;
  /** Bytes that may leave in one burst. */
  readonly sendQuantum: number;
  /** A datagram leaves. Fills in `tag`; `inFlight` is without it. */
  onSent(tag: SendTag, now: Instant, size: number, inFlight: number): void;
  onAck(now: Instant, event: AckEvent): void;
  onLost(now: Instant, event: LossEvent): void;
  /** A datagram that was given up was acknowledged after all. Once all that a reaction was about came back, it is undone. */
  onSpuriousLoss(now: Instant, tag: SendTag): void;
  /** Window and pacer would allow more, but there is nothing to send. `inFlight` is what is in flight then. */
  onAppLimited(inFlight: number): void;
  /** The size of full datagrams changed. */
  onMtu(datagramSize: number): void;
  /** The path is another: all that was learnt is void. Tags of datagrams sent before are to be dropped by the caller. */
  onPathReset(): void;
  /** Where it stands, for `stats()` and qlog. Allocates: not for hot paths. */
  snapshot(): ControllerSnapshot;
}

/** What a controller knows, in bytes and ms. What a kind of controller doesn't have is undefined. */
export interface ControllerSnapshot {
  readonly name: ControllerName;
  /** Such as `slow-start`, `avoidance`, `recovery`, `startup`, `probe-up`. */
  readonly phase: string;
  readonly window: number;
  /** Bytes per ms. */
  readonly pacingRate: number;
  readonly slowStartThreshold: number | undefined;
  /** Bytes per ms: the most that was delivered of late. */
  readonly bandwidth: number | undefined;
  readonly minRtt: number | undefined;
  /** Reactions to loss so far, and how many of them were undone. */
  readonly reactions: number;
  readonly undone: number;
}

export interface ControllerOptions {
  /** Size of a full datagram in bytes. Default 1200. */
  readonly datagramSize?: number;
  /** A round trip known from the handshake, in ms. */
  readonly rtt?: number | undefined;
  /** A number in [0, 1): chance, for BBR's waits. */
  readonly random: () => number;
}

/** Minimum window in datagrams. RFC 9002 section 7.2. */
export const MINIMUM_DATAGRAMS = 2;

/** A longer burst overflows the receive buffers that systems give to UDP. */
const BURST_MOST = 65_536;

/** The window to begin with: ten datagrams, within 14,720 bytes or two datagrams. RFC 9002 section 7.2. */
export function initialWindow(datagramSize: number): number {
  return Math.min(10 * datagramSize, Math.max(2 * datagramSize, 14_720));
}

/** How long a burst may be: two datagrams, or what the rate lets leave in 2 ms (timers count whole ms), within 64 KiB. */
export function quantum(rate: number, datagramSize: number): number {
  return rate === Infinity ? 10 * datagramSize : Math.max(2 * datagramSize, Math.min(rate * 2, BURST_MOST));
}

/** A tag for `onSent` to fill in. */
export function newSendTag(): SendTag {
  return {
    sentAt: 0,
    size: 0,
    delivered: 0,
    deliveredAt: 0,
    firstSentAt: 0,
    lost: 0,
    inFlight: 0,
    appLimited: false,
    reaction: 0,
  };
}
