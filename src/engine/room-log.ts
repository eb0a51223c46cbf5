import type { Instant } from '../core/index.ts';
import type { Appended, GapReason, HistoryRule, Position } from './history.ts';

/** How long an id is known, ms, and how many of one log are. */
export const ID_WINDOW = 120_000;
export const IDS_MOST = 1000;

export interface LogEntry<T> {
  readonly value: T;
  readonly offset: number;
  readonly previous: number;
  readonly at: Instant;
}

export type LogRead<T> =
  | { readonly isWhole: true; readonly entries: readonly LogEntry<T>[]; readonly position: Position }
  | { readonly isWhole: false; readonly reason: GapReason; readonly position: Position };

/** The last messages of one room, numbered from 1 without a hole. */
export class RoomLog<T> {
  readonly epoch: string;
  /** From the oldest that is kept, which is at `#first`. */
  #entries: LogEntry<T>[] = [];
  #first = 0;
  #offset = 0;
  readonly #ids = new Map<string, { readonly offset: number; readonly until: Instant }>();

  readonly #dropped: ((value: T) => void) | undefined;

  /** `dropped` hears of each that is no longer kept. */
  constructor(epoch: string, dropped?: (value: T) => void) {
    this.epoch = epoch;
    this.#dropped = dropped;
  }

  /** How many are kept. */
  get size(): number {
    return this.#entries.length - this.#first;
  }

  get position(): Position {
    return { offset: this.#offset, epoch: this.epoch };
  }

  /** The entry that was added, or where the one with this id is. */
  append(value: T, { size, age }: HistoryRule, now: Instant, id?: string): Appended & { readonly entry?: LogEntry<T> } {
    const known = id === undefined ? undefined : this.#known(id, now);
    if (known !== undefined) return { offset: known, epoch: this.epoch, isDuplicate: true };
    const entry = { value, offset: this.#offset + 1, previous: this.#offset, at: now };
    this.#offset = entry.offset;
    this.#entries.push(entry);
    this.trim(size, age, now);
    if (id !== undefined) this.#remember(id, entry.offset, now);
    return { offset: entry.offset, epoch: this.epoch, isDuplicate: false, entry };
  }

  read(since: Position | undefined, most: number): LogRead<T> {
    const { position } = this;
    const refuse = (reason: GapReason): LogRead<T> => ({ isWhole: false, reason, position });
    if (since === undefined) return { isWhole: true, entries: [], position };
    if (since.epoch !== this.epoch) return refuse('epoch');
    if (since.offset > this.#offset) return refuse('unknown');
    const missed = this.#offset - since.offset;
    if (missed > this.#entries.length - this.#first) return refuse('expired');
    if (missed > most) return refuse('too-many');
    return { isWhole: true, entries: missed === 0 ? [] : this.#entries.slice(-missed), position };
  }

  /** Forgets what is over its time or number. Whether anything is left to say about it. */
  trim(size: number, age: number, now: Instant): boolean {
    const { length } = this.#entries;
    while (this.#first < length && this.#isOver(this.#entries[this.#first] as LogEntry<T>, size, age, now)) {
      this.#dropped?.((this.#entries[this.#first] as LogEntry<T>).value);
      this.#first += 1;
    }
    if (this.#first > length / 2) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
    return this.#entries.length > 0;
  }

  #isOver({ offset, at }: LogEntry<T>, size: number, age: number, now: Instant): boolean {
    return this.#offset - offset >= size || now - at > age;
  }

  #known(id: string, now: Instant): number | undefined {
    const known = this.#ids.get(id);
    return known !== undefined && known.until >= now ? known.offset : undefined;
  }

  #remember(id: string, offset: number, now: Instant): void {
    this.#ids.delete(id);
    this.#ids.set(id, { offset, until: now + ID_WINDOW });
    for (const [key, { until }] of this.#ids) {
      if (until >= now && this.#ids.size <= IDS_MOST) break;
      this.#ids.delete(key);
    }
  }
}
