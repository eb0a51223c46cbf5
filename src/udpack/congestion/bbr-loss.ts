/** Loss that is taken for congestion, as a part of what was sent. */
const LOSS_THRESHOLD = 0.02;
/** Loss that is taken for congestion however short the queue; outside of probing, after so many rounds of it, since a burst passes. */
const LOSS_ALWAYS = 0.2;
const HEAVY_ROUNDS = 4;
/** What a queue adds to the mean round trip, at least: a part of the least round trip, and ms. */
const QUEUE_PART = 1 / 8;
const QUEUE_LEAST = 3;
/** Or by how much the mean rises above its usual value: in usual deviations, and ms. */
const RISE_DEVIATIONS = 2;
const RISE_LEAST = 1;
/** How fast the usual values follow, per round. */
const USUAL_WEIGHT = 1 / 16;
/** The most that is taken for a path's own loss, how fast it is learnt per round, and how much more there must be. */
const AMBIENT_MOST = 0.1;
const AMBIENT_WEIGHT = 1 / 8;
const AMBIENT_MARGIN = 1.5;
/** Chance alone makes a round lose this much more than usual, as a part of what was sent. */
const CHANCE = 0.01;

/**
 * Tells loss by a full queue from loss by the path itself (radio, noise). Before a queue overflows it grows, and the round trip with it:
 * beyond the least one, or, where the queue is tiny, beyond what is usual here. Loss without that is the path's own. Its rate is
 * remembered, so that it also isn't mistaken while there happens to be a queue. It goes by the mean of a round, since single round trips
 * show jitter, and how busy our own process is.
 */
export class LossJudge {
  #ambient = 0;
  /** Mean round trips, in ms: of this round, the one before, and as usual. 0: none yet. */
  #mean = 0;
  #meanBefore = 0;
  #usual = 0;
  #deviation = 0;
  #samples = 0;
  #heavyRounds = 0;
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
    this.#samples++;
    this.#mean += (rtt - this.#mean) / this.#samples;
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
    this.#learnUsual();
    this.#deliveredBefore = delivered;
    this.#heavyRounds = this.#lost > sent * LOSS_ALWAYS ? this.#heavyRounds + 1 : 0;
    this.#lost = 0;
    this.#meanBefore = this.#mean;
    this.#mean = 0;
    this.#samples = 0;
  }

  /** Whether round trips of this round or the last one show a queue. */
  queueing(minRtt: number): boolean {
    const mean = Math.max(this.#mean, this.#meanBefore);
    const rise = Math.max(RISE_LEAST, RISE_DEVIATIONS * this.#deviation);
    if (this.#usual > 0 && mean > this.#usual + rise) return true;
    return mean > minRtt + Math.max(QUEUE_LEAST, minRtt * QUEUE_PART);
  }

  /** Whether `lost` of `sent` bytes are too many for the path's own loss. */
  tooMany(lost: number, sent: number, minRtt: number): boolean {
    if (lost > sent * LOSS_ALWAYS) return true;
    return lost > sent * this.threshold && this.queueing(minRtt);
  }

  /** Whether the losses of this round are more than the path's own: any at all where it has none. */
  unusual(delivered: number, minRtt: number): boolean {
    const sent = this.#lost + delivered - this.#deliveredBefore;
    if (this.#heavyRounds >= HEAVY_ROUNDS) return true;
    const own = Math.min(4 * this.#ambient, AMBIENT_MARGIN * this.#ambient + CHANCE);
    return this.#lost > own * sent && this.queueing(minRtt);
  }

  reset(): void {
    this.#ambient = 0;
    this.#mean = 0;
    this.#meanBefore = 0;
    this.#usual = 0;
    this.#deviation = 0;
    this.#samples = 0;
    this.#heavyRounds = 0;
    this.#lost = 0;
  }

  #learnUsual(): void {
    if (this.#samples === 0) return;
    if (this.#usual === 0) this.#usual = this.#mean;
    const off = this.#mean - this.#usual;
    this.#deviation += (Math.abs(off) - this.#deviation) * USUAL_WEIGHT;
    this.#usual += off * USUAL_WEIGHT;
  }
}
