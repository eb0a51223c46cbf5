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
import { Reactions } from './reactions.ts';

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
  readonly #reactions: Reactions = new Reactions();
  /** When what was in flight last filled the window. */
  #fullAt: Instant | undefined;
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
    const fresh = this.#reactions.isFresh(event);
    this.#reactions.onLost(now, event, fresh);
    if (fresh) this.#react();
    if (event.persistent) this.#collapse();
    this.#pace();
  }

  onSpuriousLoss(_now: Instant, tag: SendTag): void {
    if (!this.#reactions.onSpurious(tag)) return;
    this.window = Math.max(this.window, this.#windowBefore);
    this.threshold = Math.max(this.threshold, this.#thresholdBefore);
    this.restore();
    this.#pace();
  }

  onAppLimited(_inFlight: number): void {}

  onMtu(datagramSize: number): void {
    const initial = this.window === initialWindow(this.datagramSize) && this.threshold === Infinity;
    this.datagramSize = datagramSize;
    this.window = initial ? initialWindow(datagramSize) : Math.max(this.window, this.minimum);
    this.#pace();
  }

  onPathReset(): void {
    this.window = initialWindow(this.datagramSize);
    this.threshold = Infinity;
    this.smoothedRtt = 0;
    this.#reactions.forget();
    this.#fullAt = undefined;
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
      reactions: this.#reactions.count,
      undone: this.#reactions.undone,
    };
  }

  /** Grows the window for `bytes` acknowledged while it was in full use. */
  protected abstract grow(now: Instant, event: AckEvent, bytes: number): void;
  /** Sets window and threshold after loss; the window is at least `minimum` afterwards. */
  protected abstract reduce(): void;
  /** Goes back to what was before the last `reduce`; window and threshold have been put back. */
  protected restore(): void {}
  /** Forgets what it learnt of the path, or of its history at persistent congestion. */
  protected forget(): void {}
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
    let bytes = 0;
    for (const tag of event.acked) if (!this.#reactions.covers(tag)) bytes += tag.size;
    return bytes;
  }

  #react(): void {
    this.#windowBefore = this.window;
    this.#thresholdBefore = this.threshold;
    this.reduce();
    this.window = Math.max(this.window, this.minimum);
  }

  /** Persistent congestion: RFC 9002 section 7.6.2. */
  #collapse(): void {
    this.window = this.minimum;
    this.#reactions.forget();
    this.forget();
  }

  #pace(): void {
    const gain = this.slowStart ? SLOW_START_PACE : AVOIDANCE_PACE;
    this.pacingRate = this.smoothedRtt > 0 ? (gain * this.window) / this.smoothedRtt : Infinity;
    this.sendQuantum = quantum(this.pacingRate, this.datagramSize);
  }
}
