import type { NotOpened, OpenFiles } from './open-files.ts';
import type { StoredFile } from './stored-file.ts';

/** Whole files that are kept, so many bytes of them; those asked for last stay. */
export class Memory {
  readonly #most: number;
  readonly #fileMost: number;
  readonly #files: OpenFiles;
  readonly #kept: Map<StoredFile, Uint8Array> = new Map();
  readonly #reading: Map<StoredFile, Promise<Uint8Array | NotOpened>> = new Map();
  #bytes = 0;

  constructor(most: number, fileMost: number, files: OpenFiles) {
    this.#most = most;
    this.#fileMost = fileMost;
    this.#files = files;
  }

  /** Whether `read` is for such a file. */
  takes({ size }: StoredFile): boolean {
    return size <= this.#fileMost && size <= this.#most;
  }

  get(file: StoredFile): Uint8Array | undefined {
    const bytes = this.#kept.get(file);
    if (bytes === undefined) return undefined;
    this.#kept.delete(file);
    this.#kept.set(file, bytes);
    return bytes;
  }

  /** All of it, as it was at one moment. Who asks for the same file shares the reading. */
  read(file: StoredFile): Promise<Uint8Array | NotOpened> {
    // A reading that began earlier may have missed a change that can't be seen yet.
    if (!file.isSettled) return this.#readWhole(file);
    let reading = this.#reading.get(file);
    if (reading === undefined) {
      reading = this.#readWhole(file).finally(() => this.#reading.delete(file));
      this.#reading.set(file, reading);
    }
    return reading;
  }

  async #readWhole(file: StoredFile): Promise<Uint8Array | NotOpened> {
    const open = await this.#files.open(file);
    if (typeof open === 'string') return open;
    try {
      const bytes = new Uint8Array(file.size);
      let have = 0;
      for (let got = -1; have < bytes.length && got !== 0; have += got)
        got = await open.read(have, bytes.subarray(have));
      if (have < bytes.length || !(await open.isUnchanged())) return 'changed';
      if (file.isSettled) this.#keep(file, bytes);
      return bytes;
    } finally {
      open.release();
    }
  }

  #keep(file: StoredFile, bytes: Uint8Array): void {
    this.#kept.set(file, bytes);
    this.#bytes += bytes.length;
    for (const [old, { length }] of this.#kept) {
      if (this.#bytes <= this.#most && this.#kept.size <= FILES_MOST) break;
      this.#kept.delete(old);
      this.#bytes -= length;
    }
  }
}

/** Empty files take room too. */
const FILES_MOST = 4096;
