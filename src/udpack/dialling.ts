import type { Instant } from '../core/index.ts';
import type { Fault } from './faults.ts';
import { ClientHandshake, type ClientHandshakeInit, type Established } from './handshake/index.ts';

/** The first INIT is repeated after so many ms, then each time after twice as long, up to the second number. */
const WAIT = 250;
const WAIT_MOST = 4000;

/** A client's handshake in time: INIT leaves, and again, until something comes of it. */
export class Dialling {
  /** INITs that have left. */
  sent = 0;
  /** The round trip that the handshake took, if it is certain which INIT was answered. */
  trip: number | undefined;

  readonly #handshake: ClientHandshake;
  #due = true;
  #sentAt: Instant = 0;
  #againAt: Instant | undefined;
  #wait: number = WAIT;

  constructor(init: ClientHandshakeInit) {
    this.#handshake = new ClientHandshake(init);
  }

  get deadline(): Instant | undefined {
    return this.#againAt;
  }

  tick(now: Instant): void {
    if (this.#againAt === undefined || now < this.#againAt) return;
    this.#againAt = undefined;
    this.#due = true;
  }

  /** Writes INIT if it is due; the length, or 0. */
  transmit(out: Uint8Array, now: Instant): number {
    if (!this.#due || !this.#handshake.possible) return 0;
    const { initial } = this.#handshake;
    out.set(initial);
    this.#due = false;
    this.sent++;
    this.#sentAt = now;
    this.#againAt = now + this.#wait;
    this.#wait = Math.min(this.#wait * 2, WAIT_MOST);
    return initial.length;
  }

  /** Takes in RESPONSE, RETRY or VERSION: `again` when INIT is to leave anew, undefined when nothing came of it. */
  receive(datagram: Uint8Array, now: Instant): Established | Fault | 'again' | undefined {
    const result = this.#handshake.receive(datagram);
    if (result === 'again') {
      this.#due = true;
      this.sent = 0;
    } else if (typeof result === 'object' && this.sent === 1) this.trip = Math.max(now - this.#sentAt, 1);
    return result;
  }
}
