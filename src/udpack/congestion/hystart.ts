import type { Instant } from '../../core/index.ts';
import type { AckEvent } from './controller.ts';

/** RFC 9406 section 4.3, in ms, samples, a divisor and rounds. */
const MIN_RTT_THRESHOLD = 4;
const MAX_RTT_THRESHOLD = 16;
const MIN_RTT_DIVISOR = 8;
const RTT_SAMPLES = 8;
const CSS_GROWTH_DIVISOR = 4;
const CSS_ROUNDS = 5;

/**
 * HyStart++ (RFC 9406): leaves slow start when round trips grow, before the queue overflows. First for a conservative slow start at a quarter
 * of the growth; if round trips shrink again it was jitter, else slow start is over after five rounds. Growth has no limit L: we pace.
 */
export class HyStart {
  #roundStart: Instant | undefined;
  #lastMinRtt = Infinity;
  #minRtt = Infinity;
  #samples = 0;
  /** The least round trip when the conservative slow start began; undefined in slow start. */
  #baseline: number | undefined;
  #cautiousRounds = 0;

  /** Takes in an ACK frame of slow start. Returns true when slow start is over. */
  onAck(now: Instant, event: AckEvent): boolean {
    const over = this.#roundEnds(now, event);
    if (event.latestRtt !== undefined) {
      this.#minRtt = Math.min(this.#minRtt, event.latestRtt);
      this.#samples++;
    }
    if (over) return true;
    if (this.#samples < RTT_SAMPLES) return false;
    if (this.#baseline === undefined) this.#lookForDelay();
    else if (this.#minRtt < this.#baseline) this.#baseline = undefined;
    return false;
  }

  /** By how much growth is divided now. */
  get divisor(): number {
    return this.#baseline === undefined ? 1 : CSS_GROWTH_DIVISOR;
  }

  reset(): void {
    this.#roundStart = undefined;
    this.#lastMinRtt = Infinity;
    this.#minRtt = Infinity;
    this.#samples = 0;
    this.#baseline = undefined;
  }

  /** A round ends with the ack of a datagram that left after it began. Returns true when that was the last cautious one. */
  #roundEnds(now: Instant, event: AckEvent): boolean {
    const largest = event.acked.at(-1);
    if (this.#roundStart !== undefined && (largest === undefined || largest.sentAt < this.#roundStart)) return false;
    this.#roundStart = now;
    this.#lastMinRtt = this.#minRtt;
    this.#minRtt = Infinity;
    this.#samples = 0;
    if (this.#baseline !== undefined) this.#cautiousRounds++;
    return this.#baseline !== undefined && this.#cautiousRounds >= CSS_ROUNDS;
  }

  #lookForDelay(): void {
    if (this.#lastMinRtt === Infinity) return;
    const wanted = Math.max(MIN_RTT_THRESHOLD, Math.min(this.#lastMinRtt / MIN_RTT_DIVISOR, MAX_RTT_THRESHOLD));
    if (this.#minRtt < this.#lastMinRtt + wanted) return;
    this.#baseline = this.#minRtt;
    this.#cautiousRounds = 0;
  }
}
