import type { SendOptions } from '../channel/index.ts';
import {
  type AnyApi,
  type ApiShape,
  type DataArguments,
  type EventsOf,
  HawserError,
  type Name,
  type RequestAnswer,
  type RequestData,
  type RequestsOf,
  type ToClient,
  type WaitOptions,
} from '../core/index.ts';
import type { Engine } from '../engine/index.ts';
import { type Answers, Broadcast, type Hall, type HistoryOptions, type Params, type Seat } from '../room/index.ts';
import type { Member } from '../wire/index.ts';
import type { Attendant } from './attendant.ts';
import type { EventMiddleware } from './gate.ts';
import type { ConnectionMiddleware } from './middleware.ts';
import type { Setup } from './setup.ts';
import type { ServerSocket } from './socket.ts';

export interface ServerNamespaceEvents<A extends ApiShape, P extends Params = Params> {
  /** A peer was let in; its first message is delivered after the listeners have run. */
  connection: (socket: ServerSocket<A>, namespace: ServerNamespace<A, P>) => unknown;
}

/** The members of a room, one for each socket. */
export interface RoomMembers {
  readonly members: readonly Member[];
  /** How many there are, also when not all are listed. */
  readonly total: number;
}

export interface ListOptions {
  /** The longest list to answer with. Default 1000. */
  readonly most?: number;
}

/** A path of the server's endpoints, with its own handlers and rooms. */
export class ServerNamespace<A extends ApiShape = AnyApi, P extends Params = Params> {
  /** What stands in the path for the names of its pattern; empty for a fixed path. */
  readonly params: P;
  readonly #hall: Hall;
  readonly #engine: Engine;
  readonly #setup: Setup | undefined;

  /** Without a setup of its own it is one that a pattern makes. */
  constructor(hall: Hall, engine: Engine, params: P, setup: Setup | undefined) {
    this.#hall = hall;
    this.#engine = engine;
    this.params = params;
    this.#setup = setup;
  }

  get name(): string {
    return this.#hall.name;
  }

  /** The sockets on this node, those that wait for a resume included. */
  get sockets(): readonly ServerSocket<A>[] {
    return this.#socketsOf(this.#hall.seats);
  }

  /** How many sockets are on this node. */
  get size(): number {
    return this.#hall.size;
  }

  /** The socket with this id, if it is on this node. */
  socket(id: string): ServerSocket<A> | undefined {
    const seat = this.#hall.seat(id);
    return seat && this.#socketsOf([seat])[0];
  }

  /** The sockets on this node that are in a room. */
  socketsIn(room: string): readonly ServerSocket<A>[] {
    return this.#socketsOf(this.#hall.inRoom(room));
  }

  /** The sockets on this node that a user has. */
  socketsOf(user: string): readonly ServerSocket<A>[] {
    return this.#socketsOf(this.#hall.ofUser(user));
  }

  /** @throws HawserError ERR_ARGUMENT in a namespace that a pattern makes: the pattern has the listeners. */
  on<E extends keyof ServerNamespaceEvents<A, P>>(event: E, listener: ServerNamespaceEvents<A, P>[E]): this {
    this.#own().add(event, listener);
    return this;
  }

  off<E extends keyof ServerNamespaceEvents<A, P>>(event: E, listener?: ServerNamespaceEvents<A, P>[E]): this {
    this.#own().remove(event, listener);
    return this;
  }

  /**
   * Has each peer looked at after authentication and before it has a socket, in the order of the calls.
   * @throws HawserError ERR_ARGUMENT in a namespace that a pattern makes.
   */
  use(middleware: ConnectionMiddleware): this {
    const setup = this.#own();
    setup.admissions = [...setup.admissions, middleware];
    return this;
  }

  /**
   * Has each event and request of every socket here looked at before its handlers run, in the order of the calls.
   * @throws HawserError ERR_ARGUMENT in a namespace that a pattern makes.
   */
  useEvent(middleware: EventMiddleware): this {
    const setup = this.#own();
    setup.events = [...setup.events, middleware];
    return this;
  }

