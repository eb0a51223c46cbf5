import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ask } from '../asking.ts';
import { buildInto } from '../programs.ts';
import type { MembersOrder, NodeOrder } from './orders.ts';
import type { PrimaryOrder } from './primary.ts';

const ANSWER_MS = 120_000;
/** Beside the modules that they import. */
const BUILT: string = fileURLToPath(new URL('../node_modules/.hawser-bench-nodes/', import.meta.url));

export async function buildPrograms(): Promise<void> {
  const here = (name: string): string => fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  await buildInto(BUILT, [here('node'), here('primary'), here('members')]);
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
