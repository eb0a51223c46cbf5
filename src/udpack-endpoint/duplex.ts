import { Duplex, type DuplexOptions } from 'node:stream';
import { HawserError } from '../core/index.ts';
import type { UdpackStream } from './stream.ts';
import { asHawserError } from './waits.ts';

/**
 * A stream of UDPack as a `node:stream` Duplex: `pipeline(file, duplexOf(stream))`. Ending it ends this side's direction; destroying it gives up
 * what is on its way, both ways. What the peer gives up, and a session that ends early, destroys it with that error. It is for streams of `bytes`:
 * of `packets` each write is one, and readers may get several together. From then on the stream is the Duplex's to use.
 */
export function duplexOf(
  stream: UdpackStream,
  options?: Pick<DuplexOptions, 'allowHalfOpen' | 'highWaterMark'>,
): Duplex {
  return new StreamDuplex(stream, options);
}

const NOTHING = new Uint8Array(0);

class StreamDuplex extends Duplex {
  readonly #stream: UdpackStream;
  /** Who has written what there was no room for. */
  #waiting: ((error?: Error) => void) | undefined;
  /** The peer has ended its direction. */
  #isAtEnd = false;
  /** Whether anybody has asked for what the peer sends, or written. */
  #isRead = false;
  #isWritten = false;

  constructor(stream: UdpackStream, options: DuplexOptions | undefined) {
    super({ ...options, objectMode: false, decodeStrings: true, emitClose: true, autoDestroy: true });
    this.#stream = stream.pause();
    stream.on('data', (bytes) => {
      if (!this.push(bytes)) stream.pause();
    });
    stream.on('end', () => {
      this.#isAtEnd = true;
      this.push(null);
    });
    stream.on('drain', () => this.#goOn());
    stream.on('close', (error) => this.#onClose(error));
  }

  override _read(): void {
    this.#isRead = true;
    this.#stream.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, callback: (error?: Error) => void): void {
    this.#isWritten = true;
    try {
      // Its writer may use the memory again as soon as this write is done; here it is needed until the peer has it.
      if (this.#stream.send(Uint8Array.prototype.slice.call(chunk))) callback();
      else this.#waiting = callback;
    } catch (error) {
      callback(asHawserError(error));
    }
  }

  override _final(callback: (error?: Error) => void): void {
    try {
      // Who wants no more has not taken what was on its way: `send` says why, and sends nothing.
      if (this.#isWritten && !this.#stream.writable) this.#stream.send(NOTHING);
      this.#stream.end();
      callback();
    } catch (error) {
      callback(asHawserError(error));
    }
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(error ?? new HawserError('ERR_CHANNEL_RESET', 'the stream was destroyed'));
    if (!this.writableFinished) this.#stream.reset();
    if (!this.#isAtEnd) this.#stream.stop();
    callback(error);
  }

  #goOn(): void {
    const done = this.#waiting;
    this.#waiting = undefined;
    // Why there is room again may be told behind it, in the same row of events.
    if (done !== undefined) queueMicrotask(() => done());
  }

  #onClose(error: HawserError | undefined): void {
    if (error !== undefined) this.destroy(this.#isAwaited ? error : undefined);
  }

  /** Whether an error concerns anybody: one that nobody listens to ends the process, and who has written all, or read all, waits for nothing. */
  get #isAwaited(): boolean {
    if (!this.#isRead && !this.#isWritten) return this.listenerCount('error') > 0;
    return (this.#isWritten && !this.writableFinished) || (this.#isRead && !this.#isAtEnd);
  }
}
