import type { Instant } from '../../core/index.ts';
import type { LossEvent, SendTag } from './controller.ts';

/** Recovery periods: one reaction for all losses of what was sent before it (RFC 9002 section 7.3.2), and whether they were losses at all. */
export class Reactions {
  /** Reactions so far, and those of them that turned out to be for nothing. */
  count = 0;
  undone = 0;
  #start: Instant | undefined;
  /** Bytes of the last reaction that have not come back. */
  #missing = 0;
  #canUndo = false;

  /** Whether the losses begin a new reaction. To be followed by `onLost`. */
  isFresh(event: LossEvent): boolean {
    for (const tag of event.lost) if (!this.covers(tag)) return true;
    return false;
  }

  onLost(now: Instant, event: LossEvent, fresh: boolean): void {
    if (fresh) {
      this.#start = now;
      this.count++;
      this.#missing = 0;
      this.#canUndo = true;
    }
    // By the tags, and not by the sum of the event: what has no tag can't come back.
    for (const tag of event.lost) {
      tag.reaction = this.count;
      this.#missing += tag.size;
    }
  }

  /** Whether it was sent before the last reaction. */
  covers(tag: SendTag): boolean {
    return this.#start !== undefined && tag.sentAt <= this.#start;
  }

  /** A lost datagram came back. True when it was the last one of the last reaction, which is then to be undone. */
  onSpurious(tag: SendTag): boolean {
    if (!this.#canUndo || tag.reaction !== this.count) return false;
    this.#missing -= tag.size;
    if (this.#missing > 0) return false;
    this.forget();
    this.undone++;
    return true;
  }

  /** The next loss is a new reaction, and the last one stands. */
  forget(): void {
    this.#start = undefined;
    this.#canUndo = false;
  }
}
