import { type Channel, type ChannelFrom, type ChannelOptions, Conversation } from '../channel/index.ts';
import {
  type AnyApi,
  type ApiShape,
  type ChannelsOf,
  CLOSE,
  type CloseReason,
  type DataArguments,
  givenReason,
  type HawserError,
  type Name,
  type ToClient,
  type ToServer,
} from '../core/index.ts';
import { Broadcast, everybody, type Joined, type JoinOptions, type Params } from '../room/index.ts';
import type { Traffic } from '../transport/index.ts';
import type { Attendant } from './attendant.ts';
import type { EventMiddleware } from './gate.ts';
import type { Handshake } from './handshake.ts';
import type { ServerNamespace } from './namespace.ts';

/** What a socket tells of itself, under names that no peer can send. */
export interface ServerSocketEvents<A extends ApiShape = AnyApi> {
  /**
   * The peer opened a channel; without a listener it is refused. When the listener returns a promise, the channel ends with it; what it
   * throws resets the channel, with the code of a HawserError.
   */
  channel: (channel: ChannelFrom<ToServer<A>>) => unknown;
  /** The peer sends no more, and goes on listening; without a listener the socket ends. Plain dialects on byte streams only. */
  end: () => unknown;
  /** The socket has ended and will not come back. */
  close: (reason: CloseReason) => unknown;
  /** The link broke; the session waits for its peer to resume. */
  down: (reason: CloseReason) => unknown;
  /** The peer resumed the session. */
  up: () => unknown;
  /** `send` may go on after it returned false. */
  drain: () => unknown;
  /** The peer told of an error that belongs to no request. */
  error: (error: HawserError) => unknown;
}

const OWN_EVENTS: ReadonlySet<string> = new Set(['channel', 'close', 'down', 'up', 'drain', 'end', 'error']);

/** The conversation with one peer, as the server has it: events, requests, rooms. It outlives a broken link. */
export class ServerSocket<A extends ApiShape = AnyApi> extends Conversation<
  ToServer<A>,
  ToClient<A>,
  ServerSocketEvents<A>
> {
  readonly #attendant: Attendant;
  #data: Record<string, unknown> | undefined;

  constructor(attendant: Attendant) {
    super(0, attendant, OWN_EVENTS);
    this.#attendant = attendant;
  }

  /** Anything that the application wants to keep with the socket. */
  get data(): Record<string, unknown> {
    this.#data ??= {};
    return this.#data;
  }

  get id(): string {
    return this.#attendant.id;
  }

  /** Who authentication said the peer is; null for nobody in particular. */
  get user(): string | null {
    return this.#attendant.user;
  }

  /** What else authentication said. */
  get claims(): unknown {
    return this.#attendant.claims;
  }

  /** How the socket came in. Made anew whenever someone looks: keep what is needed often. */
  get handshake(): Handshake {
    return this.#attendant.handshake;
  }

  /** Where the socket is. */
  get namespace(): ServerNamespace<A> {
    return this.#attendant.place.face;
  }

  /** What stands in the path for the names of the namespace's pattern. */
  get params(): Params {
    return this.#attendant.place.params;
  }

  /** `up` while there is a link, `down` while the session waits for one, `ended` after the end. */
  get state(): 'up' | 'down' | 'ended' {
    return this.#attendant.session.state;
  }

  /** The rooms that the socket is in now: a set made when it is asked for, which doesn't change when the socket joins or leaves. */
  get rooms(): ReadonlySet<string> {
    return this.#attendant.namespace.roomsOf(this.#attendant);
  }

  /** Bytes of its link, or of its last one. */
  get traffic(): Traffic {
    return this.#attendant.traffic;
  }

  /** Milliseconds from a ping to its pong, measured last; undefined before the first. */
  get rtt(): number | undefined {
    return this.#attendant.session.rtt;
  }

  /**
   * Opens a channel, without a round trip: it can be used at once, and ends with ERR_NO_SUCH_CHANNEL or ERR_TOO_MANY_CHANNELS when the
   * peer does not take it.
   * @throws HawserError ERR_UNSUPPORTED (the peer takes none), ERR_TOO_MANY_CHANNELS, ERR_UNENCODABLE, ERR_ARGUMENT, ERR_ABORTED, ERR_CLOSED.
   */
  openChannel<N extends Name<ChannelsOf<ToClient<A>>>>(
    name: N,
    ...[data, options]: DataArguments<ChannelsOf<ToClient<A>>[N], ChannelOptions>
  ): Channel<ChannelsOf<ToClient<A>>[N]> {
    return this.#attendant.channels.open(name, data, options?.signal) as Channel<ChannelsOf<ToClient<A>>[N]>;
  }

  /**
   * Has each event and request of this socket looked at before its handlers run, after the middleware of its namespace and in the order of the
   * calls. What comes over channels is the business of who takes the channel.
   */
  use(middleware: EventMiddleware): void {
    this.#attendant.use(middleware);
  }

  /**
   * From now on the socket gets what the room gets. In a room with history it is first given what it has missed since `since`, and the promise, which
   * never rejects, says where it stands; elsewhere it resolves at once (docs/guides/history.md).
   * @throws HawserError ERR_TOO_MANY_ROOMS, ERR_ARGUMENT, ERR_CLOSED.
   */
  join(room: string, options?: JoinOptions): Promise<Joined> {
    return this.#attendant.namespace.join(this.#attendant, room, options);
  }

  leave(room: string): void {
    this.#attendant.namespace.leave(this.#attendant, room);
  }

  /** The members of these rooms but this socket; receivers are told that it is from this one. */
  to(...rooms: string[]): Broadcast<ToClient<A>> {
    return this.#others().to(...rooms);
  }

  /** All sockets of these users but this one; receivers are told that it is from this one. */
  toUser(...users: string[]): Broadcast<ToClient<A>> {
    return this.#others().user(...users);
  }

  /**
   * Stops reading from the peer until `resume`, so that it feels back-pressure, also over links that come later. Nobody is judged silent
   * meanwhile; one that goes is noticed when reading goes on.
   */
  pause(): void {
    this.#attendant.stopReading();
  }

  resume(): void {
    this.#attendant.goOnReading();
  }

  /** Says, behind what is queued, that nothing more will be sent; the peer may go on. @throws HawserError ERR_UNSUPPORTED (docs/guides/dialects.md). */
  end(): void {
    this.#attendant.end();
  }

  /**
   * Ends the socket after what is queued; the client stays away unless `code` invites it back (docs/ERRORS.md).
   * @throws HawserError ERR_ARGUMENT for a code that no close frame can carry.
   */
  close(code: number = CLOSE.kicked, reason = 'closed by the server'): void {
    this.#attendant.close(givenReason(code, reason));
  }

  #others(): Broadcast<ToClient<A>> {
    const { namespace, engine, id, user } = this.#attendant;
    const target = { ...everybody(namespace.name), exceptSockets: [id] };
    return new Broadcast(namespace, engine, target, { id, user });
  }
}
