import cluster from 'node:cluster';
import type { Socket } from 'node:net';
import { HawserError, type WorkerChannel } from '../../core/index.ts';
import type { HubDoor } from './hub.ts';
import { HUB } from './limits.ts';
import { type NoteToPrimary, type NoteToWorker, NUMBER_VARIABLE, noteOf } from './notes.ts';
import { WorkerLink } from './worker-link.ts';
import { after, WORLD } from './world.ts';

/** This process, as one of those that `startWorkers` has started. */
export interface ThisWorker {
  /** From 0 to 255; no two that live have the same. */
  readonly number: number;
  /** It does its work from now on: `startWorkers({ ready: 'told' })` waits for this. `data` is anything that JSON can say. */
  ready(data?: unknown): void;
  /**
   * What this worker does when it is to go: it closes its servers. When that is done the process ends, with exit code 0, or 1 if it failed.
   * Without a listener the worker gets SIGTERM; who ends by itself then may take a connection with it that was on its way.
   */
  onStop(listener: () => unknown): void;
  /** Goes as if the primary had told so. Quiet when it is on its way already. */
  stop(): void;
  /**
   * The way to the other workers: bytes arrive at most once, and are lost where the other one isn't there, doesn't listen, or is too slow. What a
   * `udpack:` listener of several workers is given as `workers`.
   */
  readonly channel: WorkerChannel;
  /** Connections that the primary has accepted (`Workers.handOver`), with the number that it gave the place. One listener. */
  onSocket(listener: (socket: Socket, at: number) => void): void;
}

let known: WorkerSide | undefined;

/** Undefined where `startWorkers` has not started this process. */
export function thisWorker(): ThisWorker | undefined {
  return workerSide();
}

/** @throws HawserError ERR_OPTION where `startWorkers` has not started this process, ERR_CONNECT_FAILED when the primary doesn't answer. */
export async function findDoor(): Promise<HubDoor> {
  const side = workerSide();
  if (side !== undefined) return await side.door();
  throw new HawserError(
    'ERR_OPTION',
    'clusterEngine() is for workers that startWorkers() has started; this process is none',
  );
}

function workerSide(): WorkerSide | undefined {
  const number = Number(process.env[NUMBER_VARIABLE]);
  if (cluster.isWorker && Number.isInteger(number)) known ??= new WorkerSide(number);
  return known;
}

class WorkerSide implements ThisWorker {
  readonly number: number;
  #door: Promise<HubDoor> | undefined;
  #foundDoor: ((note: NoteToWorker & { readonly hawser: 'door' }) => void) | undefined;
  #channel: WorkerLink | undefined;
  #stop: (() => unknown) | undefined;
  #left: () => void = () => {};
  #socket: ((socket: Socket, at: number) => void) | undefined;

  constructor(number: number) {
    this.number = number;
    process.on('message', (message, handle) =>
      this.#heard(noteOf(message) as NoteToWorker | undefined, handle as Socket | undefined),
    );
  }

  ready(data: unknown = null): void {
    tell({ hawser: 'ready', data });
  }

  onStop(listener: () => unknown): void {
    this.#stop = listener;
    tell({ hawser: 'stops' });
  }

  stop(): void {
    const close = this.#stop;
    this.#stop = undefined;
    if (close !== undefined) void this.#go(close);
  }

  get channel(): WorkerChannel {
    this.#channel ??= new WorkerLink(this.number, () => this.door());
    return this.#channel;
  }

  onSocket(listener: (socket: Socket, at: number) => void): void {
    this.#socket = listener;
  }

  /** @throws HawserError ERR_CONNECT_FAILED when the primary doesn't answer. */
  door(): Promise<HubDoor> {
    this.#door ??= this.#askDoor();
    return this.#door;
  }

  #askDoor(): Promise<HubDoor> {
    return new Promise((resolve, reject) => {
      const late = after(HUB.answerWait, () => {
        this.#door = undefined;
        reject(new HawserError('ERR_CONNECT_FAILED', `the primary process said nothing in ${HUB.answerWait} ms`));
      });
      this.#foundDoor = ({ path, secret }) => {
        late.cancel();
        resolve({ path, worker: this.number, secret: Buffer.from(secret, 'base64') });
      };
      tell({ hawser: 'door?' });
    });
  }

  #heard(note: NoteToWorker | undefined, handle: Socket | undefined): void {
    switch (note?.hawser) {
      case 'door':
        this.#foundDoor?.(note);
        return;
      case 'stop':
        this.stop();
        return;
      case 'left':
        this.#left();
        return;
      case 'socket':
        tell({ hawser: 'taken' });
        if (handle !== undefined) this.#take(handle, note.at);
        return;
      case undefined:
    }
  }

  async #go(close: () => unknown): Promise<void> {
    let code = 0;
    try {
      await close();
    } catch (error) {
      WORLD.report?.(error);
      code = 1;
    }
    await this.#leave();
    process.exit(code);
  }

  /** Connections that the primary sent here before it knew have been refused when this resolves, and go to another worker. */
  #leave(): Promise<void> {
    return new Promise((resolve) => {
      this.#left = resolve;
      process.once('disconnect', resolve);
      if (process.connected) tell({ hawser: 'leaves' });
      else resolve();
    });
  }

  #take(socket: Socket, at: number): void {
    if (this.#socket === undefined) socket.destroy();
    else this.#socket(socket, at);
  }
}

function tell(note: NoteToPrimary): void {
  // A primary that is gone takes this process with it.
  if (process.connected) process.send?.(note, undefined, {}, () => {});
}