  /**
   * Has the rooms that the pattern covers keep their last messages (`*` stands for anything), so that who comes back to one is given what he has
   * missed (docs/guides/history.md). Of several patterns that cover a room the first counts. To be said before anybody is in such a
   * room, and on all nodes alike.
   * @throws HawserError ERR_OPTION (size, age); ERR_ARGUMENT (no pattern, or one that was given before; a room that it covers has members on
   *   this node; a namespace that a pattern makes).
   */
  history(pattern: string, options: HistoryOptions = {}): this {
    this.#own().keep(pattern, options);
    return this;
  }

  /** The members of these rooms. */
  to(...rooms: string[]): Broadcast<ToClient<A>> {
    return this.#everybody().to(...rooms);
  }

  /** All sockets of these users. */
  user(...users: string[]): Broadcast<ToClient<A>> {
    return this.#everybody().user(...users);
  }

  /** Everybody but the members of these rooms. */
  except(...rooms: string[]): Broadcast<ToClient<A>> {
    return this.#everybody().except(...rooms);
  }

  /** Everybody in the namespace. @throws HawserError ERR_UNENCODABLE, ERR_EVENT_RESERVED, ERR_ARGUMENT. */
  send<E extends Name<EventsOf<ToClient<A>>>>(
    event: E,
    ...rest: DataArguments<EventsOf<ToClient<A>>[E], SendOptions>
  ): void {
    this.#everybody().send(event, ...rest);
  }

  /** Everybody in the namespace. */
  all(): Broadcast<ToClient<A>> {
    return this.#everybody();
  }

  /** Asks everybody in the namespace: see `Broadcast.requestAll`. */
  requestAll<R extends Name<RequestsOf<ToClient<A>>>>(
    name: R,
    ...rest: DataArguments<RequestData<RequestsOf<ToClient<A>>[R]>, WaitOptions>
  ): Promise<Answers<RequestAnswer<RequestsOf<ToClient<A>>[R]>>> {
    return this.#everybody().requestAll(name, ...rest);
  }

  /** Who is in a room, on all nodes: at most `most` (default 1000), beside how many there are in all. */
  async members(room: string, { most }: ListOptions = {}): Promise<RoomMembers> {
    const [members, total] = await Promise.all([
      this.#engine.members(this.name, room, most),
      this.#engine.count(this.name, room),
    ]);
    return { members, total };
  }

  /** How many sockets are in a room, on all nodes. Takes no longer for a large one. */
  count(room: string): Promise<number> {
    return this.#engine.count(this.name, room);
  }

  /** How many users have a socket, on all nodes. Takes no longer for many. */
  countUsers(): Promise<number> {
    return this.#engine.countUsers(this.name);
  }

  /** How many sockets a user has, on all nodes. */
  countUser(user: string): Promise<number> {
    return this.#engine.countUser(this.name, user);
  }

  /** The rooms that have members, and how many, on all nodes; at most `most` (default 1000). */
  rooms({ most }: ListOptions = {}): Promise<ReadonlyMap<string, number>> {
    return this.#engine.rooms(this.name, most);
  }

  /** The users who have a socket, and how many, on all nodes; at most `most` (default 1000). */
  users({ most }: ListOptions = {}): Promise<ReadonlyMap<string, number>> {
    return this.#engine.users(this.name, most);
  }

  #everybody(): Broadcast<ToClient<A>> {
    return new Broadcast(this.#hall, this.#engine);
  }

  #socketsOf(seats: Iterable<Seat>): ServerSocket<A>[] {
    return [...seats].map((seat) => (seat as Attendant).socket as unknown as ServerSocket<A>);
  }

  #own(): Setup {
    if (this.#setup !== undefined) return this.#setup;
    throw new HawserError(
      'ERR_ARGUMENT',
      `'${this.name}' is a pattern's: set up the pattern, or make it { fixed: true }`,
    );
  }
}
