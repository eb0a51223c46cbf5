import {
  type Channel,
  Channels,
  type ChannelsHost,
  channelRoomOf,
  type Load,
  type Outlet,
  unanswered,
} from '../channel/index.ts';
import {
  aborted,
  CLOSE,
  type CloseReason,
  closedBy,
  closeReason,
  HawserError,
  type Instant,
  type Limits,
  late,
  ON_PAGE,
  type Outbound,
  type Overflow,
  type Timer,
  type Times,
  type World,
} from '../core/index.ts';
import { type Left, Session, type SessionHandler, type SessionSettings } from '../session/index.ts';
import { type Link, type Traffic, trafficOf } from '../transport/index.ts';
import {
  type ChannelCount,
  type ChannelRoom,
  type Codec,
  type Goaway,
  type Hello,
  type Incoming,
  MESSAGE,
  PROTOCOL_VERSION,
  type Welcome,
} from '../wire/index.ts';
import { ClientLink } from './client-link.ts';
import { netOf, type PlainDialect, type Platform, type ResolvedConnectOptions, type Route } from './options.ts';
import { asHawserError, isPassing } from './passing.ts';
import { race } from './race.ts';
import { Redirects } from './redirect.ts';
import type { ClientSocket, UnacknowledgedEvent } from './socket.ts';
import { noteStanding, type Standings } from './standings.ts';

/** Who waits for the next attempt waits no longer than this, ms, when there is a good time for it. */
const NUDGED = 500;

/** What is behind a `ClientSocket`: the session below it, and the links that come and go. */
export class ClientCore implements Outlet, SessionHandler, ChannelsHost {
  readonly world: World;
  readonly codec: Codec;
  readonly limits: Limits;
  readonly times: Times;
  readonly trustsInfo = true;
  readonly role = 'client';
  readonly load: Load = { handling: 0 };
  readonly closed: Promise<CloseReason>;
  socket!: ClientSocket;
  session: Session;
  /** The latest one. */
  welcome: Welcome | undefined;
  transport = '';
  /** Those whose server took the link and then had no welcome go to the end. */
  #routes: readonly Route[];
  readonly #plain: PlainDialect | undefined;
  readonly #options: ResolvedConnectOptions;
  readonly #stop = new AbortController();
  readonly #settings: SessionSettings;
  #channels: Channels | undefined;
  #link: Link | undefined;
  #timer: Timer | undefined;
  #retry: Timer | undefined;
  #writes: Timer | undefined;
  readonly standings: Standings = new Map();
  /** The application reads nothing now. */
  isPaused = false;
  #attempt = 0;
  #isOffline = false;
  /** HELLOs so far: a server that hears an early one late knows it by its number. */
  #hellos = 0;
  #retryAfter = 0;
  /** Undefined on a page. */
  readonly #redirects: Redirects | undefined;
  #opened: { readonly resolve: () => void; readonly reject: (error: HawserError) => void } | undefined;
  #resolveClosed: (reason: CloseReason) => void = () => {};

  constructor(
    platform: Pick<Platform, 'world' | 'codec' | 'watch'>,
    routes: readonly Route[],
    options: ResolvedConnectOptions,
    plain: PlainDialect | undefined,
  ) {
    this.world = platform.world;
    this.codec = platform.codec;
    this.#plain = plain;
    if (!ON_PAGE) this.#redirects = new Redirects(routes, options);
    this.#routes = routes;
    this.#options = options;
    this.limits = options.limits;
    this.times = options.times;
    // The server knows how long it keeps a session: the client comes back whenever it can, and is told.
    this.#settings = {
      ...options.limits,
      ...options.times,
      role: 'client',
      resumeWindow: Infinity,
    };
    this.session = new Session(this.codec, this.#settings, this);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    platform.watch?.(this.#nudge, this.#stop.signal);
  }

  /** @throws HawserError ERR_UNSUPPORTED in a dialect that has none. */
  get channels(): Channels {
    const { channels } = this.codec;
    if (!channels)
      throw new HawserError('ERR_UNSUPPORTED', ON_PAGE ? undefined : `${this.codec.protocol} has no channels`);
    this.#channels ??= new Channels(this, channels);
    return this.#channels;
  }

  get room(): ChannelRoom | undefined {
    return this.welcome?.channels;
  }

