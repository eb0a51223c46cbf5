import type { Instant } from '../../core/index.ts';
import { FullPipe } from './bbr-filters.ts';
import { PathModel } from './bbr-model.ts';
import {
  type AckEvent,
  type Controller,
  type ControllerOptions,
  type ControllerSnapshot,
  initialWindow,
  type LossEvent,
  quantum,
  type SendTag,
} from './controller.ts';
import { Reactions } from './reactions.ts';

type Phase = 'startup' | 'drain' | 'probe-down' | 'probe-cruise' | 'probe-refill' | 'probe-up' | 'probe-rtt';

/** What the acks of now tell about, since they come a round trip after the sending. */
type AckPhase = 'init' | 'refilling' | 'starting' | 'feedback' | 'stopping';

/** How fast and how much, in estimated rates and bandwidth-delay products. */
const GAINS: Readonly<Record<Phase, { readonly pacing: number; readonly window: number }>> = {
  startup: { pacing: 2.77, window: 2 },
  drain: { pacing: 0.5, window: 2 },
  'probe-down': { pacing: 0.9, window: 2 },
  'probe-cruise': { pacing: 1, window: 2 },
  'probe-refill': { pacing: 1, window: 2 },
  'probe-up': { pacing: 1.25, window: 2.25 },
  'probe-rtt': { pacing: 1, window: 0.5 },
};

/** Paced a little below the estimate, so that a queue of ours drains. */
const PACING_MARGIN = 0.99;
/** Losses in one round that may end Startup. */
const STARTUP_LOSSES = 6;
/** In ms. */
const PROBE_RTT_TIME = 200;
const PROBE_WAIT_LEAST = 2000;
const PROBE_WAIT_SPREAD = 1000;
/** Rounds between probes at most; fewer where Reno would have regained its window. */
const PROBE_ROUNDS = 63;
/**
 * After a probe that filled the queue: how much of the time that CUBIC takes to its former window is waited at least, and ms at most.
 * K of RFC 9438 for a window of `w` datagrams is the cube root of 0.75 `w`, in seconds.
 */
const CUBIC_PART = 0.8;
const CUBIC_WAIT_MOST = 6000;

/** What a reaction may have changed for nothing. */
interface Saved {
  readonly phase: Phase;
  readonly bandwidthLow: number;
  readonly inflightLow: number;
  readonly inflightHigh: number;
}

/** BBR in the manner of draft-ietf-ccwg-bbr (version 3); where it departs is in docs/decisions/congestion.md. */
export class Bbr implements Controller {
  readonly name = 'bbr';
  window: number;
  pacingRate: number = Infinity;
  sendQuantum: number = 0;
  readonly #random: () => number;
  readonly #model: PathModel;
  readonly #reactions: Reactions = new Reactions();
  #pipe: FullPipe = new FullPipe();
  #phase: Phase = 'startup';
  #ackPhase: AckPhase = 'init';
  /** Samples of now come from probing: too much loss in them moves the long-term bound. */
  #sampling = false;
  #cycleAt: Instant = 0;
  #probeWait = 0;
  /** The last probe filled the queue: others lost by it, and are given time. */
  #filledQueue = false;
  #roundsSinceProbe = 0;
  /** Growth of the long-term bound: rounds of it, bytes acknowledged meanwhile, and how many of them make one datagram. */
  #upRounds = 0;
  #upAcked = 0;
  #upCount = Infinity;
  #probeRttUntil: Instant | undefined;
  #probeRttRound = false;
  #windowBefore = 0;
  #idleRestart = false;
  /** When what was in flight last filled the window. */
  #fullAt: Instant | undefined;
  #saved: Saved | undefined;

  constructor(options: ControllerOptions) {
    const datagramSize = options.datagramSize ?? 1200;
    this.#random = options.random;
    this.#model = new PathModel(datagramSize);
    this.window = initialWindow(datagramSize);
    this.#setInitialRate(options.rtt ?? 0);
    this.#setQuantum();
  }

