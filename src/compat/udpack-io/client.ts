import { EventEmitter } from 'node:events';
import type { HawserError } from '../../core/index.ts';
import { UDPack, type UdpackClose, type UdpackSession } from '../../udpack-endpoint/index.ts';
import { Channel, type Done, type Report } from './channel.ts';
import type { ClientEvents, ClientOptions } from './options.ts';
import { log } from './report.ts';
import { Socket } from './socket.ts';

interface Target {
  readonly port: number;
  readonly host: string;
}

/** How long a client waits before it dials again, in ms: twice as long after each time, unless the session lived longer. */
const AGAIN_LEAST = 100;
const AGAIN_MOST = 30_000;

/**
 * Dials one server, and dials it again when that goes away, until it is closed or turned away. An attempt that failed is told as
 * `connect_error`; one that `connect` asked for is not repeated.
 */
export class Client extends EventEmitter<ClientEvents> implements AsyncDisposable {
  readonly udpack: UDPack;
  readonly #report: Report;
  #target: Target | undefined;
  #closed = false;
  #wait: number = AGAIN_LEAST;
  #timer: NodeJS.Timeout | undefined;

  /** It binds at once. @throws HawserError ERR_OPTION, ERR_KEY. */
  constructor(options: ClientOptions) {
    super();
    const { onError = log } = options;
    this.#report = onError;
    this.udpack = new UDPack({ ...options, onError })
      .on('listening', () => void this.emit('listening'))
      .on('session', (session) => this.#onSession(session))
      .on('connect_error', (error) => {
        if (!this.#closed) this.emit('connect_error', error);
      })
      .on('speed', (speed) => void this.emit('speed', speed))
      .on('error', (error) => void this.emit('error', error))
      .on('close', () => void this.emit('close'));
  }

  /** Dials. `done` hears of the first attempt alone; `connection` of every session. */
  connect(port: number, host: string, done: Done = () => {}): this {
    this.#target = { port, host };
    this.udpack.connect(port, host, (error) => done(error));
    return this;
  }

  /** Opens a channel to the server. */
  openChannel(done: (error: HawserError | null, channel?: Channel) => void): void {
    this.udpack.openStream((error, stream) => {
      if (stream === undefined) done(error);
      else done(null, new Channel(stream, this.#report));
    });
  }

  /** Ends the session when what was sent has arrived. */
  close(): this {
    this.#closed = true;
    clearTimeout(this.#timer);
    void this.udpack.close();
    return this;
  }

  /** Closes it, and waits for that. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.udpack.closed;
  }

  #onSession(session: UdpackSession): void {
    const since = performance.now();
    let left = false;
    const leave = (): void => {
      if (left) return;
      left = true;
      if (performance.now() - since > this.#wait) this.#wait = AGAIN_LEAST;
      this.#dialSoon();
    };
    session.on('goaway', () => {
      leave();
      void session.close();
    });
    session.on('close', (close) => {
      if (mayComeBack(close)) leave();
    });
    this.emit('connection', new Socket(session));
  }

  /** Somewhat earlier or later than told, so that the clients of a server that was away don't come back all at once. */
  #dialSoon(): void {
    if (this.#closed) return;
    const wait = this.#wait * (0.75 + Math.random() / 2);
    this.#wait = Math.min(this.#wait * 2, AGAIN_MOST);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#redial(), wait);
  }

  #redial(): void {
    if (this.#closed || this.#target === undefined) return;
    this.udpack.connect(this.#target.port, this.#target.host, (error) => {
      if (error !== null && mayWork(error)) this.#dialSoon();
    });
  }
}

/** Whether dialling once more is of any use: who was turned away stays away. */
function mayWork({ code }: HawserError): boolean {
  return code === 'ERR_CONNECT_FAILED' || code === 'ERR_TOO_MANY_SOCKETS';
}

/** Whether the session ended by no will of this side's, and a new one may do better. */
function mayComeBack({ by, error }: UdpackClose): boolean {
  if (error === undefined) return by === 'peer';
  return ['ERR_PEER_SILENT', 'ERR_SESSION_LOST', 'ERR_INTERNAL'].includes(error.code);
}
