import { constants } from 'node:fs';
import { type FileHandle, open, readlink, realpath } from 'node:fs/promises';
import type { Instant, World } from '../core/index.ts';
import type { StoredFile } from './stored-file.ts';

/** Why a file can't be opened now. */
export type NotOpened = 'changed' | 'busy';

/** A file that is open for as long as somebody sends it: one descriptor for all of them, who read at positions of their own. */
export interface OpenFile {
  readonly fd: number;
  read(at: number, bytes: Uint8Array): Promise<number>;
  /** Whether it is still in the state that was asked for. */
  isUnchanged(): Promise<boolean>;
  /** Once, when it isn't needed any more. */
  release(): void;
}

interface Shared {
  readonly handle: Promise<FileHandle | undefined>;
  users: number;
}

/** Who waits for a descriptor. */
interface Waiting {
  readonly file: StoredFile;
  told(mayBe: boolean): void;
}

/** The open files of a folder: not more than a number at one time. */
export class OpenFiles {
  readonly #most: number;
  readonly #wait: number;
  readonly #world: World;
  readonly #open: Map<StoredFile, Shared> = new Map();
  readonly #waiting: Set<Waiting> = new Set();
  /** Closing counts, until it is done. */
  #descriptors = 0;

  /** `wait` in ms. */
  constructor(most: number, wait: number, world: World) {
    this.#most = most;
    this.#wait = wait;
    this.#world = world;
  }

  /** The file in just this state. Rejects with what the system says. */
  async open(file: StoredFile): Promise<OpenFile | NotOpened> {
    const until = this.#world.now() + this.#wait;
    while (!this.#open.has(file) && this.#descriptors >= this.#most) {
      if (!(await this.#room(file, until))) return 'busy';
    }
    const shared = this.#share(file);
    // Who was woken and needed no descriptor passes it on.
    if (this.#descriptors < this.#most) this.#wake();
    try {
      const handle = await shared.handle;
      if (handle !== undefined) return this.#leased(file, shared, handle);
      this.#leave(file, shared);
      return 'changed';
    } catch (error) {
      this.#leave(file, shared);
      throw error;
    }
  }

  #share(file: StoredFile): Shared {
    let shared = this.#open.get(file);
    if (shared === undefined) {
      this.#descriptors += 1;
      shared = { handle: openFile(file), users: 0 };
      this.#open.set(file, shared);
      for (const one of [...this.#waiting]) if (one.file === file) one.told(true);
    }
    shared.users += 1;
    return shared;
  }

  #leased(file: StoredFile, shared: Shared, handle: FileHandle): OpenFile {
    let isReleased = false;
    return {
      fd: handle.fd,
      read: async (at, bytes) => (await handle.read(bytes, 0, bytes.length, at)).bytesRead,
      isUnchanged: async () => file.is(await handle.stat()),
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.#leave(file, shared);
      },
    };
  }

  #leave(file: StoredFile, shared: Shared): void {
    shared.users -= 1;
    if (shared.users > 0) return;
    this.#open.delete(file);
    void this.#close(shared);
  }

  async #close({ handle }: Shared): Promise<void> {
    await handle.then((one) => one?.close()).catch(() => {});
    this.#descriptors -= 1;
    this.#wake();
  }

  /** The one that has waited longest. */
  #wake(): void {
    const [next] = this.#waiting;
    next?.told(true);
  }

  /** Resolves when there may be room, or others have opened the file; with false when too many wait, or the time is over. */
  async #room(file: StoredFile, until: Instant): Promise<boolean> {
    if (this.#waiting.size >= WAITING_MOST) return false;
    return await new Promise((resolve) => {
      const timer = this.#world.timer(until, () => waiting.told(false));
      const waiting: Waiting = {
        file,
        told: (mayBe) => {
          timer.cancel();
          this.#waiting.delete(waiting);
          resolve(mayBe);
        },
      };
      this.#waiting.add(waiting);
    });
  }
}

/** Requests that wait for a file to be opened. */
const WAITING_MOST = 1000;
/** What has become a link, or a pipe without a writer, since it was looked at, is not waited for. Windows has neither. */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Undefined when it isn't in this state any more. */
async function openFile(file: StoredFile): Promise<FileHandle | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(file.path, FLAGS);
  } catch (error) {
    if (CHANGED.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
  try {
    if (file.is(await handle.stat()) && (await isInside(handle, file))) return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return undefined;
}

/** Where it has been opened: folders on the way to it may have become links since they were looked at. */
async function isInside({ fd }: FileHandle, { path, inside }: StoredFile): Promise<boolean> {
  if (inside === '') return true;
  const place = await readlink(`/proc/self/fd/${fd}`).catch(() => realpath(path));
  return place.startsWith(inside);
}

const CHANGED: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'ENXIO']);
