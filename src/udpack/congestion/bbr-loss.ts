/** Loss that is taken for congestion, as a part of what was sent. */
const LOSS_THRESHOLD = 0.02;
/** Loss that is taken for congestion however short the queue. */
const LOSS_ALWAYS = 0.2;
/** What a queue adds to the round trip, at least: a part of the least round trip, and ms. */
const QUEUE_PART = 1 / 8;
const QUEUE_LEAST = 3;
/** The most that is taken for a path's own loss. */
const AMBIENT_MOST = 0.1;
const AMBIENT_WEIGHT = 1 / 8;
/** How much more than usual there must be. */
const AMBIENT_MARGIN = 1.5;

/**
 * Tells loss by a full queue from loss by the path itself (radio, noise). A full queue shows in the round trip; loss without that is the
 * path's own, and its rate is remembered, so that it also isn't mistaken while there happens to be a queue.
 */
export class LossJudge {
  #ambient = 0;
  #rttBefore = 0;
  #rttNow = 0;
  #lostBefore = 0;
  #lost = 0;
  #deliveredBefore = 0;

  /** The loss that the path has without a queue, as a part of what is sent. */
  get ambient(): number {
    return this.#ambient;
  }

  /** The part of what is sent above which loss is congestion. */
  get threshold(): number {
    return LOSS_THRESHOLD + AMBIENT_MARGIN * this.#ambient;
  }

  onRtt(rtt: number): void {
    if (rtt > this.#rttNow) this.#rttNow = rtt;
  }

  onLost(bytes: number): void {
    this.#lost += bytes;
  }

  /** A round trip is over. */
  onRound(delivered: number, minRtt: number): void {
    const sent = this.#lost + delivered - this.#deliveredBefore;
    if (!this.queueing(minRtt) && sent > 0) {
      const part = Math.min(this.#lost / sent, AMBIENT_MOST);
      this.#ambient += (part - this.#ambient) * AMBIENT_WEIGHT;
    }
    this.#deliveredBefore = delivered;
    this.#lostBefore = this.#lost;
    this.#lost = 0;
    this.#rttBefore = this.#rttNow;
    this.#rttNow = 0;
  }

  /** Whether round trips of this round or the last one show a queue. */
  queueing(minRtt: number): boolean {
    return Math.max(this.#rttNow, this.#rttBefore) > minRtt + Math.max(QUEUE_LEAST, minRtt * QUEUE_PART);
  }

  /** Whether `lost` of `sent` bytes are too many for the path's own loss. */
  tooMany(lost: number, sent: number, minRtt: number): boolean {
    if (lost > sent * LOSS_ALWAYS) return true;
    return lost > sent * this.threshold && this.queueing(minRtt);
  }

  /** Whether the losses of this round and the last one are more than the path's own. */
  unusual(delivered: number, minRtt: number): boolean {
    const lost = this.#lost + this.#lostBefore;
    const sent = this.#lost + delivered - this.#deliveredBefore;
    if (lost > sent * LOSS_ALWAYS) return true;
    return this.queueing(minRtt) && this.#lost > AMBIENT_MARGIN * this.#ambient * sent;
  }

  reset(): void {
    this.#ambient = 0;
    this.#rttBefore = 0;
    this.#rttNow = 0;
    this.#lost = 0;
  }
}
