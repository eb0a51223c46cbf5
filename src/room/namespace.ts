import { type CloseReason, HawserError, matches, type WaitOptions } from '../core/index.ts';
import type { Appended, Engine, EngineMessage, Entry, Position, Target } from '../engine/index.ts';
import { encodeValue, type Member } from '../wire/index.ts';
import { Chronicle, type Published } from './chronicle.ts';
import { Delivery } from './delivery.ts';
import { checkSince, type Joined, type JoinOptions } from './joined.ts';
import type { Logs } from './logs.ts';
import { hasMeta, metaIn, NO_NAMES } from './meta.ts';
import { Occupant } from './occupant.ts';
import type { HistoryRules } from './rules.ts';

/** A socket, as the room layer sees it. */
export interface Seat {
  readonly id: string;
  readonly user: string | null;
  /** Never throws for what the peer or its link did. @throws HawserError ERR_UNENCODABLE. */
  deliver(delivery: Delivery): void;
  /** Asks the peer. @throws HawserError as `Conversation.request` does. */
  request(name: string, data: unknown, options: WaitOptions): Promise<unknown>;
  /** Ends the socket. */
  close(reason: CloseReason): void;
  /** Whether a message had better wait: the backlog is over its mark, or `orDown` there is no link. After true `Namespace.drained` follows. */
  mustWait(orDown: boolean): boolean;
  /** Where its client says that it stood in a room; said once. */
  recall?(room: string): Position | undefined;
  /** Where its namespace keeps what it knows of it, for as long as it is in. */
  occupant?: Occupant | undefined;
}

export interface NamespaceSettings {
  readonly roomsPerSocket: number;
  readonly nameLength: number;
  /** Whether the members of a room are told who joins and leaves, by the events `joined` and `left`. */
  readonly presence: boolean;
  /** In rooms with more members than this nobody is told. */
  readonly presenceMembers: number;
  /** How many sockets of one node a `requestAll` may ask. */
  readonly requestAll: number;
  /** ms that a request has, unless it is said. */
  readonly requestTimeout: number;
}

/** A namespace as broadcasts and applications know it, whether it has sockets on this node or not. */
export interface Hall {
  readonly name: string;
  readonly settings: NamespaceSettings;
  /** The sockets of this node. */
  readonly seats: Iterable<Seat>;
  readonly size: number;
  /** The socket with this id, if it is on this node. */
  seat(id: string): Seat | undefined;
  /** The sockets of this node that are in a room. */
  inRoom(room: string): Iterable<Seat>;
  /** The sockets of this node that a user has. */
  ofUser(user: string): Iterable<Seat>;
  /** The sockets of this node that the target names now, once each. */
  select(target: Target): readonly Seat[];
  /**
   * The promise is about rooms with history, and never rejects. Who is a member already is told where it stands.
   * @throws HawserError ERR_TOO_MANY_ROOMS, ERR_ARGUMENT (no name, too long, or no position), ERR_CLOSED.
   */
  join(seat: Seat, room: string, options?: JoinOptions): Promise<Joined>;
  /** Quiet when the socket is not in the room. */
  leave(seat: Seat, room: string): void;
  /**
   * Delivers here and publishes to the other nodes; in rooms with history it goes to the log first.
   * @throws HawserError ERR_UNENCODABLE; then nobody got it.
   */
  broadcast(message: EngineMessage): void;
  /**
   * As `broadcast`, and resolves when the message is in the logs of all rooms with history that it is for.
   * @throws HawserError ERR_UNENCODABLE; as `Logs.append`.
   */
  publish(message: EngineMessage, options: WaitOptions): Promise<Published>;
}

/** What became of a message that is for rooms with history: whether anybody else got it, and its way into their logs. */
interface Logged {
  readonly isNew: boolean;
  readonly placed: readonly Promise<Appended>[];
}

const HALF = /\p{Surrogate}/u;

/** The sockets of one path of a node, their rooms and their users. */
export class Namespace implements Hall {
  readonly name: string;
  readonly #engine: Engine;
  readonly settings: NamespaceSettings;
  readonly #seats = new Map<string, Seat>();
  readonly #rooms = new Map<string, Set<Seat>>();
  readonly #users = new Map<string, Set<Seat>>();
  readonly #chronicle: Chronicle;

