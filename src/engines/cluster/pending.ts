import { aborted, HawserError, type WaitOptions } from '../../core/index.ts';
import { HUB } from './limits.ts';
import { after } from './world.ts';

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: HawserError) => void;
  readonly forget: () => void;
}

/** Questions to the hub that wait for their answers, by their numbers. */
export class Pending<T> {
  readonly #waiting = new Map<number, Waiting<T>>();
  #last = 0;

  /**
   * Asks by `write`, which gets the number of the question.
   * @throws HawserError ERR_ABORTED, ERR_ENGINE_DOWN when no answer comes in time or `fail` was called; `delivered` says `unknown`.
   */
  ask({ signal, timeout = HUB.answerWait }: WaitOptions, write: (request: number) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw aborted(signal, 'no');
      const request = this.#next();
      const end = (error: HawserError): void => this.#take(request)?.reject(error);
      const onAbort = (): void => end(aborted(signal, 'unknown'));
      const late = timeout === 0 ? undefined : after(timeout, () => end(down(`no answer in ${timeout} ms`)));
      const forget = (): void => {
        late?.cancel();
        signal?.removeEventListener('abort', onAbort);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.set(request, { resolve, reject, forget });
      write(request);
    });
  }

  /** False when nobody waits, or no longer. */
  answer(request: number, value: T): boolean {
    const waiting = this.#take(request);
    waiting?.resolve(value);
    return waiting !== undefined;
  }

  /** Whether somebody waits for it still. */
  has(request: number): boolean {
    return this.#waiting.has(request);
  }

  fail(why: string): void {
    for (const request of [...this.#waiting.keys()]) this.#take(request)?.reject(down(why));
  }

  #take(request: number): Waiting<T> | undefined {
    const waiting = this.#waiting.get(request);
    this.#waiting.delete(request);
    waiting?.forget();
    return waiting;
  }

  #next(): number {
    do this.#last = (this.#last + 1) >>> 0;
    while (this.#waiting.has(this.#last));
    return this.#last;
  }
}

function down(why: string): HawserError {
  return new HawserError('ERR_ENGINE_DOWN', `the hub of the workers: ${why}`, { delivered: 'unknown' });
}
