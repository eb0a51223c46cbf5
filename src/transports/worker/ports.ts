import { isMainThread, type MessagePort } from 'node:worker_threads';
import type { ThreadEnd } from './letter.ts';
import type { ThreadPort, ThreadPortUser } from './link.ts';

/** A port of Node's, handed to one user at a time. It keeps no thread alive: timers and listeners do. */
export class NodePort implements ThreadPort {
  readonly #port: MessagePort;
  #user: ThreadPortUser | undefined;

  constructor(port: MessagePort, user?: ThreadPortUser) {
    this.#port = port;
    this.#user = user;
    port.on('message', (value: unknown) => this.#user?.onPosted(value));
    port.on('messageerror', () => this.#user?.onPosted(undefined));
    port.on('close', () => this.#gone());
    port.unref();
    LAST_WORDS.add(this);
  }

  /** From now on `user` alone hears of the port. */
  hand(user: ThreadPortUser): void {
    this.#user = user;
  }

  post(value: unknown, moved: ArrayBuffer[] = []): void {
    try {
      this.#port.postMessage(value, moved);
    } catch {
      // Memory that can't be moved, such as a pool's or WebAssembly's, is copied.
      this.#port.postMessage(value);
    }
  }

  close(): void {
    LAST_WORDS.delete(this);
    this.#user = undefined;
    this.#port.close();
  }

  #gone(): void {
    LAST_WORDS.delete(this);
    this.#user?.onGone();
  }
}

/**
 * The ports of a thread that may end before the process does: what listens on them is told how it ended. `terminate` and a
 * heap that is full leave no time for words; the ports then just close.
 */
class LastWords {
  readonly #ports = new Set<NodePort>();
  /** Thrown in this turn and, unless somebody catches it yet, the end of the thread. */
  #error: ThreadEnd['error'];

  add(port: NodePort): void {
    if (isMainThread) return;
    if (this.#ports.size === 0) {
      process.on('uncaughtExceptionMonitor', this.#onError);
      process.on('exit', this.#onExit);
    }
    this.#ports.add(port);
  }

  delete(port: NodePort): void {
    if (!this.#ports.delete(port) || this.#ports.size > 0) return;
    process.off('uncaughtExceptionMonitor', this.#onError);
    process.off('exit', this.#onExit);
  }

  readonly #onError = (thrown: unknown): void => {
    this.#error =
      thrown instanceof Error
        ? { name: thrown.name, message: thrown.message }
        : { name: 'Error', message: String(thrown) };
    setImmediate(() => {
      this.#error = undefined;
    }).unref();
  };

  readonly #onExit = (exitCode: number): void => {
    const error = this.#error;
    const end: ThreadEnd = error === undefined ? { exitCode } : { exitCode, error };
    for (const port of this.#ports) port.post(['ended', end]);
  };
}

const LAST_WORDS = new LastWords();
