import { HawserError } from '../core/index.ts';
import { abortedError } from './failures.ts';

/** What every call that waits takes. */
export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
}

/** @throws HawserError ERR_ABORTED when the signal has fired already. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}

/**
 * A promise that is settled from elsewhere, or rejects with ERR_ABORTED when the signal fires; it leaves no listener on the signal. Left
 * alone it disturbs nobody: a rejection without a handler is quiet.
 */
export class Wait<Value> {
  readonly promise: Promise<Value>;
  #resolve: (value: Value) => void = () => {};
  #reject: (error: Error) => void = () => {};
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;

  /** @param gaveUp Called when the signal fires before the wait is over. */
  constructor(signal?: AbortSignal, gaveUp: () => void = () => {}) {
    this.promise = new Promise<Value>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.promise.catch(() => {});
    this.#signal = signal;
    this.#onAbort = () => {
      if (signal === undefined) return;
      this.reject(abortedError(signal));
      gaveUp();
    };
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  resolve(value: Value): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#resolve(value);
  }

  reject(error: Error): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#reject(error);
  }
}

/** The promise, or ERR_ABORTED when the signal fires first; what it waits for goes on. */
export function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return promise;
  const wait = new Wait<Value>(signal);
  promise.then(
    (value) => wait.resolve(value),
    (error: unknown) => wait.reject(asHawserError(error)),
  );
  return wait.promise;
}

/** Waits for a polite end, of which `cut` makes a quick one when the signal fires. It leaves no listener on the signal. */
export async function endedBy<Value>(
  end: Promise<Value>,
  signal: AbortSignal | undefined,
  cut: () => void,
): Promise<Value> {
  if (signal?.aborted) cut();
  else signal?.addEventListener('abort', cut, { once: true });
  try {
    return await end;
  } finally {
    signal?.removeEventListener('abort', cut);
  }
}

/** What a callback is told: null when it went well, as Node's are. */
export type Callback<Value = void> = (error: HawserError | null, value?: Value) => void;

/** Any error as ours; what isn't is one of ours that nobody foresaw. */
export function asHawserError(error: unknown): HawserError {
  if (error instanceof HawserError) return error;
  return new HawserError('ERR_INTERNAL', error instanceof Error ? error.message : String(error), { cause: error });
}
