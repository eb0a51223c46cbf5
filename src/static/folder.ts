import { lstat, realpath, type Stats, stat } from 'node:fs';
import { join, sep } from 'node:path';
import { promisify } from 'node:util';
import { StoredFile } from './stored-file.ts';

export type Entry = StoredFile | 'folder' | undefined;

/** A folder of files as it is now. What is known of a file is used again, once a look has shown that it is unchanged. */
export class Folder {
  readonly #root: string;
  readonly #followsLinks: boolean;
  /** Files by path, those looked at last at the end. */
  readonly #known: Map<string, StoredFile> = new Map();
  /** Looks that have not begun. */
  readonly #asked: Map<string, Promise<Entry>> = new Map();

  /** `followsLinks`: also out of the folder. */
  constructor(root: string, followsLinks: boolean) {
    this.#root = root;
    this.#followsLinks = followsLinks;
  }

  /**
   * What is there, where anything is that may be served. Requests of one turn share a look; none is answered by a look that began
   * before it came. Rejects with what the system says, if that isn't that nothing is there.
   */
  look(path: string): Promise<Entry> {
    let asked = this.#asked.get(path);
    if (asked === undefined) {
      asked = new Promise((resolve, reject) => {
        setImmediate(() => {
          this.#asked.delete(path);
          this.#see(path).then(resolve, reject);
        });
      });
      this.#asked.set(path, asked);
    }
    return asked;
  }

  async #see(path: string): Promise<Entry> {
    const full = join(this.#root, path);
    try {
      const stats = await statOf(full);
      if (stats.isDirectory()) return 'folder';
      if (!stats.isFile()) return undefined;
      const known = this.#knownAs(path, stats) ?? (await this.#meet(path, full));
      this.#keep(path, known);
      return known;
    } catch (error) {
      if (NOT_THERE.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw error;
    }
  }

  /** A file that was not seen before, or not like this. */
  async #meet(path: string, full: string): Promise<StoredFile | undefined> {
    const [real, root] = await Promise.all([realPathOf(full), realPathOf(this.#root)]);
    const inside = root.endsWith(sep) ? root : `${root}${sep}`;
    if (!this.#followsLinks && !real.startsWith(inside)) return undefined;
    // Of the path that was judged: what the first one leads to may be another file by now.
    const stats = await lstatOf(real);
    if (!stats.isFile()) return undefined;
    // Looks of several turns may meet it at one time.
    return this.#knownAs(path, stats) ?? new StoredFile(real, this.#followsLinks ? '' : inside, stats, Date.now());
  }

  #knownAs(path: string, stats: Stats): StoredFile | undefined {
    const known = this.#known.get(path);
    return known?.holds(stats, Date.now()) ? known : undefined;
  }

  #keep(path: string, file: StoredFile | undefined): void {
    this.#known.delete(path);
    if (file === undefined) return;
    this.#known.set(path, file);
    if (this.#known.size > KNOWN_MOST) this.#known.delete(this.#known.keys().next().value as string);
  }
}

const KNOWN_MOST = 4096;
const NOT_THERE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'EINVAL']);

const statOf: (path: string) => Promise<Stats> = promisify(stat);
const lstatOf: (path: string) => Promise<Stats> = promisify(lstat);
const realPathOf: (path: string) => Promise<string> = promisify(realpath.native);
