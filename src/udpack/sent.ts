import type { Instant } from '../core/index.ts';
import type { FrameWriter } from './frames.ts';

/**
 * What became of a frame that was sent. One of the two is called once, or `lost` first and `acked` later, when the ack came after the
 * frame was given up. Padding, acks and closing are not remembered.
 */
export interface SentFrame {
  acked(now: Instant): void;
  /** Its content is to be sent again, in as far as it still matters. */
  lost(now: Instant): void;
}

/** Something that has frames to send. */
export interface FrameSource {
  /**
   * Writes as many frames as fit and belong into the datagram, most urgent first, and puts one entry per frame into `sent`. Returns
   * whether anything was written.
   */
  fill(writer: FrameWriter, sent: SentFrame[], now: Instant): boolean;
}
