import type { Mark } from './history-proof.ts';

/** What was heard of a room's log: enough to name the message before each, across marks, and to see a hole at a mark. */
export class Watch {
  readonly namespace: string;
  readonly room: string;
  /** The newest entry that is known, of whatever kind; 0 while none is. */
  newest = 0;
  /** The newest message, or the mark that began the log. */
  last = 0;
  #epoch = '';
  /** The newest mark, and what it said. */
  #mark = 0;
  #markLast = 0;

  constructor(namespace: string, room: string) {
    this.namespace = namespace;
    this.room = room;
  }

  /** The message before the one at `offset`; `before` is the entry before it. */
  hearMessage(epoch: string, offset: number, before: number): number {
    this.#turnTo(epoch);
    const previous = before !== 0 && before === this.#mark ? this.#markLast : before;
    this.newest = Math.max(this.newest, offset);
    this.last = Math.max(this.last, offset);
    if (offset < this.#mark) this.#markLast = Math.max(this.#markLast, offset);
    return previous;
  }

  /**
   * False when a message that was not heard came before it, or the stream was made anew. What the mark says counts only if it was added where it
   * was meant to be, and not if what came before it was heard.
   */
  hearMark(epoch: string, offset: number, before: number, { last, after }: Mark): boolean {
    if (this.#turnTo(epoch)) return false;
    if (offset <= this.newest) return true;
    const isNext = before !== 0 && before === this.newest;
    const isWhole = isNext || this.last === 0 || (this.last === last && before === after);
    this.newest = offset;
    if (this.last === 0) this.last = last;
    this.#mark = offset;
    this.#markLast = this.last;
    return isWhole;
  }

  /** Somebody has looked: this was the newest entry, and `last` the newest message. */
  learn(epoch: string, newest: number, last: number): void {
    this.#turnTo(epoch);
    if (newest <= this.newest) return;
    if (newest !== last) {
      this.#mark = newest;
      this.#markLast = last;
    }
    this.newest = newest;
    this.last = last;
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** Whether it stood in another epoch. */
  #turnTo(epoch: string): boolean {
    const known = this.#epoch;
    if (epoch === known) return false;
    this.#epoch = epoch;
    this.newest = 0;
    this.last = 0;
    this.#mark = 0;
    this.#markLast = 0;
    return known !== '';
  }
}