  constructor(name: string, engine: Engine, settings: NamespaceSettings, logs: Logs, rules: HistoryRules) {
    this.name = name;
    this.#engine = engine;
    this.settings = settings;
    this.#chronicle = new Chronicle(logs, rules, { name, leftOut: (rooms) => this.#membersOf(rooms) });
  }

  /** Which rooms have history, from now on; those that have members now stay as they are until the last has left. */
  set rules(rules: HistoryRules) {
    this.#chronicle.rules = rules;
  }

  get seats(): Iterable<Seat> {
    return this.#seats.values();
  }

  get size(): number {
    return this.#seats.size;
  }

  /** A socket came. */
  add(seat: Seat): void {
    this.#seats.set(seat.id, seat);
    seat.occupant = new Occupant({ id: seat.id, user: seat.user });
    if (seat.user !== null) this.#addUser(seat.user, seat);
  }

  /** A socket went: it leaves its rooms. Quiet when it is not here. */
  remove(seat: Seat): void {
    const { occupant } = seat;
    if (occupant === undefined) return;
    for (const room of occupant.rooms()) this.leave(seat, room);
    seat.occupant = undefined;
    this.#seats.delete(seat.id);
    if (occupant.member.user !== null) this.#removeUser(occupant.member.user, seat);
  }

  /** The socket's user changed: the rooms it is in see its old name leave and the new one join. */
  identify(seat: Seat): void {
    const { occupant } = seat;
    if (occupant === undefined || occupant.member.user === seat.user) return;
    const before = occupant.member;
    if (before.user !== null) this.#removeUser(before.user, seat);
    occupant.member = { id: seat.id, user: seat.user };
    if (seat.user !== null) this.#addUser(seat.user, seat);
    for (const room of occupant.rooms()) {
      this.#engine.leave(this.name, room, before);
      this.#engine.enter(this.name, room, occupant.member);
    }
  }

  join(seat: Seat, room: string, options: JoinOptions = {}): Promise<Joined> {
    const { occupant } = seat;
    if (occupant === undefined) throw new HawserError('ERR_CLOSED', 'the socket has ended');
    // Half a surrogate pair can't be told to members: they would hear of nobody who comes or goes.
    if (typeof room !== 'string' || room === '' || room.length > this.settings.nameLength || HALF.test(room)) {
      throw new HawserError('ERR_ARGUMENT', `the name of a room has 1 to ${this.settings.nameLength} characters`);
    }
    checkSince(options.since);
    if (occupant.isIn(room)) return this.#chronicle.ask(seat, room);
    if (occupant.size >= this.settings.roomsPerSocket) {
      throw new HawserError('ERR_TOO_MANY_ROOMS', `a socket may be in ${this.settings.roomsPerSocket} rooms`);
    }
    occupant.enter(room);
    let members = this.#rooms.get(room);
    if (members === undefined) {
      members = new Set();
      this.#rooms.set(room, members);
      this.#engine.watchRoom(this.name, room, this.#chronicle.open(room, members));
    }
    members.add(seat);
    const shown = seat.recall?.(room);
    const joined = this.#chronicle.join(seat, room, (options.since === undefined ? shown : options.since) ?? undefined);
    // To be told where it stands may have been the end of it.
    if (occupant.isIn(room)) this.#engine.enter(this.name, room, occupant.member);
    return joined;
  }

  leave(seat: Seat, room: string): void {
    const { occupant } = seat;
    if (!occupant?.leave(room)) return;
    const members = this.#rooms.get(room);
    members?.delete(seat);
    this.#chronicle.leave(seat, room);
    if (members?.size === 0) {
      this.#rooms.delete(room);
      this.#chronicle.close(room);
      this.#engine.unwatchRoom(this.name, room);
    }
    this.#engine.leave(this.name, room, occupant.member);
  }

  roomsOf(seat: Seat): ReadonlySet<string> {
    return new Set(seat.occupant?.rooms());
  }

