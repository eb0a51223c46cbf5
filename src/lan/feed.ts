import type { Instant } from '../core/index.ts';
import { decodeValue } from '../wire/index.ts';
import { Assembly } from './assembly.ts';
import type { BlockReader } from './blocks.ts';
import { COUNT_BEAT, COUNT_END, type DataHeader, RANGES_MOST, type Range, type Welcome } from './datagrams.ts';
import { type Hole, Holes } from './holes.ts';
import type { LanLimits, LanTimes } from './options.ts';
import type { EndReason, GapReason, LanAddress, SubscriberEvent } from './types.ts';

/** The subscriber, as a feed sees it. */
export interface FeedHost {
  readonly limits: LanLimits;
  readonly times: LanTimes;
  readonly reader: BlockReader;
  readonly counts: FeedCounts;
  wants(topic: string): boolean;
  event(event: SubscriberEvent): void;
  /** Takes so many bytes of what may be held; false when there is not so much. Negative gives back. */
  hold(bytes: number): boolean;
  /** A number from 0 to 1. */
  chance(): number;
}

export interface FeedCounts {
  messages: number;
  volatile: number;
  unwanted: number;
  duplicates: number;
  recovered: number;
  lost: number;
}

/** What is remembered of a publisher when it is no longer listened to. */
export interface Past {
  readonly next: number;
  readonly volatileNext: number;
  readonly beat: number;
  /** It has said so itself: nothing of it is taken in any more. */
  readonly ended: boolean;
}

export interface FeedInit extends Omit<Past, 'ended'> {
  readonly publisher: string;
  readonly address: LanAddress;
  readonly door: number;
  readonly nonce: Uint8Array;
  readonly proof: Uint8Array;
  /** What is known to have been published, up to and not including this number. */
  readonly known: number;
  /** Whether `next` may be in the middle of a long message. */
  readonly joining: boolean;
  /** Whether what is missing now is from before this subscriber came. */
  readonly old: boolean;
}

/** A proof that is refused more often in a row isn't mended by asking at once. */
const REFUSALS_MOST = 3;

interface HeldDatagram {
  readonly bytes: Uint8Array;
  readonly first: number;
  readonly to: number;
}

/**
 * The messages of one publisher, put in order. All numbers from `next` to `known` are either missing (`Holes`) or held back, since something
 * before them is missing.
 */
export class Feed {
  readonly publisher: string;
  readonly #host: FeedHost;
  readonly #holes = new Holes();
  readonly #assembly: Assembly;
  /** In the order of their first numbers; those before `#heldAt` are handed on. */
  #held: HeldDatagram[] = [];
  #heldAt = 0;
  #heldBytes = 0;
  #next: number;
  #known: number;
  #volatileNext: number;
  #beat: number;
  #address: LanAddress;
  #door: number;
  readonly nonce: Uint8Array;
  #proof: Uint8Array;
  #heardAt: Instant;
  /** What came too early found no memory: only what is next is asked for, until there is room again. */
  #isFull = false;
  /** Proofs that were refused since something was found. */
  #refusals = 0;
  /** The publisher has told its end; what is missing is waited for. */
  #saidEnd = false;
  #isOver = false;

  constructor(init: FeedInit, host: FeedHost, now: Instant) {
    this.publisher = init.publisher;
    this.#host = host;
    this.#next = init.next;
    this.#known = init.next;
    this.#volatileNext = init.volatileNext;
    this.#beat = init.beat;
    this.#address = init.address;
    this.#door = init.door;
    this.nonce = init.nonce;
    this.#proof = init.proof;
    this.#heardAt = now;
    this.#assembly = new Assembly(host.limits.messageBytes, init.joining, (from, to) => this.#gap(from, to, 'cut'));
    host.event({ type: 'publisher', publisher: this.publisher, address: this.address, sequence: init.next });
    this.#learn(init.known, now, init.old);
  }

