import type { Instant } from '../core/index.ts';
import { Deadline, type DeadlineOwner, type TimerWheel } from '../runtime/index.ts';

export interface RateSettings {
  /** Messages a second that a peer may send in the long run. */
  readonly messageRate: number;
  /** Messages that it may send at once. */
  readonly messageBurst: number;
  /** How long it may be slowed, ms, before it is sent away. */
  readonly rateWait: number;
  readonly wheel: TimerWheel;
}

/** What a guard does about a peer that sends too much. */
export interface Guarded {
  pause(): void;
  resume(): void;
  /** Being slowed did not help. */
  overRate(): void;
}

/** Reading goes on when so many messages may come as in this part of a second, or as in a burst. */
const BREATH = 0.1;

/**
 * A token bucket for what one peer sends. When it is empty, nothing more is read until some tokens are back, so that the peer feels it as
 * back-pressure; what was read already is still served. A peer that keeps the bucket under half for `rateWait` is sent away. With infinite
 * settings the number of tokens is none, which is never under zero.
 */
export class RateGuard implements DeadlineOwner {
  readonly #settings: RateSettings;
  readonly #guarded: Guarded;
  #deadline: Deadline | undefined;
  #tokens: number;
  #at: Instant;
  /** Since when the bucket has not been half full again; undefined while it is not known to run dry. */
  #dryingSince: Instant | undefined;
  #isPaused = false;

  constructor(settings: RateSettings, guarded: Guarded, now: Instant) {
    this.#settings = settings;
    this.#guarded = guarded;
    this.#tokens = settings.messageBurst;
    this.#at = now;
  }

  /** One message came. */
  count(now: Instant): void {
    this.#refill(now);
    this.#tokens -= 1;
    if (this.#tokens < 0 && !this.#isPaused) this.#slow(now);
  }

  /** The link is gone. */
  stop(): void {
    if (this.#deadline) this.#settings.wheel.cancel(this.#deadline);
  }

  onDeadline(now: Instant): void {
    this.#refill(now);
    // What had been read when the pause began may have come to more than was waited for.
    if (this.#wait > 0) {
      this.#restUntil(now + this.#wait);
      return;
    }
    this.#isPaused = false;
    this.#guarded.resume();
  }

  /** How long the bucket takes to what is needed for going on, ms. */
  get #wait(): number {
    const { messageRate, messageBurst, rateWait } = this.#settings;
    if (messageRate === 0) return rateWait;
    return ((Math.min(BREATH * messageRate, messageBurst) - this.#tokens) / messageRate) * 1000;
  }

  #restUntil(at: Instant): void {
    this.#deadline ??= new Deadline(this);
    this.#settings.wheel.schedule(this.#deadline, at);
  }

  #refill(now: Instant): void {
    const { messageRate, messageBurst } = this.#settings;
    this.#tokens = Math.min(messageBurst, this.#tokens + ((now - this.#at) * messageRate) / 1000);
    this.#at = now;
    if (this.#dryingSince !== undefined && this.#tokens >= messageBurst / 2) this.#dryingSince = undefined;
  }

  #slow(now: Instant): void {
    this.#dryingSince ??= now;
    if (now - this.#dryingSince >= this.#settings.rateWait) {
      this.#guarded.overRate();
      return;
    }
    this.#isPaused = true;
    this.#guarded.pause();
    this.#restUntil(now + this.#wait);
  }
}
