import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type AnyApi, type ApiShape, CLOSE, closeReason, HawserError } from '../core/index.ts';
import type { NodeInfo } from '../engine/index.ts';
import { normalPath } from '../room/index.ts';
import { TimerWheel } from '../runtime/index.ts';
import type { Link, Listener, TlsOptions } from '../transport/index.ts';
import { attachWebSocket } from '../transports/websocket/index.ts';
import { Admission } from './admission.ts';
import { Connection, type Reception } from './connection.ts';
import { Doorman } from './doorman.ts';
import {
  type CloseOptions,
  type Closing,
  Elsewhere,
  hurriedBy,
  letIn,
  pause,
  resolveClosing,
  sendAway,
} from './drain.ts';
import { makeEngineHost } from './engine-host.ts';
import { ListenerSet } from './listener-set.ts';
import {
  type AttachOptions,
  countsOf,
  isInherited,
  type Listening,
  type ListenTarget,
  listensOnLoopback,
  reloadAll,
  resolveListening,
  unlessAborted,
} from './listening.ts';
import type { ServerNamespace } from './namespace.ts';
import type { ResolvedServerOptions } from './options.ts';
import type { NamespaceAt } from './pattern.ts';
import { Places } from './places.ts';
import { type Pushed, Pusher, type PushOptions } from './push.ts';
import { Registration, type Standing } from './registration.ts';
import { Seating } from './seating.ts';
import type { NamespaceOptions } from './setup.ts';
import { Upgrades } from './upgrades.ts';

/** Sockets of a server now, and messages since it began. */
export interface ServerStats {
  /** Those that wait for a resume included. */
  readonly sockets: number;
  /** Sockets that have a link now. */
  readonly links: number;
  readonly received: number;
  readonly sent: number;
  /** Messages that were left out because their peer was slower: by `volatile` and `drop`, or replaced by `latest`. */
  readonly dropped: number;
  /** Connections of the listeners, those that have no link yet included. */
  readonly connections: number;
  /** Bytes on the wire, of listeners that count them (tcp, tls, ipc, ws, wss). */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Bytes that wait for slow peers now. */
  readonly queued: number;
}

/** Listens on endpoints, lets peers in, and holds their sockets. Made by `createServer`. */
export class Server<A extends ApiShape = AnyApi> implements AsyncDisposable {
  readonly #options: ResolvedServerOptions;
  readonly #admission: Admission;
  readonly #places: Places;
  readonly #doorman: Doorman;
  readonly #root: ServerNamespace<A>;
  readonly #listeners: ListenerSet = new ListenerSet(() => this.#registration.announce());
  readonly #connections = new Set<Connection>();
  readonly #seating: Seating;
  readonly #registration: Registration;
  readonly #pusher: Pusher;
  readonly #wheel: TimerWheel;
  readonly #reception: Reception;
  #upgrades: Upgrades | undefined;
  #started: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  /** Fires when nobody wants to wait for the end any longer. */
  readonly #haste: AbortController = new AbortController();
  /** Nobody new is let in. */
  #isShut = false;

  constructor(options: ResolvedServerOptions) {
    this.#options = options;
    this.#wheel = new TimerWheel(options.world);
    this.#places = new Places(options, this.#wheel);
    this.#admission = new Admission(options);
    this.#doorman = this.#makeDoorman();
    this.#seating = this.#makeSeating();
    this.#registration = this.#makeRegistration();
    this.#pusher = new Pusher(this.#places, options.onError);
    this.#reception = this.#makeReception();
    this.#root = this.of('/');
  }

  /** The endpoints that are listened on, with their real ports. */
  get endpoints(): readonly string[] {
    return this.#listeners.open.map((listener) => listener.endpoint);
  }