  get address(): LanAddress {
    return { address: this.#address.address, port: this.#door };
  }

  get state(): 'live' | 'ending' {
    return this.#saidEnd ? 'ending' : 'live';
  }

  /** Nothing comes from it any more, and the end was told. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Something is missing, so that `due` may be early. */
  get isBehind(): boolean {
    return this.#holes.count > 0;
  }

  get next(): number {
    return this.#next;
  }

  get missing(): number {
    return this.#holes.missing;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get proof(): Uint8Array {
    return this.#proof;
  }

  past(): Past {
    return {
      next: this.#next,
      volatileNext: this.#volatileNext,
      beat: this.#beat,
      ended: this.#saidEnd,
    };
  }

  /** Messages, with blocks that were found good; a sign of life; or the end. */
  onData(bytes: Uint8Array, header: DataHeader, beat: number, from: LanAddress, now: Instant): void {
    if (header.count === COUNT_BEAT || header.count === COUNT_END) this.#onBeat(header, beat, from, now);
    else this.#onMessages(bytes, header, from, now);
    this.#settle();
  }

  onVolatile(bytes: Uint8Array, { first, count, door }: DataHeader, from: LanAddress, now: Instant): void {
    const to = first + count;
    if (to <= this.#volatileNext) {
      this.#host.counts.duplicates++;
      return;
    }
    const { reader } = this.#host;
    reader.start(bytes);
    for (let number = first; number < to; number++) {
      reader.step();
      if (number < this.#volatileNext || reader.more || reader.continued) continue;
      const payload = this.#host.wants(reader.topic) ? bytes.subarray(reader.from, reader.to) : undefined;
      this.#tell(reader.topic, payload, number, 1, true);
    }
    this.#volatileNext = to;
    this.#onFresh(from, door, now);
  }

  /** The publisher has answered that our proof is none, or no longer: what was asked with it was not asked, unless that goes on. */
  onWelcome(welcome: Welcome, now: Instant): void {
    this.#proof = welcome.proof;
    if (++this.#refusals <= REFUSALS_MOST) {
      for (const hole of this.#open()) {
        if (hole.asks === 0) continue;
        hole.asks--;
        hole.askAt = now;
      }
    }
    this.#learn(welcome.next, now, false);
    this.#settle();
  }

  onGone(ranges: readonly Range[]): void {
    for (const { from, to } of ranges) this.#holes.lose(from, to, 'expired');
    this.#settle();
  }

  /** What should be asked for now; it counts as asked. */
  asks(now: Instant): Range[] {
    const { limits, times } = this.#host;
    const due: Range[] = [];
    // Who has no door can't be asked, for any of it.
    if (this.#door === 0) this.#holes.lose(this.#next, this.#known, 'unanswered');
    for (const hole of this.#open()) {
      if (hole.askAt > now) continue;
      if (hole.asks >= limits.asks) hole.lost = 'unanswered';
      else {
        hole.askAt = now + retryWait(times, hole.asks, this.#host.chance());
        hole.asks++;
        due.push({ from: hole.from, to: hole.to });
      }
    }
    this.#settle();
    return due;
  }

  /** When `asks` or `isSilent` will have something to say. */
  due(): Instant {
    let due = this.#heardAt + this.#host.times.silence;
    for (const { askAt } of this.#open()) if (askAt < due) due = askAt;
    return due;
  }

  isSilent(now: Instant): boolean {
    return now >= this.#heardAt + this.#host.times.silence;
  }

  /** Ends it, since it is silent: what is missing never comes. */
  giveUp(): void {
    this.#holes.lose(this.#next, this.#known, 'unanswered');
    this.#drain();
    if (!this.#isOver) this.#over(this.#saidEnd ? 'ended' : 'silent');
  }

  /** What is to be asked for next. */
  #open(): Hole[] {
    const { askMessages, asksAtOnce } = this.#host.limits;
    const most = this.#isFull ? 1 : Math.min(asksAtOnce, RANGES_MOST);
    return this.#holes.open(most, Math.min(askMessages, 0xffff));
  }

  #onBeat({ first, count, door }: DataHeader, beat: number, from: LanAddress, now: Instant): void {
    if (beat <= this.#beat) {
      this.#host.counts.duplicates++;
      return;
    }
    this.#beat = beat;
    this.#onFresh(from, door, now);
    this.#learn(first, now, false);
    if (count === COUNT_END) this.#saidEnd = true;
  }

  #onMessages(bytes: Uint8Array, { first, count, door }: DataHeader, from: LanAddress, now: Instant): void {
    const to = first + count;
    const isEarly = first > this.#next;
    // Without memory for what comes too early it is as if only its number had come.
    const isHeard = !isEarly || this.#host.hold(bytes.length);
    if (!isHeard) this.#isFull = true;
    const isFresh = to > this.#known;
    const found = isHeard ? this.#find(Math.max(first, this.#next), Math.min(to, this.#known), now) : 0;
    if (isFresh) this.#learn(isHeard ? first : to, now, false);
    if (isFresh || found > 0) this.#onFresh(from, isFresh ? door : this.#door, now);
    if (!isHeard) return;
    if (!isFresh && found === 0) {
      if (isEarly) this.#host.hold(-bytes.length);
      this.#host.counts.duplicates++;
      return;
    }
    this.#known = Math.max(this.#known, to);
    if (isEarly) this.#holdBack(bytes, first, to);
    else this.#read(bytes, first, to);
  }

  /** Takes out of what is missing what has come; returns how many numbers. */
  #find(from: number, to: number, now: Instant): number {
    if (from >= to || this.#holes.count === 0) return 0;
    const askAt = now + retryWait(this.#host.times, 0, this.#host.chance());
    const found = this.#holes.fill(from, to, askAt, this.#onRecovered);
    if (found > 0) this.#refusals = 0;
    return found;
  }

  /** Something came that nobody can have repeated. */
  #onFresh(from: LanAddress, door: number, now: Instant): void {
    this.#heardAt = now;
    this.#address = from;
    this.#door = door;
  }

  /** Numbers up to `known` have been published: what is not here is missing. */
  #learn(known: number, now: Instant, old: boolean): void {
    if (known <= this.#known) return;
    const { reorderWait, askJitter } = this.#host.times;
    this.#holes.append(this.#known, known, now + reorderWait + this.#host.chance() * askJitter, old);
    this.#known = known;
  }

  readonly #onRecovered = (from: number, to: number): void => {
    this.#host.counts.recovered += to - from;
    this.#host.event({ type: 'recovered', publisher: this.publisher, from, to: to - 1 });
  };

  /** Keeps a copy until its turn comes. */
  #holdBack(bytes: Uint8Array, first: number, to: number): void {
    const held = { bytes: new Uint8Array(bytes), first, to };
    this.#heldBytes += bytes.length;
    let low = this.#heldAt;
    let high = this.#held.length;
    if (high === low || (this.#held[high - 1] as HeldDatagram).first <= first) {
      this.#held.push(held);
      return;
    }
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#held[middle] as HeldDatagram).first <= first) low = middle + 1;
      else high = middle;
    }
    this.#held.splice(low, 0, held);
  }

  /** Takes out the first that is held; those that are out make room when they are half of all. */
  #takeHeld(held: HeldDatagram): void {
    this.#heldBytes -= held.bytes.length;
    this.#host.hold(-held.bytes.length);
    this.#heldAt++;
    if (this.#heldAt * 2 < this.#held.length) return;
    this.#held = this.#held.slice(this.#heldAt);
    this.#heldAt = 0;
  }

  /** Keeps the limits, hands on what has its turn, and ends what is to end. */
  #settle(): void {
    const { holes, behindMessages, asksAtOnce } = this.#host.limits;
    if (this.#known - this.#next > behindMessages) this.#holes.lose(this.#next, this.#known - behindMessages, 'limits');
    this.#drain();
    // Those that are asked for were split, which is not the network's doing.
    while (this.#holes.count > holes + asksAtOnce) {
      const { from, to } = this.#holes.first as Range;
      this.#holes.lose(from, to, 'limits');
      this.#drain();
    }
    if (this.#saidEnd && this.#next === this.#known && !this.#isOver) this.#over('ended');
  }

  #over(reason: EndReason): void {
    this.#assembly.end(this.#next);
    this.#isOver = true;
    this.#host.event({ type: 'end', publisher: this.publisher, reason });
  }

  #drain(): void {
    for (;;) {
      const hole = this.#holes.first;
      const held = this.#held[this.#heldAt];
      if (hole !== undefined && hole.from <= this.#next) {
        if (hole.lost === undefined) break;
        this.#holes.shift();
        this.#pass(hole.to, hole.lost);
      } else if (held !== undefined && held.first <= this.#next) {
        this.#takeHeld(held);
        if (held.to > this.#next) this.#read(held.bytes, held.first, held.to);
      } else break;
    }
    if (this.#held.length === 0) this.#isFull = false;
  }

  /** Goes on behind what is lost; pieces that are lost for the same reason are one gap. */
  #pass(lostTo: number, reason: GapReason): void {
    const from = this.#next;
    let to = lostTo;
    for (let more = this.#holes.first; more?.from === to && more.lost === reason; more = this.#holes.first) {
      to = more.to;
      this.#holes.shift();
    }
    this.#assembly.end(from);
    this.#next = to;
    this.#gap(from, to - 1, reason);
  }

  #gap(from: number, to: number, reason: GapReason): void {
    this.#host.counts.lost += to - from + 1;
    this.#host.event({ type: 'gap', publisher: this.publisher, from, to, reason });
  }

