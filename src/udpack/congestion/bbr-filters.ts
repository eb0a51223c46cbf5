import type { Instant } from '../../core/index.ts';

/** In ms. */
const MIN_RTT_AGE = 10_000;
const PROBE_RTT_INTERVAL = 5000;
/** So much above the least, as a part of it, the queue is empty all the same, and needn't be emptied to be sure; for so many ms at most. */
const NEAR = 1 / 32;
const NEAR_MOST = 30_000;
/** Rounds that one half of the memory of aggregation lasts. */
const AGGREGATION_ROUNDS = 5;

/** The highest rate delivered in this cycle of probing and the one before. */
export class MaxBandwidth {
  #now = 0;
  #before = 0;

  get value(): number {
    return Math.max(this.#now, this.#before);
  }

  add(rate: number): void {
    if (rate > this.#now) this.#now = rate;
  }

  /** A cycle is over: what was before it is forgotten. */
  advance(): void {
    if (this.#now === 0) return;
    this.#before = this.#now;
    this.#now = 0;
  }

  reset(): void {
    this.#now = 0;
    this.#before = 0;
  }
}

/** The least round trip of the last ten seconds, and when to go and look for it. */
export class MinRtt {
  /** In ms; Infinity before the first. */
  value: number = Infinity;
  #at: Instant = 0;
  #recent = Infinity;
  #recentAt: Instant = 0;
  /** When it was last looked for, or found to be clearly less. */
  #soughtAt: Instant = 0;
  #dueAt: Instant = 0;
  /** The recent least is so old that the queue is to be emptied for a fresh one. */
  expired: boolean = false;
  /** That would be due, had round trips near the least one not shown that the queue is empty; once each five seconds. */
  spared: boolean = false;

  add(now: Instant, rtt: number | undefined): void {
    if (rtt !== undefined && rtt <= this.#recent * (1 + NEAR) && now < this.#soughtAt + NEAR_MOST) this.#recentAt = now;
    this.expired = this.#recent < Infinity && now > this.#recentAt + PROBE_RTT_INTERVAL;
    this.spared = !this.expired && now > this.#dueAt;
    if (this.spared || this.expired) this.#dueAt = now + PROBE_RTT_INTERVAL;
    if (rtt !== undefined && (rtt < this.#recent || this.expired)) {
      if (this.expired || rtt < this.#recent * (1 - NEAR)) this.#soughtAt = now;
      this.#recent = rtt;
      this.#recentAt = now;
    }
    if (this.#recent < this.value || now > this.#at + MIN_RTT_AGE) {
      this.value = this.#recent;
      this.#at = this.#recentAt;
    }
  }

  /** A look was had: the next is due in five seconds. */
  looked(now: Instant): void {
    this.#recentAt = now;
    this.#soughtAt = now;
  }

  reset(): void {
    this.value = Infinity;
    this.#recent = Infinity;
    this.expired = false;
  }
}

/** By how much acks run ahead of the rate, in bytes: what aggregation on the way needs in flight besides. */
export class ExtraAcked {
  #since: Instant = 0;
  #delivered = 0;
  #now = 0;
  #before = 0;
  #rounds = 0;

  get value(): number {
    return Math.max(this.#now, this.#before);
  }

  add(now: Instant, bytes: number, rate: number, window: number, roundStart: boolean): void {
    if (roundStart && ++this.#rounds >= AGGREGATION_ROUNDS) {
      this.#before = this.#now;
      this.#now = 0;
      this.#rounds = 0;
    }
    let expected = rate * (now - this.#since);
    if (this.#delivered <= expected) {
      this.restart(now);
      expected = 0;
    }
    this.#delivered += bytes;
    this.#now = Math.max(this.#now, Math.min(this.#delivered - expected, window));
  }

  /** Begins to compare anew. */
  restart(now: Instant): void {
    this.#since = now;
    this.#delivered = 0;
  }

  reset(): void {
    this.#now = 0;
    this.#before = 0;
    this.#delivered = 0;
  }
}

/** Rounds without growth by a quarter, after which the pipe is full. */
const FULL_ROUNDS = 3;
const FULL_GROWTH = 1.25;

/** Whether the rate still grows with what is sent. */
export class FullPipe {
  /** The rate stopped growing since `restart`. */
  now: boolean = false;
  /** It did at some time: Startup is over. */
  reached: boolean = false;
  #rate = 0;
  #rounds = 0;

  add(rate: number, roundStart: boolean): void {
    if (this.now) return;
    if (rate >= this.#rate * FULL_GROWTH) {
      this.restart(rate);
    } else if (roundStart) {
      this.#rounds++;
      this.now = this.#rounds >= FULL_ROUNDS;
      this.reached ||= this.now;
    }
  }

  /** Looks for growth from `rate` on. */
  restart(rate: number): void {
    this.#rate = rate;
    this.#rounds = 0;
    this.now = false;
  }
}
