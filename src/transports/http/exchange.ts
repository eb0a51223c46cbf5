import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Instant } from '../../core/index.ts';

/** ms. As for HTTP/1.1. */
const WRITE_WAIT = 30_000;
/** A connection that has sent so much meanwhile may have done so for any of its streams: one frame of the usual length. */
const MOVED_BYTES = 16_384;

/** ms. */
export interface Waits {
  /** For the end of the request. */
  readonly requestWait: number;
  /** For the peer to take some of the answer. */
  readonly writeWait: number | undefined;
}

/** A request by HTTP/2 and its answer, and since when neither has moved. */
export class Exchange {
  isCut = false;
  readonly #stream: ServerHttp2Stream;
  readonly #socket: Socket;
  readonly #requestWait: number;
  readonly #writeWait: number;
  readonly #since: Instant;
  /** When the answer moved, by what we saw then. */
  #movedAt: Instant;
  #queued = 0;
  #sent = 0;

  constructor(stream: ServerHttp2Stream, socket: Socket, { requestWait, writeWait = WRITE_WAIT }: Waits, now: Instant) {
    this.#stream = stream;
    this.#socket = socket;
    this.#requestWait = requestWait;
    this.#writeWait = writeWait;
    this.#since = now;
    this.#movedAt = now;
  }

  /** Whether its request is not whole after all the time that it has, or nobody takes the answer. */
  isStuck(now: Instant): boolean {
    return this.#isUnread(now) || (now - this.#since > this.#requestWait && this.#isUnsaid());
  }

  cut(): void {
    this.isCut = true;
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  /** An answer that is still being made may take its time; one that waits for the peer may not. */
  #isUnread(now: Instant): boolean {
    const { writableLength, writableEnded, destroyed } = this.#stream;
    const { bytesWritten } = this.#socket;
    const isWaiting = !destroyed && (writableLength > 0 || writableEnded);
    if (!isWaiting || writableLength !== this.#queued || bytesWritten - this.#sent >= MOVED_BYTES) {
      this.#movedAt = now;
      this.#queued = writableLength;
      this.#sent = bytesWritten;
    }
    return now - this.#movedAt > this.#writeWait;
  }

  #isUnsaid(): boolean {
    return this.#stream.state.remoteClose === 0;
  }
}
