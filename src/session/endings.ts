import { CLOSE, type CloseReason, closeReason } from '../core/index.ts';

export function protocolError(what: string): CloseReason {
  return closeReason(CLOSE.protocol, what);
}

export function backlogFull(): CloseReason {
  return closeReason(CLOSE.backlogFull, 'the peer reads nothing');
}

/** No link was lost yet. */
export const NORMAL: CloseReason = closeReason(CLOSE.normal);
