import { createHash, type Hash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { constants, type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises';
import { failedWith, fault } from './faults.ts';
import { type Folder, OPEN_NO_FOLLOW } from './folder.ts';
import type { FileOffer } from './protocol.ts';

/** Smaller files are sent again from their beginning. */
const RESUME_LEAST = 1 << 20;
/** What is read at once when a file is hashed. */
const READ_BYTES = 1 << 20;
const JOURNAL_MOST = 16 * 1024;
const OWN_ONLY = 0o600;
const NO_LINKS: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EACCES', 'EINVAL'];

/**
 * A file that is not here in full: its bytes so far under a temporary name in the folder that it is for, and for a larger one a small
 * journal beside them that says which file it is. Both outlive a crash. Nothing has the final name before `commit`.
 */
export class Partial {
  readonly #folder: Folder;
  readonly #offer: FileOffer;
  /** The last part of the file's name. */
  readonly #final: string;
  readonly #part: string;
  readonly #journal: string;
  #handle: FileHandle | undefined;

  constructor(folder: Folder, final: string, offer: FileOffer) {
    const stem = `.hawser-${createHash('sha256').update(final).digest('hex').slice(0, 24)}`;
    this.#folder = folder;
    this.#offer = offer;
    this.#final = final;
    this.#part = folder.at(`${stem}.part`);
    this.#journal = folder.at(`${stem}.json`);
  }

  /** Opens what is there of this very file, by name, size and time; the answer is how many bytes that is. Otherwise begins anew with 0. */
  async open(): Promise<number> {
    if (this.#offer.bytes >= RESUME_LEAST && (await this.#isJournalled())) {
      const kept = await this.#reopen();
      if (kept > 0) return kept;
    }
    await this.#begin();
    return 0;
  }

  /** The hash of the first `bytes`. */
  async hash(bytes: number): Promise<Hash> {
    return hashOf(this.#opened, bytes);
  }

  /** Drops what there was. */
  async restart(): Promise<void> {
    await this.#opened.truncate(0);
  }

  async write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    let at = position;
    let left = chunks;
    while (left.length > 0) {
      const { bytesWritten } = await this.#opened.writev(left, at);
      at += bytesWritten;
      left = without(left, bytesWritten);
    }
  }

  /**
   * Puts the bytes on the disk and gives them their name. Without `overwrite` a name that is there by then, however it came, is kept.
   * @throws HawserError ERR_FILE_EXISTS; or the system's error.
   */
  async commit(overwrite: boolean): Promise<void> {
    const handle = this.#opened;
    const { mtime, name } = this.#offer;
    const seconds = mtime / 1000;
    // A time that the file system can't have is not worth a failure.
    await handle.utimes(seconds, seconds).catch(() => {});
    await handle.sync();
    await this.close();
    if (overwrite) await this.#replace(name);
    else await this.#claim(name);
    if (this.#offer.bytes >= RESUME_LEAST) await remove(this.#journal);
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  /** Leaves nothing behind. */
  async discard(): Promise<void> {
    await this.close();
    await remove(this.#part);
    await remove(this.#journal);
  }

  get #opened(): FileHandle {
    if (!this.#handle) throw new Error('the partial file is closed');
    return this.#handle;
  }

  async #replace(name: string): Promise<void> {
    try {
      await rename(this.#part, this.#folder.at(this.#final));
    } catch (error) {
      if (!failedWith(error, 'EISDIR', 'ENOTEMPTY', 'EEXIST')) throw error;
      await this.discard();
      throw fault('ERR_FILE_EXISTS', name, 'a folder has its name, and is kept', error);
    }
  }

  /** A hard link takes a name or fails, in one step. */
  async #claim(name: string): Promise<void> {
    const final = this.#folder.at(this.#final);
    try {
      await link(this.#part, final);
    } catch (error) {
      if (failedWith(error, 'EEXIST')) throw await this.#lost(name, error);
      if (!failedWith(error, ...NO_LINKS)) throw error;
      return this.#claimWithoutLinks(name);
    }
    await remove(this.#part);
  }

  /** Where the file system has no hard links: an empty file takes the name, and is replaced. */
  async #claimWithoutLinks(name: string): Promise<void> {
    const final = this.#folder.at(this.#final);
    try {
      await (await open(final, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | OPEN_NO_FOLLOW)).close();
    } catch (error) {
      throw failedWith(error, 'EEXIST') ? await this.#lost(name, error) : error;
    }
    await rename(this.#part, final).catch(async (error: unknown) => {
      await remove(final);
      throw error;
    });
  }

  async #lost(name: string, error: unknown): Promise<Error> {
    await this.discard();
    return fault('ERR_FILE_EXISTS', name, 'a file of this name came meanwhile, and is kept', error);
  }

  /** Whether the journal beside says that the partial file is of this very file. */
  async #isJournalled(): Promise<boolean> {
    const { name, bytes, mtime } = this.#offer;
    const text = await this.#readJournal().catch(() => '');
    try {
      const journal = JSON.parse(text) as Readonly<Record<string, unknown>>;
      return journal['name'] === name && journal['bytes'] === bytes && journal['mtime'] === mtime;
    } catch {
      return false;
    }
  }

  async #readJournal(): Promise<string> {
    const handle = await open(this.#journal, constants.O_RDONLY | OPEN_NO_FOLLOW);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(JOURNAL_MOST), 0, JOURNAL_MOST, 0);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await handle.close();
    }
  }

  async #reopen(): Promise<number> {
    const handle = await open(this.#part, constants.O_RDWR | OPEN_NO_FOLLOW).catch(() => undefined);
    if (!handle) return 0;
    const stat = await handle.stat();
    // Nobody else may have a name for it: what is written here would be written there.
    const isOurs = stat.isFile() && stat.nlink === 1 && (process.getuid === undefined || stat.uid === process.getuid());
    if (!isOurs || stat.size > this.#offer.bytes) {
      await handle.close();
      return 0;
    }
    this.#handle = handle;
    if (stat.size === 0) await this.close();
    return stat.size;
  }

  async #begin(): Promise<void> {
    const { bytes, executable } = this.#offer;
    const flags = createFlags(constants.O_RDWR);
    const mode = executable ? 0o777 : 0o666;
    this.#handle = await open(this.#part, flags, mode).catch(async (error: unknown) => {
      if (!failedWith(error, 'EEXIST')) throw error;
      await this.discard();
      return open(this.#part, flags, mode);
    });
    if (bytes >= RESUME_LEAST) await this.#writeJournal();
  }

  async #writeJournal(): Promise<void> {
    const { name, bytes, mtime } = this.#offer;
    await remove(this.#journal);
    const journal = await open(this.#journal, createFlags(constants.O_WRONLY), OWN_ONLY);
    try {
      await journal.writeFile(JSON.stringify({ version: 1, name, bytes, mtime }));
    } finally {
      await journal.close();
    }
  }
}

/** What has this name, a link as the link itself; undefined for nothing. */
export async function whatIs(path: string): Promise<Stats | undefined> {
  return lstat(path).catch((error: unknown) => {
    if (failedWith(error, 'ENOENT')) return undefined;
    throw error;
  });
}

/** The hash of the first `bytes` of a file; of fewer where it is shorter. */
export async function hashOf(handle: FileHandle, bytes: number, signal?: AbortSignal): Promise<Hash> {
  const hash = createHash('sha256');
  if (bytes === 0) return hash;
  let free = Buffer.allocUnsafe(READ_BYTES);
  let full = Buffer.allocUnsafe(READ_BYTES);
  let reading = handle.read(free, 0, Math.min(READ_BYTES, bytes), 0);
  for (let at = 0; at < bytes; ) {
    signal?.throwIfAborted();
    const { bytesRead } = await reading;
    if (bytesRead === 0) break;
    at += bytesRead;
    [free, full] = [full, free];
    if (at < bytes) reading = handle.read(free, 0, Math.min(READ_BYTES, bytes - at), at);
    hash.update(full.subarray(0, bytesRead));
  }
  return hash;
}

function createFlags(access: number): number {
  return access | constants.O_CREAT | constants.O_EXCL | OPEN_NO_FOLLOW;
}

function without(chunks: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  let skip = written;
  for (const [i, chunk] of chunks.entries()) {
    if (skip < chunk.length) return [chunk.subarray(skip), ...chunks.slice(i + 1)];
    skip -= chunk.length;
  }
  return [];
}

async function remove(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (!failedWith(error, 'ENOENT')) throw error;
  });
}
