import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** What a kind of server needs to be started. */
export interface Program {
  /** For messages and folder names, such as `nats`. */
  readonly name: string;
  readonly path: string;
  /** How it is called; also where its configuration is written. `data` exists, and is empty after a restart without data. */
  args(places: { readonly folder: string; readonly data: string }): readonly string[];
  /** Whether it answers. Asked again and again; may throw. */
  answers(): Promise<boolean>;
  /** ms. Default 15 s. */
  readonly wait?: number;
}

/** The most characters of a log that are kept. */
const LOG_MOST = 1_000_000;
const START_WAIT = 15_000;
const STOP_WAIT = 5000;

/** Servers that still run when the test's process ends are ended with it. */
const running: Set<ChildProcess> = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Somebody else's server as a process of a test's own: in the foreground, with its files in a temporary folder. */
export class Daemon implements AsyncDisposable {
  /** What it wrote to both outputs, over all its lives. */
  log = '';
  readonly #program: Program;
  readonly #folder: string;
  #child: ChildProcess | undefined;

  private constructor(program: Program) {
    this.#program = program;
    this.#folder = mkdtempSync(join(tmpdir(), `hawser-${program.name}-`));
  }

  /** @throws Error with its log when it ends, or doesn't answer in time. */
  static async start(program: Program): Promise<Daemon> {
    const daemon = new Daemon(program);
    try {
      await daemon.start();
      return daemon;
    } catch (error) {
      await daemon[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @throws Error when it doesn't run. */
  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.#program.name} doesn't run`);
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** Where its configuration and log are; its data is in `data`. */
  get folder(): string {
    return this.#folder;
  }

  /** Again, after it was stopped. `wait: false` doesn't wait until it answers. */
  async start({ wait = true }: { readonly wait?: boolean } = {}): Promise<void> {
    if (this.#child !== undefined) throw new Error(`${this.#program.name} runs already`);
    const data = join(this.#folder, 'data');
    mkdirSync(data, { recursive: true });
    const args = this.#program.args({ folder: this.#folder, data });
    const child = spawn(this.#program.path, args, { cwd: this.#folder, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    running.add(child);
    child.on('error', (error) => this.#write(`${error}\n`));
    child.on('close', () => {
      running.delete(child);
      if (this.#child === child) this.#child = undefined;
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => this.#write(text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.#write(text));
    if (wait) await this.ready();
  }

  /** Waits until it answers. @throws Error with its log. */
  async ready(): Promise<void> {
    const { name, wait = START_WAIT } = this.#program;
    const end = performance.now() + wait;
    while (!(await this.#program.answers().catch(() => false))) {
      if (this.#child === undefined) throw new Error(`${name} ended:\n${this.log}`);
      if (performance.now() > end) throw new Error(`${name} didn't answer in ${wait} ms:\n${this.log}`);
      await delay(20);
    }
  }

  /** Ends it, by default politely, and by force when that takes over 5 s. Its data stays. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const ended = once(child, 'close');
    child.kill(signal);
    child.kill('SIGCONT');
    const force = setTimeout(() => child.kill('SIGKILL'), STOP_WAIT);
    await ended;
    clearTimeout(force);
  }

  /** At the same port. By default killed, and with its data. */
  async restart({
    keepsData = true,
    signal = 'SIGKILL',
  }: {
    readonly keepsData?: boolean;
    readonly signal?: 'SIGTERM' | 'SIGKILL';
  } = {}): Promise<void> {
    await this.stop(signal);
    if (!keepsData) this.wipe();
    await this.start();
  }

  /** Throws its data away, while it doesn't run. */
  wipe(): void {
    rmSync(join(this.#folder, 'data'), { recursive: true, force: true });
  }

  /** SIGSTOP: its connections stay open, and nothing is answered. Returns when that is so. */
  freeze(): void {
    const { pid } = this;
    process.kill(pid, 'SIGSTOP');
    const nap = new Int32Array(new SharedArrayBuffer(4));
    const end = performance.now() + STOP_WAIT;
    while (!isStopped(pid) && performance.now() < end) Atomics.wait(nap, 0, 0, 1);
  }

  /** SIGCONT */
  thaw(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #write(text: string): void {
    this.log = (this.log + text).slice(-LOG_MOST);
  }
}

/** Whether all threads of a process are. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).every((task) => /\) T /.test(readFileSync(join(tasks, task, 'stat'), 'utf8')));
}

/**
 * Runs `attempt` with free ports of the loopback address, again with others when that fails because one was taken meanwhile. They are below
 * the range that systems give to outgoing connections, so that they are free again at a restart and nobody dials himself.
 */
export async function withPorts<T>(count: number, attempt: (ports: readonly number[]) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    const ports: number[] = [];
    while (ports.length < count) {
      const port = randomInt(20_000, 32_000);
      if (!ports.includes(port) && (await isFree(port))) ports.push(port);
    }
    try {
      return await attempt(ports);
    } catch (error) {
      if (tries === 5 || !/address already in use/i.test(String(error))) throw error;
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** The first bytes, as text, that a server says after `hello`. @throws Error when it can't be reached or says nothing for 1 s. */
export async function firstWords(port: number, hello: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  try {
    const signal = AbortSignal.timeout(1000);
    socket.write(hello);
    const [bytes] = (await once(socket, 'data', { signal })) as [Buffer];
    return bytes.toString();
  } finally {
    socket.on('error', () => {});
    socket.destroy();
  }
}
