import { isDeepStrictEqual } from 'node:util';
import type { LanMessageEvent } from '../../../src/lan/index.ts';

export interface Written {
  readonly topic: string;
  readonly data: unknown;
  readonly at: number;
}

/** What one publisher has really said, and when it was there. */
export class Record {
  readonly session: string;
  readonly startedAt: number;
  endedAt: number = Infinity;
  /** The oldest message that the store has now. */
  oldest: () => number = () => 1;
  readonly reliable: Written[] = [];
  readonly volatile: Written[] = [];
  /** Which message stands at a number, as the first who heard it has it. */
  readonly #places = new Map<number, number>();

  constructor(session: string, startedAt: number) {
    this.session = session;
    this.startedAt = startedAt;
  }

  /** Notes what is published and returns its data, which says which one it is. */
  write(topic: string, filling: unknown, volatile: boolean, at: number): unknown {
    const list = volatile ? this.volatile : this.reliable;
    const data = { i: list.length, filling };
    list.push({ topic, data, at });
    return data;
  }

  /** Which message this is. @throws when it is none of this publisher's, or another one than others had at its number. */
  find(event: LanMessageEvent): { readonly index: number; readonly written: Written } {
    const index = (event.data as { i?: unknown } | null)?.i;
    const list = event.volatile ? this.volatile : this.reliable;
    const written = typeof index === 'number' ? list[index] : undefined;
    if (typeof index !== 'number' || written === undefined) throw new Error('a message that nobody published');
    if (written.topic !== event.topic || !isDeepStrictEqual(written.data, event.data)) {
      throw new Error(`message ${index} came otherwise than it was published`);
    }
    if (!event.volatile) {
      const place = this.#places.get(event.sequence) ?? index;
      if (place !== index) throw new Error(`number ${event.sequence} is message ${index}, and was ${place} to others`);
      this.#places.set(event.sequence, index);
    }
    return { index, written };
  }
}
