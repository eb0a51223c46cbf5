import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Answer, Command, Commands, NodeOptions, Question, Ready, WorkerNews } from './control.ts';
import type { Programs } from './programs.ts';

const START_WAIT = 20_000;
const ANSWER_WAIT = 5000;
const OUTPUT_MOST = 20_000;

/** Those that still run when the harness ends are ended with it. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A node that runs, or ran: a process of its own, or a worker. */
export interface NodeHandle {
  /** What it calls itself. */
  readonly life: string;
  readonly endpoints: readonly string[];
  readonly isRunning: boolean;
  /** How it ended, when nobody asked it to. */
  readonly accident: string | undefined;
  /** @throws Error when it answers so, ends, or is silent. */
  ask<C extends Command>(command: C, ask: Commands[C]['ask'], wait?: number): Promise<Commands[C]['answer']>;
  /** SIGKILL. Resolves when it has ended. */
  kill(): Promise<void>;
  /** SIGSTOP */
  freeze(): void;
  /** SIGCONT */
  thaw(): void;
  /** Ends it politely, within ms. */
  drain(wait: number): Promise<void>;
}

export class NodeProcess implements NodeHandle {
  /** What it wrote. */
  output = '';
  readonly life: string;
  readonly pid: number;
  readonly endpoints: readonly string[];
  readonly #child: ChildProcess;
  readonly #asked = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #last = 0;
  #isExpected = false;

  private constructor(
    child: ChildProcess,
    { life, pid, endpoints }: Ready,
    output: string,
    hear: (event: WorkerNews) => void,
  ) {
    this.#child = child;
    this.life = life;
    this.pid = pid;
    this.endpoints = endpoints;
    this.output = output;
    child.on('message', (message: Answer | WorkerNews) => {
      if ('id' in message) this.#onAnswer(message);
      else hear(message);
    });
    child.on('exit', () => {
      for (const { reject } of this.#asked.values()) reject(new Error('the node has ended'));
      this.#asked.clear();
    });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text: string) => this.#write(text));
  }

  /** `hear`: what a primary tells of its workers. @throws Error with what it wrote, when it ends or is not ready in time. */
  static async start(
    programs: Programs,
    options: NodeOptions,
    hear: (news: WorkerNews) => void = () => {},
  ): Promise<NodeProcess> {
    const child = fork(programs.node, [JSON.stringify(options)], {
      execArgv: ['--enable-source-maps', '--import', programs.clock],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    let output = '';
    const write = (text: string): void => {
      output += text;
    };
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', write);
    try {
      const signal = AbortSignal.timeout(START_WAIT);
      const ended = once(child, 'exit', { signal }).then(() => {
        throw new Error('it ended');
      });
      ended.catch(() => {});
      const ready = await Promise.race([readyOf(child, hear, signal), ended]);
      return new NodeProcess(child, ready, output, hear);
    } catch (cause) {
      child.kill('SIGKILL');
      throw new Error(`node ${options.name} did not start: ${output}`, { cause });
    }
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get accident(): string | undefined {
    if (this.isRunning || this.#isExpected) return undefined;
    return `exit ${this.#child.exitCode ?? this.#child.signalCode}: ${this.output.slice(-3000)}`;
  }

  /** `worker`: the process id of the one of its workers that is asked. */
  ask<C extends Command>(
    command: C,
    ask: Commands[C]['ask'],
    wait: number = ANSWER_WAIT,
    worker?: number,
  ): Promise<Commands[C]['answer']> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      if (!this.isRunning || !this.#child.connected) {
        reject(new Error('the node has ended'));
        return;
      }
      const late = setTimeout(() => {
        this.#asked.delete(id);
        reject(new Error(`no answer to ${command} in ${wait} ms`));
      }, wait);
      const settle =
        <T>(done: (value: T) => void): ((value: T) => void) =>
        (value: T) => {
          clearTimeout(late);
          this.#asked.delete(id);
          done(value);
        };
      this.#asked.set(id, {
        resolve: settle((value) => resolve(value as Commands[C]['answer'])),
        reject: settle(reject),
      });
      const question: Question = { id, command, ask, ...(worker === undefined ? {} : { worker }) };
      this.#child.send(question, () => {});
    });
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#isExpected = true;
    if (!this.isRunning) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill(signal);
    await gone;
  }

  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  async drain(wait: number): Promise<void> {
    this.#isExpected = true;
    if (!this.isRunning) return;
    const gone = once(this.#child, 'exit');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), wait + 5000);
    await this.ask('drain', { wait }).catch(() => {});
    await gone;
    clearTimeout(late);
  }

  #onAnswer(message: Answer): void {
    const asked = this.#asked.get(message.id);
    if ('error' in message) asked?.reject(new Error(message.error));
    else asked?.resolve(message.value);
  }

  #write(text: string): void {
    this.output = (this.output + text).slice(-OUTPUT_MOST);
  }
}

function readyOf(child: ChildProcess, hear: (news: WorkerNews) => void, signal: AbortSignal): Promise<Ready> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('it was not ready in time')), { once: true });
    const listen = (message: Ready | WorkerNews): void => {
      if (!('ready' in message)) {
        hear(message);
        return;
      }
      child.off('message', listen);
      resolve(message);
    };
    child.on('message', listen);
  });
}
