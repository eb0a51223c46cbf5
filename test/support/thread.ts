import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import type { ThreadTask } from './thread-peer.ts';
import { ROOT } from './tree.ts';

let program: Promise<string> | undefined;

/** The sources as one program: a thread on Node 20 can't read TypeScript. The file goes when the tests are over. */
async function bundle(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const outfile = join(folder, 'peer.mjs');
  const entryPoints = [join(ROOT, 'test/support/thread-peer.ts')];
  await build({ entryPoints, outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'silent' });
  return outfile;
}

/** A thread of a test; it may die by any means, which is told to nobody but its peers. */
export class Thread implements AsyncDisposable {
  readonly worker: Worker;
  /** Resolves with the exit code. */
  readonly exit: Promise<number>;

  static async start(task: ThreadTask): Promise<Thread> {
    program ??= bundle();
    return new Thread(new Worker(await program, { workerData: task, stderr: true }));
  }

  private constructor(worker: Worker) {
    this.worker = worker;
    worker.on('error', () => {});
    this.exit = new Promise((resolve) => worker.once('exit', resolve));
  }

  async ready(): Promise<void> {
    await once(this.worker, 'message');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.worker.terminate();
  }
}
