import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Answer, Mark, Order } from './orders.ts';

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

  async obey<Value = void>(order: Order): Promise<Value> {
    this.#child.send(order);
    const gone = once(this.#child, 'exit', {}).then(([code]) => {
      throw new Error(`the process ended (${code}) while it was to ${order.do}`);
    });
    const [answer] = (await Promise.race([
      once(this.#child, 'message', { signal: AbortSignal.timeout(ANSWER_MS) }),
      gone,
    ])) as [Answer];
    gone.catch(() => {});
    if (answer.error !== undefined) throw new Error(`${order.do}: ${answer.error}`);
    return answer.value as Value;
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
