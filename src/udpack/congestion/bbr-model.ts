import type { Instant } from '../../core/index.ts';
import { ExtraAcked, MaxBandwidth, MinRtt } from './bbr-filters.ts';
import { LossJudge } from './bbr-loss.ts';
import { type AckEvent, initialWindow, type SendTag } from './controller.ts';
import { DeliveryRate } from './delivery-rate.ts';

/** What remains of a bound after too much loss. */
const BETA = 0.7;
/** What of the latest delivery loss leaves, if our own probing did not cause it: less than all, so that others gain. */
const YIELD = 0.85;
/** What of the long-term bound is used while cruising: the rest is room for others. */
const HEADROOM = 0.8;
/** In datagrams. */
const MINIMUM_PIPE = 4;

/** BBR's picture of the path: how much it delivers, how long it takes, and how much may be in flight before it loses. */
export class PathModel {
  readonly rate: DeliveryRate = new DeliveryRate();
  readonly maxBandwidth: MaxBandwidth = new MaxBandwidth();
  readonly minRtt: MinRtt = new MinRtt();
  readonly extraAcked: ExtraAcked = new ExtraAcked();
  readonly judge: LossJudge = new LossJudge();
  datagramSize: number;
  /** The rate to go by: the highest of late, within `bandwidthLow`. */
  bandwidth: number = 0;
  /** Short-term bounds, which loss sets until the next probe. */
  bandwidthLow: number = Infinity;
  inflightLow: number = Infinity;
  /** Long-term bound of what may be in flight, which probing moves. */
  inflightHigh: number = Infinity;
  /** The last ACK frame began a round; began a round of loss signals. */
  roundStart = false;
  lossRoundStart = false;
  lossesInRound = 0;
  /** When the last probe for more ended: what was sent before is lost by our own doing. */
  probedUntil: Instant = -Infinity;
  #othersLosses = 0;
  /** The most in flight that was delivered within this round of loss signals. */
  inflightLatest = 0;
  #bandwidthLatest = 0;
  #roundEnd = 0;
  #lossRoundEnd = 0;

  constructor(datagramSize: number) {
    this.datagramSize = datagramSize;
  }

  /** First look at an ACK frame. `probing`: the phase accepts loss as the price of looking for more. */
  onAck(now: Instant, event: AckEvent, window: number, probing: boolean): void {
    const { rate } = this;
    rate.onAck(now, event, this.minRtt.value === Infinity ? 0 : this.minRtt.value);
    if (event.latestRtt !== undefined) this.judge.onRtt(event.latestRtt);
    this.roundStart = rate.prior >= this.#roundEnd;
    if (this.roundStart) this.beginRound();
    this.#takeSignals(window, probing);
    this.extraAcked.add(now, event.bytes, this.bandwidth, window, this.roundStart);
  }

  /** Last look at an ACK frame, after the phases had theirs. */
  settle(): void {
    if (this.lossRoundStart) {
      this.#bandwidthLatest = this.rate.rate;
      this.inflightLatest = this.rate.amount;
      this.lossesInRound = 0;
      this.#othersLosses = 0;
      this.judge.onRound(this.rate.delivered, this.minRtt.value);
    }
    this.bandwidth = Math.min(this.maxBandwidth.value, this.bandwidthLow);
  }

  /**
   * A datagram was lost. Returns how much was in flight, within this datagram, when loss became too much; undefined when it isn't too
   * much.
   */
  onLost(tag: SendTag): number | undefined {
    this.rate.lost += tag.size;
    this.judge.onLost(tag.size);
    if (this.lossesInRound === 0) this.#lossRoundEnd = this.rate.delivered;
    this.lossesInRound++;
    if (tag.sentAt > this.probedUntil) this.#othersLosses++;
    const lost = this.rate.lost - tag.lost;
    if (!this.judge.tooMany(lost, tag.inFlight, this.minRtt.value)) return undefined;
    const part = this.judge.threshold;
    const before = tag.inFlight - tag.size;
    return before + Math.max((part * before - (lost - tag.size)) / (1 - part), 0);
  }

  /** Whether what was lost of the last sample is too much. */
  get losesTooMuch(): boolean {
    return this.judge.tooMany(this.rate.lostSince, this.rate.sentInFlight, this.minRtt.value);
  }

  /** The next round begins with the ack of what is sent from now on. */
  beginRound(): void {
    this.#roundEnd = this.rate.delivered;
  }

  /** Sets the long-term bound to what was in flight when loss became too much. */
  boundHigh(sentInFlight: number, window: number): void {
    this.inflightHigh = Math.max(sentInFlight, BETA * this.target(window));
  }

  forgetLow(): void {
    this.bandwidthLow = Infinity;
    this.inflightLow = Infinity;
  }

  forgetSignals(): void {
    this.lossesInRound = 0;
    this.#othersLosses = 0;
    this.#bandwidthLatest = 0;
    this.inflightLatest = 0;
  }

  reset(): void {
    this.rate.reset();
    this.maxBandwidth.reset();
    this.minRtt.reset();
    this.extraAcked.reset();
    this.judge.reset();
    this.forgetLow();
    this.forgetSignals();
    this.inflightHigh = Infinity;
    this.bandwidth = 0;
  }

  /** The bandwidth-delay product, times `gain`, in bytes. */
  product(gain: number, bandwidth: number): number {
    return this.minRtt.value === Infinity ? initialWindow(this.datagramSize) : gain * bandwidth * this.minRtt.value;
  }

  /** What is to be in flight, within `window`. */
  target(window: number): number {
    return Math.min(this.product(1, this.bandwidth), window);
  }

  get isQueueing(): boolean {
    return this.judge.queueing(this.minRtt.value);
  }

  /** Loss showed that the path delivers less than half of what it did: capacity went, not luck. */
  get isCollapsed(): boolean {
    return this.bandwidthLow < this.maxBandwidth.value / 2;
  }

  get minimum(): number {
    return MINIMUM_PIPE * this.datagramSize;
  }

  get withHeadroom(): number {
    return Math.max(this.inflightHigh * HEADROOM, this.minimum);
  }

  #takeSignals(window: number, probing: boolean): void {
    const { rate, amount, prior, delivered, appLimited } = this.rate;
    this.#bandwidthLatest = Math.max(this.#bandwidthLatest, rate);
    this.inflightLatest = Math.max(this.inflightLatest, amount);
    if (rate >= this.maxBandwidth.value || !appLimited) this.maxBandwidth.add(rate);
    this.lossRoundStart = prior >= this.#lossRoundEnd;
    if (!this.lossRoundStart) return;
    this.#lossRoundEnd = delivered;
    if (this.lossesInRound > 0 && !probing && this.judge.unusual(delivered, this.minRtt.value)) this.#lower(window);
  }

  #lower(window: number): void {
    const bandwidth = this.bandwidthLow === Infinity ? this.maxBandwidth.value : this.bandwidthLow;
    const inflight = this.inflightLow === Infinity ? window : this.inflightLow;
    const left = this.#othersLosses > 0 ? YIELD : 1;
    this.bandwidthLow = Math.max(left * this.#bandwidthLatest, BETA * bandwidth);
    this.inflightLow = Math.max(left * this.inflightLatest, BETA * inflight);
  }
}
