import type { Instant } from '../core/index.ts';
import { Alarm, now } from '../runtime/index.ts';
import type { Address, Endpoint, Session } from '../udpack/index.ts';
import { SendPool } from './send-pool.ts';
import type { SharedPort } from './shared-port.ts';
import type { UdpPort } from './udp-port.ts';

/** So long, in ms, the events of one session are told in a turn of the event loop: a datagram may bring a thousand of them. */
const TELLING_MOST = 20;
/** How often the clock is looked at for it, in events. */
const LOOK_EVERY = 32;

/** Says when a session has told enough for this turn. */
export class Telling {
  readonly #until: Instant = now() + TELLING_MOST;
  #events = 0;

  /** Called after each event. */
  get over(): boolean {
    return ++this.#events % LOOK_EVERY === 0 && now() > this.#until;
  }
}

/** What the owner of a driver hears. */
export interface DriverHandler {
  /** The session has events: `poll` it, and call `again` if it has more to tell than a `Telling` allows. */
  onEvents(session: Session): void;
  /** The system could not send this: `code` is its own, such as ENETUNREACH. */
  onSendFailed(code: string, to: Address, size: number): void;
  onFailed(error: Error): void;
  /** Bytes of UDP payload that came, and that went. */
  onBytes(received: number, sent: number): void;
}

/** A datagram that comes so long after the one before, in ms, is of no burst: it is answered before the next one is read. */
const LONE = 0.05;

/**
 * Drives an endpoint with a socket and the clock: datagrams go in as they come; once per turn of the event loop, or at once behind one that
 * comes alone, what it has to tell is told and what it has to send is sent; one timer waits for its deadline.
 */
export class Driver {
  readonly #endpoint: Endpoint;
  readonly #port: UdpPort;
  readonly #handler: DriverHandler;
  readonly #pool: SendPool;
  readonly #shared: SharedPort | undefined;
  readonly #alarm: Alarm = new Alarm(() => this.#turn());
  #immediate: NodeJS.Immediate | undefined;
  #stopped = false;
  /** Commands of now are seen to in the turn that runs. */
  #turning = false;
  #heardAt: Instant = 0;
  /** The endpoint's deadline when the last turn ended. What has an earlier one since then leaves in the next turn, or is due in the one after. */
  #due: Instant = Number.POSITIVE_INFINITY;
  /** Sessions that have more to tell than they had time for. */
  #more: Set<Session> = new Set();

  /**
   * @param datagramSize The longest datagram that is ever sent, in bytes.
   * @param shared What hands datagrams on from other workers that have the port too. It is closed with it.
   */
  constructor(endpoint: Endpoint, port: UdpPort, datagramSize: number, handler: DriverHandler, shared?: SharedPort) {
    this.#shared = shared;
    this.#endpoint = endpoint;
    this.#port = port;
    this.#handler = handler;
    this.#pool = new SendPool(datagramSize, (error, to, size) => this.#onSent(error, to, size));
    port.start({
      onDatagram: (bytes, from) => this.#onDatagram(bytes, from, false),
      onFailed: (error) => handler.onFailed(error),
    });
    if (shared !== undefined) shared.onForwarded = (bytes, from) => this.#onDatagram(bytes, from, true);
  }

  /** A command was given to the endpoint or to one of its sessions: looks after it within this turn. */
  kick(): void {
    if (this.#stopped || this.#turning) return;
    this.#immediate ??= setImmediate(this.#onImmediate);
  }

  /** The session has more to tell; it is its turn again after the others, and after what else the process has to do. */
  again(session: Session): void {
    this.#more.add(session);
    this.kick();
  }

  ref(): void {
    this.#port.ref();
    this.#alarm.keepAlive(true);
  }

  unref(): void {
    this.#port.unref();
    this.#alarm.keepAlive(false);
  }

  /** Sends what there is to send now, and closes the socket when the system has it all. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#flush(now());
    this.#stopped = true;
    this.#alarm.clear();
    clearImmediate(this.#immediate);
    this.#shared?.close();
    await this.#pool.idle();
    await this.#port.close();
  }

  #onDatagram(bytes: Uint8Array, from: Address, forwarded: boolean): void {
    if (this.#stopped) return;
    const at = now();
    const lone = at - this.#heardAt > LONE && this.#immediate === undefined;
    this.#heardAt = at;
    // What is another worker's is counted there.
    if (!this.#endpoint.receive(bytes, from, at, forwarded)) return;
    this.#handler.onBytes(bytes.length, 0);
    if (lone) this.#turn();
    else this.kick();
  }

  readonly #onImmediate = (): void => {
    this.#immediate = undefined;
    this.#turn();
  };

  #turn(): void {
    if (this.#stopped) return;
    this.#turning = true;
    try {
      this.#serve();
    } finally {
      this.#turning = false;
    }
    if (!this.#stopped) this.#tell();
    if (this.#stopped) return;
    if (this.#more.size > 0) this.kick();
    const { deadline } = this.#endpoint;
    this.#due = deadline ?? Number.POSITIVE_INFINITY;
    this.#alarm.set(deadline);
  }

  /** What is due, what there is to tell, and what there is to send. */
  #serve(): void {
    const at = now();
    if (this.#due <= at) this.#endpoint.tick(at);
    this.#tellMore();
    this.#tell();
    // What is told may take long.
    if (!this.#stopped) this.#flush(now());
  }

  #tell(): void {
    for (let session = this.#endpoint.poll(); session !== undefined; session = this.#endpoint.poll()) {
      if (!this.#more.has(session)) this.#handler.onEvents(session);
      if (this.#stopped) return;
    }
  }

  #tellMore(): void {
    if (this.#more.size === 0) return;
    const sessions = this.#more;
    this.#more = new Set();
    for (const session of sessions) {
      this.#handler.onEvents(session);
      if (this.#stopped) return;
    }
  }

  /** While the system holds all buffers nothing more is made; it goes on when one comes back. */
  #flush(at: Instant): void {
    const endpoint = this.#endpoint;
    for (let slot = this.#pool.take(); slot !== undefined; slot = this.#pool.take()) {
      const length = endpoint.transmit(slot.buffer, at);
      if (length === 0) {
        this.#pool.give(slot);
        return;
      }
      this.#handler.onBytes(0, length);
      slot.send(this.#port, endpoint.destination, length);
    }
  }

  #onSent(error: Error | null, to: Address, size: number): void {
    if (error !== null && !this.#stopped) {
      this.#handler.onSendFailed((error as NodeJS.ErrnoException).code ?? '', to, size);
    }
    // It was the last one, so that the flush had stopped for want of it.
    if (this.#pool.wasEmpty) this.kick();
  }
}
