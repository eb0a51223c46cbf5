import type { Instant } from '../../core/index.ts';
import type { AckEvent, SendTag } from './controller.ts';

/** What clocks can tell apart, in ms. */
const LEAST_INTERVAL = 0.001;

/**
 * How fast the path delivers (draft-cheng-iccrg-delivery-rate-estimation): each datagram remembers how much had been delivered when it
 * left, so its ack shows what was delivered meanwhile. The sample of the last ACK frame stands in the fields.
 */
export class DeliveryRate {
  /** Bytes delivered and lost so far. */
  delivered = 0;
  lost = 0;
  #deliveredAt: Instant = 0;
  #firstSentAt: Instant = 0;
  /** While `delivered` is below it, samples say less about the path than about the application. */
  #limitedUntil = 0;

  /** Bytes per ms; 0 when the last ACK frame gave no sample. */
  rate = 0;
  /** Bytes that the sample is about. */
  amount = 0;
  /** Bytes that had been delivered when the newest acknowledged datagram left. */
  prior = 0;
  /** Bytes in flight when it left, and lost since then. */
  sentInFlight = 0;
  lostSince = 0;
  /** Whether the application bounded the sample. */
  appLimited = false;

  get limited(): boolean {
    return this.#limitedUntil > 0;
  }

  onSent(tag: SendTag, now: Instant, size: number, inFlight: number): void {
    if (inFlight === 0) {
      this.#firstSentAt = now;
      this.#deliveredAt = now;
    }
    tag.sentAt = now;
    tag.size = size;
    tag.delivered = this.delivered;
    tag.deliveredAt = this.#deliveredAt;
    tag.firstSentAt = this.#firstSentAt;
    tag.lost = this.lost;
    tag.inFlight = inFlight + size;
    tag.appLimited = this.#limitedUntil > 0;
    tag.reaction = 0;
  }

  /** Makes the sample. `minRtt` is the least interval that can be believed. */
  onAck(now: Instant, event: AckEvent, minRtt: number): void {
    this.delivered += event.bytes;
    this.#deliveredAt = now;
    if (this.#limitedUntil > 0 && this.delivered > this.#limitedUntil) this.#limitedUntil = 0;
    const newest = event.acked.at(-1);
    if (newest === undefined) return;
    this.#firstSentAt = newest.sentAt;
    this.prior = newest.delivered;
    this.sentInFlight = newest.inFlight;
    this.lostSince = this.lost - newest.lost;
    this.appLimited = newest.appLimited;
    this.amount = this.delivered - newest.delivered;
    // The slower of sending and hearing: acks that come at once make no path faster than what was sent.
    const interval = Math.max(newest.sentAt - newest.firstSentAt, now - newest.deliveredAt);
    this.rate = interval >= LEAST_INTERVAL && interval >= minRtt ? this.amount / interval : 0;
  }

  onAppLimited(inFlight: number): void {
    this.#limitedUntil = Math.max(this.delivered + inFlight, 1);
  }

  reset(): void {
    this.#limitedUntil = 0;
    this.rate = 0;
  }
}
