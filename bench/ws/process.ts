import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ask } from '../asking.ts';
import { buildInto, cpuUsOf, rssOf } from '../programs.ts';
import type { Order } from './orders.ts';

const ANSWER_MS = 120_000;
const MODULES = new URL('../node_modules/', import.meta.url);
/** Beside the modules that they import. */
const BUILT: string = fileURLToPath(new URL('.hawser-bench-ws/', MODULES));

export interface Seat {
  readonly core: number;
  readonly program: 'server' | 'generator';
  readonly runtime: 'node' | 'bun';
  /** A folder for a CPU profile, in Node. */
  readonly profile?: string | undefined;
}

/** The package puts its binary in place when it is installed; where it may not, the binary is still with its platform's part. */
function bunBinary(): string {
  const places = ['bun/bin/bun.exe', `@oven/bun-${process.platform}-${process.arch}/bin/bun`];
  const found = places.map((place) => fileURLToPath(new URL(place, MODULES))).find((path) => existsSync(path));
  if (found === undefined) throw new Error('there is no binary of Bun for this machine');
  return found;
}

export async function buildPrograms(): Promise<void> {
  const here = (name: string): string => fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  await buildInto(BUILT, [here('server'), here('generator')]);
}

/** A fresh process, pinned to a core, that obeys orders one at a time. */
export class Process {
  readonly #child: ChildProcess;

  constructor({ core, program, runtime, profile }: Seat) {
    const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
    const runner = runtime === 'bun' ? [bunBinary()] : [process.execPath, '--expose-gc', ...profiling];
    const words = ['-c', String(core), ...runner, join(BUILT, `${program}.mjs`)];
    this.#child = spawn('taskset', words, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'json',
    });
  }

  obey<Value = void>(order: Order): Promise<Value> {
    return ask<Value>(this.#child, order, ANSWER_MS);
  }

  /** CPU time of all its threads so far, in us, whatever it runs in. */
  get cpuUs(): number {
    return cpuUsOf(this.#child.pid ?? 0);
  }

  get rssBytes(): number {
    return rssOf(this.#child.pid ?? 0);
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
