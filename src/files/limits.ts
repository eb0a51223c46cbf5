import { fillNumbers } from '../core/index.ts';

/** What a receiver takes in at the most. docs/guides/files.md has the table. */
export interface FileLimits {
  /** Files of one transfer, its folders included. */
  readonly files: number;
  /** Bytes of one file. */
  readonly fileBytes: number;
  /** Transfers at one time. */
  readonly transfers: number;
  /** Files of one transfer that are under way at one time. */
  readonly filesAtOnce: number;
  /** UTF-8 bytes of a name with its folders. */
  readonly nameBytes: number;
  /** Folders that a file is in, one in the other. */
  readonly folders: number;
}

export const FILE_LIMITS: FileLimits = {
  files: 100_000,
  fileBytes: Infinity,
  transfers: 16,
  filesAtOnce: 8,
  nameBytes: 1024,
  folders: 32,
};

/** @throws HawserError ERR_OPTION. */
export function fileLimits(given: Partial<FileLimits> | undefined): FileLimits {
  return fillNumbers(FILE_LIMITS, given, 'limits');
}
