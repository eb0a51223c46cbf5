import type { Instant } from '../../core/index.ts';
import type { SendTag } from '../congestion/index.ts';
import type { SentFrame } from '../sent.ts';

/** What is remembered of a datagram until it is acknowledged or given up. Congestion control keeps its numbers in it. */
export interface SentDatagram extends SendTag {
  /** Its place among all datagrams of its path, from 0. */
  order: number;
  sentAt: Instant;
  /** Bytes of UDP payload. */
  size: number;
  /** Whether it asks for an ack. Only such datagrams are in flight. */
  asks: boolean;
  /** The key phase that it was sealed in. */
  phase: number;
  /** An MTU probe: its loss says nothing of congestion. */
  probe: boolean;
  /** Its frames were sent again because of a probe time-out. */
  repeated: boolean;
  readonly frames: SentFrame[];
  /** The ACK in it: of which of our ids, up to which number. -1: none. */
  ackSequence: number;
  ackLargest: number;
}
