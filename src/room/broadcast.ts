import { checkName, type SendOptions } from '../channel/index.ts';
import {
  CLOSE,
  type DataArguments,
  type Direction,
  type EventsOf,
  givenReason,
  HawserError,
  type Name,
  type RequestAnswer,
  type RequestData,
  type RequestsOf,
  type WaitOptions,
} from '../core/index.ts';
import type { Engine, Target } from '../engine/index.ts';
import type { From, Member } from '../wire/index.ts';
import { type Answers, askAll } from './ask.ts';
import { everybody, type Hall, type Seat } from './namespace.ts';

/**
 * Whom a message goes to, put together step by step: `server.to('lobby').except('muted').send('say', data)`. Each step makes a new
 * one; nothing happens before `send`. A socket that several steps name is reached once.
 */
export class Broadcast<Out extends Direction> {
  readonly #hall: Hall;
  readonly #engine: Engine;
  readonly #target: Target;
  readonly #from: From | undefined;
  /** `to` or `user` was called: no names then mean nobody, not everybody. */
  readonly #named: boolean;

  constructor(hall: Hall, engine: Engine, target: Target = everybody(hall.name), from?: From, named: boolean = false) {
    this.#hall = hall;
    this.#engine = engine;
    this.#target = target;
    this.#from = from;
    this.#named = named;
  }

  /** And the members of these rooms. */
  to(...rooms: string[]): Broadcast<Out> {
    return this.#with({ rooms: [...this.#target.rooms, ...rooms] }, true);
  }

  /** And all sockets of these users. */
  user(...users: string[]): Broadcast<Out> {
    return this.#with({ users: [...this.#target.users, ...users] }, true);
  }

  /** But not the members of these rooms. */
  except(...rooms: string[]): Broadcast<Out> {
    return this.#with({ exceptRooms: [...this.#target.exceptRooms, ...rooms] }, this.#named);
  }

  /** @throws HawserError ERR_UNENCODABLE, ERR_EVENT_RESERVED, ERR_ARGUMENT; then nobody got it. */
  send<E extends Name<EventsOf<Out>>>(
    event: E,
    ...[data, options]: DataArguments<EventsOf<Out>[E], SendOptions>
  ): void {
    checkName(event, this.#hall.settings.nameLength);
    if (this.#isNobody) return;
    const meta = this.#from === undefined ? {} : { from: this.#from };
    const { volatile = false, overflow, key } = options ?? {};
    this.#hall.broadcast({ target: this.#target, event, data, meta, volatile, overflow, key });
  }

  /**
   * Asks all of them on this node at once, and resolves when each has answered, failed, ended or run out of time. A socket that waits
   * for its peer is asked when the peer comes back.
   * @throws HawserError ERR_TOO_MANY_REQUESTS (more than `limits.requestAll` sockets; nobody was asked), ERR_ABORTED, ERR_UNENCODABLE,
   *   ERR_EVENT_RESERVED, ERR_ARGUMENT.
   */
  async requestAll<R extends Name<RequestsOf<Out>>>(
    name: R,
    ...[data, options]: DataArguments<RequestData<RequestsOf<Out>[R]>, WaitOptions>
  ): Promise<Answers<RequestAnswer<RequestsOf<Out>[R]>>> {
    const { nameLength, requestAll } = this.#hall.settings;
    checkName(name, nameLength);
    const seats = this.#seats;
    if (seats.length > requestAll) {
      throw new HawserError(
        'ERR_TOO_MANY_REQUESTS',
        `${seats.length} sockets are more than the ${requestAll} of one request`,
      );
    }
    return (await askAll(seats, name, data, options ?? {})) as Answers<RequestAnswer<RequestsOf<Out>[R]>>;
  }

  /**
   * Has all of them on this node join rooms.
   * @throws HawserError ERR_TOO_MANY_ROOMS, ERR_ARGUMENT: what was in the way of the first who could not; all others have joined.
   */
  join(...rooms: string[]): void {
    let failed: { readonly error: unknown } | undefined;
    for (const seat of this.#seats) {
      try {
        for (const room of rooms) this.#hall.join(seat, room);
      } catch (error) {
        failed ??= { error };
      }
    }
    if (failed !== undefined) throw failed.error;
  }

  /** Has all of them on this node leave rooms. */
  leave(...rooms: string[]): void {
    for (const seat of this.#seats) for (const room of rooms) this.#hall.leave(seat, room);
  }

  /**
   * Ends the sockets of all of them on this node; their clients stay away unless `code` invites them back (docs/ERRORS.md).
   * @throws HawserError ERR_ARGUMENT for a code that no close frame can carry.
   */
  disconnect(code: number = CLOSE.kicked, reason = 'closed by the server'): void {
    const given = givenReason(code, reason);
    for (const seat of this.#seats) seat.close(given);
  }

  /** Who is in the first room of this broadcast, on all nodes; at most `most` of them. */
  members(most?: number): Promise<readonly Member[]> {
    return this.#engine.members(this.#hall.name, this.#target.rooms[0] ?? '', most);
  }

  /** How many sockets the rooms and users of this broadcast have, on all nodes; one that several name counts several times. */
  async count(): Promise<number> {
    const { rooms, users } = this.#target;
    const { name } = this.#hall;
    const counts = await Promise.all([
      ...rooms.map((room) => this.#engine.count(name, room)),
      ...users.map((user) => this.#engine.countUser(name, user)),
    ]);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  get #isNobody(): boolean {
    const { rooms, users } = this.#target;
    return this.#named && rooms.length + users.length === 0;
  }

  get #seats(): readonly Seat[] {
    return this.#isNobody ? [] : this.#hall.select(this.#target);
  }

  #with(change: Partial<Target>, named: boolean): Broadcast<Out> {
    return new Broadcast(this.#hall, this.#engine, { ...this.#target, ...change }, this.#from, named);
  }
}
