import { HawserError } from '../core/index.ts';
import type { GapReason, Position } from '../engine/index.ts';
import { EPOCH_LENGTH } from '../wire/index.ts';

/** Why a socket was not given what came after the position that it had: what the log said, or that the room keeps none. */
export type LossReason = GapReason | 'no-history';

export interface JoinOptions {
  /**
   * Where the socket goes on in a room with history. Default: the position that its client showed when it connected, once. `null`: from now
   * on, whatever the client showed.
   */
  readonly since?: Position | null;
}

/** Where a socket stands in a room that it has joined. */
export interface Joined {
  readonly room: string;
  /** All that comes after this place is delivered. Undefined in a room without history, or when the socket left before it was known. */
  readonly position: Position | undefined;
  /** It was given all that came after `since`. */
  readonly recovered: boolean;
  /** How many messages that was. */
  readonly missed: number;
  /** Why it was not; `left`: the socket left the room, or ended, before that. Undefined when nothing was asked for. */
  readonly reason: LossReason | 'left' | undefined;
}

/** @throws HawserError ERR_ARGUMENT. */
export function checkSince(since: Position | null | undefined): void {
  if (since === undefined || since === null) return;
  const { offset, epoch } = since;
  if (Number.isSafeInteger(offset) && offset >= 0 && typeof epoch === 'string' && epoch.length <= EPOCH_LENGTH) return;
  throw new HawserError('ERR_ARGUMENT', `since is { offset, epoch }: a count, and a text of at most ${EPOCH_LENGTH}`);
}

/** A room without history: there is nothing that could be said of it. */
export function joinedPlainly(room: string): Joined {
  return { room, position: undefined, recovered: false, missed: 0, reason: undefined };
}
