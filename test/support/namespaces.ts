import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { iproute } from './programs.ts';
import { ROOT } from './tree.ts';
import { until } from './until.ts';

/** Addresses of the two ends of the cable. */
export const ADDRESSES = {
  near: { four: '10.77.0.1', six: 'fd77::1' },
  far: { four: '10.77.0.2', six: 'fd77::2' },
} as const;

export type End = keyof typeof ADDRESSES;

/** Runs `ip`, of iproute2. @throws Error with what it said. */
function ip(...args: string[]): string {
  try {
    return execFileSync(iproute(), args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString();
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: Buffer | string; message: string };
    throw new Error(`network namespaces need root: ip ${args.join(' ')}: ${String(stderr) || message}`, {
      cause: error,
    });
  }
}

/** Two network namespaces with a cable between them, and a process in each that does what it is told. */
export class Namespaces implements AsyncDisposable {
  readonly near: Peer;
  readonly far: Peer;

  private constructor(program: string) {
    this.near = new Peer(nameOf('near'), program);
    this.far = new Peer(nameOf('far'), program);
  }

  /** @param program What the processes run, a file beside this one. @throws Error without root or iproute2. */
  static async open(program = 'udpack-peer.ts'): Promise<Namespaces> {
    const [near, far] = [nameOf('near'), nameOf('far')];
    for (const name of [near, far]) {
      ip('netns', 'add', name);
      ip('-n', name, 'link', 'set', 'lo', 'up');
    }
    ip('-n', near, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', far);
    for (const end of ['near', 'far'] as const) {
      const { four, six } = ADDRESSES[end];
      ip('-n', nameOf(end), 'addr', 'add', `${four}/24`, 'dev', 'cable');
      ip('-n', nameOf(end), 'addr', 'add', `${six}/64`, 'dev', 'cable', 'nodad');
      ip('-n', nameOf(end), 'link', 'set', 'cable', 'up');
    }
    const namespaces = new Namespaces(program);
    await Promise.all([namespaces.near.ready, namespaces.far.ready]);
    // Linux takes up to a second to say that a cable is in: before that programs see no interface.
    await until(
      () => [near, far].every((name) => ip('-n', name, 'link', 'show', 'cable').includes(' state UP ')),
      'the cable is in',
    );
    return namespaces;
  }

  /** Runs `ip` in the namespace of one end. */
  ip(end: End, ...args: string[]): void {
    ip('-n', nameOf(end), ...args);
  }

  /** A further process at one end. */
  async peer(end: End, program: string): Promise<Peer> {
    const peer = new Peer(nameOf(end), program);
    await peer.ready;
    return peer;
  }

  /** What the cable takes in a second from one end, in kbit, and how many KB may wait for it; what comes beyond is lost. */
  slow(end: End, kbit: number, queue: number): void {
    const args = ['qdisc', 'replace', 'dev', 'cable', 'root', 'tbf'];
    const rate = ['rate', `${kbit}kbit`, 'burst', '10kb', 'limit', `${queue}kb`];
    execFileSync(iproute(), ['netns', 'exec', nameOf(end), 'tc', ...args, ...rate], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Undoes `slow`. */
  fast(end: End): void {
    execFileSync(iproute(), ['netns', 'exec', nameOf(end), 'tc', 'qdisc', 'del', 'dev', 'cable', 'root']);
  }

  /** The longest IP packet that the cable carries. */
  mtu(bytes: number): void {
    for (const end of ['near', 'far'] as const) this.ip(end, 'link', 'set', 'cable', 'mtu', String(bytes));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.near[Symbol.asyncDispose](), this.far[Symbol.asyncDispose]()]);
    for (const end of ['near', 'far'] as const) ip('netns', 'del', nameOf(end));
  }
}

function nameOf(end: End): string {
  return `hawser-${end}-${process.pid}`;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** What a peer answers: by the number of the question. */
export interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** A program that answers questions, in a process of its own, in a namespace. */
export class Peer implements AsyncDisposable {
  readonly ready: Promise<unknown>;
  readonly #process: ChildProcess;
  readonly #waiting: Map<number, Waiting> = new Map();
  #asked = 0;

  constructor(namespace: string, file: string) {
    const program = join(ROOT, 'test/support', file);
    this.#process = spawn(iproute(), ['netns', 'exec', namespace, process.execPath, '--import', 'tsx', program], {
      cwd: ROOT,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.ready = once(this.#process, 'message');
    this.#process.on('message', (answer: Answer) => this.#onAnswer(answer));
    this.#process.once('exit', () => this.#onExit());
  }

  /** Asks the peer to do something, and waits for what came of it. */
  ask<Result>(command: string, args: object = {}): Promise<Result> {
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      if (this.#process.connected) this.#process.send({ id, command, args });
      else this.#onExit();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exit;
  }

  #onAnswer({ id, result, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result as never);
    else waiting?.reject(new Error(error));
  }

  #onExit(): void {
    for (const { reject } of this.#waiting.values()) reject(new Error('the peer has ended'));
    this.#waiting.clear();
  }
}
