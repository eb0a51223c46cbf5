import { type BytePort, Inbox } from '../channel/index.ts';
import { CLOSE, type CloseReason, HawserError, unplanned } from '../core/index.ts';

/** A socket whose messages are bytes: one of the `raw` dialect, on either side. */
export interface RawSocket {
  readonly state: 'up' | 'down' | 'ended';
  on(event: string, listener: (...args: never[]) => unknown): void;
  send(event: 'message', data: Uint8Array): boolean;
  pause(): void;
  resume(): void;
  end(): void;
  close(): unknown;
}

/** One of a server, which says by which code it closes. */
interface ServersSocket {
  readonly handshake: unknown;
  close(code: number, reason: string): void;
}

const encoder = new TextEncoder();

/** Unread bytes at which reading stops, and goes on at half of them. */
const MARK = 64 * 1024;

/** The bytes of a raw socket as the adapters of streams use them. A text message counts as its UTF-8. */
export class SocketPort implements BytePort {
  readonly inbox: Inbox;
  readonly #socket: RawSocket;
  #unread = 0;
  #isPaused = false;
  #waiting: ((error?: Error) => void)[] = [];

  constructor(socket: RawSocket) {
    this.#socket = socket;
    this.inbox = new Inbox((size) => this.#read(size));
    socket.on('message', (data: string | Uint8Array) => this.#put(data));
    socket.on('drain', () => this.#release());
    socket.on('end', () => this.inbox.end());
    socket.on('close', (reason: CloseReason) => {
      // A stream that breaks off is not one that ends.
      this.inbox.end(unplanned(reason));
      this.#release(ended(reason));
    });
  }

  write(bytes: Uint8Array, done: (error?: Error) => void): void {
    if (this.#socket.state === 'ended') done(ended());
    else if (this.#socket.send('message', bytes)) done();
    else this.#waiting.push(done);
  }

  /** @throws HawserError ERR_UNSUPPORTED where only both directions can end. */
  end(): void {
    if (this.#socket.state !== 'ended') this.#socket.end();
  }

  /** Ends both directions, behind what is queued, and as somebody who has said all. */
  leave(): void {
    const socket = this.#socket as RawSocket | ServersSocket;
    if ('handshake' in socket) socket.close(CLOSE.normal, '');
    else socket.close();
  }

  reset(): void {
    this.#socket.close();
  }

  #put(data: string | Uint8Array): void {
    const bytes = typeof data === 'string' ? encoder.encode(data) : data;
    this.#unread += bytes.length;
    this.inbox.put(bytes, bytes.length);
    if (this.#unread < MARK || this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  #read(size: number): void {
    this.#unread -= size;
    if (!this.#isPaused || this.#unread > MARK / 2) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  #release(error?: Error): void {
    for (const done of this.#waiting.splice(0)) done(error);
  }
}

function ended(reason?: CloseReason): HawserError {
  return (reason && unplanned(reason)) ?? new HawserError('ERR_CLOSED', 'the socket has ended');
}