  get traffic(): Traffic {
    return trafficOf(this.#link);
  }

  ping(): void {
    this.session.ping(this.world.now());
  }

  /**
   * Connects for the first time.
   * @throws HawserError the server's refusal, or why no URL could be reached; ERR_ABORTED; ERR_TIMEOUT.
   */
  open(): Promise<void> {
    const { timeout, persistent, signal } = this.#options;
    let timer: Timer | undefined;
    return new Promise<void>((resolve, reject) => {
      this.#opened = { resolve, reject };
      if (timeout > 0) {
        timer = this.#after(timeout, () => this.#fail(late('connection', timeout)));
      }
      if (signal?.aborted) this.#onAbort();
      else void this.#connect(!persistent);
    }).finally(() => timer?.cancel());
  }

  async close(reason: CloseReason): Promise<void> {
    const link = this.#link;
    this.#finish(reason, undefined);
    await link?.closed;
  }

  // Outlet

  send(message: Outbound, tag: number, overflow?: Overflow): boolean {
    if (this.session.state === 'ended')
      throw new HawserError('ERR_CLOSED', ON_PAGE ? undefined : 'the socket has ended', { delivered: 'no' });
    return this.session.send(message, tag, 0, overflow);
  }

  reply(message: Outbound): void {
    this.send(message, 0);
  }

  sendVolatile(message: Outbound): boolean {
    return this.session.sendVolatile(message);
  }

  mustWait(orDown: boolean): boolean {
    return this.session.mustWait(orDown);
  }

  report(error: unknown, during: string): void {
    this.#options.onError(error, during);
  }

  refused(error: HawserError): void {
    this.socket.tell('error', error);
  }

  // ChannelsHost

  post(message: Outbound, tag: number, channel: number): void {
    this.session.send(message, tag, channel);
  }

  offer(channel: Channel): unknown[] {
    return this.socket.ask('channel', channel);
  }

  broke(what: string): void {
    this.session.end(closeReason(CLOSE.protocol, what));
  }

  /** @throws HawserError ERR_UNSUPPORTED where only both directions can end. */
  end(): void {
    if (ON_PAGE || !this.#plain || !this.#link?.end)
      throw new HawserError('ERR_UNSUPPORTED', ON_PAGE ? undefined : 'this link ends both ways at once');
    this.#link.end();
  }

  read(on: boolean): void {
    this.isPaused = !on;
    this.#link?.[on ? 'resume' : 'pause']();
  }

  /** The peer sends no more: without somebody who wants to know that is the end. */
  onPeerEnd(): void {
    if (!this.socket.tell('end')) void this.close(closeReason(CLOSE.noStatus));
  }

  // SessionHandler

  onMessage(message: Incoming, size: number): void {
    if (message.channel !== 0) this.channels.receive(message, size);
    else {
      noteStanding(this.standings, message);
      this.socket.dispatch(message);
    }
  }

  onRoom(): void {
    this.#channels?.flush();
  }

  onDrain(): void {
    this.socket.onDrain();
  }

  onDown(reason: CloseReason): void {
    this.socket.tell('down', reason);
    this.#later(undefined);
  }

  onUp(): void {
    this.#channels?.resumed();
  }

  onGoaway(goaway: Goaway): void {
    this.#retryAfter = goaway.retryAfter ?? 0;
    if (!ON_PAGE && this.#redirects) this.#redirects.urls = goaway.alternatives;
    this.socket.tell('goaway', goaway);
  }

  onEnd(reason: CloseReason): void {
    this.#finish(reason, reason.code === CLOSE.normal ? undefined : closedBy(reason));
  }

  wakeAt(at: Instant): void {
    this.#timer?.cancel();
    this.#timer = this.world.timer(at, () => this.session.tick(this.world.now(), this.isPaused));
  }

  /** Looks, for as long as there is a link, whether it takes bytes. */
  readonly #watchWrites = (): void => {
    const now = this.world.now();
    const left = (this.#link?.stalledSince ?? now) + this.times.writeWait - now;
    this.#writes?.cancel();
    if (this.session.state !== 'up') return;
    if (left > 0) this.#writes = this.#after(left, this.#watchWrites);
    else this.#link?.abort(new HawserError('ERR_WRITE_TIMEOUT', ON_PAGE ? undefined : 'the server reads nothing'));
  };

  /** Now is a good time to look: at the link, whether it still carries, or without one for the server, in a moment. */
  readonly #nudge = (isOnline: boolean): void => {
    this.#isOffline = !isOnline;
    if (!isOnline) return;
    this.session.probe(this.world.now());
    if (this.#retry && !this.#retryAfter) {
      this.#retry.cancel();
      this.#retryIn(Math.min(NUDGED, this.#options.reconnect.first), undefined);
    }
  };

  readonly #onAbort = (): void => {
    this.#finish(closeReason(CLOSE.normal, 'aborted'), aborted(this.#options.signal));
  };

  /** One attempt: dials all routes, the first good link says HELLO. `once`: a failure is the end. */
  async #connect(once: boolean): Promise<void> {
    this.#retry = undefined;
    if (!this.#isOffline) this.#attempt += 1;
    try {
      const token = await this.#options.token();
      let refusal: unknown;
      for (let left = this.#routes; left.length > 0; ) {
        const [link, route] = await this.#dial(left).catch((error: unknown) => {
          throw refusal ?? error;
        });
        if (this.#stop.signal.aborted) return link.abort(aborted());
        const clientLink = new ClientLink(link, this);
        this.#link = link;
        const onWelcome = (welcome: Welcome): Session => {
          if (!ON_PAGE) this.#redirects?.arrived(route);
          return this.#welcomed(clientLink, welcome);
        };
        try {
          return await clientLink.login(this.#hello(token, route), this.times.loginWait, onWelcome);
        } catch (error) {
          refusal = error;
          if (this.#stop.signal.aborted || !isPassing(asHawserError(error))) break;
          const isOther = (one: Route): boolean => one !== route;
          this.#routes = [...this.#routes.filter(isOther), route];
          left = left.filter(isOther);
        }
      }
      throw refusal;
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const known = asHawserError(error);
      if (once || !isPassing(known)) this.#fail(known);
      else this.#later(known);
    }
  }

  /** When all routes fail, one that may be open later counts for more than those that are closed for good. */
  async #dial(routes: readonly Route[]): Promise<[Link, Route]> {
    let passing: unknown;
    const dial = async (route: Route, signal: AbortSignal): Promise<[Link, Route]> => {
      const dialled = route.transport.dial(route.endpoint, {
        world: this.world,
        messageBytes: this.limits.messageBytes,
        backlogMark: Math.max(1, this.limits.backlogBytes >> 2),
        closeWait: this.times.closeWait,
        lanes: this.limits.channels * 2,
        protocols: [this.codec.protocol],
        signal,
        ...(ON_PAGE
          ? undefined
          : {
              plain: this.#plain,
              halfOpen: this.#plain !== undefined,
              headers: this.#options.headers,
              serverKey: this.#options.serverKey,
              compression: this.#options.compression,
              net: netOf(route),
            }),
      });
      return [await dialled.catch(note), route];
    };
    const note = (error: unknown): never => {
      if (error instanceof HawserError && isPassing(error)) passing = error;
      throw error;
    };
    const drop = ([link]: [Link, Route]): void => link.abort(new Error(ON_PAGE ? '' : 'not needed'));
    return await race(this.world, routes, this.#stop.signal, dial, drop, this.times.loginWait).catch(
      (error: unknown) => {
        throw passing ?? error;
      },
    );
  }

  #hello(token: string | undefined, { endpoint }: Route): Hello {
    const { user } = this.#options;
    const { welcome } = this;
    const ticket = welcome?.ticket;
    this.#hellos += 1;
    return {
      version: PROTOCOL_VERSION,
      namespace: endpoint.namespace,
      token,
      user,
      query: endpoint.query,
      channels: this.codec.channels && channelRoomOf(this.limits),
      // As many as the server takes: what it refuses for its length is refused for good.
      positions: welcome && [...this.standings.values()].slice(welcome.messageBytes / -128),
      resume: ticket && { ticket, counts: this.session.counts(), attempt: this.#hellos },
    };
  }

  /** The server let this peer in: the session goes on, or a new one begins with what the old one never sent. */
  #welcomed(link: ClientLink, welcome: Welcome): Session {
    const first = this.welcome === undefined;
    if (first) link.holdBack();
    this.welcome = welcome;
    this.transport = link.link.transport;
    this.#attempt = 0;
    this.#retryAfter = 0;
    const heartbeat = Math.min(this.#settings.heartbeat, welcome.readWait / 2);
    const attach = (counts?: readonly ChannelCount[]): boolean => {
      this.session.configure({ ...this.#settings, heartbeat });
      return this.session.attach(link.link, this.codec, this.world.now(), counts);
    };
    const recovered = !first && welcome.recovered === true && attach(welcome.counts ?? []);
    let unacknowledged: readonly UnacknowledgedEvent[] = [];
    if (!recovered) {
      if (welcome.recovered) throw new HawserError('ERR_PROTOCOL', ON_PAGE ? undefined : 'wrong counts');
      if (!first) unacknowledged = this.#beginAnew();
      attach();
    }
    const { session } = this;
    if (this.isPaused) link.link.pause();
    this.#watchWrites();
    this.#opened?.resolve();
    this.socket.tell('up', { transport: this.transport, recovered: first ? undefined : recovered, unacknowledged });
    return session;
  }

  /** The old session is lost. What no link has seen is queued in a new one; the rest is told. */
  #beginAnew(): readonly UnacknowledgedEvent[] {
    const { unsent, unacknowledged } = this.session.leftovers();
    this.session = new Session(this.codec, this.#settings, this);
    // Who waits for room waits for the new one's.
    this.session.mustWait(true);
    this.#channels?.abort(
      new HawserError('ERR_SESSION_LOST', ON_PAGE ? undefined : 'the session of the channel was lost'),
    );
    this.#channels = undefined;
    for (const left of unsent) if (this.#describe(left).length > 0) this.session.send(left.message);
    this.socket.failPending((name, id) => {
      const delivered = unsent.some(({ channel, tag }) => channel === 0 && tag === id) ? 'no' : 'unknown';
      return unanswered(name, 'ERR_SESSION_LOST', undefined, delivered);
    });
    return unacknowledged.flatMap((left) => this.#describe(left));
  }

  /** An event of the socket itself; what channels leave, requests and answers went with the session. */
  #describe({ message, channel }: Left): UnacknowledgedEvent[] {
    const decoded = this.codec.decode(message.bytes, message.text);
    return channel === 0 && decoded.kind === MESSAGE.event ? [{ event: decoded.name, data: decoded.data }] : [];
  }

  /** Waits, then tries again. The bound doubles, and chance spreads the clients of a restarted server over it. */
  #later(error: HawserError | undefined): void {
    const { first, most, attempts } = this.#options.reconnect;
    if (this.session.state === 'ended') return;
    if (this.#attempt >= attempts) {
      this.#fail(error ?? new HawserError('ERR_DISCONNECTED', ON_PAGE ? undefined : 'the link broke'));
      return;
    }
    const led = ON_PAGE ? undefined : this.#redirects?.take();
    if (led) {
      // At once: the server has spread its clients over time.
      this.#routes = led;
      this.#retryAfter = 0;
      this.#retryIn(0, error);
      return;
    }
    // Without a network an attempt costs nothing and counts for nothing.
    const bound = this.#isOffline ? most : Math.min(most, first * 2 ** Math.min(this.#attempt, 30));
    this.#retryIn(bound, error);
  }

  #retryIn(bound: number, error: HawserError | undefined): void {
    const delay = this.#retryAfter + this.world.random.unit() * bound;
    this.#retry = this.#after(delay, () => void this.#connect(false));
    this.socket.tell('reconnecting', { attempt: this.#attempt + 1, delay, error });
  }

  #after(delay: number, run: () => void): Timer {
    return this.world.timer(this.world.now() + delay, run);
  }

  #fail(error: HawserError): void {
    this.#finish({ code: CLOSE.abnormal, reason: error.message }, error);
  }

  #finish(reason: CloseReason, error: HawserError | undefined): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#timer?.cancel();
    this.#retry?.cancel();
    this.#writes?.cancel();
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.session.end(reason);
    void this.#link?.close(reason);
    this.#channels?.abort(error ?? closedBy(reason));
    this.socket.failPending((name) => unanswered(name, 'ERR_CLOSED', error));
    this.#opened?.reject(error ?? closedBy(reason));
    this.#resolveClosed(reason);
    this.socket.tell('close', reason, error);
    this.socket.finish(error);
  }
}
