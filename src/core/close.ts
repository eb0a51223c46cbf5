import { type ErrorCode, HawserError } from './errors.ts';
import { ON_PAGE } from './platform.ts';

/** Why a link or a socket ended. `code` is one of the close codes of docs/ERRORS.md; `reason` is at most 123 bytes of UTF-8. */
export interface CloseReason {
  readonly code: number;
  readonly reason: string;
  /** What is known beyond the two, on this side alone: `ERR_THREAD_ENDED` when the thread of the peer died. */
  readonly cause?: HawserError;
  /** The peer has been told why in a message of its dialect: a framing whose goodbye is words says no more. */
  readonly told?: true;
}

/**
 * The close codes Hawser sends. 1000 to 1015 are RFC 6455's; of our own, 4000 to 4499 invite the client to come back
 * and 4500 to 4999 tell it to stay away.
 */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupported: 1003,
  noStatus: 1005,
  abnormal: 1006,
  badText: 1007,
  policy: 1008,
  tooLarge: 1009,
  internal: 1011,
  restart: 1012,
  tryLater: 1013,
  peerSilent: 4000,
  backlogFull: 4001,
  loginTimeout: 4002,
  rateLimited: 4003,
  tooManySockets: 4004,
  writeTimeout: 4005,
  serverClosing: 4006,
  tooManyNamespaces: 4007,
  replaced: 4500,
  authFailed: 4501,
  authRequired: 4502,
  messageTooLarge: 4503,
  messageMalformed: 4504,
  version: 4505,
  protocol: 4506,
  kicked: 4507,
  noSuchNamespace: 4508,
  notAllowed: 4509,
  alreadyLoggedIn: 4510,
  loggedInElsewhere: 4511,
} as const;

/** The close code that carries an error's meaning; errors that never close a link have none. */
export const CLOSE_OF_ERROR: Readonly<Partial<Record<ErrorCode, number>>> = {
  ERR_ALREADY_LOGGED_IN: CLOSE.alreadyLoggedIn,
  ERR_AUTH_FAILED: CLOSE.authFailed,
  ERR_AUTH_REQUIRED: CLOSE.authRequired,
  ERR_BACKLOG_FULL: CLOSE.backlogFull,
  ERR_INTERNAL: CLOSE.internal,
  ERR_LOGGED_IN_ELSEWHERE: CLOSE.loggedInElsewhere,
  ERR_LOGIN_TIMEOUT: CLOSE.loginTimeout,
  ERR_MESSAGE_MALFORMED: CLOSE.messageMalformed,
  ERR_MESSAGE_TOO_LARGE: CLOSE.messageTooLarge,
  ERR_NO_SUCH_NAMESPACE: CLOSE.noSuchNamespace,
  ERR_NOT_ALLOWED: CLOSE.notAllowed,
  ERR_PEER_SILENT: CLOSE.peerSilent,
  ERR_PROTOCOL: CLOSE.protocol,
  ERR_RATE_LIMITED: CLOSE.rateLimited,
  ERR_REPLACED: CLOSE.replaced,
  ERR_SERVER_CLOSING: CLOSE.serverClosing,
  ERR_TOO_MANY_NAMESPACES: CLOSE.tooManyNamespaces,
  ERR_TOO_MANY_SOCKETS: CLOSE.tooManySockets,
  ERR_VERSION: CLOSE.version,
  ERR_WRITE_TIMEOUT: CLOSE.writeTimeout,
};

/**
 * The errors of RFC 6455's close codes from 1001 on, of ours from 4000 on, and of those from 4500 on, in order: short, for a page loads
 * them.
 */
