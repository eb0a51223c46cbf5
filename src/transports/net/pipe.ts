import { HawserError } from '../../core/index.ts';

/** Where Windows keeps its named pipes. */
const PIPES = '\\\\.\\pipe\\';
/** The longest name of a pipe with what stands before it, in UTF-16 code units. */
const NAME_MAX = 256;

/**
 * The named pipe that the path of an ipc endpoint means: `./pipe/name`, as in `ipc://./pipe/name`, or Windows' own `\\.\pipe\name`.
 * Undefined for the path of a file. @throws HawserError ERR_URL for a pipe that can't have this name.
 */
export function pipeOf(path: string): string | undefined {
  const match = /^(?:\.\/pipe\/|\\\\\.\\pipe\\)(.*)$/is.exec(path);
  if (match === null) return undefined;
  const name = match[1] ?? '';
  if (name === '' || name.includes('\\') || PIPES.length + name.length > NAME_MAX) {
    throw new HawserError(
      'ERR_URL',
      `a pipe has a name of at most ${NAME_MAX - PIPES.length} characters, no backslash`,
    );
  }
  return PIPES + name;
}

export function isPipe(path: string): boolean {
  return path.startsWith(PIPES);
}

/** A pipe has no mode, but it knows whether others than its owner may read and write. */
export function pipeAccess(mode: number): { readonly readableAll: boolean; readonly writableAll: boolean } {
  return { readableAll: (mode & 0o004) !== 0, writableAll: (mode & 0o002) !== 0 };
}
