import { type Folder, HOLDS_FOLDERS } from './folder.ts';

/** Folders that are held open without being used. */
const MOST = 16;

interface Held {
  readonly folder: Promise<Folder>;
  users: number;
  /** It is not found any more, and closed by its last user. */
  isOut: boolean;
}

/** The folders that a transfer puts files in, each opened once as long as it is used often: thousands of files are in few folders. */
export class Folders {
  readonly #root: Folder;
  /** By their parts; the one that was used last is the last. */
  readonly #held = new Map<string, Held>();

  constructor(root: Folder) {
    this.#root = root;
  }

  /** Runs with the folder of these parts, made when it is missing. @throws what `Folder.down` and `run` throw. */
  async use<T>(parts: readonly string[], name: string, run: (folder: Folder) => Promise<T>): Promise<T> {
    const key = parts.join('/');
    const held = this.#held.get(key) ?? { folder: this.#root.down(parts, name), users: 0, isOut: !HOLDS_FOLDERS };
    this.#held.delete(key);
    if (!held.isOut) this.#held.set(key, held);
    held.users += 1;
    try {
      if (this.#held.size > MOST) this.#letGo(this.#held.keys().next().value ?? key);
      return await run(await held.folder);
    } catch (error) {
      // What comes next looks anew.
      if (this.#held.get(key) === held) this.#letGo(key);
      throw error;
    } finally {
      held.users -= 1;
      await closeUnused(held);
    }
  }

  /** Closes all that nobody uses, now or when its last user is done. */
  close(): void {
    for (const key of [...this.#held.keys()]) this.#letGo(key);
  }

  #letGo(key: string): void {
    const held = this.#held.get(key);
    this.#held.delete(key);
    if (!held) return;
    held.isOut = true;
    void closeUnused(held);
  }
}

async function closeUnused({ folder, users, isOut }: Held): Promise<void> {
  if (!isOut || users > 0) return;
  // One that could not be opened needs no closing, and a folder is closed once: a second time does nothing.
  await (await folder.catch(() => undefined))?.[Symbol.asyncDispose]();
}
