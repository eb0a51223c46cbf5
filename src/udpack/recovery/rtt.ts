/** The least that a timer can tell apart, in ms; RFC 9002 calls it kGranularity. */
export const GRANULARITY = 1;
/** Before anything was measured; RFC 9002 6.2.2. */
export const INITIAL_RTT = 333;

/** No probe time-out is longer, in ms: a process that was stopped for minutes measures such round trips. */
const PROBE_TIMEOUT_MOST = 10_000;

/** Round-trip times of one path, in ms; RFC 9002 section 5. */
export class RoundTrips {
  latest = 0;
  smoothed: number = INITIAL_RTT;
  variation: number = INITIAL_RTT / 2;
  /** The least that was seen, without regard to ack delay. Infinity before the first. */
  least: number = Number.POSITIVE_INFINITY;
  measured = false;

  /**
   * Takes in a sample.
   * @param delay What the peer says that it held the ack back, not above what it promised.
   */
  sample(latest: number, delay: number): void {
    this.latest = latest;
    this.least = Math.min(this.least, latest);
    if (!this.measured) {
      this.measured = true;
      this.smoothed = latest;
      this.variation = latest / 2;
      return;
    }
    const adjusted = latest >= this.least + delay ? latest - delay : latest;
    this.variation = 0.75 * this.variation + 0.25 * Math.abs(this.smoothed - adjusted);
    this.smoothed = 0.875 * this.smoothed + 0.125 * adjusted;
  }

  /** What a handshake measured, as a first guess: the next sample replaces it. */
  guess(latest: number): void {
    this.smoothed = latest;
    this.variation = latest / 2;
  }

  /** The way is another: what was measured is a first guess. */
  forget(): void {
    this.measured = false;
    this.least = Number.POSITIVE_INFINITY;
    this.guess(this.smoothed);
  }

  /** A probe time-out without backing off (RFC 9002 6.2.1), for a peer that holds acks back for `ackDelay`. */
  probeTimeout(ackDelay: number): number {
    return Math.min(this.smoothed + Math.max(4 * this.variation, GRANULARITY) + ackDelay, PROBE_TIMEOUT_MOST);
  }
}
