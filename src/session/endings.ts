import { CLOSE, type CloseReason, closeReason, type Instant } from '../core/index.ts';

export function protocolError(what: string): CloseReason {
  return closeReason(CLOSE.protocol, what);
}

export function backlogFull(): CloseReason {
  return closeReason(CLOSE.backlogFull, 'the peer reads nothing');
}

/** Why the last link of a session was lost that has lost none yet. */
export const NORMAL: CloseReason = closeReason(CLOSE.normal);

/** A moment as a ping carries it: whole microseconds. */
export function stampOf(at: Instant): number {
  return Math.floor(at * 1000);
}
