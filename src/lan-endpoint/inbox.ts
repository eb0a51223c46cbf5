import { aborted, HawserError } from '../core/index.ts';

export interface InboxOptions {
  /** How many may wait to be taken. Default 1000, at least 1. */
  readonly limit?: number;
  /**
   * What happens when one more comes: `error` ends the iteration with ERR_BACKLOG_FULL after all that waits, `drop` leaves out
   * the new one, `latest` the oldest.
   */
  readonly overflow?: 'error' | 'drop' | 'latest';
  /** Ends the iteration with ERR_ABORTED, at once. */
  readonly signal?: AbortSignal;
}

/** How many wait for an iteration unless it is said. */
export const INBOX_LIMIT = 1000;

/** What comes, for `for await`. It hears from the moment it is made; whatever ends it, `onEnd` is called once, perhaps before it is made. */
export class Inbox<T> implements AsyncIterableIterator<T, undefined> {
  /** What was left out by `drop` or `latest`. */
  dropped = 0;
  readonly #limit: number;
  readonly #overflow: 'error' | 'drop' | 'latest';
  readonly #signal: AbortSignal | undefined;
  readonly #onEnd: (inbox: Inbox<T>) => void;
  #items: T[] = [];
  /** How many of `#items` are taken. */
  #taken = 0;
  #over = false;
  /** What the next call throws once all is taken. */
  #error: HawserError | undefined;
  #waiting: (() => void)[] = [];

  /** @throws HawserError ERR_OPTION. */
  constructor({ limit = INBOX_LIMIT, overflow = 'error', signal }: InboxOptions, onEnd: (inbox: Inbox<T>) => void) {
    if (!(limit >= 1)) throw new HawserError('ERR_OPTION', `limit is a number from 1, not ${limit}`);
    this.#limit = limit;
    this.#overflow = overflow;
    this.#signal = signal;
    this.#onEnd = onEnd;
    signal?.addEventListener('abort', this.#onAbort);
    if (signal?.aborted) this.#onAbort();
  }

  get #size(): number {
    return this.#items.length - this.#taken;
  }

  push(item: T): void {
    if (this.#over) return;
    if (this.#size >= this.#limit) {
      if (this.#overflow === 'error') {
        this.finish(new HawserError('ERR_BACKLOG_FULL', `${this.#limit} wait to be taken`));
        return;
      }
      this.dropped += 1;
      if (this.#overflow === 'drop') return;
      this.#shift();
    }
    this.#items.push(item);
    this.#waiting.shift()?.();
  }

  /** Nothing more comes. What waits is still handed out, then `error`, if any, is thrown once. */
  finish(error?: HawserError): void {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#onEnd(this);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** @throws HawserError ERR_BACKLOG_FULL, ERR_ABORTED, or why the source ended. */
  async next(): Promise<IteratorResult<T, undefined>> {
    while (this.#size === 0 && !this.#over) {
      await new Promise<void>((wake) => this.#waiting.push(wake));
    }
    if (this.#size > 0) return { value: this.#shift(), done: false };
    const error = this.#error;
    this.#error = undefined;
    if (error) throw error;
    return { value: undefined, done: true };
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#drop(undefined);
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#drop(undefined);
  }

  #shift(): T {
    const item = this.#items[this.#taken] as T;
    this.#taken += 1;
    if (this.#taken * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#taken);
      this.#taken = 0;
    }
    return item;
  }

  readonly #onAbort = (): void => this.#drop(aborted(this.#signal));

  /** Ends it at once: what waits is not handed out. */
  #drop(error: HawserError | undefined): void {
    this.#items = [];
    this.#taken = 0;
    this.finish(error);
    this.#error = error;
  }
}
