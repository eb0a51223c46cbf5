import type { SessionEvent } from './session-types.ts';
import type { Streams } from './streams/index.ts';

/** What a session tells its application: what it has to say itself, then what its streams have; behind its end nothing. */
export class Told {
  readonly #events: SessionEvent[] = [];
  #over = false;
  /** Streams may tell what they have before the end. */
  #resting = false;
  #last: SessionEvent | undefined;

  get lastType(): SessionEvent['type'] | undefined {
    return this.#events.at(-1)?.type;
  }

  /** Whether it will be told: frames before CLOSE in a datagram, and later ones, are read, and go unheard. */
  push(event: SessionEvent): boolean {
    if (!this.#over) this.#events.push(event);
    return !this.#over;
  }

  /**
   * The end.
   * @param resting Whether streams tell before it what has arrived: as much as there may be, it is taken out only as it is polled.
   */
  end(last: SessionEvent, resting: boolean): void {
    this.#over = true;
    this.#last = last;
    this.#resting = resting;
  }

  /** @param silent Whether streams have nothing to say yet. */
  poll(streams: Streams, silent: boolean): SessionEvent | undefined {
    const own = this.#events.shift();
    if (own !== undefined) return own;
    const event = (this.#over ? this.#resting : !silent) ? streams.poll() : undefined;
    if (event !== undefined || this.#last === undefined) return event;
    const last = this.#last;
    this.#last = undefined;
    this.#resting = false;
    return last;
  }
}
