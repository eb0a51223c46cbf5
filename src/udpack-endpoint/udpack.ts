import { EventEmitter } from 'node:events';
import { HawserError } from '../core/index.ts';
import type { Address, EndpointStats } from '../udpack/index.ts';
import { checkCode } from './failures.ts';
import { Hub, type HubEvents } from './hub.ts';
import { type KeySource, readPublicKey } from './keys.ts';
import { shown } from './names.ts';
import { resolveOptions, tokenBytes, type UdpackOptions } from './options.ts';
import type { OpenStreamOptions, UdpackSession } from './session.ts';
import type { UdpackStream } from './stream.ts';
import { asHawserError, type Callback, checkSignal, endedBy, unlessAborted, type WaitOptions } from './waits.ts';

export interface ConnectOptions extends WaitOptions {
  readonly port: number;
  /** Default 127.0.0.1, or ::1 of an endpoint that is bound to ::1. */
  readonly host?: string;
  /** The server's public key. Default: `pubkey` of the endpoint. */
  readonly key?: KeySource;
  /** What is shown to the server. Default: `token` of the endpoint. */
  readonly token?: string | Uint8Array;
}

/** Figures of an endpoint since it was made, in bytes of UDP payload, in datagrams, and as numbers of sessions and handshakes. */
export interface UdpackStats extends EndpointStats {
  /** Those that are open. */
  readonly sessions: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly datagramsSent: number;
  readonly datagramsReceived: number;
}

/**
 * An endpoint of UDPack on one UDP socket: it takes sessions in when it has a private key, and dials others. It binds at once; `listening`
 * and `ready()` tell when it has.
 *
 * Events: `listening`, `session` (either side's), `stream` (the peer of any session opened one), `connect_error`, `goaway`, `ping` and
 * `pong` (of any session), `speed` every second, `error` (the socket failed, or could not be bound), `close`.
 */
export class UDPack extends EventEmitter<HubEvents> implements AsyncDisposable {
  readonly #hub: Hub;
  readonly #ready: Promise<void>;
  #awaited = false;

  /** @throws HawserError ERR_OPTION, ERR_KEY. */
  constructor(options: UdpackOptions = {}) {
    super();
    const emit = this.emit.bind(this) as (name: string, ...args: unknown[]) => boolean;
    const resolved = resolveOptions(options);
    this.#hub = new Hub(resolved, {
      emit: (name, ...args) => void emit(name, ...args),
      listens: (name) => this.listenerCount(name) > 0,
    });
    this.#ready = this.#hub.open();
    this.#ready.then(
      () => this.#hub.tell('listening'),
      (error: HawserError) => {
        // Closing it is no error.
        if (this.#hub.closing) return;
        if (this.listenerCount('error') > 0) this.#hub.tell('error', error);
        // Whoever waits for `ready` or a dial is told there; an error that nobody hears ends the process, as in Node.
        else if (!this.#awaited) throw error;
      },
    );
    const { signal } = resolved;
    if (signal !== undefined) this.#hub.closeBy(signal);
  }

  /** The address it is bound to; undefined before. */
  get endpoint(): Address | undefined {
    const address = this.#hub.address;
    return address === undefined ? undefined : shown(address);
  }

  /** Sessions that are open. */
  get sessions(): Iterable<UdpackSession> {
    return this.#hub.sessions;
  }

  /** Resolves when the port is bound. @throws HawserError ERR_ADDRESS_IN_USE, ERR_NOT_ALLOWED, ERR_CONNECT_FAILED, ERR_ABORTED. */
  async ready({ signal }: WaitOptions = {}): Promise<this> {
    this.#awaited = true;
    await unlessAborted(this.#ready, signal);
    return this;
  }

  /** Resolves when it is closed and its port is free, however that came about, or could not be bound. Never rejects. */
  get closed(): Promise<void> {
    return this.#hub.closed;
  }

  /**
   * Dials a server. The callback, or the promise, hears of the session when its token was accepted. Every failure is told as `connect_error`,
   * too.
   *
   * @throws HawserError ERR_CONNECT_FAILED (the name is unknown, nobody answers, the key is another's), ERR_AUTH_FAILED, ERR_VERSION,
   * ERR_OPTION without a key, ERR_ABORTED.
   */
  connect(port: number, host?: string, done?: Callback<UdpackSession>): this;
  connect(options: ConnectOptions): Promise<UdpackSession>;
  connect(
    first: number | ConnectOptions,
    host?: string,
    done?: Callback<UdpackSession>,
  ): this | Promise<UdpackSession> {
    if (typeof first === 'object' || done !== undefined) this.#awaited = true;
    if (typeof first === 'object') return this.#connect(first);
    const dialled = this.#connect(host === undefined ? { port: first } : { port: first, host });
    void this.#hub.callBack('the callback of connect', dialled, done);
    return this;
  }

  /** Opens a stream on the session that was dialled last. @throws HawserError ERR_CLOSED when there is none. */
  openStream(done: Callback<UdpackStream>): void;
  openStream(options?: OpenStreamOptions): Promise<UdpackStream>;
  openStream(first: OpenStreamOptions | Callback<UdpackStream> = {}): Promise<UdpackStream> | undefined {
    const opened = this.#openStream(typeof first === 'function' ? {} : first);
    if (typeof first !== 'function') return opened;
    void this.#hub.callBack('the callback of openStream', opened, first);
    return undefined;
  }

  stats(): UdpackStats {
    return this.#hub.stats;
  }

  /** Tells all peers that this side is to close soon. What is open goes on. */
  goaway(code = 0, reason = ''): void {
    checkCode(code);
    for (const session of this.#hub.sessions) session.goaway(code, reason);
  }

  /**
   * Takes nothing new, closes all sessions when what was written has arrived (at the latest after `times.closeWait`, or when the signal
   * fires), and gives the port back.
   */
  async close(code = 0, reason = '', { signal }: WaitOptions = {}): Promise<void> {
    const end = this.#hub.close(checkCode(code), reason);
    return endedBy(end, signal, () => void this.#hub.abort(code, reason));
  }

  /** Closes all at once: what has not arrived is lost. */
  async abort(code = 0, reason = ''): Promise<void> {
    return this.#hub.abort(checkCode(code), reason);
  }

  /** Whether the endpoint keeps the process alive, as it does at first. */
  ref(): this {
    this.#hub.keepAlive(true);
    return this;
  }

  unref(): this {
    this.#hub.keepAlive(false);
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #connect({ port, host, key, token, signal }: ConnectOptions): Promise<UdpackSession> {
    try {
      checkSignal(signal);
      if (!Number.isInteger(port) || port < 1 || port > 65_535) {
        throw new HawserError('ERR_ARGUMENT', `port is a number from 1 to 65535, not ${port}`);
      }
      await unlessAborted(this.#ready, signal);
      return await this.#hub.dial({
        port,
        host,
        serverKey: key === undefined ? undefined : readPublicKey(key),
        token: token === undefined ? undefined : tokenBytes(token),
        signal,
      });
    } catch (error) {
      const failure = asHawserError(error);
      this.#hub.tell('connect_error', failure);
      throw failure;
    }
  }

  async #openStream(options: OpenStreamOptions): Promise<UdpackStream> {
    const session = this.#hub.dialled;
    if (session === undefined) throw new HawserError('ERR_CLOSED', 'there is no session: connect first');
    return session.openStream(options);
  }
}
