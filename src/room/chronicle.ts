import type { WaitOptions } from '../core/index.ts';
import type { Appended, EngineMessage, Entry, HistoryRule, Position, Target } from '../engine/index.ts';
import { Delivery } from './delivery.ts';
import { Feed, type FeedHost } from './feed.ts';
import { type Joined, joinedPlainly } from './joined.ts';
import type { Logs } from './logs.ts';
import { metaIn, NO_NAMES } from './meta.ts';
import type { Seat } from './namespace.ts';
import type { HistoryRules } from './rules.ts';

/** What became of a message in a room with history. */
export interface Placed extends Position {
  readonly room: string;
}

/** What became of a message that was published. */
export interface Published {
  /** Where it is, for each room with history that it was for. */
  readonly positions: readonly Placed[];
  /** It had been published by this id before, and nobody got it again. */
  readonly isDuplicate: boolean;
}

/** What a chronicle needs of its namespace. */
export interface ChronicleHost {
  readonly name: string;
  /** The members here of the rooms that a message leaves out; undefined for none. */
  leftOut(rooms: readonly string[]): ReadonlySet<Seat> | undefined;
}

/** The rooms with history of one namespace: their feeds, where they have members on this node, and the way into their logs. */
export class Chronicle {
  /** Of rooms that have no members here; a room keeps its rule for as long as it has some. */
  rules: HistoryRules;
  readonly logs: Logs;
  readonly #host: ChronicleHost;
  readonly #feeds = new Map<string, Feed>();

  constructor(logs: Logs, rules: HistoryRules, host: ChronicleHost) {
    this.logs = logs;
    this.rules = rules;
    this.#host = host;
  }

  /** No room has history. */
  get isIdle(): boolean {
    return this.rules.isEmpty && this.#feeds.size === 0;
  }

  /** A room has its first member here: the rule that it is watched by. */
  open(room: string, seats: ReadonlySet<Seat>): HistoryRule | undefined {
    const rule = this.rules.of(room);
    if (rule === undefined) return undefined;
    const log = { namespace: this.#host.name, room, rule };
    const read: FeedHost['read'] = (since, tries, answered) => this.logs.read(log, since, tries, answered);
    const tell: FeedHost['tell'] = (seat, event, data) => this.#tell(seat, room, event, data);
    this.#feeds.set(room, new Feed(room, rule, seats, { read, hand: this.#hand, tell }));
    return rule;
  }

  /** A room has no members here any more. */
  close(room: string): void {
    this.#feeds.get(room)?.close();
    this.#feeds.delete(room);
  }

  /** A socket has become a member, and has had all up to `since`, as it says. */
  join(seat: Seat, room: string, since: Position | undefined): Promise<Joined> {
    const feed = this.#feeds.get(room);
    if (feed !== undefined) return new Promise((resolve) => feed.join(seat, since, resolve));
    const joined = joinedPlainly(room);
    if (since === undefined) return Promise.resolve(joined);
    this.#tell(seat, room, 'gap', { reason: 'no-history' });
    return Promise.resolve({ ...joined, reason: 'no-history' });
  }

  /** Where a member stands. */
  ask(seat: Seat, room: string): Promise<Joined> {
    const feed = this.#feeds.get(room);
    if (feed === undefined) return Promise.resolve(joinedPlainly(room));
    return new Promise((resolve) => feed.ask(seat, resolve));
  }

  leave(seat: Seat, room: string): void {
    this.#feeds.get(room)?.leave(seat);
  }

  drained(seat: Seat): void {
    if (this.#feeds.size === 0) return;
    for (const room of seat.occupant?.rooms() ?? []) this.#feeds.get(room)?.drained(seat);
  }

  entered(entry: Entry): void {
    this.#feeds.get(entry.message.target.rooms[0] ?? '')?.entered(entry);
  }

  interrupted(): void {
    for (const feed of this.#feeds.values()) feed.catchUp();
  }

  /** The rooms of a target that have a log, each once. */
  roomsOf({ rooms }: Target, hasMembers: (room: string) => boolean): readonly string[] {
    const logged = rooms.filter((room) => this.#ruleOf(room, hasMembers) !== undefined);
    return logged.length > 1 ? [...new Set(logged)] : logged;
  }

  /** @throws HawserError as `Logs.append`. */
  append(message: EngineMessage, room: string, options: WaitOptions): Promise<Appended> {
    const rule = this.#feeds.get(room)?.rule ?? this.rules.of(room);
    if (rule === undefined) throw new Error(`'${room}' has no history`);
    const target = { ...message.target, rooms: [room], users: NO_NAMES };
    return this.logs.append({ ...message, target }, rule, options);
  }

  /** A room that has members here, and had no rule when the first came, has none until the last has left. */
  #ruleOf(room: string, hasMembers: (room: string) => boolean): HistoryRule | undefined {
    const feed = this.#feeds.get(room);
    if (feed !== undefined) return feed.rule;
    return hasMembers(room) ? undefined : this.rules.of(room);
  }

  readonly #hand = (entry: Entry): ((seat: Seat) => boolean) => {
    const { message, offset } = entry;
    const { exceptRooms, exceptSockets, rooms } = message.target;
    const delivery = new Delivery(message, metaIn(rooms[0] ?? '', message.meta, offset));
    const left = this.#host.leftOut(exceptRooms);
    return (seat) => {
      if (left?.has(seat) || exceptSockets.includes(seat.id)) return false;
      this.#deliver(seat, delivery);
      return true;
    };
  };

  #tell(seat: Seat, room: string, event: 'positioned' | 'recovered' | 'gap', data: unknown): void {
    // Never left out: what comes after it means nothing without it.
    const said = { event, data, volatile: false, overflow: 'disconnect' } as const;
    this.#deliver(seat, new Delivery(said, { room }));
  }

  /** What the log of a broken engine says may be no message: that is reported, and costs nobody more. */
  #deliver(seat: Seat, delivery: Delivery): void {
    try {
      seat.deliver(delivery);
    } catch (error) {
      this.logs.report(error, `history of '${delivery.meta?.room}'`);
    }
  }
}
