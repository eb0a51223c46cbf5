import { Conversation, type EventListener } from '../channel/index.ts';
import {
  type AnyApi,
  type ApiShape,
  CLOSE,
  type CloseReason,
  closeReason,
  type EventsOf,
  HawserError,
  Listeners,
  type Name,
  type ToClient,
  type ToServer,
} from '../core/index.ts';
import { Broadcast, everybody } from '../room/index.ts';
import type { Attendant } from './attendant.ts';
import type { Handshake } from './handshake.ts';

/** What a socket tells of itself, under names that no peer can send. */
export interface ServerSocketEvents {
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

const OWN_EVENTS: ReadonlySet<string> = new Set(['close', 'down', 'up', 'drain', 'error']);

/** The conversation with one peer, as the server has it: events, requests, rooms. It outlives a broken link. */
export class ServerSocket<A extends ApiShape = AnyApi> extends Conversation<ToServer<A>, ToClient<A>> {
  /** Anything that the application wants to keep with the socket. */
  readonly data: Record<string, unknown> = {};
  readonly #attendant: Attendant;
  readonly #own: Listeners = new Listeners();

  constructor(attendant: Attendant) {
    super(0, attendant);
    this.#attendant = attendant;
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

  get handshake(): Handshake {
    return this.#attendant.handshake;
  }

  /** `up` while there is a link, `down` while the session waits for one, `ended` after the end. */
  get state(): 'up' | 'down' | 'ended' {
    return this.#attendant.session.state;
  }

  /** The rooms that the socket is in. */
  get rooms(): ReadonlySet<string> {
    return this.#attendant.namespace.roomsOf(this.#attendant);
  }

  /** Milliseconds from a ping to its pong, measured last; undefined before the first. */
  get rtt(): number | undefined {
    return this.#attendant.session.rtt;
  }

  /** @throws HawserError ERR_TOO_MANY_ROOMS, ERR_ARGUMENT, ERR_CLOSED. */
  join(room: string): void {
    this.#attendant.namespace.join(this.#attendant, room);
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

  /** Ends the socket after what is queued; the client stays away unless `code` invites it back (docs/ERRORS.md). */
  close(code: number = CLOSE.kicked, reason = 'closed by the server'): void {
    this.#attendant.close(closeReason(code, reason));
  }

  override on<E extends keyof ServerSocketEvents>(event: E, listener: ServerSocketEvents[E]): void;
  override on<E extends Name<EventsOf<ToServer<A>>>>(event: E, listener: EventListener<EventsOf<ToServer<A>>[E]>): void;
  override on(event: string, listener: (...args: never[]) => unknown): void {
    if (OWN_EVENTS.has(event)) this.#own.add(event, listener);
    else super.on(event as never, listener as never);
  }

  override once<E extends keyof ServerSocketEvents>(event: E, listener: ServerSocketEvents[E]): void;
  override once<E extends Name<EventsOf<ToServer<A>>>>(
    event: E,
    listener: EventListener<EventsOf<ToServer<A>>[E]>,
  ): void;
  override once(event: string, listener: (...args: never[]) => unknown): void {
    if (OWN_EVENTS.has(event)) this.#own.once(event, listener);
    else super.once(event as never, listener as never);
  }

  override off<E extends keyof ServerSocketEvents>(event: E, listener?: ServerSocketEvents[E]): void;
  override off<E extends Name<EventsOf<ToServer<A>>>>(
    event: E,
    listener?: EventListener<EventsOf<ToServer<A>>[E]>,
  ): void;
  override off(event: string, listener?: (...args: never[]) => unknown): void {
    if (OWN_EVENTS.has(event)) this.#own.remove(event, listener);
    else super.off(event as never, listener as never);
  }

  /** For the attendant: calls the listeners of one of the socket's own events. */
  tell<E extends keyof ServerSocketEvents>(event: E, ...args: Parameters<ServerSocketEvents[E]>): void {
    for (const listener of this.#own.of(event) ?? []) {
      try {
        listener(...(args as never[]));
      } catch (error) {
        this.#attendant.report(error, `listener of '${event}'`);
      }
    }
    if (event === 'close') {
      const reason = args[0] as CloseReason;
      this.failPending(
        (name) =>
          new HawserError('ERR_CLOSED', `the socket ended before '${name}' was answered`, {
            cause: reason,
            delivered: 'unknown',
          }),
      );
    }
  }

  #others(): Broadcast<ToClient<A>> {
    const { namespace, engine, id, user } = this.#attendant;
    const target = { ...everybody(namespace.name), exceptSockets: [id] };
    return new Broadcast(namespace, engine, target, { id, user });
  }
}
