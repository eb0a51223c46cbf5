import type { Http2Stream } from 'node:http2';
import type { BytePort, PortUser } from '../../runtime/index.ts';
import { attach, watchIdle } from '../sockets.ts';

/** RFC 9113 7: what the reset of a TCP connection is for WebSocket (RFC 8441 5). */
const CANCEL = 8;

/** A stream of HTTP/2 that carries a WebSocket, as a link drives it. What the peer's window does not admit waits here, so that the link feels it. */
export class StreamPort implements BytePort, PortUser {
  bytesRead = 0;
  bytesWritten = 0;
  readonly #stream: Http2Stream;
  #user: PortUser | undefined;
  readonly #taken = (): void => {
    if (!this.#stream.destroyed && this.#stream.writableLength === 0) this.#user?.writable();
  };

  constructor(stream: Http2Stream) {
    this.#stream = stream;
  }

  /** From now on `user` hears of the stream; also when nothing moved for `idle` ms, unless that is 0. */
  begin(user: PortUser, idle: number): void {
    this.#user = user;
    attach(this.#stream, this);
    watchIdle(this.#stream, idle);
  }

  get writableLength(): number {
    return this.#stream.writableLength;
  }

  write(bytes: Uint8Array, done?: () => void): boolean {
    if (this.#stream.destroyed || this.#stream.writableEnded) return true;
    this.bytesWritten += bytes.length;
    this.#stream.write(bytes, done ?? this.#taken);
    return false;
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  end(): void {
    this.#stream.end();
  }

  destroy(): void {
    // Resets it, and with that drops what the peer's window has not admitted.
    if (!this.#stream.closed) this.#stream.close(CANCEL);
  }

  receive(chunk: Uint8Array): void {
    this.bytesRead += chunk.length;
    this.#user?.receive(chunk);
  }

  /** Each write tells by itself when it was taken. */
  writable(): void {}

  ended(): void {
    this.#user?.ended();
  }

  idle(): void {
    this.#user?.idle?.();
  }

  gone(error: Error | undefined): void {
    this.#user?.gone(error);
  }
}
