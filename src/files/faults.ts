import { type ErrorCode, HawserError } from '../core/index.ts';
import { shown } from './names.ts';

const NO_SPACE: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/** What the system said, as the receiver of a file tells it. Its own words and paths stay in `cause`, which never crosses the wire. */
export function writeFault(error: unknown, name: string): HawserError {
  if (error instanceof HawserError) return error;
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  if (NO_SPACE.has(code)) return fault('ERR_NO_SPACE', name, 'no space is left for it', error);
  if (code === 'EFBIG') return fault('ERR_NO_SPACE', name, 'the file system takes no file so large', error);
  if (code === 'ENAMETOOLONG') return fault('ERR_FILE_NAME', name, 'is too long for the file system', error);
  if (code === 'EILSEQ' || code === 'EINVAL') return fault('ERR_FILE_NAME', name, 'is no name here', error);
  return fault('ERR_FILE_UNWRITABLE', name, `it can't be written (${code})`, error);
}

/** What the system said, as the sender of a file tells it. */
export function readFault(error: unknown, name: string): HawserError {
  if (error instanceof HawserError) return error;
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  return fault('ERR_FILE_UNREADABLE', name, `it can't be read (${code})`, error);
}

/** An error about one file: its name first, then what is wrong. */
export function fault(code: ErrorCode, name: unknown, why: string, cause?: unknown): HawserError {
  return new HawserError(code, `${shown(name)}: ${why}`, cause === undefined ? undefined : { cause });
}

/** Whether a call of the system failed with one of these codes. */
export function failedWith(error: unknown, ...codes: readonly string[]): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code !== undefined && codes.includes(code);
}
