import type { JetStreamManager } from '@nats-io/jetstream';
import type { Msg, MsgHdrs, NatsConnection, ServerInfo, Status } from '@nats-io/transport-node';
import { HawserError, type Timer, type World, within } from '../../core/index.ts';
import type { NatsModules } from './client.ts';
import { connectFailure, down, serverFailure } from './failures.ts';
import { loginOf } from './login.ts';
import type { ResolvedNatsOptions } from './options.ts';

export interface LinkEvents {
  /** There is a connection again, with all subscriptions. Not called for the first one. */
  up(): void;
  down(error: unknown): void;
  /** The servers of the cluster are others than before; what one of them had on its way may be lost, though our connection held. */
  changed(): void;
  /** A refusal or a complaint of the server. */
  failed(error: unknown): void;
}

export interface PublishExtras {
  readonly reply?: string;
  readonly headers?: MsgHdrs;
}

/** What is heard at a subject, until it is told to stop. */
export interface Hearing {
  stop(): void;
}

/** Bytes that wait for a server that doesn't take them; what comes beyond is lost. */
export const WAITING_MOST = 67_108_864;
/** After so many bytes the server is asked whether it has them. */
const ASK_BYTES = 262_144;
const PINGS_OUT = 2;
const CLOSE_WAIT = 1000;

/** One connection to NATS that is made again whenever it breaks, for as long as it isn't closed. */
export class NatsLink {
  readonly #modules: NatsModules;
  readonly #options: ResolvedNatsOptions;
  readonly #world: World;
  readonly #events: LinkEvents;
  readonly #hearings = new Set<HearingAt>();
  #connection: NatsConnection | undefined;
  #manager: JetStreamManager | undefined;
  #isUp = false;
  #isClosed = false;
  #again: Timer | undefined;
  /** When the connection was made, and attempts to make it again since. */
  #upAt = -Infinity;
  #attempts = 0;
  /** Bytes that were published and that the server has not said to have. */
  #waiting = 0;
  #unasked = 0;
  readonly #lost = new Set<(error: unknown) => void>();

  constructor(modules: NatsModules, options: ResolvedNatsOptions, world: World, events: LinkEvents) {
    this.#modules = modules;
    this.#options = options;
    this.#world = world;
    this.#events = events;
  }