const STANDARD = [
  'ERR_SERVER_CLOSING',
  'ERR_PROTOCOL',
  'ERR_PROTOCOL',
  'ERR_CLOSED',
  'ERR_CLOSED',
  'ERR_CLOSED',
  'ERR_MESSAGE_MALFORMED',
  'ERR_NOT_ALLOWED',
  'ERR_MESSAGE_TOO_LARGE',
  'ERR_CLOSED',
  'ERR_INTERNAL',
  'ERR_SERVER_CLOSING',
  'ERR_SERVER_CLOSING',
] as const satisfies readonly ErrorCode[];
const INVITING = [
  'ERR_PEER_SILENT',
  'ERR_BACKLOG_FULL',
  'ERR_LOGIN_TIMEOUT',
  'ERR_RATE_LIMITED',
  'ERR_TOO_MANY_SOCKETS',
  'ERR_WRITE_TIMEOUT',
  'ERR_SERVER_CLOSING',
  'ERR_TOO_MANY_NAMESPACES',
] as const satisfies readonly ErrorCode[];
const FINAL = [
  'ERR_REPLACED',
  'ERR_AUTH_FAILED',
  'ERR_AUTH_REQUIRED',
  'ERR_MESSAGE_TOO_LARGE',
  'ERR_MESSAGE_MALFORMED',
  'ERR_VERSION',
  'ERR_PROTOCOL',
  'ERR_CLOSED',
  'ERR_NO_SUCH_NAMESPACE',
  'ERR_NOT_ALLOWED',
  'ERR_ALREADY_LOGGED_IN',
  'ERR_LOGGED_IN_ELSEWHERE',
] as const satisfies readonly ErrorCode[];

/** The error that says the same as a close code, for dialects that have errors only; ERR_CLOSED for codes without one. */
export function errorOfClose(code: number): ErrorCode {
  return INVITING[code - 4000] ?? FINAL[code - 4500] ?? STANDARD[code - 1001] ?? 'ERR_CLOSED';
}

/** Whether an error with this code may be over when a client dials again. */
export function mayPass(code: string): boolean {
  return ['ERR_CONNECT_FAILED', 'ERR_TIMEOUT', 'ERR_INTERNAL', ...INVITING].includes(code);
}

/** What a close means to who has to do with it and didn't ask for it. */
export function closedBy({ code, reason, cause }: CloseReason): HawserError {
  return new HawserError(errorOfClose(code), `closed (${code}): ${reason}`, { cause });
}

/** The same where the peer's planned goodbyes are no error: 1000, a page that goes away (1001), a stream that ends (1005). */
export function unplanned(reason: CloseReason): HawserError | undefined {
  const { normal, goingAway, noStatus } = CLOSE;
  return ([normal, goingAway, noStatus] as number[]).includes(reason.code) ? undefined : closedBy(reason);
}

const REASON_BYTES_MAX = 123;
const encoder = new TextEncoder();

/** A reason whose text is cut, between characters, to the 123 bytes that a close frame can carry (RFC 6455 5.5). */
export function closeReason(code: number, text = ''): CloseReason {
  if (!ON_PAGE && text.length <= REASON_BYTES_MAX / 3) return { code, reason: text };
  const { read } = encoder.encodeInto(text, new Uint8Array(REASON_BYTES_MAX));
  return { code, reason: text.slice(0, read) };
}

/** Whether a close frame may carry this code (RFC 6455 7.4 and the registry that it opened). */
export function mayBeSent(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== CLOSE.noStatus && code !== CLOSE.abnormal;
}

/** What an application tells a peer. @throws HawserError ERR_ARGUMENT for a code that no close frame can carry. */
export function givenReason(code: number, text: string): CloseReason {
  if (!Number.isInteger(code) || !mayBeSent(code)) throw new HawserError('ERR_ARGUMENT', `${code} is no close code`);
  return closeReason(code, text);
}

/** Of the codes below 4500 those after which all is said. */
const FOR_GOOD: readonly number[] = [
  CLOSE.normal,
  CLOSE.protocolError,
  CLOSE.unsupported,
  CLOSE.badText,
  CLOSE.policy,
  CLOSE.tooLarge,
];

/** Whether a client should dial again after a close with this code. Unknown codes of other ranges say yes. */
export function mayComeBack(code: number): boolean {
  return code > 4999 || (code < 4500 && !FOR_GOOD.includes(code));
}
