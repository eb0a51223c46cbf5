import type { Listener } from '../transport/index.ts';

/** What a server listens by. */
export class ListenerSet {
  readonly #all: Listener[] = [];
  /** Those that their signals have closed: links that they let in may need them until the end. */
  readonly #left: Set<Listener> = new Set();
  /** What leaves signals alone. */
  readonly #deaf: (() => void)[] = [];
  readonly #onLeft: () => void;

  /** `onLeft` hears when a signal has closed one. */
  constructor(onLeft: () => void) {
    this.#onLeft = onLeft;
  }

  /** All that there ever were. */
  get all(): readonly Listener[] {
    return this.#all;
  }

  /** Those by which peers can come. */
  get open(): readonly Listener[] {
    return this.#all.filter((listener) => !this.#left.has(listener));
  }

  /** Connections that have no link yet. */
  get guests(): number {
    return this.#all.reduce((sum, { guests = 0 }) => sum + guests, 0);
  }

  /** Closes it when the signal fires, or has fired. */
  keep(listener: Listener, signal: AbortSignal | undefined): void {
    this.#all.push(listener);
    if (signal === undefined) return;
    const leave = (): void => {
      this.#left.add(listener);
      void listener.close();
      this.#onLeft();
    };
    signal.addEventListener('abort', leave, { once: true });
    this.#deaf.push(() => signal.removeEventListener('abort', leave));
    if (signal.aborted) leave();
  }

  /** Stops accepting. */
  stop(): void {
    for (const listener of this.#all) listener.stop?.();
  }

  /** Closes all; called again when no link is left, each gives back what its links still needed. */
  async close(): Promise<void> {
    for (const deafen of this.#deaf.splice(0)) deafen();
    await Promise.all(this.#all.map((listener) => listener.close()));
  }
}
