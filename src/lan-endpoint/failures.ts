import { type ErrorCode, HawserError } from '../core/index.ts';
import type { Address } from './plan.ts';
import { udpUrl } from './udp-url.ts';

/** What the system's refusals mean to an application. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  EADDRINUSE: 'ERR_ADDRESS_IN_USE',
  EACCES: 'ERR_NOT_ALLOWED',
  EPERM: 'ERR_NOT_ALLOWED',
  EMSGSIZE: 'ERR_MESSAGE_TOO_LARGE',
  ENOBUFS: 'ERR_BACKLOG_FULL',
  ERR_SOCKET_BAD_PORT: 'ERR_ARGUMENT',
};

const WORDS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is taken: reuseAddr shares it',
  EADDRNOTAVAIL: 'this machine has no such address: listen: false sends there',
  EMSGSIZE: 'the datagram is too long',
};

/** What the system refused, as an error of this package: `did` is such as `to bind`. */
export function udpFailed(cause: unknown, did: string, { address, port }: Address): HawserError {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const where = udpUrl({ address, port });
  return new HawserError(CODES[code] ?? 'ERR_CONNECT_FAILED', `${did} ${where} failed: ${WORDS[code] ?? message}`, {
    cause,
  });
}

export function closedError(): HawserError {
  return new HawserError('ERR_CLOSED', 'the socket is closed');
}