  /** @throws HawserError ERR_CONNECT_FAILED, ERR_AUTH_FAILED, ERR_TLS. */
  async start(): Promise<void> {
    const { connectWait, servers } = this.#options;
    const dialled = this.#dial();
    const patience = {
      timeout: connectWait,
      what: `NATS at ${servers.join(', ')}`,
      code: 'ERR_CONNECT_FAILED',
    } as const;
    try {
      await this.#use(await within(dialled, this.#world, patience));
    } catch (error) {
      this.#isClosed = true;
      // One that comes about too late is of no use.
      void dialled.then(
        (connection) => connection.close(),
        () => {},
      );
      throw error instanceof HawserError ? error : connectFailure(error, servers);
    }
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get server(): ServerInfo | undefined {
    return this.#connection?.info;
  }

  /** Of JetStream. @throws HawserError ERR_ENGINE_DOWN without a connection. */
  get manager(): JetStreamManager {
    if (this.#manager === undefined) throw down('NATS is not connected', 'no');
    return this.#manager;
  }

  /** A subject that nobody else has, to be answered at. */
  inbox(): string {
    return this.#modules.transport.createInbox();
  }

  headers(): MsgHdrs {
    return this.#modules.transport.headers();
  }

  /** False when it is lost: there is no connection, or too much waits. @throws what the client says of a message that can't be sent. */
  publish(subject: string, bytes: Uint8Array, extras: PublishExtras = {}): boolean {
    const connection = this.#connection;
    if (!this.#isUp || connection === undefined || this.#waiting + bytes.length > WAITING_MOST) return false;
    connection.publish(subject, bytes, extras);
    this.#count(connection, bytes.length);
    return true;
  }

  /** `hear` may throw nothing. With a `queue`, one of all that hear with it gets each message. */
  hear(subject: string, hear: (message: Msg) => void, queue?: string): Hearing {
    const hearing: HearingAt = { subject, hear, queue, stop: () => {}, isStopped: false };
    this.#hearings.add(hearing);
    this.#subscribe(hearing);
    return {
      stop: () => {
        hearing.isStopped = true;
        this.#hearings.delete(hearing);
        hearing.stop();
      },
    };
  }

  /** Calls `lost` once, when the connection breaks; the answer takes it back. */
  whenLost(lost: (error: unknown) => void): () => void {
    this.#lost.add(lost);
    return () => this.#lost.delete(lost);
  }

  /** What was published before is sent, if that takes no longer than a second. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#again?.cancel();
    const connection = this.#connection;
    if (this.#isUp && connection !== undefined) {
      await within(connection.flush(), this.#world, { timeout: CLOSE_WAIT, what: 'flush' }).catch(() => {});
    }
    this.#lose(down('NATS is not connected', 'unknown'));
    await connection?.close();
    this.#connection = undefined;
    this.#manager = undefined;
  }

  #dial(): Promise<NatsConnection> {
    const { transport } = this.#modules;
    const { servers, connectWait, pingInterval, tls, name } = this.#options;
    return transport.connect({
      servers: [...servers],
      name: `hawser ${name}`,
      ...loginOf(transport, this.#options.login),
      ...(tls === undefined ? {} : { tls }),
      timeout: Math.max(500, connectWait / servers.length),
      // For ever: the application decides when a node without its server is of no use.
      maxReconnectAttempts: -1,
      ignoreAuthErrorAbort: true,
      // The client's own pauses go by the time of day, which may be set back by an hour while it waits; ours don't.
      reconnectDelayHandler: () => Number.NEGATIVE_INFINITY,
      reconnectToServer: ({ 0: server, length }) =>
        server === undefined ? null : { server, delay: this.#pauseBefore(length) },
      pingInterval,
      maxPingOut: PINGS_OUT,
      noAsyncTraces: true,
    });
  }

  /** ms before the next attempt: none before the first one at each server, unless the last connection broke as soon as it was made. */
  #pauseBefore(servers: number): number {
    const { reconnectWait } = this.#options;
    const isFirst = this.#attempts++ < servers && this.#world.now() - this.#upAt > reconnectWait;
    return isFirst ? 0 : reconnectWait * (1 + this.#world.random.unit() / 2);
  }

  #came(): void {
    this.#isUp = true;
    this.#upAt = this.#world.now();
    this.#attempts = 0;
  }

  async #use(connection: NatsConnection): Promise<void> {
    const { jetstream } = this.#modules;
    const timeout = this.#options.answerWait;
    this.#manager = await jetstream.jetstreamManager(connection, { checkAPI: false, timeout });
    this.#connection = connection;
    this.#came();
    void this.#follow(connection);
    for (const hearing of this.#hearings) this.#subscribe(hearing);
  }

  async #follow(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) this.#turn(status);
    if (this.#isClosed || this.#connection !== connection) return;
    // The client has given up for a reason of its own. Nobody else would begin again.
    this.#lose((await connection.closed()) ?? new Error('the connection was closed'));
    this.#connection = undefined;
    this.#manager = undefined;
    this.#later();
  }

  #turn(status: Status): void {
    switch (status.type) {
      case 'disconnect':
        this.#lose(new HawserError('ERR_DISCONNECTED', `the connection to NATS at ${status.server} broke`));
        break;
      case 'reconnect':
        if (this.#isUp) break;
        this.#came();
        this.#events.up();
        break;
      case 'update':
        if ((status.deleted?.length ?? 0) > 0) this.#events.changed();
        break;
      case 'error':
        this.#events.failed(serverFailure(status.error));
        break;
      default:
    }
  }

  #lose(error: unknown): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.#waiting = 0;
    this.#unasked = 0;
    const lost = [...this.#lost];
    this.#lost.clear();
    for (const tell of lost) tell(error);
    if (!this.#isClosed) this.#events.down(error);
  }

  #later(): void {
    this.#again = this.#world.timer(this.#world.now() + this.#options.reconnectWait, () => {
      this.#dial()
        .then((connection) => (this.#isClosed ? connection.close() : this.#use(connection)))
        .then(() => this.#isClosed || this.#events.up())
        .catch((error: unknown) => {
          this.#events.failed(connectFailure(error, this.#options.servers));
          if (!this.#isClosed) this.#later();
        });
    });
  }

  #subscribe(hearing: HearingAt): void {
    const connection = this.#connection;
    if (connection === undefined || connection.isClosed()) return;
    const subscription = connection.subscribe(hearing.subject, {
      ...(hearing.queue === undefined ? {} : { queue: hearing.queue }),
      callback: (error, message) => {
        if (error !== null) this.#events.failed(serverFailure(error));
        else if (!hearing.isStopped) hearing.hear(message);
      },
    });
    hearing.stop = () => subscription.unsubscribe();
  }

  #count(connection: NatsConnection, bytes: number): void {
    this.#waiting += bytes;
    this.#unasked += bytes;
    if (this.#unasked < ASK_BYTES) return;
    const asked = this.#unasked;
    this.#unasked = 0;
    void this.#ask(connection, asked);
  }

  async #ask(connection: NatsConnection, asked: number): Promise<void> {
    try {
      await connection.flush();
      this.#waiting = Math.max(0, this.#waiting - asked);
    } catch {
      // The connection broke, and the next one has begun to count anew.
    }
  }
}

interface HearingAt {
  readonly subject: string;
  readonly queue: string | undefined;
  readonly hear: (message: Msg) => void;
  stop: () => void;
  isStopped: boolean;
}