  /** What listens: addresses, counts, and whether it keeps the process alive (`ref`, `unref`). */
  get listeners(): readonly Listener[] {
    return [...this.#listeners.open];
  }

  get stats(): ServerStats {
    const links = [...this.#seating.attendants].filter((attendant) => attendant.session.state === 'up').length;
    let queued = 0;
    for (const { link } of this.#connections) queued += link.queued;
    return {
      sockets: this.#seating.attendants.size,
      links,
      ...this.#seating.counters,
      ...countsOf(this.#listeners.all),
      queued,
    };
  }

  /**
   * The namespace of this path, made when it is new; or with names in the path (`/room/:id`, `/files/*path`) the pattern that makes
   * namespaces as peers ask for them. A path that a pattern fits leads to the pattern's namespace, whether there is one now or not.
   * @throws HawserError ERR_ARGUMENT (docs/guides/namespaces-and-users.md says which paths there are).
   */
  of<P extends string>(path: P, options?: NamespaceOptions): NamespaceAt<A, P> {
    return this.#places.of(path, options) as unknown as NamespaceAt<A, P>;
  }

  on: ServerNamespace<A>['on'] = (event, listener) => this.#root.on(event, listener);
  use: ServerNamespace<A>['use'] = (middleware) => this.#root.use(middleware);
  useEvent: ServerNamespace<A>['useEvent'] = (middleware) => this.#root.useEvent(middleware);
  history: ServerNamespace<A>['history'] = (pattern, options) => this.#root.history(pattern, options);
  off: ServerNamespace<A>['off'] = (event, listener) => this.#root.off(event, listener);
  to: ServerNamespace<A>['to'] = (...rooms) => this.#root.to(...rooms);
  user: ServerNamespace<A>['user'] = (...users) => this.#root.user(...users);
  except: ServerNamespace<A>['except'] = (...rooms) => this.#root.except(...rooms);
  all: ServerNamespace<A>['all'] = () => this.#root.all();
  members: ServerNamespace<A>['members'] = (room, options) => this.#root.members(room, options);
  count: ServerNamespace<A>['count'] = (room) => this.#root.count(room);
  countUsers: ServerNamespace<A>['countUsers'] = () => this.#root.countUsers();
  countUser: ServerNamespace<A>['countUser'] = (user) => this.#root.countUser(user);
  rooms: ServerNamespace<A>['rooms'] = (options) => this.#root.rooms(options);
  users: ServerNamespace<A>['users'] = (options) => this.#root.users(options);
  send: ServerNamespace<A>['send'] = (event, ...rest) => this.#root.send(event, ...rest);
  requestAll: ServerNamespace<A>['requestAll'] = (name, ...rest) => this.#root.requestAll(name, ...rest);

  /** All nodes that are known, this one first; those that died too, until their lease has run out. */
  nodes(): Promise<readonly NodeInfo[]> {
    return this.#registration.nodes();
  }

  /**
   * Publishes a message, or a list of at most 100, of a program that is no socket: data of any shape, checked as what peers send is. Resolves with
   * what became of each; one that is refused is no reason to leave out others.
   * @throws HawserError ERR_ARGUMENT (neither a message nor such a list), ERR_CLOSED.
   */
  async push(messages: unknown, options?: PushOptions): Promise<readonly Pushed[]> {
    this.#refuseShut();
    return this.#pusher.push(messages, options);
  }

  /** Why no new clients should be led here; undefined when they may. The engine's server may be out of reach for `engineWait` ms. */
  readiness(engineWait: number): 'not listening' | 'draining' | 'engine down' | undefined {
    const { engine, world } = this.#options;
    if (this.#registration.state === 'draining') return 'draining';
    if (this.#listeners.open.length === 0 && this.#upgrades === undefined) return 'not listening';
    return world.now() - (engine.downSince ?? world.now()) > engineWait ? 'engine down' : undefined;
  }

  /**
   * Listens on these URLs, or targets with options, and resolves with their endpoints, real ports filled in. When one fails, none stays
   * open.
   * @throws HawserError ERR_URL, ERR_OPTION, ERR_ADDRESS_IN_USE, ERR_NOT_ALLOWED (no permission; or off loopback without `authenticate`
   *   and without `insecure`), ERR_ABORTED, ERR_CLOSED.
   */
  async listen(...targets: (string | ListenTarget)[]): Promise<readonly string[]> {
    this.#refuseClosed();
    const listenings = targets.map((target) => resolveListening(target));
    for (const one of listenings) if (!isInherited(one)) this.#admission.refuseAnonymous(one.endpoint);
    const opened = await Promise.allSettled(listenings.map((one) => this.#listenOn(one)));
    const failed = opened.find((result) => result.status === 'rejected');
    const listeners = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    if (failed !== undefined) {
      await Promise.all(listeners.map((listener) => listener.close()));
      throw failed.reason;
    }
    await this.#refuseLate(listeners);
    for (const [i, listener] of listeners.entries()) this.#listeners.keep(listener, listenings[i]?.signal);
    this.#registration.announce();
    return listeners.map((listener) => listener.endpoint);
  }

  /**
   * Takes connections that another process has accepted and handed over (`ListenTarget.onSocket` there): resolves with the function that
   * goes on with one. The target says what they speak; where its host is loopback, only peers of this machine get in.
   * @throws HawserError ERR_URL, ERR_OPTION, ERR_NOT_ALLOWED, ERR_ABORTED, ERR_CLOSED.
   */
  async receive(target: string | ListenTarget): Promise<(socket: Socket) => void> {
    this.#refuseClosed();
    const listening = resolveListening(target);
    this.#admission.refuseAnonymous(listening.endpoint);
    await unlessAborted(this.#start(), listening.signal);
    const receiver = await this.#doorman.receive(listening);
    await this.#refuseLate([receiver]);
    this.#listeners.keep(receiver, listening.signal);
    this.#registration.announce();
    return (socket) => receiver.take(socket);
  }

  /**
   * Takes the WebSocket upgrades of an HTTP server that the application has; its other requests stay its own. Several servers may share
   * one, each at a path; what none of them serves is refused with 404, or left to other listeners of 'upgrade' where there are any.
   * Without `authenticate` and without `insecure` it lets in only what listens on loopback. Resolves when peers can come.
   * @throws HawserError ERR_CLOSED, ERR_ARGUMENT (no path), ERR_ADDRESS_IN_USE (the path is taken), ERR_ABORTED; whatever the engine's start throws.
   */
  async attach(httpServer: HttpServer, { path = '/', signal }: AttachOptions = {}): Promise<void> {
    this.#refuseClosed();
    if (normalPath(path) === undefined) throw new HawserError('ERR_ARGUMENT', 'a path looks like /chat');
    await unlessAborted(this.#start(), signal);
    const options = this.#doorman.attachOptions(() => listensOnLoopback(httpServer));
    const serves = (asked: string): boolean => this.#places.look(asked).kind !== 'unknown';
    this.#listeners.keep(attachWebSocket(httpServer, options, { path, serves }), signal);
    this.#registration.announce();
  }

  /**
   * Takes one upgrade that an HTTP server of the application has found, whatever its path: for who looks at each request before. The
   * arguments are those of node:http's 'upgrade'. Loopback is what the socket is bound to; otherwise as `attach`.
   */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    this.#upgrades ??= new Upgrades((isOnLoopback) => this.#doorman.attachOptions(isOnLoopback));
    void this.#upgrades.take(request, socket, head, this.#start());
  }

  /**
   * Reads the files of certificates, keys and authorities anew, on all endpoints with TLS; or takes what is given in place of what `listen` was told. Who
   * is connected stays so; who comes is shown the new ones.
   * @throws HawserError ERR_OPTION when some can't be used: there the old ones stay.
   */
  async reloadCertificates(tls?: TlsOptions): Promise<void> {
    await reloadAll(this.#listeners.open, tls);
  }

  /**
   * Says that this node goes, stops accepting after `delay`, sends every peer away (GOAWAY), waits for handlers that are at work, then closes all
   * with a code that invites clients back. What is left after `drain` ms more, or when `signal` fires, is cut. Where there are other nodes, or `redirect` names URLs, peers are
   * told of them and go one after the other. docs/guides/operations.md has the whole.
   * @throws HawserError ERR_OPTION for a `redirect` that is no URL, a time that is no number from 0.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const closing = resolveClosing(options, this.#options.world);
    this.#closed ??= this.#close(closing);
    await hurriedBy(options.signal, this.#closed, this.#haste);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close({ drain, delay, retryAfter, elsewhere: given }: Closing): Promise<void> {
    const { world, engine } = this.#options;
    const haste = this.#haste.signal;
    this.#registration.drain();
    if (delay > 0) await pause(delay, world, haste);
    this.#listeners.stop();
    if (this.#arriving > 0) await letIn(() => this.#arriving, { world, haste, deadline: world.now() + drain });
    this.#isShut = true;
    const deadline = world.now() + drain;
    const reason = closeReason(CLOSE.serverClosing, 'the server is closing');
    const closing = this.#listeners.close();
    this.#upgrades?.close();
    const elsewhere = given ?? Elsewhere.of(await this.#otherNodes(), world);
    const goaway = retryAfter === undefined ? reason : { ...reason, retryAfter };
    await sendAway(() => this.#seating.attendants, elsewhere, goaway, { world, haste, deadline });
    for (const attendant of [...this.#seating.attendants]) attendant.close(reason);
    for (const connection of [...this.#connections]) connection.close(reason);
    const left = [...this.#connections].map((connection) => connection.link.closed);
    const late = world.timer(haste.aborted ? 0 : Math.max(deadline, world.now() + 1), () => this.#abortAll());
    haste.addEventListener('abort', () => this.#abortAll());
    await Promise.all(left);
    late.cancel();
    await closing;
    // What its links still needed, a listener gives back now.
    await this.#listeners.close();
    this.#places.clear();
    this.#registration.stop();
    await engine.close();
  }

  /** Who has connected and is no socket yet. */
  get #arriving(): number {
    const strangers = [...this.#connections].filter(({ attendant }) => attendant === undefined);
    return this.#listeners.guests + strangers.length;
  }

  /** Nobody, where nobody has an engine that knows. */
  async #otherNodes(): Promise<readonly NodeInfo[]> {
    try {
      return this.#started === undefined ? [] : await this.#options.engine.nodes();
    } catch (error) {
      this.#options.onError(error, 'close');
      return [];
    }
  }

  #abortAll(): void {
    for (const { link } of [...this.#connections])
      link.abort(new HawserError('ERR_SERVER_CLOSING', 'the drain time is over'));
  }

  /** @throws HawserError ERR_CLOSED, also when nobody new is let in since the engine began to start. */
  async #start(): Promise<void> {
    this.#refuseShut();
    this.#started ??= this.#startEngine();
    await this.#started;
    this.#refuseShut();
  }

  async #startEngine(): Promise<void> {
    try {
      await this.#options.engine.start(makeEngineHost(this.#options, this.#places, this.#pusher, this.#seating.rivals));
    } catch (error) {
      // Its server may be there next time.
      this.#started = undefined;
      throw error;
    }
  }

  #refuseShut(): void {
    if (this.#isShut) throw new HawserError('ERR_CLOSED', 'the server is closed');
  }

  #refuseClosed(): void {
    if (this.#closed !== undefined) throw new HawserError('ERR_CLOSED', 'the server is closed');
  }

  /** A `close` that came meanwhile knew nothing of these. @throws HawserError ERR_CLOSED. */
  async #refuseLate(listeners: readonly Listener[]): Promise<void> {
    if (this.#closed !== undefined) await Promise.all(listeners.map((listener) => listener.close()));
    this.#refuseClosed();
  }

  async #listenOn(listening: Listening): Promise<Listener> {
    await unlessAborted(this.#start(), listening.signal);
    return this.#doorman.listen(listening);
  }

  /** `namespace` is that of a peer who can't say another. */
  #onLink(link: Link, namespace: string): void {
    const codec = this.#options.dialects.codec(link.protocol);
    if (codec === undefined || this.#isShut) {
      link.abort(new HawserError('ERR_SERVER_CLOSING', 'the server is closing'));
      return;
    }
    const connection = new Connection(link, codec, namespace, this.#reception);
    this.#admission.enter(link.peer);
    this.#connections.add(connection);
    connection.start();
  }

  #makeDoorman(): Doorman {
    return new Doorman({
      options: this.#options,
      admission: this.#admission,
      places: this.#places,
      isShut: () => this.#isShut,
      onLink: (link, namespace) => this.#onLink(link, namespace),
    });
  }

  #makeSeating(): Seating {
    return new Seating({
      options: this.#options,
      places: this.#places,
      admission: this.#admission,
      wheel: this.#wheel,
      isClosed: () => this.#isShut,
      counted: () => this.#registration.counted(),
    });
  }

  #makeRegistration(): Registration {
    const { engine, node, world } = this.#options;
    const look = (): Standing => ({ endpoints: this.endpoints, sockets: this.#seating.attendants.size });
    return new Registration(engine, node, this.#wheel, () => world.now(), look);
  }

  #makeReception(): Reception {
    const { world, limits, times, onError } = this.#options;
    return {
      loginWait: times.loginWait,
      writeWait: times.writeWait,
      rate: { ...limits, ...times, wheel: this.#wheel },
      wheel: this.#wheel,
      now: () => world.now(),
      soon: (run) => world.soon(run),
      report: onError,
      hasNamespace: (name) => this.#places.look(name).kind !== 'unknown',
      authenticate: (shown) => this.#seating.authenticate(shown),
      seat: (connection, hello, shown, identity) => this.#seating.seat(connection, hello, shown, identity),
      rename: (attendant, connection, identity) => this.#seating.rename(attendant, connection, identity),
      gone: (connection) => this.#gone(connection),
    };
  }

  #gone(connection: Connection): void {
    this.#connections.delete(connection);
    this.#admission.leave(connection.link.peer);
  }
}
