import type { WaitOptions } from '../core/index.ts';
import type { EngineMessage } from './engine.ts';

/** A place in a room's log. An offset is a whole number that grows from message to message, not always by one. */
export interface Position {
  readonly offset: number;
  /** Names the log: one that began anew, because its server lost it, has another. */
  readonly epoch: string;
}

/** How much of their messages rooms keep. The same on all nodes. */
export interface HistoryRule {
  /** Tells rules apart: the path or pattern of the namespace, a blank, and the pattern of the rooms. */
  readonly name: string;
  /** Messages of each room. */
  readonly size: number;
  /** ms */
  readonly age: number;
}

/** A message in a room's log. */
export interface Entry extends Position {
  /** Its target names one room. */
  readonly message: EngineMessage;
  /**
   * The offset of the message before it in the log, 0 for the first. It may be less than a position that was read: what lies between could not be
   * read and was left out. So only a `previous` beyond the last offset is a hole.
   */
  readonly previous: number;
}

export interface Appended extends Position {
  /** It was there already, by its id. */
  readonly isDuplicate: boolean;
}

export interface ReadOptions extends WaitOptions {
  readonly since?: Position | undefined;
  readonly most?: number | undefined;
}

/** Why a log can't say all that came after a place. */
export type GapReason =
  /** It is no longer kept: too old, or too many came since. */
  | 'expired'
  /** The log began anew. */
  | 'epoch'
  /** More came than may be read at once. */
  | 'too-many'
  /** The log never came to that place. */
  | 'unknown';

/** All that came after a place, in order and without a hole; or none of it, and why. */
export type Reading =
  | { readonly isWhole: true; readonly entries: readonly Entry[]; readonly position: Position }
  | { readonly isWhole: false; readonly reason: GapReason; readonly position: Position };
