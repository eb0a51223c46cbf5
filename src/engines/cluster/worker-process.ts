import cluster, { type Worker } from 'node:cluster';
import type { Socket } from 'node:net';
import type { Instant, Timer } from '../../core/index.ts';
import type { Hub } from './hub.ts';
import { doorNote, type NoteToPrimary, type NoteToWorker, NUMBER_VARIABLE, NUMBERS, noteOf } from './notes.ts';
import { after, WORLD } from './world.ts';

export interface Program {
  readonly exec: string | undefined;
  readonly args: readonly string[] | undefined;
  readonly execArgv: readonly string[] | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** What makes a worker ready: its first listening socket, or that it says so. */
  readonly ready: 'listening' | 'told';
}

/** How a process has ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface WorkerUser {
  ready(worker: WorkerProcess, data: unknown): void;
  ended(worker: WorkerProcess, ending: Ending): void;
}

/** Numbers of workers that live, and where the search for the next begins: one that has just died is not called the same. */
const taken = new Set<number>();
let next = 0;

/** One worker, as the primary has it. */
export class WorkerProcess {
  readonly number: number;
  readonly pid: number;
  readonly ended: Promise<Ending>;
  readyAt: Instant | undefined;
  /** It was told to go. */
  isStopping = false;
  /** Sockets that were handed to it and that it has not taken yet. */
  pendingSockets = 0;
  readonly #worker: Worker;
  readonly #user: WorkerUser;
  #hearsStop = false;
  #late: Timer | undefined;

  constructor(program: Program, hub: Hub, user: WorkerUser) {
    this.number = numberFor();
    this.#user = user;
    const door = doorNote(hub.admit(this.number));
    this.#worker = fork(program, this.number);
    this.pid = this.#worker.process.pid ?? 0;
    this.#worker.on('message', (message) => this.#heard(noteOf(message) as NoteToPrimary | undefined, door));
    if (program.ready === 'listening') this.#worker.on('listening', () => this.#isReady(null));
    this.ended = new Promise((resolve) => {
      const end = (ending: Ending): void => {
        if (!taken.delete(this.number)) return;
        this.#late?.cancel();
        hub.dismiss(this.number);
        resolve(ending);
        user.ended(this, ending);
      };
      this.#worker.on('exit', (code, signal) => end({ code, signal }));
      // It never began.
      this.#worker.on('error', () => this.#worker.process.pid === undefined && end({ code: null, signal: null }));
    });
  }

  /** Ready, and not on its way out. */
  get isServing(): boolean {
    return this.readyAt !== undefined && !this.isStopping;
  }

  /** Tells it to go; after `wait` ms it is killed. Resolves when it has ended. */
  async stop(wait: number): Promise<void> {
    if (!this.isStopping) {
      this.isStopping = true;
      if (this.#hearsStop) this.#tell({ hawser: 'stop' });
      else this.#worker.process.kill('SIGTERM');
      this.#late = after(wait, () => this.kill());
    }
    await this.ended;
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }

  /** False when it can't take the socket any more. */
  hand(socket: Socket, at: number): boolean {
    if (!this.#worker.isConnected()) return false;
    this.pendingSockets += 1;
    const note: NoteToWorker = { hawser: 'socket', at };
    this.#worker.send(note, socket, (error) => void (error !== null && socket.destroy()));
    return true;
  }

  #heard(note: NoteToPrimary | undefined, door: NoteToWorker): void {
    switch (note?.hawser) {
      case 'door?':
        this.#tell(door);
        return;
      case 'stops':
        this.#hearsStop = true;
        return;
      case 'leaves':
        this.#tell({ hawser: 'left' });
        return;
      case 'ready':
        this.#isReady(note.data);
        return;
      case 'taken':
        this.pendingSockets -= 1;
        return;
      case undefined:
    }
  }

  #isReady(data: unknown): void {
    if (this.readyAt !== undefined) return;
    this.readyAt = WORLD.now();
    this.#user.ready(this, data);
  }

  #tell(note: NoteToWorker): void {
    if (this.#worker.isConnected()) this.#worker.send(note, () => {});
  }
}

function fork({ exec, args, execArgv, env }: Program, number: number): Worker {
  cluster.setupPrimary({
    exec: exec ?? process.argv[1] ?? '',
    args: [...(args ?? process.argv.slice(2))],
    execArgv: [...(execArgv ?? process.execArgv)],
  });
  return cluster.fork({ ...env, [NUMBER_VARIABLE]: String(number) });
}

function numberFor(): number {
  while (taken.has(next)) next = (next + 1) % NUMBERS;
  const number = next;
  taken.add(number);
  next = (next + 1) % NUMBERS;
  return number;
}
