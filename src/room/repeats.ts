import type { Instant } from '../core/index.ts';

/** How long an id that was published is known, ms, and how many are at the most. */
const ID_WINDOW = 120_000;
export const IDS_MOST = 10_000;

/** The ids of messages that this node has had lately, so that what is published twice in rooms without history is delivered once. */
export class Repeats {
  /** Until when each counts, the oldest first. */
  readonly #ids: Map<string, Instant> = new Map();

  /** Whether this is the first time; of more than `IDS_MOST` the oldest are forgotten before their time. */
  isNew(namespace: string, id: string, now: Instant): boolean {
    const key = `${namespace}\0${id}`;
    const until = this.#ids.get(key);
    if (until !== undefined && until >= now) return false;
    this.#ids.delete(key);
    this.#ids.set(key, now + ID_WINDOW);
    for (const [oldest, end] of this.#ids) {
      if (end >= now && this.#ids.size <= IDS_MOST) break;
      this.#ids.delete(oldest);
    }
    return true;
  }
}
