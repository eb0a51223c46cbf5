import type { Instant, Random } from '../core/index.ts';
import { areBlocks, BlockReader } from './blocks.ts';
import {
  answers,
  COUNT_BEAT,
  COUNT_END,
  type DataHeader,
  encodeRequest,
  NONCE_BYTES,
  PROOF_BYTES,
  type Range,
  readBeat,
  readDataHeader,
  readGone,
  readWelcome,
  SESSION_BYTES,
  sessionKey,
  sessionName,
  type Welcome,
} from './datagrams.ts';
import { HEAD_BYTES, KIND, kindOf, open } from './envelope.ts';
import { Faults } from './faults.ts';
import { Feed, type FeedCounts, type FeedHost, type Past } from './feed.ts';
import type { LanKey } from './keys.ts';
import { type LanLimits, type LanTimes, lanLimits, lanTimes } from './options.ts';
import { Queue } from './queue.ts';
import { Rate } from './rate.ts';
import { Stranger } from './stranger.ts';
import type {
  HeardPublisher,
  LanAddress,
  LanDatagram,
  LanFault,
  SubscriberEvent,
  SubscriberOptions,
  SubscriberStats,
} from './types.ts';

const NO_PROOF = new Uint8Array(PROOF_BYTES);

/**
 * The listening side of the bus: datagrams go in, messages and requests come out. After each call drain `poll` and `pollEvent`, then arm
 * one timer for `deadline`. Times passed in must never go backwards.
 */
export class Subscriber {
  readonly #limits: LanLimits;
  readonly #times: LanTimes;
  readonly #host: FeedHost;
  readonly #counts: FeedCounts = { messages: 0, volatile: 0, unwanted: 0, duplicates: 0, recovered: 0, lost: 0 };
  readonly #keys: readonly LanKey[];
  readonly #random: Random;
  readonly #since: 'now' | 'store';
  readonly #except: () => string | undefined;
  readonly #startedAt: Instant;
  /** By `sessionKey`. Strangers and the past in the order in which they came. */
  readonly #feeds = new Map<string, Feed>();
  readonly #strangers = new Map<string, Stranger>();
  readonly #past = new Map<string, Past>();
  #heldBytes = 0;
  /** Half of all requests each: neither those who make publishers up nor a bad line to one publisher keep others from being asked. */
  readonly #greetingRate: Rate;
  readonly #repairRate: Rate;
  readonly #requests = new Queue<LanDatagram>();
  readonly #events = new Queue<SubscriberEvent>();
  readonly #faults: Faults;
  /** No later than the first thing that is due. */
  #due: Instant = Infinity;
  #datagrams = 0;
  #bytes = 0;
  #requestCount = 0;

  /** @throws HawserError ERR_OPTION for limits that can't be. */
  constructor({ random, keys, limits, times, since, wants, except }: SubscriberOptions, now: Instant) {
    this.#limits = lanLimits(limits);
    this.#times = lanTimes(times);
    this.#keys = keys ?? [];
    this.#random = random;
    this.#since = since ?? 'now';
    this.#except = except ?? (() => undefined);
    this.#startedAt = now;
    const { requestRate, requestBurst } = this.#limits;
    this.#greetingRate = new Rate(requestRate / 2, requestBurst / 2, now);
    this.#repairRate = new Rate(requestRate / 2, requestBurst / 2, now);
    this.#faults = new Faults(this.#times.faultInterval);
    this.#host = this.#newHost(wants ?? (() => true));
  }

  /** Takes in a datagram, of the group or an answer. Never throws; the bytes are read during the call. */
  receive(bytes: Uint8Array, from: LanAddress, now: Instant): void {
    this.#datagrams++;
    this.#bytes += bytes.length;
    const fault = this.#receive(bytes, from, now);
    if (fault !== undefined) this.#onFault(fault, from, now);
  }

