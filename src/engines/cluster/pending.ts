import { aborted, HawserError, type WaitOptions } from '../../core/index.ts';
import { Timed, TimerWheel } from '../../runtime/index.ts';
import { HUB } from './limits.ts';
import { WORLD } from './world.ts';

/** One that waits. */
class Waiting<T> extends Timed {
  readonly resolve: (value: T) => void;
  readonly #reject: (error: HawserError) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #end: (error: HawserError) => void;
  readonly #timeout: number;

  constructor(
    { signal, timeout = HUB.answerWait }: WaitOptions,
    resolve: (value: T) => void,
    reject: (error: HawserError) => void,
    end: (error: HawserError) => void,
  ) {
    super();
    this.resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    this.#end = end;
    this.#timeout = timeout;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (timeout > 0) WHEEL.schedule(this, WORLD.now() + timeout);
  }

  onDeadline(): void {
    this.#end(down(`no answer in ${this.#timeout} ms`));
  }

  reject(error: HawserError): void {
    this.#reject(error);
  }

  forget(): void {
    WHEEL.cancel(this);
    this.#signal?.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => this.#end(aborted(this.#signal, 'unknown'));
}

/** One timer for all questions. */
const WHEEL = new TimerWheel(WORLD);

/** Questions to the hub that wait for their answers, by their numbers. */
export class Pending<T> {
  readonly #waiting = new Map<number, Waiting<T>>();
  #last = 0;

  /**
   * Asks by `write`, which gets the number of the question.
   * @throws HawserError ERR_ABORTED, ERR_ENGINE_DOWN when no answer comes in time or `fail` was called; `delivered` says `unknown`.
   */
  ask(wait: WaitOptions, write: (request: number) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (wait.signal?.aborted) throw aborted(wait.signal, 'no');
      const request = this.#next();
      const end = (error: HawserError): void => this.#take(request)?.reject(error);
      this.#waiting.set(request, new Waiting(wait, resolve, reject, end));
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
