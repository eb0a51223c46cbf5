import type { HawserError } from '../core/index.ts';

/** Where packets come from, as a reader sees it. */
export interface PacketSource {
  pause(): void;
  resume(): void;
}

type Turn = IteratorResult<Buffer, undefined>;

interface Waiting {
  readonly resolve: (turn: Turn) => void;
  readonly reject: (error: HawserError) => void;
}

/** Packets, or pieces of bytes, one after the other for `for await`. While nobody waits for one the source is paused. */
export class PacketReader implements AsyncIterableIterator<Buffer, undefined> {
  readonly #source: PacketSource;
  readonly #leave: () => void;
  readonly #packets: Buffer[] = [];
  readonly #waiting: Waiting[] = [];
  #ended: HawserError | 'end' | undefined;

  /** @param leave Called when the loop is left before the end. */
  constructor(source: PacketSource, leave: () => void) {
    this.#source = source;
    this.#leave = leave;
  }

  push(packet: Buffer): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) {
      this.#packets.push(packet);
      this.#source.pause();
    } else waiting.resolve({ done: false, value: packet });
  }

  /** Nothing more comes; with an error the loop throws it, after what came before. */
  end(error: HawserError | undefined): void {
    this.#ended ??= error ?? 'end';
    for (const { resolve, reject } of this.#waiting.splice(0)) this.#tellEnd(resolve, reject);
  }

  next(): Promise<Turn> {
    const packet = this.#packets.shift();
    if (packet !== undefined) return Promise.resolve({ done: false, value: packet });
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        this.#tellEnd(resolve, reject);
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#source.resume();
    });
  }

  return(): Promise<Turn> {
    this.#packets.length = 0;
    this.end(undefined);
    this.#leave();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** An error is told once; after it there is just no more. */
  #tellEnd(resolve: Waiting['resolve'], reject: Waiting['reject']): void {
    const ended = this.#ended;
    this.#ended = 'end';
    if (ended === undefined || ended === 'end') resolve({ done: true, value: undefined });
    else reject(ended);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