  /** Runs what is due. A call that is too early does nothing. */
  tick(now: Instant): void {
    if (now < this.#due) return;
    this.#due = Infinity;
    for (const [key, stranger] of this.#strangers) this.#greet(key, stranger, now);
    for (const [key, feed] of this.#feeds) this.#attend(key, feed, now);
  }

  /** The next request to send, always to one address. Send it from a socket whose datagrams come back to `receive`. */
  poll(_now: Instant): LanDatagram | undefined {
    return this.#requests.shift();
  }

  /** Events that wait for `pollEvent`. One datagram may bring thousands: whoever can't tell them in time takes nothing in meanwhile. */
  get waiting(): number {
    return this.#events.length;
  }

  pollEvent(): SubscriberEvent | undefined {
    return this.#events.shift();
  }

  /** When `tick` wants to be called; undefined when there is nothing to wait for. */
  deadline(): Instant | undefined {
    return this.#due === Infinity ? undefined : this.#due;
  }

  publishers(): HeardPublisher[] {
    const known = [...this.#feeds.values()].map(({ publisher, address, state, next, missing, heldBytes }) => {
      return { publisher, address, state, next, missing, heldBytes };
    });
    const strangers = [...this.#strangers.values()].map(({ publisher, address, heldBytes }): HeardPublisher => {
      return { publisher, address, state: 'proving', next: 0, missing: 0, heldBytes };
    });
    return [...known, ...strangers];
  }

  stats(): SubscriberStats {
    return {
      ...this.#counts,
      datagrams: this.#datagrams,
      bytes: this.#bytes,
      requests: this.#requestCount,
      publishers: this.#feeds.size,
      strangers: this.#strangers.size,
      heldBytes: this.#heldBytes,
      faults: this.#faults.totals(),
    };
  }

  #newHost(wants: (topic: string) => boolean): FeedHost {
    return {
      limits: this.#limits,
      times: this.#times,
      reader: new BlockReader(),
      counts: this.#counts,
      wants,
      event: (event) => this.#events.push(event),
      hold: (bytes) => this.#hold(bytes),
      chance: () => this.#random.unit(),
    };
  }

  #hold(bytes: number): boolean {
    if (this.#heldBytes + bytes > this.#limits.heldBytes) return false;
    this.#heldBytes += bytes;
    return true;
  }

