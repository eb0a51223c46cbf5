import { type ErrorCode, HawserError } from '../core/index.ts';
import type { CloseName, SessionClosed } from '../udpack/index.ts';

/** How a session ended. */
export interface UdpackClose {
  readonly by: 'peer' | 'self';
  /** The application's code; 0 where a fault ended the session. */
  readonly code: number;
  readonly reason: string;
  /** What went wrong; undefined after a close that either application asked for. */
  readonly error: HawserError | undefined;
}

/** The error that says what a fault means to an application. */
const ERROR_OF_FAULT: Readonly<Partial<Record<CloseName, ErrorCode>>> = {
  internal: 'ERR_INTERNAL',
  'packet-too-long': 'ERR_MESSAGE_TOO_LARGE',
  'token-refused': 'ERR_AUTH_FAILED',
  idle: 'ERR_PEER_SILENT',
  'stateless-reset': 'ERR_SESSION_LOST',
  'handshake-timeout': 'ERR_CONNECT_FAILED',
  version: 'ERR_VERSION',
  busy: 'ERR_TOO_MANY_SOCKETS',
};

const MESSAGE_OF_FAULT: Readonly<Partial<Record<CloseName, string>>> = {
  'token-refused': 'the token was refused',
  idle: 'nothing was heard from the peer for too long',
  'stateless-reset': 'the peer knows nothing of the session any more: it was started anew',
  'handshake-timeout':
    'no answer: the peer is not there, UDP is blocked on the way, or the public key given is not the one of that server',
  version: 'the peer speaks no version of UDPack that is known here',
  busy: 'the peer has no room for a further session',
};

/** What a session's last event means. */
export function closeOf({ by, application, code, fault, reason }: SessionClosed): UdpackClose {
  const planned = application || fault === undefined || fault === 'none';
  return { by, code: application ? code : 0, reason, error: planned ? undefined : faultError(by, fault, reason) };
}

function faultError(by: 'peer' | 'self', fault: CloseName, reason: string): HawserError {
  const text = MESSAGE_OF_FAULT[fault] ?? `${by === 'peer' ? 'the peer' : 'this side'} ended the session: ${fault}`;
  const more = reason === '' || reason === fault ? '' : ` (${reason})`;
  return new HawserError(ERROR_OF_FAULT[fault] ?? 'ERR_PROTOCOL', `${text}${more}`);
}

/** What a call on a session that has ended is told. */
export function endedError({ error, by, code, reason }: UdpackClose): HawserError {
  if (error !== undefined) return error;
  const who = by === 'peer' ? 'the peer' : 'this side';
  return new HawserError('ERR_CLOSED', `${who} has closed the session (${code}${reason === '' ? '' : `: ${reason}`})`);
}

/** The system's words for a destination that can't be reached. */
const UNREACHABLE: ReadonlySet<string> = new Set([
  'ENETUNREACH',
  'EHOSTUNREACH',
  'EADDRNOTAVAIL',
  'EINVAL',
  'EACCES',
  'EPERM',
  'EAFNOSUPPORT',
]);

/** Whether the system has no way to where a datagram was to go, so that waiting for an answer is of no use. `code` is the system's. */
export function isUnreachable(code: string): boolean {
  return UNREACHABLE.has(code);
}

/** What an aborted call rejects with. */
export function abortedError(signal: AbortSignal): HawserError {
  const { reason } = signal as { reason: unknown };
  return new HawserError('ERR_ABORTED', 'the call was aborted', { cause: reason });
}

/** @throws HawserError ERR_ARGUMENT for what is no priority of a stream. */
export function checkPriority(priority: number): number {
  if (Number.isInteger(priority) && priority >= 0 && priority <= 7) return priority;
  throw new HawserError('ERR_ARGUMENT', `a priority is a whole number from 0 to 7, not ${priority}`);
}

/** @throws HawserError ERR_ARGUMENT for what can't be a code of an application's. */
export function checkCode(code: number): number {
  if (Number.isSafeInteger(code) && code >= 0) return code;
  throw new HawserError('ERR_ARGUMENT', `a code is a whole number from 0, not ${code}`);
}
