import type { Instant } from '../../core/index.ts';
import type { SendTag } from '../congestion/index.ts';
import type { SentFrame } from '../sent.ts';

/** What is remembered of a datagram until it is acknowledged or given up. Congestion control keeps its numbers in it. */
export class SentDatagram implements SendTag {
  /** Its place among all datagrams of its path, from 0. */
  readonly order: number;
  sentAt: Instant;
  /** Bytes of UDP payload. */
  size: number;
  /** Whether it asks for an ack. Only such datagrams are in flight. */
  readonly asks: boolean;
  /** The key phase that it was sealed in. */
  readonly phase: number;
  /** An MTU probe: its loss says nothing of congestion. */
  readonly probe: boolean;
  readonly frames: SentFrame[];
  /** Its frames were sent again because of a probe time-out. */
  repeated = false;
  /** The ACK in it: of which of our ids, up to which number. -1: none. */
  ackSequence = -1;
  ackLargest = -1;

  // The controller's.
  delivered = 0;
  deliveredAt: Instant = 0;
  firstSentAt: Instant = 0;
  lost = 0;
  inFlight = 0;
  appLimited = false;
  reaction = 0;

  constructor(
    order: number,
    sentAt: Instant,
    size: number,
    asks: boolean,
    phase: number,
    probe: boolean,
    frames: SentFrame[],
  ) {
    this.order = order;
    this.sentAt = sentAt;
    this.size = size;
    this.asks = asks;
    this.phase = phase;
    this.probe = probe;
    this.frames = frames;
  }
}
