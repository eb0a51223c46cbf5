import type { Instant } from '../core/index.ts';

/** What every path carries, in bytes of UDP payload, or it carries no session at all. */
export const MTU_LEAST = 1200;
/** Sizes that are tried, in this order: Ethernet behind IPv6 or a tunnel, jumbo frames, loopback. */
export const MTU_LADDER: readonly number[] = [1452, 8900, 60_000];
/** A size is tried this often before it counts as too long (RFC 8899 MAX_PROBES). */
const TRIES = 3;
/** So many datagrams in a row above the least size lost, and none acknowledged: a black hole (RFC 8899 4.3). */
const BLACK_HOLE = 6;
/** Where nobody needs longer datagrams, the search begins so many ms after it could: sessions that are soon over are spared it. */
const CALM = 100;
/** After a black hole, the ladder is climbed again from below the size that fell into it, after this many ms. */
const AGAIN_AFTER = 10_000;

/**
 * Finds how long datagrams may be on one path, by sending probes of a size and waiting for their acks (RFC 8899). What is lost
 * at a probe's size is the probe alone. A size that failed is not tried again on this path.
 */
export class MtuSearch {
  /** Bytes of UDP payload that datagrams may have now. */
  size: number = MTU_LEAST;

  /** No probe of this size or above. */
  #ceiling: number;
  #tries = 0;
  #outstanding = false;
  #lostInRow = 0;
  /** The last datagram above the least size that is known to have come through. */
  #through = -1;
  #restAt: Instant | undefined;
  #since: Instant | undefined;

  /** @param most What the peer takes in, the interface can send, and our buffers hold; whichever is least. */
  constructor(most: number) {
    this.#ceiling = most + 1;
  }

  /**
   * The size of the probe that should leave now; undefined: none.
   * @param needed Whether there is more to send than a datagram of now holds.
   */
  probe(now: Instant, needed: boolean): number | undefined {
    if (this.#outstanding || (this.#restAt !== undefined && now < this.#restAt)) return undefined;
    this.#since ??= now;
    return needed || now - this.#since >= CALM ? this.#rung() : undefined;
  }

  onProbeSent(): void {
    this.#outstanding = true;
    this.#restAt = undefined;
  }

  /** Whether the path's size has grown by it. */
  onProbeAcked(size: number): boolean {
    this.#outstanding = false;
    this.#tries = 0;
    if (size <= this.size || size >= this.#ceiling) return false;
    this.size = size;
    this.#lostInRow = 0;
    return true;
  }

  onProbeLost(size: number): void {
    this.#outstanding = false;
    if (++this.#tries < TRIES) return;
    this.#tries = 0;
    this.#ceiling = Math.min(this.#ceiling, size);
  }

  /** Datagrams are counted from 0 again. */
  onOtherNumbers(): void {
    this.#through = -1;
    this.#lostInRow = 0;
  }

  /** Nobody will hear of what was under way. */
  onAbandoned(): void {
    this.#outstanding = false;
  }

  /** The system refused a datagram as too long (EMSGSIZE). Whether the path's size has shrunk by it. */
  onRefused(size: number, now: Instant): boolean {
    this.#ceiling = Math.min(this.#ceiling, Math.max(size, MTU_LEAST + 1));
    if (this.size < this.#ceiling) return false;
    this.#fall(now);
    return true;
  }

  /** @param order The datagram's place among all of its path. */
  onAcked(size: number, order: number): void {
    if (size <= MTU_LEAST) return;
    this.#lostInRow = 0;
    this.#through = Math.max(this.#through, order);
  }

  /** Whether so many were lost that the path's size falls to the least: not those behind which others of their size came through. */
  onLost(size: number, order: number, now: Instant): boolean {
    if (size <= MTU_LEAST || this.size === MTU_LEAST || order < this.#through) return false;
    if (++this.#lostInRow < BLACK_HOLE) return false;
    this.#ceiling = Math.min(this.#ceiling, this.size);
    this.#fall(now);
    return true;
  }

  /** Probe time-outs went unanswered: perhaps short datagrams fare better. Whether the path's size has fallen. */
  onSilence(now: Instant): boolean {
    if (this.size === MTU_LEAST) return false;
    // Nobody knows that it is the size; it may be tried again.
    this.#fall(now);
    return true;
  }

  #fall(now: Instant): void {
    this.size = MTU_LEAST;
    this.#lostInRow = 0;
    this.#tries = 0;
    this.#restAt = now + AGAIN_AFTER;
  }

  /** The next size above the one of now, if it is allowed: between two rungs nothing is tried. */
  #rung(): number | undefined {
    const most = this.#ceiling - 1;
    for (const rung of MTU_LADDER) {
      if (rung <= this.size) continue;
      if (rung <= most) return rung;
      break;
    }
    return undefined;
  }
}
