import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { HawserError } from '../index.ts';
import { UsageError } from './output.ts';

/** Where the two halves of a pair go: what is secret, and what may be shown. */
export interface PairFiles {
  readonly secret: string;
  readonly open: string;
}

/** Two file names with a comma between, in this folder. `first` says which of them is the secret one's. */
export function pairFiles(out: string, names: string, example: string, first: keyof PairFiles): PairFiles {
  const [one = '', other = '', ...more] = names.split(',').map((name) => name.trim());
  if (more.length > 0 || one === other || [one, other].some((name) => name === '' || name !== basename(name))) {
    throw new UsageError(`--names takes two file names with a comma between, as in ${example}`);
  }
  const [secret, open] = first === 'secret' ? [one, other] : [other, one];
  return { secret: join(out, secret), open: join(out, open) };
}

/** Writes both, the secret one for its owner's eyes alone, or none. @throws HawserError; nothing is ever overwritten. */
export function writePair(files: PairFiles, texts: PairFiles, out: string): void {
  try {
    mkdirSync(out, { recursive: true });
    create(files.secret, texts.secret, 0o600);
    createBeside(files.secret, files.open, texts.open);
  } catch (cause) {
    throw notWritten(cause as NodeJS.ErrnoException);
  }
}

/** Without the open half the secret one is of no use, and would be in the way of the next try. */
function createBeside(secret: string, open: string, text: string): void {
  try {
    create(open, text, 0o666);
  } catch (cause) {
    rmSync(secret, { force: true });
    throw cause;
  }
}

/** Creates a file, whole or not at all; one that is there already stays. */
function create(path: string, text: string, mode: number): void {
  try {
    writeFileSync(path, text, { mode, flag: 'wx' });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') rmSync(path, { force: true });
    throw cause;
  }
}

function notWritten(cause: NodeJS.ErrnoException): HawserError {
  switch (cause.code) {
    case 'EEXIST':
      return new HawserError('ERR_FILE_EXISTS', `${cause.path} is there already; a key is never overwritten`, {
        cause,
      });
    case 'ENOSPC':
    case 'EDQUOT':
      return new HawserError('ERR_NO_SPACE', `no space is left for the keys: ${cause.message}`, { cause });
    default:
      return new HawserError('ERR_FILE_UNWRITABLE', `the keys can't be written: ${cause.message}`, { cause });
  }
}
