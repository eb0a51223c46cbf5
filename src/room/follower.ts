import type { Entry, Position, Reading } from '../engine/index.ts';
import type { Joined, LossReason } from './joined.ts';
import type { Seat } from './namespace.ts';

/** Messages that wait behind those that a slow member is given; what comes then is read again. */
export const QUEUE_MOST = 1000;

/** What a follower needs of the feed of its room. */
export interface FollowerHost {
  /** Where the members are; undefined until it is known. */
  readonly position: Position | undefined;
  read(since: Position, tries: number, answered: (reading: Reading) => void): () => void;
  /** Whether it was for this seat. */
  deliver(entry: Entry, seat: Seat): boolean;
  /** Says where the log stands, if that was not known, and runs `then` before anything else is delivered. */
  learn(position: Position, then: () => void): void;
  /** What the members have is of another log, or not of the newest. */
  catchUp(): void;
  arrived(follower: Follower, cursor: Position): void;
  lost(follower: Follower, reason: LossReason, found: Position): void;
}

/**
 * A member on the way from the place where it was to where the others are: it is given what the log has after that place, no faster than its
 * link takes it, then what the others were given meanwhile, and then is one of them. What it has had when the log can't go on stays its.
 */
export class Follower {
  readonly seat: Seat;
  /** Where it comes from; undefined for who only waits to be told where the room is. */
  readonly since: Position | undefined;
  /** How many messages it was given. */
  missed = 0;
  readonly #host: FollowerHost;
  #tellAll: ((joined: Joined) => void)[];
  /** It has had all up to here. */
  #cursor: Position | undefined;
  /** What it is still to be given: first what was read, then what the others had meanwhile. */
  #queue: Entry[] = [];
  /** All up to here is in the queue, or was. */
  #end: Position | undefined;
  #stopReading: (() => void) | undefined;
  #tries = 0;
  #isOverrun = false;
  #waitsForFeed = false;
  #isGoingOn = false;
  #isOver = false;

  constructor(seat: Seat, since: Position | undefined, done: (joined: Joined) => void, host: FollowerHost) {
    this.seat = seat;
    this.since = since;
    this.#cursor = since;
    this.#tellAll = [done];
    this.#host = host;
  }

  get isReading(): boolean {
    return this.#stopReading !== undefined;
  }

  /** What it has had; only for who comes from somewhere. */
  get cursor(): Position | undefined {
    return this.#cursor;
  }

  alsoTell(done: (joined: Joined) => void): void {
    this.#tellAll.push(done);
  }

  /** The end: it has become one of the others, or has left. */
  done(joined: Joined): void {
    this.#isOver = true;
    this.#stopReading?.();
    this.#stopReading = undefined;
    this.#queue = [];
    for (const tell of this.#tellAll) tell(joined);
    this.#tellAll = [];
  }

  /** Reads on from what it has had. Quiet for who comes from nowhere. */
  read(): void {
    if (this.#cursor === undefined || this.#isOver) return;
    this.#stopReading?.();
    this.#waitsForFeed = false;
    this.#isOverrun = false;
    this.#queue = [];
    this.#end = undefined;
    this.#stopReading = this.#host.read(this.#cursor, this.#tries, (reading) => this.#answered(reading));
  }

  /** The others are given this. */
  take(entry: Entry): void {
    const end = this.#end;
    if (end !== undefined && end.epoch === entry.epoch && entry.offset <= end.offset) return;
    if (this.#queue.length >= QUEUE_MOST) this.#isOverrun = true;
    else if (!this.#isOverrun) {
      this.#queue.push(entry);
      if (end !== undefined) this.#end = entry;
    }
    this.goOn();
  }

  /** The feed has read the log on. */
  feedWentOn(): void {
    if (this.#waitsForFeed) this.read();
  }

  /** Delivers what there is, as far as the link takes it. */
  goOn(): void {
    if (this.#isGoingOn || this.#end === undefined) return;
    this.#isGoingOn = true;
    const isThrough = this.#empty();
    this.#isGoingOn = false;
    if (!isThrough || this.#isOver) return;
    if (this.#isOverrun) this.read();
    else this.#host.arrived(this, this.#end);
  }

  #answered(reading: Reading): void {
    this.#stopReading = undefined;
    const members = this.#host.position;
    const found = reading.position;
    if (members !== undefined && members.epoch !== found.epoch) {
      this.#tries += 1;
      this.#waitsForFeed = true;
      this.#host.catchUp();
    } else if (!reading.isWhole || found.epoch !== this.#cursor?.epoch) {
      const reason = reading.isWhole ? 'epoch' : reading.reason;
      this.#host.learn(found, () => this.#host.lost(this, reason, found));
    } else if (this.#fill(reading.entries, found)) {
      this.#tries = 0;
      this.#host.learn(found, () => this.goOn());
    } else {
      this.#tries += 1;
      this.read();
    }
  }

  /** What was read, and behind it what the others had meanwhile. False when that leaves a hole: the answer is an old one. */
  #fill(entries: readonly Entry[], found: Position): boolean {
    const later = this.#queue;
    const { position } = this.#host;
    let end = found;
    this.#queue = [...entries];
    for (const entry of later) {
      if (entry.offset <= end.offset) continue;
      if (entry.previous !== end.offset) return false;
      this.#queue.push(entry);
      end = entry;
    }
    this.#end = end;
    return this.#isOverrun || position === undefined || end.offset >= position.offset;
  }

  /** False when something is left for when the link takes more. */
  #empty(): boolean {
    let at = 0;
    while (at < this.#queue.length && !this.#isOver && !this.seat.mustWait(true)) {
      const entry = this.#queue[at];
      at += 1;
      if (entry === undefined) continue;
      this.#cursor = entry;
      if (this.#host.deliver(entry, this.seat)) this.missed += 1;
    }
    this.#queue.splice(0, at);
    return this.#queue.length === 0;
  }
}
