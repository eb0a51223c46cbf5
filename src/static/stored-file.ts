import type { Stats } from 'node:fs';
import type { Validators } from './conditions.ts';

/** One state of one file. When the file is written to, or another takes its place, that is another state. */
export class StoredFile implements Validators {
  /** Without links, in the folder: what is opened. */
  readonly path: string;
  /** What its place must begin with; empty where it may be anywhere. */
  readonly inside: string;
  readonly size: number;
  readonly etag: string;
  readonly lastModified: string;
  /** Whether any change from now on will be seen. Until a while after a change it isn't sure: clocks of file systems tick slowly. */
  readonly isSettled: boolean;
  readonly #stats: Stats;

  /** `now` in ms of the calendar. */
  constructor(path: string, inside: string, stats: Stats, now: number) {
    this.path = path;
    this.inside = inside;
    this.size = stats.size;
    this.#stats = stats;
    const { mtime, mtimeMs, ctimeMs, size } = stats;
    this.lastModified = mtime.toUTCString();
    // Nodes that serve copies of one folder say the same; so the number of the file is no part of it.
    const tag = `"${size.toString(36)}-${Math.round(mtimeMs * 1000).toString(36)}"`;
    this.isSettled = now - ctimeMs > SETTLING;
    this.etag = this.isSettled ? tag : `W/${tag}`;
  }

  /** ms of the calendar. */
  get modified(): number {
    return this.#stats.mtimeMs;
  }

  /** Whether what is said of it still holds at `now`. */
  holds(stats: Stats, now: number): boolean {
    return this.is(stats) && (this.isSettled || now - stats.ctimeMs <= SETTLING);
  }

  /** Whether `stats` are of this state. */
  is(stats: Stats): boolean {
    const own = this.#stats;
    return (
      own.ino === stats.ino &&
      own.mtimeMs === stats.mtimeMs &&
      own.ctimeMs === stats.ctimeMs &&
      own.size === stats.size &&
      own.dev === stats.dev
    );
  }
}

/** ms. The slowest clocks are those of file systems that keep whole seconds. */
const SETTLING = 1500;
