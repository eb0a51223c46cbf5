import type { Instant } from '../core/index.ts';
import type { Appended, HistoryRule, Position } from './history.ts';
import { ID_WINDOW, type LogEntry, type LogRead, RoomLog } from './room-log.ts';

/** Logs that are kept at one time, and what is in them, bytes, by `weigh`. */
export const LOGS_MOST = 100_000;
export const LOGS_BYTES: number = 64 * 1024 * 1024;
/** How many of the logs that were quiet longest are looked at with each new entry. */
const LOOKED_AT = 2;

export interface RoomLogsOptions<T> {
  readonly now: () => Instant;
  readonly newEpoch: () => string;
  /** About how much memory an entry takes, bytes. What it throws is thrown by `append`, which has added nothing then. */
  readonly weigh: (value: T) => number;
  /** Whether a log is heard by anybody: then it isn't forgotten for being quiet. */
  readonly isHeard: (key: string) => boolean;
  readonly logsMost?: number | undefined;
  readonly bytesMost?: number | undefined;
}

interface Kept<T> {
  readonly log: RoomLog<{ readonly value: T; readonly weight: number }>;
  /** Of the rule that it was last used with. */
  age: number;
  usedAt: Instant;
}

/**
 * The logs of many rooms, within bounds. Of what would be too much the logs give way that were quiet longest: first their entries (`expired`), and where
 * there are too many logs, a log as a whole; the room then begins another one, with another epoch. Nobody is told less than that there is a gap.
 */
export class RoomLogs<T> {
  readonly #options: RoomLogsOptions<T>;
  /** The one that was quiet longest is first. */
  readonly #logs = new Map<string, Kept<T>>();
  #bytes = 0;

  constructor(options: RoomLogsOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#logs.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  append(
    key: string,
    value: T,
    rule: HistoryRule,
    id?: string,
  ): Appended & { readonly entry?: LogEntry<T> | undefined } {
    const now = this.#options.now();
    const weight = this.#options.weigh(value);
    const kept = this.#use(key, rule, now);
    const { entry, ...appended } = kept.log.append({ value, weight }, rule, now, id);
    if (entry === undefined) return appended;
    // Dropped at once, where the rule keeps none: then it was counted below zero.
    this.#bytes += weight;
    this.#makeRoom(key, now);
    return { ...appended, entry: { ...entry, value } };
  }

  read(key: string, rule: HistoryRule, since: Position | undefined, most: number): LogRead<T> {
    const now = this.#options.now();
    const { log } = this.#use(key, rule, now);
    log.trim(rule.size, rule.age, now);
    const read = log.read(since, most);
    this.#makeRoom(key, now);
    if (!read.isWhole) return read;
    return { ...read, entries: read.entries.map((entry) => ({ ...entry, value: entry.value.value })) };
  }

  clear(): void {
    this.#logs.clear();
    this.#bytes = 0;
  }

  #use(key: string, { age }: HistoryRule, now: Instant): Kept<T> {
    const known = this.#logs.get(key);
    const kept = known ?? { log: this.#newLog(), age, usedAt: now };
    kept.age = age;
    kept.usedAt = now;
    if (known !== undefined) this.#logs.delete(key);
    this.#logs.set(key, kept);
    return kept;
  }

  #newLog(): Kept<T>['log'] {
    return new RoomLog(this.#options.newEpoch(), ({ weight }) => {
      this.#bytes -= weight;
    });
  }

  #makeRoom(used: string, now: Instant): void {
    const { logsMost = LOGS_MOST, bytesMost = LOGS_BYTES } = this.#options;
    let looked = 0;
    for (const [key, kept] of this.#logs) {
      const { log } = kept;
      const isTooMuch = this.#bytes > bytesMost;
      if (!isTooMuch && this.#logs.size <= logsMost && looked >= LOOKED_AT) break;
      looked += 1;
      if (isTooMuch && key !== used) log.trim(0, 0, now);
      else if (isTooMuch) this.#shorten(log, bytesMost, now);
      if (this.#logs.size > logsMost) this.#forget(key, log, now);
      else if (now - kept.usedAt > Math.max(kept.age, ID_WINDOW)) this.#quiet(key, kept, now);
    }
  }

  /** A log that has nothing to say any more is forgotten, unless it is heard. */
  #quiet(key: string, kept: Kept<T>, now: Instant): void {
    this.#forget(key, kept.log, now);
    if (!this.#options.isHeard(key)) return;
    kept.usedAt = now;
    this.#logs.set(key, kept);
  }

  /** The last log that is left is too much by itself. */
  #shorten(log: Kept<T>['log'], most: number, now: Instant): void {
    for (let size = log.size; this.#bytes > most && size > 0; ) {
      size = Math.floor(size / 2);
      log.trim(size, Number.POSITIVE_INFINITY, now);
    }
  }

  #forget(key: string, log: Kept<T>['log'], now: Instant): void {
    log.trim(0, 0, now);
    this.#logs.delete(key);
  }
}
