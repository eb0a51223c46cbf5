import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { ask } from '../asking.ts';
import type { MembersOrder, NodeOrder } from './orders.ts';
import type { PrimaryOrder } from './primary.ts';

const ANSWER_MS = 120_000;
/** Beside the modules that they import. */
const BUILT: string = fileURLToPath(new URL('../node_modules/.hawser-bench-nodes/', import.meta.url));

/** The programs are compiled before: what compiles them on the way would be measured, too. */
export async function buildPrograms(): Promise<void> {
  const here = (name: string): string => fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  await build({
    entryPoints: [here('node'), here('primary'), here('members')],
    outdir: BUILT,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
  });
}

/** CPU time of all threads of a process so far, us. */
export function cpuUsOf(pid: number): number {
  const folder = `/proc/${pid}/task`;
  if (!existsSync(folder)) return 0;
  const nanos = readdirSync(folder).map((thread) =>
    Number(readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  return nanos.reduce((sum, one) => sum + one, 0) / 1e3;
}

export function rssOf(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

export interface Seat {
  readonly core: number;
  readonly program: 'node' | 'primary' | 'members';
  /** A folder for a CPU profile. */
  readonly profile?: string | undefined;
}

/** A fresh process, pinned to a core, that obeys orders one at a time. */
export class Process {
  readonly #child: ChildProcess;

  constructor({ core, program, profile }: Seat) {
    const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
    const words = ['-c', String(core), process.execPath, '--expose-gc', ...profiling, join(BUILT, `${program}.mjs`)];
    this.#child = spawn('taskset', words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'json' });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  obey<Value = void>(order: NodeOrder | MembersOrder | PrimaryOrder): Promise<Value> {
    return ask<Value>(this.#child, order, ANSWER_MS);
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await gone;
    clearTimeout(kill);
  }
}
