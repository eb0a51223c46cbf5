import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ask } from '../asking.ts';
import type { Mark, Order } from './orders.ts';

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));
const ANSWER_MS = 60_000;

export interface Seat {
  readonly core: number;
  /** A network namespace, or that of this process. */
  readonly namespace: string | undefined;
  /** A folder for a CPU profile. */
  readonly profile: string | undefined;
}

/** A fresh process, pinned to a core, that obeys orders one at a time. */
export class Process {
  readonly #child: ChildProcess;

  constructor({ core, namespace, profile }: Seat) {
    const command = [
      ...(namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace]),
      ...['taskset', '-c', String(core), process.execPath, '--import', 'tsx'],
      ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]),
      WORKER,
    ];
    const [program = '', ...rest] = command;
    this.#child = spawn(program, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  obey<Value = void>(order: Order): Promise<Value> {
    return ask<Value>(this.#child, order, ANSWER_MS);
  }

  mark(): Promise<Mark> {
    return this.obey<Mark>({ do: 'mark' });
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), 3000);
    await gone;
    clearTimeout(kill);
  }
}
