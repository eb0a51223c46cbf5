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
import type { From, Member, Meta } from '../wire/index.ts';
import { closeAll, fewEnough, find, joinAll, leaveAll } from './answer.ts';
import { type Answers, askAll } from './ask.ts';
import type { Published } from './chronicle.ts';
import { type FindOptions, type Found, OtherNodes, type Reached } from './cluster.ts';
import { everybody, type Hall, type Seat } from './namespace.ts';
import { checkNames, MOST_FOUND, type Question } from './question.ts';

/** Names of rooms, and at the end how long to wait for other nodes. */
export type RoomsAndWait = readonly string[] | readonly [...rooms: string[], options: WaitOptions];

export interface PublishOptions extends WaitOptions, Pick<SendOptions, 'overflow' | 'key'> {
  /** Names the message: 1 to 128 characters, unlike those of all others in the namespace. Who publishes again by it publishes nothing. */
  readonly id?: string;
}

const ID_LENGTH = 128;

/** Sockets, members or rooms in one answer, unless it is said. */
const MOST = 1000;
const NO_ANSWERS: Answers<never> = { answers: [], errors: [], silent: [], silentNodes: [], failedNodes: [] };

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
    const { volatile = false, overflow, key } = options ?? {};
    this.#hall.broadcast({ target: this.#target, event, data, meta: this.#meta, volatile, overflow, key });
  }

  /**
   * As `send`, and resolves when the message is in the logs of all rooms with history that it is for: it will be delivered then, also to who is
   * away. For all others that is at once, and promises nothing. With an `id` a message that may have gone through can be published
   * again for 2 minutes, on whatever node: nobody gets it twice.
   * @throws HawserError ERR_ENGINE_DOWN, ERR_TIMEOUT, ERR_ABORTED (`delivered` says whether it may be in a log all the same), ERR_BACKLOG_FULL,
   *   ERR_MESSAGE_TOO_LARGE, ERR_UNENCODABLE, ERR_EVENT_RESERVED, ERR_ARGUMENT.
   */
  async publish<E extends Name<EventsOf<Out>>>(
    event: E,
    ...[data, options = {}]: DataArguments<EventsOf<Out>[E], PublishOptions>
  ): Promise<Published> {
    const { id, overflow, key, ...wait } = options;
    checkName(event, this.#hall.settings.nameLength);
    if (id !== undefined && !isId(id)) {
      throw new HawserError('ERR_ARGUMENT', `the id of a message is a text of 1 to ${ID_LENGTH} characters`);
    }
    if (this.#isNobody) return { positions: [], isDuplicate: false };
    const message = { target: this.#target, event, data, meta: this.#meta, volatile: false, overflow, key, id };
    return this.#hall.publish(message, wait);
  }

  /**
   * Asks all of them at once, on all nodes, and resolves when each has answered, failed, ended or run out of time. A socket that waits
   * for its peer is asked when the peer comes back. Aborting stops the waiting; whoever was asked on another node may still act.
   * @throws HawserError ERR_TOO_MANY_REQUESTS (more than `limits.requestAll` sockets on this node; nobody was asked), ERR_ABORTED,
   *   ERR_UNENCODABLE, ERR_EVENT_RESERVED, ERR_ARGUMENT.
   */
  async requestAll<R extends Name<RequestsOf<Out>>>(
    name: R,
    ...[data, options = {}]: DataArguments<RequestData<RequestsOf<Out>[R]>, WaitOptions>
  ): Promise<Answers<RequestAnswer<RequestsOf<Out>[R]>>> {
    const { nameLength, requestTimeout } = this.#hall.settings;
    checkName(name, nameLength);
    if (this.#isNobody) return NO_ANSWERS;
    const seats = fewEnough(this.#hall, this.#seats);
    const { timeout = requestTimeout } = options;
    const question = { kind: 'request/1', target: this.#target, name, data, timeout } as const;
    checkNames(question);
    const here = askAll(seats, name, data, options);
    const answers = await this.#others.request(question, here, options);
    return answers as Answers<RequestAnswer<RequestsOf<Out>[R]>>;
  }

  /**
   * Has all of them join rooms: those of this node at once, the others as their nodes hear of it. The last argument may be
   * `{ signal, timeout }`. The promise rejects with ERR_ABORTED alone, where there is a signal.
   * @throws HawserError ERR_TOO_MANY_ROOMS, ERR_ARGUMENT: what was in the way of the first of this node who could not; all others have joined.
   */
  join(...args: RoomsAndWait): Promise<Reached> {
    const [rooms, options] = parted(args);
    const question = { kind: 'join/1', target: this.#target, rooms } as const;
    return this.#reach(question, options, (seats) => joinAll(this.#hall, seats, rooms));
  }

  /** Has all of them leave rooms; otherwise as `join`. */
  leave(...args: RoomsAndWait): Promise<Reached> {
    const [rooms, options] = parted(args);
    const question = { kind: 'leave/1', target: this.#target, rooms } as const;
    return this.#reach(question, options, (seats) => leaveAll(this.#hall, seats, rooms));
  }

  /**
   * Ends the sockets of all of them, on all nodes; their clients stay away unless `code` invites them back (docs/ERRORS.md). Those of this
   * node end at once. The promise rejects with ERR_ABORTED alone, where there is a signal.
   * @throws HawserError ERR_ARGUMENT for a code that no close frame can carry.
   */
  disconnect(
    code: number = CLOSE.kicked,
    reason = 'closed by the server',
    options: WaitOptions = {},
  ): Promise<Reached> {
    givenReason(code, reason);
    const question = { kind: 'disconnect/1', target: this.#target, code, reason } as const;
    return this.#reach(question, options, (seats) => closeAll(seats, code, reason));
  }

  /** Who they are, on all nodes, and in which rooms. @throws HawserError ERR_ABORTED, ERR_ARGUMENT. */
  async find({ most = MOST, sockets, ...options }: FindOptions = {}): Promise<Found> {
    if (!(most >= 0)) throw new HawserError('ERR_ARGUMENT', `most is a number from 0, not ${most}`);
    if (this.#isNobody) return { sockets: [], total: 0, silentNodes: [], failedNodes: [] };
    const kind = 'find/1';
    const bounded = Math.min(most, MOST_FOUND);
    const question = { kind, target: this.#target, most: bounded, ...(sockets && { sockets }) } as const;
    checkNames(question);
    return this.#others.find(question, find(this.#hall, question), options);
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

  get #meta(): Meta {
    return this.#from === undefined ? {} : { from: this.#from };
  }

  get #isNobody(): boolean {
    const { rooms, users } = this.#target;
    return this.#named && rooms.length + users.length === 0;
  }

  get #seats(): readonly Seat[] {
    return this.#isNobody ? [] : this.#hall.select(this.#target);
  }

  get #others(): OtherNodes {
    return new OtherNodes(this.#engine);
  }

  /** Here at once, and on the other nodes also when something was in the way of one who is here. */
  #reach(question: Question, options: WaitOptions, act: (seats: readonly Seat[]) => number): Promise<Reached> {
    checkNames(question);
    if (this.#isNobody) return Promise.resolve({ sockets: 0, silentNodes: [], failedNodes: [] });
    const seats = this.#seats;
    const reached = this.#others.reach(question, seats.length, options);
    try {
      act(seats);
    } catch (error) {
      // Nobody has the promise then.
      reached.catch(() => {});
      throw error;
    }
    return reached;
  }

  #with(change: Partial<Target>, named: boolean): Broadcast<Out> {
    return new Broadcast(this.#hall, this.#engine, { ...this.#target, ...change }, this.#from, named);
  }
}

function isId(id: unknown): boolean {
  return typeof id === 'string' && id !== '' && id.length <= ID_LENGTH;
}

function parted(args: RoomsAndWait): [rooms: readonly string[], options: WaitOptions] {
  const last = args.at(-1);
  if (typeof last !== 'object') return [args as readonly string[], {}];
  return [args.slice(0, -1) as readonly string[], last];
}
