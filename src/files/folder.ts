import { existsSync } from 'node:fs';
import { constants, type FileHandle, lstat, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { HawserError } from '../core/index.ts';
import { failedWith, fault } from './faults.ts';

/** Undefined on Windows, where a folder can't be opened. */
const FOLDER = (constants.O_DIRECTORY as number | undefined) ?? 0;
const NO_FOLLOW = (constants.O_NOFOLLOW as number | undefined) ?? 0;
const OPENS_FOLDERS = process.platform !== 'win32';
/** Where names can be looked up in an open folder, whatever becomes of the path that led there. */
const DESCRIPTORS = process.platform === 'linux' && existsSync('/proc/self/fd') ? '/proc/self/fd' : undefined;

/** Whether a folder that is held open stays the same one. */
export const HOLDS_FOLDERS: boolean = DESCRIPTORS !== undefined;

/** For every file that is opened in a folder: a symbolic link in its place is refused. */
export const OPEN_NO_FOLLOW: number = NO_FOLLOW | ((constants.O_NONBLOCK as number | undefined) ?? 0);

/**
 * A folder that is held open. What is looked up by `at` is in this very folder, also when its path leads elsewhere by now: on Linux for
 * certain; where the system has no names for open folders, unless another program swaps folders for links at the same moment.
 */
export class Folder implements AsyncDisposable {
  readonly #path: string;
  #handle: FileHandle | undefined;

  private constructor(path: string, handle: FileHandle | undefined) {
    this.#handle = handle;
    this.#path = handle && DESCRIPTORS !== undefined ? `${DESCRIPTORS}/${handle.fd}` : path;
  }

  /** The folder to put things in: the user's own choice, links in its path included. @throws HawserError ERR_OPTION. */
  static async root(path: string): Promise<Folder> {
    try {
      return new Folder(path, await openFolder(path, 0));
    } catch (cause) {
      throw new HawserError('ERR_OPTION', `${path} is no folder that can be opened`, { cause });
    }
  }

  /** The path of what has this name in the folder. */
  at(name: string): string {
    return join(this.#path, name);
  }

  /** Goes down by `parts`, none of them a link; makes those that are missing. @throws HawserError, or the system's error. */
  async down(parts: readonly string[], name: string): Promise<Folder> {
    let folder = new Folder(this.#path, await openFolder(this.#path, 0));
    for (const part of parts) {
      const above = folder;
      try {
        folder = await above.#enter(part, name);
      } finally {
        await above.#close();
      }
    }
    return folder;
  }

  /** Puts what was made and renamed here on the disk. */
  async sync(): Promise<void> {
    // Some file systems can't; then there is nothing to be had.
    await this.#handle?.sync().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #enter(part: string, name: string): Promise<Folder> {
    const path = this.at(part);
    await mkdir(path).catch((error: unknown) => {
      if (!failedWith(error, 'EEXIST', 'EISDIR')) throw error;
    });
    // Windows: nothing to hold on to, but links are refused all the same.
    if (!OPENS_FOLDERS) await refuse(path, name);
    try {
      return new Folder(path, await openFolder(path, NO_FOLLOW));
    } catch (error) {
      if (failedWith(error, 'ELOOP', 'ENOTDIR', 'EMLINK')) await refuse(path, name);
      throw error;
    }
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}

async function openFolder(path: string, flags: number): Promise<FileHandle | undefined> {
  if (OPENS_FOLDERS) return open(path, constants.O_RDONLY | FOLDER | flags);
  if (!(await lstat(path)).isDirectory() && flags !== 0) throw new Error('no folder');
  return undefined;
}

/** @throws HawserError where it is no folder. */
async function refuse(path: string, name: string): Promise<void> {
  const stat = await lstat(path);
  if (stat.isSymbolicLink()) throw fault('ERR_FILE_NAME', name, 'a symbolic link is in its way');
  if (!stat.isDirectory()) throw fault('ERR_FILE_EXISTS', name, 'a file is where its folder should be');
}
