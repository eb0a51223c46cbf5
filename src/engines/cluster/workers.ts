import cluster from 'node:cluster';
import type { Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import { aborted, HawserError } from '../../core/index.ts';
import { Hub } from './hub.ts';
import { NUMBERS } from './notes.ts';
import { Restarts } from './restarts.ts';
import { type Ending, type Program, WorkerProcess } from './worker-process.ts';
import { after, WORLD } from './world.ts';

/** What becomes of workers. `worker` is the number that `thisWorker()` has there. */
export type WorkerEvent =
  | { readonly event: 'started'; readonly worker: number; readonly pid: number }
  /** `data` is what it gave to `ready`. */
  | { readonly event: 'ready'; readonly worker: number; readonly pid: number; readonly data: unknown }
  /** It has ended of itself; another one starts in `restartIn` ms, unless that is null. */
  | ({
      readonly event: 'died';
      readonly worker: number;
      readonly pid: number;
      readonly restartIn: number | null;
    } & Ending)
  /** It has ended as it was told to. */
  | ({ readonly event: 'stopped'; readonly worker: number; readonly pid: number } & Ending)
  /** The hub had to cut a worker's connection, which comes back. */
  | { readonly event: 'cut'; readonly error: HawserError };

export interface WorkersOptions {
  /** How many; `auto` is one for each core that this process may use. Default `auto`. At most 128. */
  readonly workers?: number | 'auto';
  /** The module that each worker runs. Default: this program's own, which asks `cluster.isPrimary`. */
  readonly exec?: string;
  /** Default: those of this program. */
  readonly args?: readonly string[];
  readonly execArgv?: readonly string[];
  /** What the environment of the workers has besides this one's. */
  readonly env?: Readonly<Record<string, string>>;
  /** What makes a worker ready: that it listens anywhere, or that it calls `thisWorker().ready()`. Default `listening`. */
  readonly ready?: 'listening' | 'told';
  /** A worker that is not ready by then has failed, ms. Default 30,000. */
  readonly readyWait?: number;
  /** A worker that was told to go and is still there is killed, ms. Default 10,000. */
  readonly stopWait?: number;
  /** Workers that may die in a row before they were ready for 2 s; one more ends all. Default 5. */
  readonly quickDeaths?: number;
  /** Stops all. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: WorkerEvent) => void;
}

export interface WorkerInfo {
  readonly worker: number;
  readonly pid: number;
  readonly state: 'starting' | 'ready' | 'stopping';
}

const WORKERS_MOST: number = NUMBERS / 2;

/**
 * Starts the workers of this program, joins them by a hub in this process, and replaces who dies. Resolves when all are ready. Servers in
 * workers share their TCP and WebSocket ports; `createServer({ engine: clusterEngine() })` makes their rooms one.
 * @throws HawserError ERR_OPTION; ERR_WORKER_ENDED when one of the first ends before it is ready, or is late; ERR_CONNECT_FAILED without a hub; ERR_ABORTED.
 */
export async function startWorkers(options: WorkersOptions = {}): Promise<Workers> {
  if (!cluster.isPrimary) throw new HawserError('ERR_OPTION', 'a worker starts no workers');
  const { signal } = options;
  const resolved = resolve(options);
  if (signal?.aborted) throw aborted(signal);
  const workers = new Workers(resolved, await Hub.start((error) => options.onEvent?.({ event: 'cut', error })));
  const stop = (): void => void workers.stop();
  signal?.addEventListener('abort', stop);
  void workers.closed.then(() => signal?.removeEventListener('abort', stop));
  try {
    await workers.begin();
  } catch (error) {
    throw signal?.aborted ? aborted(signal) : error;
  }
  return workers;
}

interface Resolved extends Program {
  readonly count: number;
  readonly readyWait: number;
  readonly stopWait: number;
  readonly quickDeaths: number;
  readonly onEvent: (event: WorkerEvent) => void;
}

function resolve(options: WorkersOptions): Resolved {
  const { workers = 'auto', exec, args, execArgv, env = {}, ready = 'listening', onEvent = () => {} } = options;
  const count = workers === 'auto' ? Math.min(availableParallelism(), WORKERS_MOST) : workers;
  if (!Number.isInteger(count) || count < 1 || count > WORKERS_MOST) {
    throw new HawserError('ERR_OPTION', `workers is auto, or a whole number from 1 to ${WORKERS_MOST}`);
  }
  const { readyWait = 30_000, stopWait = 10_000, quickDeaths = 5 } = options;
  for (const [name, value] of Object.entries({ readyWait, stopWait, quickDeaths })) {
    if (!(typeof value === 'number' && value >= 0)) throw new HawserError('ERR_OPTION', `${name} is a number from 0`);
  }
  return { count, exec, args, execArgv, env, ready, readyWait, stopWait, quickDeaths, onEvent };
}

/** The workers of this program. Made by `startWorkers`. */
export class Workers implements AsyncDisposable {
  /** Resolves when all have ended: with the error that ended them, or undefined after `stop`. Never rejects. */
  readonly closed: Promise<HawserError | undefined>;
  readonly #options: Resolved;
  readonly #hub: Hub;
  readonly #restarts: Restarts;
  readonly #workers = new Set<WorkerProcess>();
  /** Who waits until a worker is ready, or has ended. */
  readonly #awaited = new Map<WorkerProcess, (ending: Ending | undefined) => void>();
  #finish: (error: HawserError | undefined) => void = () => {};
  #restarting: Promise<void> | undefined;
  /** The round after that. */
  #again: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /** @internal */
  constructor(options: Resolved, hub: Hub) {
    this.#options = options;
    this.#hub = hub;
    this.#restarts = new Restarts(options.quickDeaths);
    this.closed = new Promise((finish) => (this.#finish = finish));
  }

  /** @internal */
  async begin(): Promise<void> {
    try {
      // What is wrong with all is said by one.
      await this.#startReady();
      await Promise.all(Array.from({ length: this.#options.count - 1 }, () => this.#startReady()));
    } catch (error) {
      await this.#end(error as HawserError);
      throw error;
    }
  }

  /** Those that live. */
  get workers(): readonly WorkerInfo[] {
    return [...this.#workers].map(({ number, pid, isStopping, readyAt }) => ({
      worker: number,
      pid,
      state: isStopping ? 'stopping' : readyAt === undefined ? 'starting' : 'ready',
    }));
  }

  /** Subjects that the hub routes, rooms with a log, connections of workers to it. */
  get hub(): { readonly subjects: number; readonly logs: number; readonly connections: number } {
    return this.#hub.stats;
  }

  /**
   * Replaces all workers, one after the other: the new one is ready before the old one is told to go. Calls that come while it is under way
   * are one more round after it.
   * @throws HawserError ERR_WORKER_ENDED when a new one doesn't get ready: the old ones that are left stay. ERR_CLOSED after `stop`.
   */
  restart(): Promise<void> {
    const before = this.#restarting;
    if (before === undefined) {
      this.#restarting = this.#restartAll().finally(() => (this.#restarting = undefined));
      return this.#restarting;
    }
    this.#again ??= before.then(
      () => this.#restartAgain(),
      () => this.#restartAgain(),
    );
    return this.#again;
  }

  /** Tells all workers to go and waits for them; who takes longer than `stopWait` is killed. */
  async stop(): Promise<void> {
    await this.#end(undefined);
  }

  /** Ends all at once, whatever they are doing. */
  kill(): void {
    for (const worker of this.#workers) worker.kill();
    void this.#end(undefined);
  }

  /** Hands a connection that this process has accepted to a worker, which hears of it by `thisWorker().onSocket`. False: there is none. */
  handOver(socket: Socket, at: number): boolean {
    const serving = [...this.#workers].filter((worker) => worker.isServing);
    const [first] = serving.toSorted((a, b) => a.pendingSockets - b.pendingSockets);
    if (first === undefined || !first.hand(socket, at)) return false;
    // Round: who has just got one is asked last.
    this.#workers.delete(first);
    this.#workers.add(first);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #restartAgain(): Promise<void> {
    this.#again = undefined;
    await this.restart();
  }

  async #restartAll(): Promise<void> {
    for (const old of [...this.#workers]) {
      // It has died in the meantime, and what has replaced it is new.
      if (!this.#workers.has(old)) continue;
      await this.#startReady();
      await old.stop(this.#options.stopWait);
    }
  }

  /** @throws HawserError ERR_WORKER_ENDED, ERR_CLOSED. */
  async #startReady(): Promise<void> {
    if (this.#stopping !== undefined) throw new HawserError('ERR_CLOSED', 'the workers are told to go');
    const { readyWait } = this.#options;
    const worker = this.#start();
    const late = after(readyWait, () => worker.kill());
    const ending = await new Promise<Ending | undefined>((told) => this.#awaited.set(worker, told));
    late.cancel();
    if (ending === undefined) return;
    throw new HawserError('ERR_WORKER_ENDED', `a worker ended before it was ready: ${wordsOf(ending)}`);
  }

  #start(): WorkerProcess {
    const worker = new WorkerProcess(this.#options, this.#hub, {
      ready: (one, data) => this.#ready(one, data),
      ended: (one, ending) => this.#ended(one, ending),
    });
    this.#workers.add(worker);
    this.#tell({ event: 'started', worker: worker.number, pid: worker.pid });
    return worker;
  }

  #ready(worker: WorkerProcess, data: unknown): void {
    this.#tell({ event: 'ready', worker: worker.number, pid: worker.pid, data });
    this.#awaited.get(worker)?.(undefined);
    this.#awaited.delete(worker);
  }

  #ended(worker: WorkerProcess, ending: Ending): void {
    const { number, pid, isStopping, readyAt } = worker;
    this.#workers.delete(worker);
    if (isStopping || this.#stopping !== undefined) {
      this.#tell({ event: 'stopped', worker: number, pid, ...ending });
      this.#awaited.get(worker)?.(ending);
      this.#awaited.delete(worker);
      return;
    }
    const awaited = this.#awaited.get(worker);
    this.#awaited.delete(worker);
    const restartIn = awaited === undefined ? (this.#restarts.died(readyAt, WORLD.now()) ?? null) : null;
    this.#tell({ event: 'died', worker: number, pid, restartIn, ...ending });
    if (awaited !== undefined) awaited(ending);
    else if (restartIn !== null) this.#replaceIn(restartIn);
    else void this.#end(inVain(ending));
  }

  #replaceIn(wait: number): void {
    after(wait, () => {
      if (this.#stopping !== undefined) return;
      const worker = this.#start();
      const late = after(this.#options.readyWait, () => worker.readyAt === undefined && worker.kill());
      void worker.ended.then(() => late.cancel());
    });
  }

  #end(error: HawserError | undefined): Promise<void> {
    this.#stopping ??= this.#stopAll(error);
    return this.#stopping;
  }

  async #stopAll(why: HawserError | undefined): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.stop(this.#options.stopWait)));
    await this.#hub.close();
    this.#finish(why);
  }

  /** What hears of workers may fail; they go on. */
  #tell(event: WorkerEvent): void {
    try {
      this.#options.onEvent(event);
    } catch (error) {
      WORLD.report?.(error);
    }
  }
}

function inVain(ending: Ending): HawserError {
  return new HawserError('ERR_WORKER_ENDED', `workers keep ending as soon as they start: ${wordsOf(ending)}`);
}

function wordsOf({ code, signal }: Ending): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}
