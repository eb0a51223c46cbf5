import { Duplex, type DuplexOptions } from 'node:stream';
import { type BytePort, failureOf } from '../channel/index.ts';
import { type RawSocket, SocketPort } from './socket-port.ts';

/** What has byte streams: a channel, or a socket of the `raw` dialect. */
export type ByteStreams = { readonly port: BytePort } | RawSocket;

/**
 * The byte streams of a channel, or of a raw socket, as one `node:stream` Duplex: `pipeline(file, duplexOf(channel))`. Ending it ends this
 * side; destroying it with an error resets the channel, with the code of a HawserError, or closes the socket. A reset by the peer, or a link
 * that breaks off, destroys it with that error. A raw socket whose link can't end one direction alone (ws, wss, tls) is closed at the end where nobody reads
 * from it; who does is told ERR_UNSUPPORTED. Use either this or `readable` and `writable`.
 */
export function duplexOf(
  streams: ByteStreams,
  options?: Pick<DuplexOptions, 'allowHalfOpen' | 'highWaterMark'>,
): Duplex {
  return new ChannelDuplex('port' in streams ? streams.port : new SocketPort(streams), options);
}

class ChannelDuplex extends Duplex {
  readonly #port: BytePort;
  #wanted = false;
  /** Whether anybody has asked for what the peer sends, or written. */
  #isRead = false;
  #isWritten = false;

  constructor(port: BytePort, options: DuplexOptions | undefined) {
    super({ ...options, objectMode: false, decodeStrings: true, emitClose: true, autoDestroy: true });
    this.#port = port;
    port.inbox.onChange = () => this.#feed();
  }

  override _read(): void {
    this.#wanted = true;
    this.#isRead = true;
    this.#feed();
  }

  override _write(chunk: Uint8Array, _encoding: string, callback: (error?: Error | null) => void): void {
    this.#isWritten = true;
    this.#port.write(chunk, callback);
  }

  override _final(callback: (error?: Error) => void): void {
    try {
      this.#port.end();
      callback();
    } catch (error) {
      this.#endBoth(error as Error, callback);
    }
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const { inbox } = this.#port;
    inbox.onChange = undefined;
    const isDone = inbox.ended && this.writableFinished;
    if (error) this.#port.reset(failureOf(error));
    else if (!isDone) this.#port.reset({ code: 'ERR_CHANNEL_RESET', message: 'the stream was destroyed' });
    callback(error);
  }

  /** Whether an error concerns anybody: one that nobody listens to ends the process, and who has written all and reads nothing waits for nothing. */
  get #isAwaited(): boolean {
    if (!this.#isRead && !this.#isWritten) return this.listenerCount('error') > 0;
    return this.#isRead || !this.writableFinished;
  }

  /** The link ends both directions at once: who reads would lose what is on its way. */
  #endBoth(error: Error, callback: (error?: Error) => void): void {
    if (this.#isRead || !(this.#port instanceof SocketPort)) {
      callback(error);
      return;
    }
    this.#port.leave();
    callback();
  }

  #feed(): void {
    const { inbox } = this.#port;
    if (inbox.error) {
      this.destroy(this.#isAwaited ? inbox.error : undefined);
      return;
    }
    while (this.#wanted) {
      const bytes = inbox.take();
      if (!bytes) break;
      this.#wanted = this.push(bytes);
    }
    if (this.#wanted && inbox.ended) {
      this.#wanted = false;
      this.push(null);
    }
  }
}
