import { setTimeout as delay } from 'node:timers/promises';
import type { Command, Commands, NodeOptions, WorkerNews } from './control.ts';
import { type NodeHandle, NodeProcess } from './node-process.ts';
import type { Programs } from './programs.ts';

const END_WAIT = 10_000;
const LOOK = 10;

/** A primary with its workers, from which a node is taken that nobody has yet. */
export class ClusterPrimary {
  readonly #workers: WorkerHandle[] = [];
  #process: NodeProcess | undefined;

  static async start(programs: Programs, options: NodeOptions): Promise<ClusterPrimary> {
    const primary = new ClusterPrimary();
    primary.#process = await NodeProcess.start(programs, options, (news) => primary.#hear(news));
    return primary;
  }

  get process(): NodeProcess {
    if (this.#process === undefined) throw new Error('no primary');
    return this.#process;
  }

  /** Of those that it has had. */
  get pids(): readonly number[] {
    return this.#workers.map(({ pid }) => pid);
  }

  /** A worker that is ready and that nobody has; waits until there is one. @throws Error when there is none in time. */
  async take(wait: number): Promise<NodeHandle> {
    const end = performance.now() + wait;
    for (;;) {
      const free = this.#workers.find((worker) => !worker.isTaken && worker.isRunning);
      if (free !== undefined) {
        free.isTaken = true;
        return free;
      }
      if (performance.now() > end) throw new Error(`no worker was ready in ${wait} ms: ${this.process.output}`);
      await delay(LOOK);
    }
  }

  /** Has all workers replaced; those that are there now may end. */
  async restart(wait: number): Promise<void> {
    for (const worker of this.#workers) worker.mayEnd();
    await this.process.ask('restart', undefined, wait);
  }

  #hear(news: WorkerNews): void {
    if (news.worker === 'ready') this.#workers.push(new WorkerHandle(this, news));
    else this.#workers.find(({ pid }) => pid === news.pid)?.ended(news.words);
  }
}

class WorkerHandle implements NodeHandle {
  readonly life: string;
  readonly endpoints: readonly string[];
  readonly pid: number;
  isTaken = false;
  readonly #primary: ClusterPrimary;
  readonly #gone: Promise<void>;
  #end: () => void = () => {};
  #words: string | undefined;
  #isExpected = false;

  constructor(primary: ClusterPrimary, { life, endpoints, pid }: WorkerNews & { readonly worker: 'ready' }) {
    this.#primary = primary;
    this.life = life;
    this.endpoints = endpoints;
    this.pid = pid;
    this.#gone = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get isRunning(): boolean {
    return this.#words === undefined && this.#primary.process.isRunning;
  }

  get accident(): string | undefined {
    return this.#isExpected || this.#words === undefined
      ? undefined
      : `${this.#words}: ${this.#primary.process.output.slice(-3000)}`;
  }

  ended(words: string): void {
    this.#words = words;
    this.#end();
  }

  mayEnd(): void {
    this.#isExpected = true;
  }

  async ask<C extends Command>(command: C, ask: Commands[C]['ask'], wait?: number): Promise<Commands[C]['answer']> {
    if (!this.isRunning) throw new Error('the worker has ended');
    return this.#primary.process.ask(command, ask, wait, this.pid);
  }

  async kill(): Promise<void> {
    this.mayEnd();
    this.#signal('SIGKILL');
    await this.#waitForEnd();
  }

  freeze(): void {
    this.#signal('SIGSTOP');
  }

  thaw(): void {
    this.#signal('SIGCONT');
  }

  async drain(wait: number): Promise<void> {
    this.mayEnd();
    await this.ask('drain', { wait }).catch(() => {});
    await this.#waitForEnd();
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.isRunning) process.kill(this.pid, signal);
  }

  async #waitForEnd(): Promise<void> {
    if (this.isRunning) await Promise.race([this.#gone, delay(END_WAIT)]);
    if (this.isRunning) throw new Error(`worker ${this.life} does not end`);
  }
}