  broadcast(message: EngineMessage): void {
    const rooms = this.#loggedRooms(message);
    if (rooms.length === 0) {
      this.#spread(message);
      return;
    }
    const said = (error: unknown): void =>
      this.#chronicle.logs.report(error, `'${message.event}' to a room with history`);
    for (const placed of this.#log(message, rooms, {}).placed) placed.catch(said);
  }

  async publish(message: EngineMessage, options: WaitOptions): Promise<Published> {
    const rooms = this.#loggedRooms(message);
    if (rooms.length === 0) return { positions: [], isDuplicate: !this.#spread(message) };
    const { isNew, placed } = this.#log(message, rooms, options);
    const places = await Promise.all(placed);
    return {
      positions: places.map(({ offset, epoch }, at) => ({ room: rooms[at] ?? '', offset, epoch })),
      isDuplicate: !isNew && places.every(({ isDuplicate }) => isDuplicate),
    };
  }

  /** Whether what is for this room goes into a log. */
  hasHistory(room: string): boolean {
    return this.#chronicle.rules.of(room) !== undefined;
  }

  /** What another node has published. */
  deliver(message: EngineMessage): void {
    if (this.#isNew(message)) this.#deliver(message);
  }

  /** A room's log has a new entry. */
  entered(entry: Entry): void {
    this.#chronicle.entered(entry);
  }

  /** What entered logs up to now may not all have been told. */
  interrupted(): void {
    this.#chronicle.interrupted();
  }

  /** The link of a socket takes messages again. */
  drained(seat: Seat): void {
    this.#chronicle.drained(seat);
  }

  /** Whether a room that the pattern covers has members on this node. */
  hasMembersIn(pattern: string): boolean {
    for (const room of this.#rooms.keys()) if (matches(pattern, room)) return true;
    return false;
  }

  #loggedRooms(message: EngineMessage): readonly string[] {
    if (this.#chronicle.isIdle || message.volatile) return NO_NAMES;
    return this.#chronicle.roomsOf(message.target, (room) => this.#rooms.has(room));
  }

  /** Rooms with history get a message each; all else that the message is for, and who is in none of those, has it as ever. */
  #log(message: EngineMessage, logged: readonly string[], options: WaitOptions): Logged {
    // What is no message is to be known now, and by nobody.
    encodeValue(message.data);
    const { rooms, users, exceptRooms } = message.target;
    const others = rooms.filter((room) => !logged.includes(room));
    const target = { ...message.target, rooms: others, exceptRooms: [...exceptRooms, ...logged] };
    const isNew = others.length + users.length > 0 && this.#spread({ ...message, target });
    return { isNew, placed: logged.map((room) => this.#chronicle.append(message, room, options)) };
  }

  /** To the sockets of this node and the other nodes; false for what was published before by the same id. */
  #spread(message: EngineMessage): boolean {
    if (!this.#isNew(message)) return false;
    this.#deliver(message);
    this.#engine.publish(message);
    return true;
  }

  #isNew({ id }: EngineMessage): boolean {
    const { logs } = this.#chronicle;
    return id === undefined || logs.repeats.isNew(this.name, id, logs.world.now());
  }

  /** Delivers to the sockets of this node that the target names, once each, with the room that reached them. */
  #deliver(message: EngineMessage): void {
    const { target, meta } = message;
    const left = this.#membersOf(target.exceptRooms);
    if (target.rooms.length === 1 && target.users.length === 0 && left === undefined) {
      this.#deliverToRoom(target.rooms[0] ?? '', message);
      return;
    }
    const reached = left ?? new Set<Seat>();
    for (const id of target.exceptSockets) reached.add(this.#seats.get(id) as Seat);
    for (const room of target.rooms) {
      this.#deliverOnce(this.#rooms.get(room), reached, new Delivery(message, metaIn(room, meta)));
    }
    const direct = new Delivery(message, hasMeta(meta) ? meta : undefined);
    for (const user of target.users) this.#deliverOnce(this.#users.get(user), reached, direct);
    if (target.rooms.length + target.users.length === 0) this.#deliverOnce(this.#seats.values(), reached, direct);
  }

  select(target: Target): readonly Seat[] {
    const { rooms, users, exceptSockets } = target;
    const left = this.#membersOf(target.exceptRooms);
    const selected = new Set<Seat>();
    const groups: (Iterable<Seat> | undefined)[] =
      rooms.length + users.length === 0
        ? [this.#seats.values()]
        : [...rooms.map((room) => this.#rooms.get(room)), ...users.map((user) => this.#users.get(user))];
    for (const group of groups) {
      for (const seat of group ?? []) if (!left?.has(seat) && !exceptSockets.includes(seat.id)) selected.add(seat);
    }
    return [...selected];
  }

  inRoom(room: string): Iterable<Seat> {
    return this.#rooms.get(room) ?? [];
  }

  ofUser(user: string): Iterable<Seat> {
    return this.#users.get(user) ?? [];
  }

  seat(id: string): Seat | undefined {
    return this.#seats.get(id);
  }

  /**
   * Tells the members of a room who joined or left, of `count` who are in it now; the member itself is not told. In a large room nobody
   * is: each of n who join would cost n messages.
   */
  announce(room: string, member: Member, change: 'joined' | 'left', count: number): void {
    const larger = change === 'joined' ? count : count + 1;
    if (!this.settings.presence || larger > this.settings.presenceMembers) return;
    const members = this.#rooms.get(room);
    if (members === undefined) return;
    // No `latest` of a member's own: that many came is not said by the last of them.
    const said = { event: change, data: undefined, volatile: false, overflow: 'disconnect' } as const;
    const delivery = new Delivery(said, { room, member });
    for (const seat of members) if (seat.id !== member.id) seat.deliver(delivery);
  }

  /** The common case, without a set of those already reached. */
  #deliverToRoom(room: string, message: EngineMessage): void {
    const { exceptSockets } = message.target;
    const members = this.#rooms.get(room);
    if (members === undefined) return;
    const delivery = new Delivery(message, metaIn(room, message.meta));
    for (const seat of members) if (!exceptSockets.includes(seat.id)) seat.deliver(delivery);
  }

  #deliverOnce(seats: Iterable<Seat> | undefined, reached: Set<Seat>, delivery: Delivery): void {
    for (const seat of seats ?? []) {
      if (reached.has(seat)) continue;
      reached.add(seat);
      seat.deliver(delivery);
    }
  }

  /** The members of the rooms that are left out, or undefined when none is. */
  #membersOf(rooms: readonly string[]): Set<Seat> | undefined {
    if (rooms.length === 0) return undefined;
    const out = new Set<Seat>();
    for (const room of rooms) for (const seat of this.#rooms.get(room) ?? []) out.add(seat);
    return out;
  }

  #addUser(user: string, seat: Seat): void {
    let seats = this.#users.get(user);
    if (seats === undefined) {
      seats = new Set();
      this.#users.set(user, seats);
      this.#engine.watchUser(this.name, user);
    }
    seats.add(seat);
    this.#engine.arrive(this.name, user, seat.id);
  }

  #removeUser(user: string, seat: Seat): void {
    const seats = this.#users.get(user);
    seats?.delete(seat);
    if (seats?.size === 0) {
      this.#users.delete(user);
      this.#engine.unwatchUser(this.name, user);
    }
    this.#engine.depart(this.name, user, seat.id);
  }
}

/** A hall that comes and goes: each call goes to the namespace that `find` gives at that moment. */
export class PassingHall implements Hall {
  readonly name: string;
  readonly settings: NamespaceSettings;
  readonly #find: (name: string) => Namespace;

  constructor(name: string, settings: NamespaceSettings, find: (name: string) => Namespace) {
    this.name = name;
    this.settings = settings;
    this.#find = find;
  }

  get seats(): Iterable<Seat> {
    return this.#find(this.name).seats;
  }

  get size(): number {
    return this.#find(this.name).size;
  }

  seat(id: string): Seat | undefined {
    return this.#find(this.name).seat(id);
  }

  inRoom(room: string): Iterable<Seat> {
    return this.#find(this.name).inRoom(room);
  }

  ofUser(user: string): Iterable<Seat> {
    return this.#find(this.name).ofUser(user);
  }

  select(target: Target): readonly Seat[] {
    return this.#find(this.name).select(target);
  }

  join(seat: Seat, room: string, options?: JoinOptions): Promise<Joined> {
    return this.#find(this.name).join(seat, room, options);
  }

  leave(seat: Seat, room: string): void {
    this.#find(this.name).leave(seat, room);
  }

  broadcast(message: EngineMessage): void {
    this.#find(this.name).broadcast(message);
  }

  publish(message: EngineMessage, options: WaitOptions): Promise<Published> {
    return this.#find(this.name).publish(message, options);
  }
}

/** Everybody in a namespace. */
export function everybody(namespace: string): Target {
  return { namespace, rooms: NO_NAMES, users: NO_NAMES, exceptRooms: NO_NAMES, exceptSockets: NO_NAMES };
}
