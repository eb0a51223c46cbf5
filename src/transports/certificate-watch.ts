import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import { HawserError, type Timer, type World } from '../core/index.ts';
import type { Endpoint, ListenOptions } from '../transport/index.ts';
import { filesOf } from './tls.ts';

/** ms without a change after which the files are taken for whole: certificate and key are rarely written in one moment. */
const CALM = 500;

/** Calls `reload` whenever the files that the URL names change; what it fails with is reported. @throws HawserError ERR_OPTION. */
export function reloadOnChange(
  endpoint: Endpoint,
  { world, report }: Pick<ListenOptions, 'world' | 'report'>,
  reload: () => Promise<void>,
): CertificateWatch {
  const failed = (error: unknown): void => {
    if (report === undefined) world.report?.(error);
    else report(error, 'the reload of certificates');
  };
  try {
    return new CertificateWatch(filesOf(endpoint), world, () => void reload().catch(failed), failed);
  } catch (cause) {
    throw new HawserError('ERR_OPTION', 'the folder of the certificate cannot be watched', { cause });
  }
}

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
