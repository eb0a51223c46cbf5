/** A moment on a monotonic clock, in milliseconds. Only differences have meaning. */
export type Instant = number;

/** Chance, as an argument. */
export interface Random {
  /** `length` fresh bytes. Of cryptographic quality where the real one is passed in. */
  bytes(length: number): Uint8Array;
  /** A number in [0, 1). */
  unit(): number;
}

/** Time and chance together: what a layer below `runtime` needs of the world. */
export interface World {
  now(): Instant;
  readonly random: Random;
  /** Calls `run` once, no earlier than `at`; `undefined` for `at` is not allowed. */
  timer(at: Instant, run: () => void): Timer;
  /** Calls `run` soon, after the input that is being handled: once per turn of the event loop. */
  soon(run: () => void): void;
  /** Hears of errors that a callback threw where no caller could catch them; what threw has been ended by then. */
  report?(error: unknown): void;
}

export interface Timer {
  /** Forgets the timer. Quiet when it has run or was cancelled before. */
  cancel(): void;
}
