import type { WorkerChannel } from '../../core/index.ts';
import { type Address, Endpoint, type EndpointOptions, type Session, type SessionEvent } from '../../udpack/index.ts';
import {
  Driver,
  type DriverHandler,
  datagramSizeOf,
  isUnreachable,
  nodeCrypto,
  now,
  resetSecretOf,
  SharedPort,
  Telling,
  UdpPort,
  whenKnown,
} from '../../udpack-endpoint/parts.ts';
import type { UdpHub } from '../udp-hubs.ts';

/** Whom a session's events go to. */
export interface SessionUser {
  onEvent(event: SessionEvent): void;
  /** @param all Whether all that there is to tell has been told; there may be more than a turn of the event loop has time for. */
  onBatch(all: boolean): void;
  /** The system has no way to the peer: the code is its own. */
  onUnreachable?(code: string): void;
}

/** Who takes in the sessions that others open. */
export interface Host {
  newcomer(session: Session): SessionUser;
}

export interface HubOptions extends Omit<EndpointOptions, 'crypto' | 'datagramSize' | 'workers'> {
  /** The processes that share the port; undefined: there are none. */
  readonly workers?: WorkerChannel | undefined;
}

/**
 * One UDP socket with its sessions. It lives while somebody listens on it or a session lives, and keeps the process alive for who holds it
 * alone: sessions that are over but for their last words don't.
 */
export class Hub implements UdpHub<Host>, DriverHandler {
  readonly address: Address;
  bytesRead = 0;
  bytesWritten = 0;
  /** Links that are up. */
  links = 0;
  /** The last one has left: it closes. */
  stopping = false;
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
  readonly #endpoint: Endpoint;
  readonly #driver: Driver;
  readonly #shared: SharedPort | undefined;
  readonly #users: Map<Session, SessionUser> = new Map();
  /** Those of them that are no links yet, and were dialled here. */
  readonly #dials: Map<Session, SessionUser> = new Map();
  #host: Host | undefined;
  #holders = 0;
  #tellClosed: () => void = () => {};

  /** @throws HawserError ERR_ADDRESS_IN_USE, ERR_NOT_ALLOWED, ERR_CONNECT_FAILED; what the signal was aborted with. */
  static async open(host: string, port: number, options: HubOptions, signal?: AbortSignal): Promise<Hub> {
    await whenKnown(options.workers, signal);
    return new Hub(await UdpPort.bind(host, port, signal, options.workers !== undefined), options);
  }

  private constructor(port: UdpPort, options: HubOptions) {
    const datagramSize = datagramSizeOf(port.address.address);
    this.address = port.address;
    this.closed = new Promise((resolve) => {
      this.#tellClosed = resolve;
    });
    const resetSecret = options.key && resetSecretOf(options.key, port.address);
    const { key, workers } = options;
    this.#shared = key && workers && new SharedPort(workers, key, port.address);
    this.#endpoint = new Endpoint(
      { ...options, crypto: nodeCrypto, datagramSize, resetSecret, workers: this.#shared?.options },
      now(),
    );
    this.#driver = new Driver(this.#endpoint, port, datagramSize, this, this.#shared);
    this.#driver.unref();
  }

  /** Who listens now; undefined: nobody is let in, and the hub ends with its last session. */
  get host(): Host | undefined {
    return this.#host;
  }

  set host(host: Host | undefined) {
    this.#host = host;
    this.#endpoint.closed = host === undefined;
    if (this.#shared !== undefined) this.#shared.takes = host !== undefined;
    this.#endIfIdle();
  }

  /** Nobody listens, and no link is up: what there still is are last words. */
  get isLeft(): boolean {
    return this.#host === undefined && this.links === 0;
  }

  dial(peer: Address, serverKey: Uint8Array, user: SessionUser): Session {
    const session = this.#endpoint.dial(peer, serverKey, new Uint8Array(), now());
    this.#users.set(session, user);
    this.#dials.set(session, user);
    this.kick();
    return session;
  }

  /** From now on another hears of the session. */
  hand(session: Session, user: SessionUser): void {
    this.#dials.delete(session);
    if (this.#users.has(session)) this.#users.set(session, user);
  }

  /** Something was done to a session: looks after it within this turn. */
  kick(): void {
    this.#driver.kick();
  }

  /** Tells now what a session has to tell: for who reads on after a pause. */
  look(session: Session): void {
    if (this.#users.has(session)) this.onEvents(session);
    this.kick();
  }

  /** Keeps the process alive until `release` was called as often. */
  hold(): void {
    if (this.#holders++ === 0) this.#driver.ref();
  }

  release(): void {
    if (--this.#holders === 0) this.#driver.unref();
  }

  /** Ends what is left at once, and gives the port back. */
  async stop(): Promise<void> {
    if (!this.stopping) {
      this.stopping = true;
      this.#host = undefined;
      if (this.#shared !== undefined) this.#shared.takes = false;
      for (const session of this.#users.keys()) session.close(0, '', now());
      await this.#driver.stop();
      this.#tellClosed();
    }
    await this.closed;
  }

  onEvents(session: Session): void {
    let user = this.#users.get(session);
    if (user === undefined) {
      // Of one that is over before anything was said of it nobody need hear.
      if (session.ended) return;
      user = this.#host?.newcomer(session);
      if (user === undefined) {
        // It came with the last datagrams before the listener closed.
        session.close(0, '', now());
        return;
      }
      this.#users.set(session, user);
    }
    const telling = new Telling();
    for (let event = session.poll(); event !== undefined; event = session.poll()) {
      this.#users.get(session)?.onEvent(event);
      if (!telling.over) continue;
      this.#users.get(session)?.onBatch(false);
      this.#driver.again(session);
      return;
    }
    this.#users.get(session)?.onBatch(true);
    if (!session.ended) return;
    this.#users.delete(session);
    this.#dials.delete(session);
    this.#endIfIdle();
  }

  onSendFailed(code: string, to: Address, size: number): void {
    // Whoever forges addresses that can't be reached must not have all sessions looked through.
    for (const [session, user] of code === 'EMSGSIZE' ? this.#users : this.#dials) {
      const { destination } = session;
      if (destination.port !== to.port || destination.address !== to.address) continue;
      if (code === 'EMSGSIZE') session.onRefused(size, now());
      else if (isUnreachable(code)) user.onUnreachable?.(code);
    }
    this.kick();
  }

  onFailed(): void {
    for (const session of this.#users.keys()) session.close(0, 'the socket failed', now());
    this.kick();
  }

  onBytes(received: number, sent: number): void {
    this.bytesRead += received;
    this.bytesWritten += sent;
  }

  #endIfIdle(): void {
    if (this.#host === undefined && this.#users.size === 0) void this.stop();
  }
}