  #onFault(fault: LanFault, from: LanAddress, now: Instant): void {
    const told = this.#faults.count(fault, from, now);
    if (told !== undefined) this.#events.push(told);
  }

  #receive(bytes: Uint8Array, from: LanAddress, now: Instant): LanFault | undefined {
    const end = open(bytes, this.#keys);
    if (typeof end === 'string') return end;
    switch (kindOf(bytes)) {
      case KIND.data:
      case KIND.volatile:
        return this.#onData(bytes, end, from, now);
      case KIND.welcome:
        return this.#onWelcome(bytes, end, now);
      case KIND.gone:
        return this.#onGone(bytes, end);
      case KIND.request:
        return 'request';
      default:
        return 'foreign';
    }
  }

  #onData(bytes: Uint8Array, end: number, from: LanAddress, now: Instant): LanFault | undefined {
    const header = end < HEAD_BYTES + SESSION_BYTES ? undefined : readDataHeader(bytes, end);
    if (header === undefined) return 'malformed';
    const isVolatile = kindOf(bytes) === KIND.volatile;
    const isBeat = header.count === COUNT_BEAT || header.count === COUNT_END;
    if (isBeat ? isVolatile : !areBlocks(bytes, end, header.count)) return 'malformed';
    const beat = isBeat ? readBeat(bytes) : 0;
    const key = sessionKey(bytes);
    const feed = this.#feeds.get(key);
    if (feed === undefined) return this.#onStranger(key, bytes, header, beat, isVolatile, from, now);
    if (isVolatile) feed.onVolatile(bytes, header, from, now);
    else feed.onData(bytes, header, beat, from, now);
    this.#after(key, feed);
    return undefined;
  }

  #onStranger(
    key: string,
    bytes: Uint8Array,
    header: DataHeader,
    beat: number,
    isVolatile: boolean,
    from: LanAddress,
    now: Instant,
  ): LanFault | undefined {
    const past = this.#past.get(key);
    if (past !== undefined && !isNews(past, header, beat, isVolatile)) {
      this.#counts.duplicates++;
      return undefined;
    }
    const stranger = this.#strangers.get(key) ?? this.#meet(key, bytes, past, now);
    if (stranger === undefined) return undefined;
    if (typeof stranger === 'string') return stranger;
    if (isVolatile) stranger.onVolatile(header, from);
    else stranger.onData(bytes, header, beat, from);
    if (header.door !== 0) return undefined;
    return this.#begin(key, stranger, undefined, now);
  }

  /** Hears of somebody for the first time. The oldest stranger gives way, so that whoever makes many of them up doesn't keep others out. */
  #meet(key: string, bytes: Uint8Array, past: Past | undefined, now: Instant): Stranger | LanFault | undefined {
    const publisher = sessionName(key);
    if (publisher === this.#except()) return undefined;
    if (this.#feeds.size >= this.#limits.publishers) return 'publishers';
    if (this.#strangers.size >= this.#limits.strangers) {
      for (const oldest of this.#strangers.keys()) {
        this.#strangers.delete(oldest);
        break;
      }
    }
    const stranger = new Stranger({
      publisher,
      session: bytes.slice(HEAD_BYTES, HEAD_BYTES + SESSION_BYTES),
      nonce: this.#random.bytes(NONCE_BYTES),
      past,
      now,
      askAt: now + this.#random.unit() * this.#times.askJitter,
    });
    this.#strangers.set(key, stranger);
    this.#due = Math.min(this.#due, stranger.askAt);
    return stranger;
  }

  #onWelcome(bytes: Uint8Array, end: number, now: Instant): LanFault | undefined {
    const welcome = readWelcome(bytes, end);
    if (welcome === undefined) return 'malformed';
    const key = sessionKey(bytes);
    const feed = this.#feeds.get(key);
    const stranger = this.#strangers.get(key);
    const nonce = feed?.nonce ?? stranger?.nonce;
    if (nonce === undefined || !answers(bytes, end, nonce)) return 'unasked';
    if (stranger !== undefined) return stranger.asks === 0 ? 'unasked' : this.#begin(key, stranger, welcome, now);
    feed?.onWelcome(welcome, now);
    if (feed !== undefined) this.#after(key, feed);
    return undefined;
  }

  #onGone(bytes: Uint8Array, end: number): LanFault | undefined {
    const ranges = readGone(bytes, end);
    if (ranges === undefined) return 'malformed';
    const key = sessionKey(bytes);
    const feed = this.#feeds.get(key);
    if (feed === undefined || !answers(bytes, end, feed.nonce)) return 'unasked';
    feed.onGone(ranges);
    this.#after(key, feed);
    return undefined;
  }

  /** A stranger has answered, or can't: it is listened to from now on, unless it must prove itself. */
  #begin(key: string, stranger: Stranger, welcome: Welcome | undefined, now: Instant): LanFault | undefined {
    const keyed = this.#keys.length > 0;
    if (welcome === undefined && !keyed && !stranger.isPlaced) return undefined;
    this.#strangers.delete(key);
    if (welcome === undefined && keyed) return 'unproved';
    if (this.#feeds.size >= this.#limits.publishers) return 'publishers';
    this.#past.delete(key);
    const beginning = { since: this.#since, startedAt: this.#startedAt, keyed };
    const feed = new Feed(stranger.beginning(welcome, beginning), this.#host, now);
    this.#feeds.set(key, feed);
    stranger.handOver(feed, now);
    this.#due = Math.min(this.#due, feed.due());
    this.#after(key, feed);
    return undefined;
  }

  /** What every word of a publisher may bring about. */
  #after(key: string, feed: Feed): void {
    if (feed.isOver) this.#forget(key, feed);
    else if (feed.isBehind) this.#due = Math.min(this.#due, feed.due());
  }

  #forget(key: string, feed: Feed): void {
    this.#feeds.delete(key);
    this.#past.set(key, feed.past());
    if (this.#past.size <= this.#limits.remembered) return;
    for (const oldest of this.#past.keys()) {
      this.#past.delete(oldest);
      break;
    }
  }

  /** Asks a stranger whether it is there, when it is time. */
  #greet(key: string, stranger: Stranger, now: Instant): void {
    if (stranger.askAt <= now) {
      if (stranger.asks >= this.#limits.greetings) {
        const fault = this.#begin(key, stranger, undefined, now);
        if (fault !== undefined) this.#onFault(fault, stranger.address, now);
        if (!this.#strangers.has(key)) return;
        this.#strangers.delete(key);
        return;
      }
      if (this.#greetingRate.take(1, now)) {
        stranger.asked(this.#times, this.#random.unit(), now);
        const { session, nonce, address } = stranger;
        this.#request(session, nonce, NO_PROOF, [], address);
      }
    }
    this.#due = Math.min(this.#due, Math.max(stranger.askAt, this.#greetingRate.readyAt(1, now)));
  }

  /** Asks for what is missing, when it is time, and gives up who is silent. */
  #attend(key: string, feed: Feed, now: Instant): void {
    if (feed.isSilent(now)) {
      feed.giveUp();
      this.#forget(key, feed);
      return;
    }
    if (feed.due() <= now && this.#repairRate.take(1, now)) {
      const ranges = feed.asks(now);
      if (ranges.length > 0) this.#request(sessionOf(key), feed.nonce, feed.proof, ranges, feed.address);
      if (feed.isOver) {
        this.#forget(key, feed);
        return;
      }
      // The others come first next time.
      this.#feeds.delete(key);
      this.#feeds.set(key, feed);
    }
    const due = feed.due();
    this.#due = Math.min(this.#due, due > now ? due : this.#repairRate.readyAt(1, now));
  }

  #request(session: Uint8Array, nonce: Uint8Array, proof: Uint8Array, ranges: readonly Range[], to: LanAddress): void {
    this.#requestCount++;
    this.#requests.push({ bytes: encodeRequest(session, { nonce, proof, ranges }, this.#keys[0]), to });
  }
}

function sessionOf(key: string): Uint8Array {
  return Uint8Array.from(key, (letter) => letter.charCodeAt(0));
}

/** Whether this comes after all that was heard of a publisher that was given up. */
function isNews(past: Past, { first, count }: DataHeader, beat: number, isVolatile: boolean): boolean {
  if (past.ended) return false;
  if (isVolatile) return first + count > past.volatileNext;
  return count === COUNT_BEAT || count === COUNT_END ? beat > past.beat : first + count > past.next;
}
