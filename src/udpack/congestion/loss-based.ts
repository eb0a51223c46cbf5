import type { Instant } from '../../core/index.ts';
import {
  type AckEvent,
  type Controller,
  type ControllerName,
  type ControllerOptions,
  type ControllerSnapshot,
  initialWindow,
  type LossEvent,
  MINIMUM_DATAGRAMS,
  quantum,
  type SendTag,
} from './controller.ts';

/** Pacing, in windows per round trip: ahead of the acks, so that the window is what bounds. */
const SLOW_START_PACE = 2;
const AVOIDANCE_PACE = 1.25;

/**
 * What the controllers with a window that loss makes smaller have in common: recovery periods, persistent congestion, and undoing a
 * reaction whose losses were none (RFC 9002 section 7). The kinds differ in how the window grows and by how much it shrinks.
 */
export abstract class LossBased implements Controller {
  abstract readonly name: ControllerName;
  window: number;
  pacingRate: number = Infinity;
  sendQuantum: number;
  protected datagramSize: number;
  protected threshold: number = Infinity;
  protected smoothedRtt: number;
  /** Losses of datagrams sent up to here belong to the last reaction. RFC 9002 section 7.3.2. */
  #recoveryStart: Instant | undefined;
  /** When what was in flight last filled the window. */
  #fullAt: Instant | undefined;
  #reactions = 0;
  #undone = 0;
  /** Bytes of the last reaction that have not come back. */
  #missing = 0;
  #canUndo = false;
  #windowBefore = 0;
  #thresholdBefore = 0;

  constructor(options: ControllerOptions) {
    this.datagramSize = options.datagramSize ?? 1200;
    this.window = initialWindow(this.datagramSize);
    this.smoothedRtt = options.rtt ?? 0;
    this.sendQuantum = 0;
    this.#pace();
  }

  onSent(tag: SendTag, now: Instant, size: number, inFlight: number): void {
    tag.sentAt = now;
    tag.size = size;
    tag.inFlight = inFlight + size;
    tag.reaction = 0;
    if (inFlight + size + this.datagramSize > this.window) this.#fullAt = now;
    this.sent(now, inFlight);
  }

  onAck(now: Instant, event: AckEvent): void {
    this.smoothedRtt = event.smoothedRtt;
    this.acked(now, event);
    if (this.#isUsed(event)) {
      const bytes = this.#bytesOutsideRecovery(event);
      if (bytes > 0) this.grow(now, event, bytes);
    } else {
      this.idled(now);
    }
    this.#pace();
  }

  onLost(now: Instant, event: LossEvent): void {
    let fresh = false;
    for (const tag of event.lost) fresh ||= this.#recoveryStart === undefined || tag.sentAt > this.#recoveryStart;
    if (fresh) this.#react(now);
    for (const tag of event.lost) {
      tag.reaction = this.#reactions;
      this.#missing += tag.size;
    }
    if (event.persistent) this.#collapse();
    this.#pace();
  }

  onSpuriousLoss(now: Instant, tag: SendTag): void {
    if (!this.#canUndo || tag.reaction !== this.#reactions) return;
    this.#missing -= tag.size;
    if (this.#missing > 0) return;
    this.#canUndo = false;
    this.#undone++;
    this.#recoveryStart = undefined;
    this.window = Math.max(this.window, this.#windowBefore);
    this.threshold = Math.max(this.threshold, this.#thresholdBefore);
    this.restore(now);
    this.#pace();
  }

  onAppLimited(_inFlight: number): void {}

  onMtu(datagramSize: number): void {
    const initial = this.window === initialWindow(this.datagramSize) && this.#recoveryStart === undefined;
    this.datagramSize = datagramSize;
    this.window = initial ? initialWindow(datagramSize) : Math.max(this.window, this.minimum);
    this.#pace();
  }

  onPathReset(): void {
    this.window = initialWindow(this.datagramSize);
    this.threshold = Infinity;
    this.smoothedRtt = 0;
    this.#recoveryStart = undefined;
    this.#fullAt = undefined;
    this.#canUndo = false;
    this.forget();
    this.#pace();
  }

  snapshot(): ControllerSnapshot {
    return {
      name: this.name,
      phase: this.phase(),
      window: this.window,
      pacingRate: this.pacingRate,
      slowStartThreshold: this.threshold === Infinity ? undefined : this.threshold,
      bandwidth: undefined,
      minRtt: undefined,
      reactions: this.#reactions,
      undone: this.#undone,
    };
  }

  /** Grows the window for `bytes` acknowledged while it was in full use. */
  protected abstract grow(now: Instant, event: AckEvent, bytes: number): void;
  /** Sets window and threshold after loss; the window is at least `minimum` afterwards. */
  protected abstract reduce(now: Instant): void;
  /** Goes back to what was before the last `reduce`; window and threshold have been put back. */
  protected restore(_now: Instant): void {}
  /** Forgets what it learnt of the path, or of its history at persistent congestion. */
  protected forget(): void {}
  /** A datagram leaves. */
  protected sent(_now: Instant, _inFlight: number): void {}
  /** An ACK frame came, whatever the window does with it. */
  protected acked(_now: Instant, _event: AckEvent): void {}
  /** An ACK frame came while the window was not in full use. */
  protected idled(_now: Instant): void {}

  protected phase(): string {
    return this.slowStart ? 'slow-start' : 'avoidance';
  }

  protected get slowStart(): boolean {
    return this.window < this.threshold;
  }

  protected get minimum(): number {
    return MINIMUM_DATAGRAMS * this.datagramSize;
  }

  /** The window was full at some time since the largest acknowledged datagram left; in slow start, half full is enough. */
  #isUsed(event: AckEvent): boolean {
    const largest = event.acked.at(-1);
    if (this.#fullAt !== undefined && largest !== undefined && this.#fullAt >= largest.sentAt) return true;
    return this.slowStart && event.inFlightBefore * 2 >= this.window;
  }

  #bytesOutsideRecovery(event: AckEvent): number {
    const start = this.#recoveryStart;
    if (start === undefined) return event.bytes;
    let bytes = 0;
    for (const tag of event.acked) if (tag.sentAt > start) bytes += tag.size;
    return bytes;
  }

  #react(now: Instant): void {
    this.#windowBefore = this.window;
    this.#thresholdBefore = this.threshold;
    this.#recoveryStart = now;
    this.#reactions++;
    this.#missing = 0;
    this.#canUndo = true;
    this.reduce(now);
    this.window = Math.max(this.window, this.minimum);
  }

  /** Persistent congestion: RFC 9002 section 7.6.2. */
  #collapse(): void {
    this.window = this.minimum;
    this.#recoveryStart = undefined;
    this.#canUndo = false;
    this.forget();
  }

  #pace(): void {
    const gain = this.slowStart ? SLOW_START_PACE : AVOIDANCE_PACE;
    this.pacingRate = this.smoothedRtt > 0 ? (gain * this.window) / this.smoothedRtt : Infinity;
    this.sendQuantum = quantum(this.pacingRate, this.datagramSize);
  }
}
