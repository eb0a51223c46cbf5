import { HawserError, type Instant } from '../../core/index.ts';
import type { Link } from '../../transport/index.ts';
import type { Session } from '../../udpack/index.ts';
import { Alarm, now } from '../../udpack-endpoint/parts.ts';

/** It looks so often in the time that an answer has. */
const LOOKS = 4;

/**
 * Ends a link whose way has died: while acks are due, something must be heard. UDPack itself would wait longer, since the way may come
 * back; a client has other ways, and loses nothing by taking one.
 */
export class AnswerWatch {
  readonly #session: Session;
  readonly #link: Link;
  readonly #wait: number;
  readonly #alarm: Alarm;
  #heard = 0;
  #heardAt: Instant = 0;
  #lookedAt: Instant = 0;

  /** @param wait ms; 0 or Infinity turns it off. */
  constructor(session: Session, link: Link, wait: number) {
    this.#session = session;
    this.#link = link;
    this.#wait = wait;
    this.#alarm = new Alarm(() => this.#look());
    this.#alarm.keepAlive(false);
  }

  begin(): void {
    if (!(this.#wait > 0 && this.#wait < Number.POSITIVE_INFINITY)) return;
    this.#heardAt = now();
    this.#next(this.#heardAt);
    void this.#link.closed.then(() => this.#alarm.clear());
  }

  #next(at: Instant): void {
    this.#lookedAt = at;
    this.#alarm.set(at + this.#wait / LOOKS);
  }

  #look(): void {
    const at = now();
    const { inFlight, bytesReceived } = this.#session.stats;
    // After a sleep of this side, what the peer said may still wait to be read.
    const late = at - this.#lookedAt > (this.#wait / LOOKS) * 2;
    if (inFlight === 0 || bytesReceived !== this.#heard || late) this.#heardAt = at;
    this.#heard = bytesReceived;
    if (at - this.#heardAt < this.#wait) this.#next(at);
    else
      this.#link.abort(
        new HawserError('ERR_PEER_SILENT', `nothing was heard for ${this.#wait} ms though answers are due`),
      );
  }
}
