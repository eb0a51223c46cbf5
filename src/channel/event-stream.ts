import { aborted, HawserError, ON_PAGE } from '../core/index.ts';
import type { Meta } from '../wire/index.ts';

export interface EventsOptions {
  /** How many events may wait to be taken. Default 1000, at least 1. */
  readonly limit?: number;
  /**
   * What happens when one more comes: `error` ends the iteration with ERR_BACKLOG_FULL after all that waits, `drop` leaves out
   * the new one, `latest` the oldest. Default `error`: nothing is lost in silence.
   */
  readonly overflow?: 'error' | 'drop' | 'latest';
  /** Ends the iteration with ERR_ABORTED, at once. */
  readonly signal?: AbortSignal;
}

/** Where the events of a stream come from. */
export interface EventSource {
  /** `push` hears each event from now on; `finish` is called when nothing more comes, at once where that is so already. */
  readonly add: (push: EventStream<never>['push'], finish: EventStream<never>['finish']) => void;
  readonly remove: (push: EventStream<never>['push'], finish: EventStream<never>['finish']) => void;
}

/**
 * The events of one name, for `for await`. Between two turns of the loop at most `limit` of them wait. The iteration is done when
 * the conversation has ended as planned, and throws why when it has not; `break` ends it too. Whatever ends it, it listens no longer.
 */
export class EventStream<Data> implements AsyncIterableIterator<Data, undefined> {
  /** What came beside the event of the peer's that was taken last: `info.room`, `info.from`. */
  info: Meta = {};
  /** Events that were left out by `drop` or `latest`. */
  dropped = 0;
  readonly #options: EventsOptions;
  readonly #source: EventSource;
  #items: (readonly [data: unknown, info: Meta])[] = [];
  #over = false;
  /** What the next call throws once all is taken. */
  #error: HawserError | undefined;
  /** Resolves when there is something new to take; nobody waits while it is undefined. */
  #news: Promise<void> | undefined;
  #tellNews: () => void = () => {};

  /** @throws HawserError ERR_ARGUMENT. */
  constructor(options: EventsOptions, source: EventSource) {
    const { limit = 1, signal } = options;
    if (!(limit >= 1)) throw new HawserError('ERR_ARGUMENT', 'limit is a number from 1');
    this.#options = options;
    this.#source = source;
    signal?.addEventListener('abort', this.#onAbort);
    source.add(this.push, this.finish);
    if (signal?.aborted) this.#onAbort();
  }

  /** @throws HawserError ERR_BACKLOG_FULL, ERR_ABORTED, or why the conversation ended. */
  async next(): Promise<IteratorResult<Data, undefined>> {
    for (;;) {
      const item = this.#items.shift();
      if (item) {
        this.info = item[1];
        return { value: item[0] as Data, done: false };
      }
      if (this.#over) break;
      this.#news ??= new Promise((resolve) => {
        this.#tellNews = resolve;
      });
      await this.#news;
    }
    const error = this.#error;
    this.#error = undefined;
    if (error) throw error;
    return { value: undefined, done: true };
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#drop();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#drop();
  }

  /** @internal The listener. */
  readonly push = (data: unknown, info: Meta): void => {
    const { limit = 1000, overflow } = this.#options;
    if (this.#items.length >= limit) {
      if (!overflow || overflow === 'error') {
        this.finish(new HawserError('ERR_BACKLOG_FULL', ON_PAGE ? undefined : `${limit} events wait to be taken`));
        return;
      }
      this.dropped += 1;
      if (overflow === 'drop') return;
      this.#items.shift();
    }
    this.#items.push([data, info]);
    this.#wake();
  };

  /** @internal Nothing more comes. What waits is still handed out, then `error`, if any, is thrown once. */
  readonly finish = (error?: HawserError): void => {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#source.remove(this.push, this.finish);
    this.#wake();
  };

  readonly #onAbort = (): void => this.#drop(aborted(this.#options.signal));

  /** Ends it at once: what waits is not handed out. */
  #drop(error?: HawserError): void {
    this.#items = [];
    this.finish(error);
    this.#error = error;
  }

  #wake(): void {
    this.#news = undefined;
    this.#tellNews();
  }
}
