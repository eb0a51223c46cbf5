import type { Stats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { HawserError } from '../core/index.ts';
import { fault, readFault } from './faults.ts';
import { shown } from './names.ts';

/** Something to send. */
export interface Source {
  readonly kind: 'file' | 'folder';
  readonly path: string;
  /** As the receiver will know it: relative, its parts divided by `/`. */
  readonly name: string;
  readonly bytes: number;
  /** Whether the user named it, and so may have meant what a link leads to. */
  readonly isNamed: boolean;
}

/** A file that did not arrive, and why. */
export interface SendFailure {
  readonly name: string;
  readonly error: HawserError;
}

/** What is not sent on purpose: a symbolic link within a folder, a device, a socket. */
export interface SkippedEntry {
  readonly name: string;
  readonly reason: string;
}

export interface Listing {
  readonly sources: Source[];
  readonly failures: SendFailure[];
  readonly skipped: SkippedEntry[];
}

/**
 * What is to be sent of these paths: files, and folders with all that is in them, in the order of their names. A folder without a file in it
 * is listed itself. What can't be read is a failure of its own.
 * @throws HawserError ERR_ARGUMENT where two of the paths would have the same name; ERR_ABORTED.
 */
export async function listSources(paths: readonly string[], signal?: AbortSignal): Promise<Listing> {
  const listing: Listing = { sources: [], failures: [], skipped: [] };
  const names = new Map<string, string>();
  for (const path of paths) {
    const name = basename(resolve(path));
    const other = names.get(name);
    if (name === '') throw new HawserError('ERR_ARGUMENT', `${shown(path)} has no name`);
    if (other !== undefined) {
      throw new HawserError('ERR_ARGUMENT', `${shown(other)} and ${shown(path)} would both be ${shown(name)}`);
    }
    names.set(name, path);
    await list(listing, path, name, true, signal);
  }
  return listing;
}

async function list(
  listing: Listing,
  path: string,
  name: string,
  isNamed: boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (signal?.aborted) throw new HawserError('ERR_ABORTED', 'aborted', { cause: signal.reason });
  try {
    const found = await (isNamed ? stat(path) : lstat(path));
    if (found.isDirectory()) await listFolder(listing, path, name, signal);
    else if (found.isFile()) listing.sources.push({ kind: 'file', path, name, bytes: found.size, isNamed });
    else if (isNamed) throw fault('ERR_FILE_UNREADABLE', name, `it is ${whatItIs(found)}`);
    else listing.skipped.push({ name, reason: whatItIs(found) });
  } catch (error) {
    const known = readFault(error, name);
    if (known.code === 'ERR_ABORTED') throw known;
    listing.failures.push({ name, error: known });
  }
}

async function listFolder(
  listing: Listing,
  path: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const entries = await readdir(path, { encoding: 'buffer' });
  const before = listing.sources.length;
  for (const entry of entries.toSorted((a, b) => a.compare(b))) {
    const text = entry.toString();
    const whole = `${name}/${text}`;
    // Node has no other word for a name than a text.
    if (!Buffer.from(text).equals(entry)) {
      listing.failures.push({ name: whole, error: fault('ERR_FILE_NAME', whole, 'its name is not UTF-8') });
    } else await list(listing, join(path, text), whole, false, signal);
  }
  if (listing.sources.length === before) {
    listing.sources.push({ kind: 'folder', path, name, bytes: 0, isNamed: false });
  }
}

function whatItIs(found: Stats): string {
  if (found.isSymbolicLink()) return 'a symbolic link';
  if (found.isFIFO()) return 'a pipe';
  if (found.isSocket()) return 'a socket';
  return 'a device';
}