  /** Hands on the messages of a datagram from `next` on. */
  #read(bytes: Uint8Array, first: number, to: number): void {
    const { reader } = this.#host;
    const assembly = this.#assembly;
    reader.start(bytes);
    for (let number = first; number < to; number++) {
      reader.step();
      if (number < this.#next) continue;
      if (reader.continued) {
        const whole = assembly.goOn(reader, bytes, number);
        if (whole !== undefined) this.#tell(whole.topic, whole.payload, whole.first, number + 1 - whole.first, false);
        continue;
      }
      assembly.begins(number);
      const wanted = this.#host.wants(reader.topic);
      if (reader.more) assembly.begin(reader, bytes, number, wanted);
      else this.#tell(reader.topic, wanted ? bytes.subarray(reader.from, reader.to) : undefined, number, 1, false);
    }
    this.#next = to;
  }

  /** @param payload Undefined: nobody wants it. */
  #tell(topic: string, payload: Uint8Array | undefined, sequence: number, parts: number, volatile: boolean): void {
    const { counts } = this.#host;
    if (payload === undefined) {
      counts.unwanted++;
      return;
    }
    const decoded = decodeValue(payload);
    if (decoded === undefined) {
      if (!volatile) this.#gap(sequence, sequence + parts - 1, 'malformed');
      return;
    }
    if (volatile) counts.volatile++;
    else counts.messages++;
    const { publisher } = this;
    this.#host.event({ type: 'message', topic, data: decoded.value, publisher, sequence, parts, volatile });
  }
}

/** How long the next answer is waited for after `asks` requests without one. */
export function retryWait({ retryWait: first, retryWaitMost }: LanTimes, asks: number, chance: number): number {
  return Math.min(retryWaitMost, first * 2 ** asks) * (0.75 + chance / 2);
}
