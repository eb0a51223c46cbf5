import { HawserError } from '../core/index.ts';

/** Events that may wait to be taken. */
const MOST = 10_000;

/** Events for one `for await`. */
export class EventQueue<T> implements AsyncIterableIterator<T, undefined> {
  readonly #onReturn: () => void;
  #items: T[] = [];
  #isOver = false;
  #error: HawserError | undefined;
  #waiting: (() => void)[] = [];

  constructor(onReturn: () => void) {
    this.#onReturn = onReturn;
  }

  push(item: T): void {
    if (this.#isOver) return;
    if (this.#items.length < MOST) this.#items.push(item);
    else {
      this.#error = new HawserError('ERR_BACKLOG_FULL', `${MOST} events wait to be taken`);
      this.#isOver = true;
    }
    this.#wake();
  }

  /** Nothing more comes. */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) return { value: item, done: false };
      if (this.#error) throw this.#error;
      if (this.#isOver) return { value: undefined, done: true };
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#items = [];
    this.end();
    this.#onReturn();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
