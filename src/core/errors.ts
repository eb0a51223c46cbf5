/** What went wrong, for `switch`. Stable: a code is never renamed or given a second meaning. docs/ERRORS.md lists them. */
export type ErrorCode =
  | 'ERR_ABORTED'
  | 'ERR_ADDRESS_IN_USE'
  | 'ERR_ALREADY_LOGGED_IN'
  | 'ERR_ARGUMENT'
  | 'ERR_AUTH_FAILED'
  | 'ERR_AUTH_REQUIRED'
  | 'ERR_BACKLOG_FULL'
  | 'ERR_BINARY_IN_JSON'
  | 'ERR_CHANNEL_RESET'
  | 'ERR_CLOSED'
  | 'ERR_CONNECT_FAILED'
  | 'ERR_DISCONNECTED'
  | 'ERR_ENGINE_DOWN'
  | 'ERR_EVENT_RESERVED'
  | 'ERR_FILE_BUSY'
  | 'ERR_FILE_CHANGED'
  | 'ERR_FILE_DIGEST'
  | 'ERR_FILE_EXISTS'
  | 'ERR_FILE_NAME'
  | 'ERR_FILE_TOO_LARGE'
  | 'ERR_FILE_UNREADABLE'
  | 'ERR_FILE_UNWRITABLE'
  | 'ERR_HANDLER_FAILED'
  | 'ERR_HANDSHAKE_REFUSED'
  | 'ERR_INTERNAL'
  | 'ERR_KEY'
  | 'ERR_LOGGED_IN_ELSEWHERE'
  | 'ERR_LOGIN_TIMEOUT'
  | 'ERR_MESSAGE_MALFORMED'
  | 'ERR_MESSAGE_TOO_LARGE'
  | 'ERR_NO_SPACE'
  | 'ERR_NO_SUCH_CHANNEL'
  | 'ERR_NO_SUCH_NAMESPACE'
  | 'ERR_NO_SUCH_REQUEST'
  | 'ERR_NO_SUCH_USER'
  | 'ERR_NOT_A_MEMBER'
  | 'ERR_NOT_ALLOWED'
  | 'ERR_OPTION'
  | 'ERR_PEER_SILENT'
  | 'ERR_PROTOCOL'
  | 'ERR_RATE_LIMITED'
  | 'ERR_REPLACED'
  | 'ERR_SERVER_CLOSING'
  | 'ERR_SESSION_LOST'
  | 'ERR_THREAD_ENDED'
  | 'ERR_TIMEOUT'
  | 'ERR_TLS'
  | 'ERR_TOO_MANY_CHANNELS'
  | 'ERR_TOO_MANY_FILES'
  | 'ERR_TOO_MANY_NAMESPACES'
  | 'ERR_TOO_MANY_NODES'
  | 'ERR_TOO_MANY_REQUESTS'
  | 'ERR_TOO_MANY_ROOMS'
  | 'ERR_TOO_MANY_SOCKETS'
  | 'ERR_TOO_MANY_TRANSFERS'
  | 'ERR_UNENCODABLE'
  | 'ERR_UNSUPPORTED'
  | 'ERR_URL'
  | 'ERR_VERSION'
  | 'ERR_WORKER_ENDED'
  | 'ERR_WRITE_TIMEOUT';

export interface HawserErrorOptions extends ErrorOptions {
  /** For a request that ended without an answer: whether the peer can have acted on it. */
  readonly delivered?: 'no' | 'unknown' | undefined;
  /** What a handler on the other side chose to say about its failure; it crossed the wire. */
  readonly data?: unknown;
}

/** The one error class this package throws. Match on `code`: `instanceof` fails across two installed copies. */
export class HawserError extends Error {
  override readonly name: string = 'HawserError';
  /** A code of docs/ERRORS.md, or one that an application chose for the error it sent. */
  declare readonly code: ErrorCode | (string & {});
  declare readonly delivered: 'no' | 'unknown' | undefined;
  declare readonly data: unknown;

  /** `message` defaults to the words of the code, such as `too many requests`. */
  constructor(code: ErrorCode | (string & {}), message: string = wordsOf(code), options?: HawserErrorOptions) {
    super(message, options);
    this.code = code;
    this.delivered = options?.delivered;
    this.data = options?.data;
  }
}

/** What a code says to people, where nobody says more: `no such request` for ERR_NO_SUCH_REQUEST. */
export function wordsOf(code: string): string {
  return code.replace('ERR_', '').replaceAll('_', ' ').toLowerCase();
}

/** The error of who waited for what `signal`, or the end of all, has ended. */
export function aborted(signal?: AbortSignal, delivered?: 'no' | 'unknown'): HawserError {
  return new HawserError('ERR_ABORTED', undefined, { cause: signal?.reason, delivered });
}

/** The error of who waited for `what`, such as `welcome`, which did not come in `wait` ms. */
export function late(
  what: string,
  wait: number,
  code: ErrorCode = 'ERR_TIMEOUT',
  options?: HawserErrorOptions,
): HawserError {
  return new HawserError(code, `no ${what} in ${wait} ms`, options);
}

/** Stops on our own mistakes: what only a bug in Hawser can make false. Never for what a peer or the network did. */
export function assert(condition: unknown, why: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${why}`);
}
