import type { Entry, HistoryRule, Position, Reading } from '../engine/index.ts';
import { Follower, type FollowerHost } from './follower.ts';
import type { Joined, LossReason } from './joined.ts';
import type { Seat } from './namespace.ts';
import { SharedReadings } from './shared-readings.ts';

/** Entries that wait while a hole before them is read; of more the later ones are read again. */
export const KEPT_MOST = 1000;

/** What a feed needs of its namespace. Nothing of it throws. */
export interface FeedHost {
  /** Reads the room's log on from a place, until it succeeds: see `Logs.read`. */
  read(since: Position | undefined, tries: number, answered: (reading: Reading) => void): () => void;
  /** What hands an entry to a socket: false when the entry leaves that one out. */
  hand(entry: Entry): (seat: Seat) => boolean;
  /** Tells a socket where it stands in the room. */
  tell(seat: Seat, event: 'positioned' | 'recovered' | 'gap', data: unknown): void;
}

/**
 * One room with history, on a node that has members in it: what its log says goes to the members in the order of the log, each message once. A
 * hole is filled from the log before anything behind it is delivered; where the log can't, the members are told `gap` and go on from where
 * it stands. Who comes back to the room is given what was missed by a `Follower` and then goes along with the others.
 */
export class Feed implements FollowerHost {
  readonly room: string;
  readonly rule: HistoryRule;
  /** All members here; the namespace adds and removes them. */
  readonly #seats: ReadonlySet<Seat>;
  readonly #host: FeedHost;
  /** What the members have been given; undefined until the log has said where it stands. */
  #position: Position | undefined;
  readonly #followers: Map<Seat, Follower> = new Map();
  readonly #readings: SharedReadings;
  /** Members who have had more than the others, by its offset. */
  readonly #ahead: Map<Seat, number> = new Map();
  /** Entries behind a hole, or that came at a bad moment, in the order in which they came. */
  readonly #kept: Entry[] = [];
  /** How many of them came before the log was read: it has them, or is another log. */
  #known = 0;
  /** The log is to be read: entries were not kept, or may not have been told. */
  #isBehind = false;
  #stopReading: (() => void) | undefined;
  /** Readings in a row that did not know what had been told before. */
  #tries = 0;
  #isBusy = false;
  #isClosed = false;

  constructor(room: string, rule: HistoryRule, seats: ReadonlySet<Seat>, host: FeedHost) {
    this.room = room;
    this.rule = rule;
    this.#seats = seats;
    this.#host = host;
    this.#readings = new SharedReadings(host);
  }

  get position(): Position | undefined {
    return this.#position;
  }

