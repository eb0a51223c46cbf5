import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { ROOT } from '../support/tree.ts';

/** The programs of the nodes, each with the sources in one file, so that a node starts in a moment. */
export class Programs implements Disposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    process.once('exit', () => this[Symbol.dispose]());
  }

  static async make(): Promise<Programs> {
    const folder = mkdtempSync(join(tmpdir(), 'hawser-faults-'));
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    await build({
      entryPoints: ['node', 'clock'].map((name) => join(ROOT, 'test/faults', `${name}.ts`)),
      outdir: folder,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      target: 'node20',
      sourcemap: 'inline',
      logLevel: 'silent',
    });
    return new Programs(folder);
  }

  get node(): string {
    return join(this.#folder, 'node.mjs');
  }

  get clock(): string {
    return join(this.#folder, 'clock.mjs');
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
