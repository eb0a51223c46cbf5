import { checkName, type SendOptions } from '../channel/index.ts';
import type { DataArguments, Direction, EventsOf, Name } from '../core/index.ts';
import type { Engine, Target } from '../engine/index.ts';
import type { From, Member } from '../wire/index.ts';
import { everybody, type Hall } from './namespace.ts';

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
    checkName(event, this.#hall.nameLength);
    const { rooms, users } = this.#target;
    if (this.#named && rooms.length + users.length === 0) return;
    const meta = this.#from === undefined ? {} : { from: this.#from };
    this.#hall.broadcast({ target: this.#target, event, data, meta, volatile: options?.volatile ?? false });
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

  #with(change: Partial<Target>, named: boolean): Broadcast<Out> {
    return new Broadcast(this.#hall, this.#engine, { ...this.#target, ...change }, this.#from, named);
  }
}