  /** A socket has become a member. `done` is called once: when it goes along with the others, or has left before that. */
  join(seat: Seat, since: Position | undefined, done: (joined: Joined) => void): void {
    const follower = new Follower(seat, since, done, this);
    this.#followers.set(seat, follower);
    if (since !== undefined && (this.#isBusy || !isAt(since, this.#position))) follower.read();
    else if (this.#position === undefined) this.#find();
    else if (!this.#isBusy) this.arrived(follower, this.#position);
  }

  /** Who is a member already is told where it stands, when that is known. */
  ask(seat: Seat, done: (joined: Joined) => void): void {
    const follower = this.#followers.get(seat);
    if (follower !== undefined) follower.alsoTell(done);
    else done({ room: this.room, position: this.#position, recovered: false, missed: 0, reason: undefined });
  }

  /** A member has left. */
  leave(seat: Seat): void {
    this.#ahead.delete(seat);
    const follower = this.#followers.get(seat);
    if (follower === undefined) return;
    this.#followers.delete(seat);
    follower.done({ room: this.room, position: undefined, recovered: false, missed: follower.missed, reason: 'left' });
    if (this.#position === undefined && this.#followers.size > 0) this.#find();
  }

  /** The link of a member takes messages again. */
  drained(seat: Seat): void {
    this.#followers.get(seat)?.goOn();
  }

  /** The last member has left. */
  close(): void {
    this.#isClosed = true;
    this.#stopReading?.();
    this.#kept.length = 0;
  }

  /** The log has a new entry, or one that the engine tells again. */
  entered(entry: Entry): void {
    const position = this.#position;
    if (position !== undefined && isPast(entry, position)) return;
    if (this.#kept.length < KEPT_MOST) this.#kept.push(entry);
    else this.#isBehind = true;
    this.#goOn();
  }

  /** What entered up to now may not all have been told. */
  catchUp(): void {
    this.#isBehind = true;
    this.#goOn();
  }

  // FollowerHost

  read(since: Position, tries: number, answered: (reading: Reading) => void): () => void {
    return this.#readings.read(since, tries, answered);
  }

  deliver(entry: Entry, seat: Seat): boolean {
    return this.#readings.hand(entry)(seat);
  }

  learn(position: Position, then: () => void): void {
    const isNew = this.#position === undefined;
    if (isNew) this.#begin(position);
    then();
    if (isNew) this.#goOn();
  }

  arrived(follower: Follower, cursor: Position): void {
    const { seat, since, missed } = follower;
    const position = placeOf(cursor);
    this.#followers.delete(seat);
    if (this.#position !== undefined && isBefore(this.#position, cursor)) this.#ahead.set(seat, cursor.offset);
    if (since === undefined) this.#host.tell(seat, 'positioned', position);
    else this.#host.tell(seat, 'recovered', { ...position, missed });
    follower.done({ room: this.room, position, recovered: since !== undefined, missed, reason: undefined });
  }

  /** It goes along with the others from where they are, or from where the log stands if it has had more than they. */
  lost(follower: Follower, reason: LossReason, found: Position): void {
    const { seat, missed, cursor } = follower;
    const members = this.#position ?? found;
    const hasMore = cursor !== undefined && isBefore(members, cursor) && isBefore(cursor, found);
    const position = placeOf(hasMore ? found : members);
    this.#followers.delete(seat);
    if (hasMore) this.#ahead.set(seat, found.offset);
    this.#host.tell(seat, 'gap', { ...position, reason });
    follower.done({ room: this.room, position, recovered: false, missed, reason });
  }

  /** Where the log stands is asked, unless a follower asks anyway. */
  #find(): void {
    for (const follower of this.#followers.values()) if (follower.isReading) return;
    if (this.#stopReading === undefined) this.#read();
  }

  #read(): void {
    this.#isBehind = false;
    this.#known = this.#kept.length;
    this.#stopReading = this.#host.read(this.#position, this.#tries, (reading) => this.#answered(reading));
  }

  #answered(reading: Reading): void {
    this.#stopReading = undefined;
    const { position } = reading;
    const before = this.#position;
    if (before === undefined) this.#begin(position);
    else {
      this.#work(() => {
        if (position.epoch !== before.epoch) this.#gap('epoch', position);
        else if (!reading.isWhole) this.#gap(reading.reason, position);
        else this.#deliverAll(reading.entries, position);
      });
    }
    this.#goOn();
    for (const follower of [...this.#followers.values()]) follower.feedWentOn();
  }

  /** Who waits for nothing else begins here. */
  #begin(position: Position): void {
    this.#stopReading?.();
    this.#stopReading = undefined;
    this.#position = placeOf(position);
    this.#admit();
  }

  /** Who comes from nowhere goes along from here. */
  #admit(): void {
    for (const follower of [...this.#followers.values()]) {
      if (follower.since === undefined && this.#position !== undefined) this.arrived(follower, this.#position);
    }
  }

  /** What comes meanwhile, since a member publishes when it is told something, waits until all members have had this; so does who joins. */
  #work(run: () => void): void {
    this.#isBusy = true;
    run();
    this.#isBusy = false;
    if (this.#followers.size > 0) this.#admit();
  }

  /** Delivers what was kept, as far as it has no hole, and then has the log read if there is a reason. */
  #goOn(): void {
    if (this.#isBusy || this.#stopReading !== undefined || this.#position === undefined) return;
    let isHole = false;
    this.#work(() => {
      isHole = !this.#empty();
    });
    this.#tries = isHole && this.#known > 0 ? this.#tries + 1 : 0;
    if ((isHole || this.#isBehind) && !this.#isClosed) this.#read();
  }

  /** False when the next one is behind a hole. */
  #empty(): boolean {
    for (let entry = this.#kept[0]; entry !== undefined; entry = this.#kept[0]) {
      const position = this.#position as Position;
      // One from before the log was read, and not of that log: what it is of is over.
      const isOver = isPast(entry, position) || (this.#known > 0 && entry.epoch !== position.epoch);
      const isNext = entry.epoch === position.epoch && entry.previous === position.offset;
      if (!isOver && !isNext) return false;
      this.#kept.shift();
      this.#known = Math.max(0, this.#known - 1);
      if (!isOver) this.#deliver(entry);
    }
    return true;
  }

  #deliverAll(entries: readonly Entry[], { offset, epoch }: Position): void {
    for (const entry of entries) if (!isPast(entry, this.#position as Position)) this.#deliver(entry);
    if (offset > (this.#position?.offset ?? 0)) this.#position = { offset, epoch };
  }

  #deliver(entry: Entry): void {
    this.#position = placeOf(entry);
    const hand = this.#host.hand(entry);
    for (const [seat, offset] of this.#ahead) if (offset < entry.offset) this.#ahead.delete(seat);
    for (const seat of this.#seats) if (this.#isAbreast(seat)) hand(seat);
    if (this.#followers.size === 0) return;
    for (const follower of [...this.#followers.values()]) follower.take(entry);
  }

  /** Whether a member has come as far as the others and no further. */
  #isAbreast(seat: Seat): boolean {
    return this.#followers.size + this.#ahead.size === 0 || !(this.#followers.has(seat) || this.#ahead.has(seat));
  }

  /** Those who have had more than the others may lose nothing by that: they go on from their own place. */
  #gap(reason: LossReason, found: Position): void {
    const position = placeOf(found);
    const ahead = position.epoch === this.#position?.epoch ? [...this.#ahead] : [];
    this.#position = position;
    this.#ahead.clear();
    for (const [seat, offset] of ahead) {
      if (offset > position.offset) this.#ahead.set(seat, offset);
      else if (offset < position.offset) this.#follow(seat, { offset, epoch: position.epoch });
    }
    const hasIt = new Set(ahead.map(([seat]) => seat));
    for (const seat of [...this.#seats]) {
      if (!this.#followers.has(seat) && !hasIt.has(seat)) this.#host.tell(seat, 'gap', { ...position, reason });
    }
    for (const follower of [...this.#followers.values()]) follower.read();
  }

  #follow(seat: Seat, since: Position): void {
    this.#followers.set(seat, new Follower(seat, since, () => {}, this));
  }
}

function isPast(entry: Entry, position: Position): boolean {
  return entry.epoch === position.epoch && entry.offset <= position.offset;
}

function isAt(a: Position, b: Position | undefined): boolean {
  return a.epoch === b?.epoch && a.offset === b.offset;
}

function isBefore(a: Position, b: Position): boolean {
  return a.epoch === b.epoch && a.offset < b.offset;
}

function placeOf({ offset, epoch }: Position): Position {
  return { offset, epoch };
}
