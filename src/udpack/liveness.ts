import type { Instant } from '../core/index.ts';

/** A time-out is never below so many probe time-outs: RFC 9000 10.1. */
const PROBES = 3;
/** A PING goes out after no more than this part of the idle time, whatever `keepalive` says: the peer may have chosen a short one. */
const KEEPALIVE_PART = 1 / 2;

/** Whether the peer is still there: when it was heard, when a PING is to go out, when the session is given up. Times are in ms. */
export class Liveness {
  #keepalive: number;
  #idle = 0;
  #heardAt: Instant;
  /** Something that asks for an ack was sent since the peer was heard: it counts as life once (RFC 9000 10.1). */
  #asked = false;

  /** @param keepalive Silence after which a PING goes out; 0: none does. */
  constructor(keepalive: number, now: Instant) {
    this.#keepalive = keepalive;
    this.#heardAt = now;
  }

  /** Both sides have said how long they wait; 0: for ever. The lesser holds. */
  agree(own: number, peer: number): void {
    this.#idle = own === 0 || peer === 0 ? Math.max(own, peer) : Math.min(own, peer);
    if (this.#idle > 0) this.#keepalive = Math.min(this.#keepalive, this.#idle * KEEPALIVE_PART);
  }

  onHeard(now: Instant): void {
    this.#heardAt = now;
    this.#asked = false;
  }

  /** A datagram that asks for an ack has left. */
  onAsked(now: Instant): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#heardAt = now;
  }

  idleAt(probeTimeout: number): Instant | undefined {
    return this.#idle === 0 ? undefined : this.#heardAt + Math.max(this.#idle, probeTimeout * PROBES);
  }

  /** When a PING is due; while an ack is waited for, none is. */
  get keepaliveAt(): Instant | undefined {
    return this.#keepalive === 0 || this.#asked ? undefined : this.#heardAt + this.#keepalive;
  }
}

/** The earlier of two times, either of which may be none. */
export function earlier(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b;
  return b === undefined || a < b ? a : b;
}
