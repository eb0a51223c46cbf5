import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Timer, World } from '../core/index.ts';

/** ms without a change after which the files are taken for whole: certificate and key are rarely written in one moment. */
const CALM = 500;

/** Tells when something has changed in the folders of some files: also where a file is replaced by another, or a link by which it is found. */
export class CertificateWatch implements Disposable {
  readonly #world: Pick<World, 'now' | 'timer'>;
  readonly #onChange: () => void;
  readonly #watchers: readonly FSWatcher[];
  #timer: Timer | undefined;

  /** Doesn't keep the process alive. @param onError Hears when a folder can't be watched any more. @throws Error when one can't be watched at all. */
  constructor(
    files: readonly string[],
    world: Pick<World, 'now' | 'timer'>,
    onChange: () => void,
    onError: (error: unknown) => void,
  ) {
    this.#world = world;
    this.#onChange = onChange;
    const folders = new Set(files.map((file) => dirname(file)));
    this.#watchers = [...folders].map((folder) =>
      watch(folder, { persistent: false }, () => this.#changed()).on('error', onError),
    );
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    for (const watcher of this.#watchers) watcher.close();
  }

  #changed(): void {
    this.#timer?.cancel();
    this.#timer = this.#world.timer(this.#world.now() + CALM, this.#onChange);
  }
}