  onSent(tag: SendTag, now: Instant, size: number, inFlight: number): void {
    if (inFlight === 0 && this.#model.rate.limited) this.#restartFromIdle(now);
    this.#model.rate.onSent(tag, now, size, inFlight);
    if (inFlight + size + this.#model.datagramSize > this.window) this.#fullAt = now;
  }

  onAck(now: Instant, event: AckEvent): void {
    const model = this.#model;
    model.onAck(now, event, this.window, this.#isProbing);
    if (model.roundStart) this.#roundsSinceProbe++;
    if (!model.rate.appLimited) this.#pipe.add(model.rate.rate, model.roundStart);
    if (this.#phase === 'startup') this.#checkStartup();
    if (this.#pipe.reached) this.#cycle(now, event);
    model.minRtt.add(now, event.latestRtt);
    // As at the end of ProbeRTT.
    if (model.minRtt.spared && !model.isCollapsed) model.forgetLow();
    this.#checkProbeRtt(now, event.inFlight);
    model.settle();
    this.#setPacing(event.smoothedRtt);
    this.#setWindow(event.bytes);
  }

  onLost(now: Instant, event: LossEvent): void {
    const fresh = this.#reactions.isFresh(event);
    this.#reactions.onLost(now, event, fresh);
    if (fresh) this.#save();
    if (this.#sampling && this.#model.isQueueing) this.#filledQueue = true;
    for (const tag of event.lost) {
      const sentInFlight = this.#model.onLost(tag);
      if (sentInFlight !== undefined && this.#sampling) this.#tooHigh(now, sentInFlight, tag.appLimited);
    }
    if (!event.persistent) return;
    this.#saveWindow();
    this.window = this.#model.minimum;
    this.#reactions.forget();
  }

  onSpuriousLoss(_now: Instant, tag: SendTag): void {
    const saved = this.#saved;
    if (!this.#reactions.onSpurious(tag) || saved === undefined) return;
    const model = this.#model;
    model.lossesInRound = 0;
    model.bandwidthLow = Math.max(model.bandwidthLow, saved.bandwidthLow);
    model.inflightLow = Math.max(model.inflightLow, saved.inflightLow);
    model.inflightHigh = Math.max(model.inflightHigh, saved.inflightHigh);
    if (saved.phase === 'startup' && this.#phase !== 'probe-rtt' && this.#phase !== 'startup') this.#startAgain();
  }

  onAppLimited(inFlight: number): void {
    this.#model.rate.onAppLimited(inFlight);
  }

  onMtu(datagramSize: number): void {
    const model = this.#model;
    model.datagramSize = datagramSize;
    const before = this.window;
    this.window = model.rate.delivered === 0 ? initialWindow(datagramSize) : Math.max(before, model.minimum);
    // While all that is known of the rate is a window and a round trip, it follows the window: one long datagram must not wait for long.
    if (!this.#pipe.reached && this.window > before) this.pacingRate *= this.window / before;
    this.#setQuantum();
  }

  onPathReset(): void {
    this.#model.reset();
    this.#reactions.forget();
    this.#startAgain();
    this.window = initialWindow(this.#model.datagramSize);
    this.pacingRate = Infinity;
    this.#setQuantum();
  }

  snapshot(): ControllerSnapshot {
    const { maxBandwidth, minRtt } = this.#model;
    return {
      name: this.name,
      phase: this.#phase,
      window: this.window,
      pacingRate: this.pacingRate,
      slowStartThreshold: undefined,
      bandwidth: maxBandwidth.value,
      minRtt: minRtt.value === Infinity ? undefined : minRtt.value,
      reactions: this.#reactions.count,
      undone: this.#reactions.undone,
    };
  }

  get #isProbing(): boolean {
    return this.#phase === 'startup' || this.#phase === 'probe-refill' || this.#phase === 'probe-up';
  }

  /** In one of the four phases of ProbeBW. */
  get #isCycling(): boolean {
    return this.#phase.startsWith('probe-') && this.#phase !== 'probe-rtt';
  }

  // Startup.

  #checkStartup(): void {
    const model = this.#model;
    const lossy = model.lossRoundStart && model.lossesInRound >= STARTUP_LOSSES && model.losesTooMuch;
    if (!this.#pipe.reached && lossy && model.maxBandwidth.value > 0) {
      this.#pipe.reached = true;
      model.inflightHigh = Math.max(this.#inflightFor(model.maxBandwidth.value, 1), model.inflightLatest);
    }
    if (this.#pipe.reached) this.#phase = 'drain';
  }

  #startAgain(): void {
    this.#phase = 'startup';
    this.#ackPhase = 'init';
    this.#sampling = false;
    this.#pipe = new FullPipe();
  }

  // The cycle of Drain and ProbeBW.

  #cycle(now: Instant, event: AckEvent): void {
    this.#adaptHigh(now, event);
    switch (this.#phase) {
      case 'drain':
        if (event.inFlight <= this.#inflightFor(this.#model.maxBandwidth.value, 1)) this.#enterDown(now);
        return;
      case 'probe-down':
        if (!this.#checkProbe(now) && this.#isDrained(event.inFlight)) this.#phase = 'probe-cruise';
        return;
      case 'probe-cruise':
        this.#checkProbe(now);
        return;
      case 'probe-refill':
        if (this.#model.roundStart) this.#enterUp();
        return;
      case 'probe-up':
        if (this.#isUpDone(event)) this.#enterDown(now);
        return;
      case 'startup':
      case 'probe-rtt':
    }
  }

  #enterDown(now: Instant): void {
    this.#model.forgetSignals();
    this.#model.probedUntil = now;
    this.#upCount = Infinity;
    this.#roundsSinceProbe = this.#random() < 0.5 ? 0 : 1;
    this.#probeWait = this.#random() * PROBE_WAIT_SPREAD;
    this.#cycleAt = now;
    this.#ackPhase = 'stopping';
    this.#model.beginRound();
    this.#phase = 'probe-down';
  }

  #enterRefill(): void {
    this.#filledQueue = false;
    // What was measured before the capacity went is void sooner.
    if (this.#model.isCollapsed) this.#model.maxBandwidth.advance();
    this.#model.forgetLow();
    this.#upRounds = 0;
    this.#upAcked = 0;
    this.#ackPhase = 'refilling';
    this.#model.beginRound();
    this.#phase = 'probe-refill';
  }

  #enterUp(): void {
    this.#sampling = true;
    this.#ackPhase = 'starting';
    this.#model.beginRound();
    this.#pipe.restart(this.#model.rate.rate);
    this.#phase = 'probe-up';
    this.#raiseSlope();
  }

  /** Probes when the wait is over, or Reno would have regained its window. */
  #checkProbe(now: Instant): boolean {
    const datagrams = this.#model.target(this.window) / this.#model.datagramSize;
    const careful = this.#filledQueue && !this.#model.isCollapsed;
    const rounds = careful ? datagrams : Math.min(datagrams, PROBE_ROUNDS);
    const cubic = careful ? Math.min(CUBIC_PART * 1000 * Math.cbrt(0.75 * datagrams), CUBIC_WAIT_MOST) : 0;
    const wait = Math.max(PROBE_WAIT_LEAST, cubic) + this.#probeWait;
    if (now <= this.#cycleAt + wait && this.#roundsSinceProbe < rounds) return false;
    this.#enterRefill();
    return true;
  }

  #isDrained(inFlight: number): boolean {
    const most = Math.min(this.#model.withHeadroom, this.#inflightFor(this.#model.maxBandwidth.value, 1));
    return inFlight <= most;
  }

  #isUpDone(event: AckEvent): boolean {
    if (!this.#isFull(event) || this.window < this.#model.inflightHigh) return this.#pipe.now;
    // The bound stands in the way, not the path.
    this.#pipe.restart(this.#model.rate.rate);
    return false;
  }

  #adaptHigh(now: Instant, event: AckEvent): void {
    const model = this.#model;
    const { sentInFlight, appLimited } = model.rate;
    if (model.roundStart) this.#advanceAckPhase(appLimited);
    if (model.losesTooMuch) {
      if (this.#sampling) this.#tooHigh(now, sentInFlight, appLimited);
      return;
    }
    if (model.inflightHigh === Infinity) return;
    if (sentInFlight > model.inflightHigh) model.inflightHigh = sentInFlight;
    if (this.#phase === 'probe-up') this.#raiseHigh(event);
  }

  #advanceAckPhase(appLimited: boolean): void {
    if (this.#ackPhase === 'starting') {
      this.#ackPhase = 'feedback';
    } else if (this.#ackPhase === 'stopping') {
      this.#sampling = false;
      this.#ackPhase = 'init';
      if (this.#isCycling && !appLimited) this.#model.maxBandwidth.advance();
    }
  }

  #tooHigh(now: Instant, sentInFlight: number, appLimited: boolean): void {
    this.#sampling = false;
    if (!appLimited) this.#model.boundHigh(sentInFlight, this.window);
    if (this.#phase === 'probe-up') this.#enterDown(now);
  }

  /** Grows the bound while it is in full use: by one datagram in the first round, then by twice as many each round. */
  #raiseHigh(event: AckEvent): void {
    const model = this.#model;
    if (!this.#isFull(event) || this.window < model.inflightHigh) return;
    this.#upAcked += event.bytes;
    if (this.#upAcked >= this.#upCount) {
      const steps = Math.floor(this.#upAcked / this.#upCount);
      this.#upAcked -= steps * this.#upCount;
      model.inflightHigh += steps * model.datagramSize;
    }
    if (model.roundStart) this.#raiseSlope();
  }

  #raiseSlope(): void {
    this.#upCount = Math.max(this.window / 2 ** this.#upRounds, this.#model.datagramSize);
    this.#upRounds = Math.min(this.#upRounds + 1, 30);
  }

  /** The window was full at some time since the largest acknowledged datagram left. */
  #isFull(event: AckEvent): boolean {
    const largest = event.acked.at(-1);
    return this.#fullAt !== undefined && largest !== undefined && this.#fullAt >= largest.sentAt;
  }

  // ProbeRTT and idleness.

  #checkProbeRtt(now: Instant, inFlight: number): void {
    const model = this.#model;
    if (this.#phase !== 'probe-rtt' && model.minRtt.expired && !this.#idleRestart) {
      this.#saveWindow();
      this.#phase = 'probe-rtt';
      this.#probeRttUntil = undefined;
      this.#ackPhase = 'stopping';
      model.beginRound();
    }
    if (this.#phase === 'probe-rtt') this.#probeRtt(now, inFlight);
    this.#idleRestart = false;
  }

  #probeRtt(now: Instant, inFlight: number): void {
    const model = this.#model;
    model.rate.onAppLimited(inFlight);
    if (this.#probeRttUntil === undefined) {
      if (inFlight > this.#probeRttWindow) return;
      this.#probeRttUntil = now + PROBE_RTT_TIME;
      this.#probeRttRound = false;
      model.beginRound();
      return;
    }
    if (model.roundStart) this.#probeRttRound = true;
    if (this.#probeRttRound) this.#checkProbeRttDone(now);
  }

  #checkProbeRttDone(now: Instant): void {
    if (this.#probeRttUntil === undefined || now <= this.#probeRttUntil) return;
    const model = this.#model;
    model.minRtt.looked(now);
    this.window = Math.max(this.window, this.#windowBefore);
    if (!model.isCollapsed) model.forgetLow();
    if (this.#pipe.reached) this.#enterDown(now);
    this.#phase = this.#pipe.reached ? 'probe-cruise' : 'startup';
  }

  get #probeRttWindow(): number {
    return Math.max(this.#model.product(GAINS['probe-rtt'].window, this.#model.bandwidth), this.#model.minimum);
  }

  #restartFromIdle(now: Instant): void {
    this.#idleRestart = true;
    this.#model.extraAcked.restart(now);
    if (this.#isCycling && this.#model.bandwidth > 0) this.pacingRate = this.#model.bandwidth * PACING_MARGIN;
    else if (this.#phase === 'probe-rtt') this.#checkProbeRttDone(now);
  }

  #saveWindow(): void {
    this.#windowBefore = this.#phase === 'probe-rtt' ? Math.max(this.#windowBefore, this.window) : this.window;
  }

  #save(): void {
    const { bandwidthLow, inflightLow, inflightHigh } = this.#model;
    this.#saved = { phase: this.#phase, bandwidthLow, inflightLow, inflightHigh };
  }

  // What comes out: rate, burst, window.

  #setInitialRate(rtt: number): void {
    if (rtt > 0) this.pacingRate = (GAINS.startup.pacing * this.window) / rtt;
  }

  #setPacing(smoothedRtt: number): void {
    const { bandwidth } = this.#model;
    const rate = GAINS[this.#phase].pacing * bandwidth * PACING_MARGIN;
    if (bandwidth === 0) this.#setInitialRate(smoothedRtt);
    else if (this.#pipe.reached || rate > this.pacingRate || this.pacingRate === Infinity) this.pacingRate = rate;
    this.#setQuantum();
  }

  #setQuantum(): void {
    this.sendQuantum = quantum(this.pacingRate, this.#model.datagramSize);
  }

  #setWindow(acked: number): void {
    const { bandwidth, extraAcked, rate, datagramSize, minimum } = this.#model;
    const most = this.#inflightFor(bandwidth, GAINS[this.#phase].window) + extraAcked.value;
    let window = this.window + acked;
    if (this.#pipe.reached) window = Math.min(window, most);
    else if (this.window >= most && rate.delivered >= initialWindow(datagramSize)) window = this.window;
    this.window = Math.max(Math.min(window, this.#bound), minimum);
  }

  /** What the bounds of the model allow in this phase. */
  get #bound(): number {
    const { inflightHigh, inflightLow, withHeadroom } = this.#model;
    if (this.#phase === 'probe-rtt') return Math.min(this.#probeRttWindow, withHeadroom, inflightLow);
    if (this.#phase === 'probe-cruise') return Math.min(withHeadroom, inflightLow);
    return this.#isCycling ? Math.min(inflightHigh, inflightLow) : inflightLow;
  }

  /** What is to be in flight for a gain: enough for two bursts, whatever the path. */
  #inflightFor(bandwidth: number, gain: number): number {
    const model = this.#model;
    const enough = Math.max(model.product(gain, bandwidth), 2 * this.sendQuantum, model.minimum);
    return this.#phase === 'probe-up' ? enough + 2 * model.datagramSize : enough;
  }
}
