import type { HawserError } from '../core/index.ts';

/** Where packets come from, as a reader sees it. */
export interface PacketSource {
  pause(): void;
  resume(): void;
}

type Turn = IteratorResult<Buffer, undefined>;

/** Packets, or pieces of bytes, one after the other for `for await`. While nobody waits for one the source is paused. */
export class PacketReader implements AsyncIterableIterator<Buffer, undefined> {
  readonly #source: PacketSource;
  readonly #leave: () => void;
  readonly #packets: Buffer[] = [];
  #waiting: { resolve: (turn: Turn) => void; reject: (error: HawserError) => void } | undefined;
  #ended: HawserError | 'end' | undefined;

  /** @param leave Called when the loop is left before the end. */
  constructor(source: PacketSource, leave: () => void) {
    this.#source = source;
    this.#leave = leave;
  }

  push(packet: Buffer): void {
    const waiting = this.#waiting;
    if (waiting === undefined) {
      this.#packets.push(packet);
      this.#source.pause();
      return;
    }
    this.#waiting = undefined;
    waiting.resolve({ done: false, value: packet });
  }

  /** Nothing more comes; with an error the loop throws it, after what came before. */
  end(error: HawserError | undefined): void {
    this.#ended ??= error ?? 'end';
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (error !== undefined) waiting?.reject(error);
    else waiting?.resolve({ done: true, value: undefined });
  }

  next(): Promise<Turn> {
    const packet = this.#packets.shift();
    if (packet !== undefined) return Promise.resolve({ done: false, value: packet });
    if (this.#ended === 'end') return Promise.resolve({ done: true, value: undefined });
    if (this.#ended !== undefined) {
      const error = this.#ended;
      this.#ended = 'end';
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#source.resume();
    });
  }

  return(): Promise<Turn> {
    this.#packets.length = 0;
    this.end(undefined);
    this.#leave();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
