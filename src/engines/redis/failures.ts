import { HawserError } from '../../core/index.ts';

/** The word in capitals that an error of Redis begins with, such as `WRONGPASS`; '' for errors of other kinds. */
export function wordOf(error: unknown): string {
  return error instanceof Error ? (/^[A-Z]+(?= |$)/.exec(error.message)?.[0] ?? '') : '';
}

/** It never came to the command: another server has the slot. */
export function isMoved(error: unknown): boolean {
  return ['MOVED', 'CLUSTERDOWN'].includes(wordOf(error));
}

/** Nor here: the slot is on its way to another server. */
export function isMoving(error: unknown): boolean {
  return ['ASK', 'TRYAGAIN'].includes(wordOf(error));
}

/** `host:port` of a server that has this key already. */
export function askedAt(error: unknown): string | undefined {
  return error instanceof Error ? /^ASK \d+ (\S+)$/.exec(error.message)?.[1] : undefined;
}

const AUTH: ReadonlySet<string> = new Set(['WRONGPASS', 'NOAUTH', 'NOPERM']);

/** Why there is no connection. `where` has no credentials. */
export function connectError(cause: unknown, where: string): HawserError {
  if (cause instanceof HawserError) return cause;
  const word = wordOf(cause);
  const text = cause instanceof Error ? cause.message || wordOfSystem(cause) : String(cause);
  if (AUTH.has(word))
    return new HawserError('ERR_AUTH_FAILED', `Redis at ${where} refuses this user: ${text}`, { cause });
  // Without ACLs a wrong password is a plain error.
  if (/invalid password|without any password/i.test(text)) {
    return new HawserError('ERR_AUTH_FAILED', `Redis at ${where} refuses this user: ${text}`, { cause });
  }
  if (word === 'NOPROTO' || /unknown command/i.test(text)) return tooOld(where, cause);
  return new HawserError('ERR_CONNECT_FAILED', `no Redis at ${where}: ${text}`, { cause });
}

export function tooOld(where: string, cause?: unknown): HawserError {
  return new HawserError('ERR_VERSION', `Redis at ${where} is too old: 7.0 is the least`, { cause });
}

/** No later attempt can do better. */
export function isFinal(error: unknown): boolean {
  return (
    error instanceof HawserError &&
    ['ERR_AUTH_FAILED', 'ERR_VERSION', 'ERR_OPTION', 'ERR_UNSUPPORTED'].includes(error.code)
  );
}

/** What Redis says before it has done anything: it is full, is a replica, is loading, is busy, can't write to its disk. */
const NOTHING_DONE: ReadonlySet<string> = new Set([
  'OOM',
  'READONLY',
  'LOADING',
  'BUSY',
  'MISCONF',
  'MASTERDOWN',
  'NOREPLICAS',
  'WRONGTYPE',
  'NOSCRIPT',
  'MOVED',
  'ASK',
  'TRYAGAIN',
  'CLUSTERDOWN',
  'NOAUTH',
]);

/** Why a log can't be written or read. */
export function logError(cause: unknown): HawserError {
  if (cause instanceof HawserError) return cause;
  const delivered = NOTHING_DONE.has(wordOf(cause)) ? 'no' : 'unknown';
  const text = cause instanceof Error ? cause.message : String(cause);
  return new HawserError('ERR_ENGINE_DOWN', `Redis: ${text}`, { cause, delivered });
}

function wordOfSystem(error: Error): string {
  return 'code' in error ? String(error.code) : error.name;
}
