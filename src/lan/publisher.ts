import { HawserError, type Instant } from '../core/index.ts';
import { encodeValue } from '../wire/index.ts';
import { Answers } from './answers.ts';
import {
  COUNT_BEAT,
  COUNT_END,
  encodeBeat,
  keyOfSession,
  readRequest,
  SESSION_BYTES,
  sessionKey,
  sessionName,
} from './datagrams.ts';
import { KIND, kindOf, open } from './envelope.ts';
import { Faults } from './faults.ts';
import type { LanKey } from './keys.ts';
import { type LanLimits, type LanTimes, lanLimits, lanTimes } from './options.ts';
import { Packer, TopicBytes } from './packer.ts';
import { Queue } from './queue.ts';
import { Store } from './store.ts';
import type { LanAddress, LanDatagram, LanFault, PublisherEvent, PublisherOptions, PublisherStats } from './types.ts';

const TOPICS_KNOWN = 10_000;

/**
 * The publishing side of the bus: messages and requests go in, datagrams come out. After each call drain `poll` and `pollEvent`, then arm
 * one timer for `deadline`. Times passed in must never go backwards.
 */
export class Publisher {
  /** 24 hexadecimal digits, drawn anew for each publisher. */
  readonly session: string;
  readonly #sessionBytes: Uint8Array;
  readonly #sessionKey: string;
  readonly #door: number;
  readonly #keys: readonly LanKey[];
  readonly #limits: LanLimits;
  readonly #times: LanTimes;
  readonly #topics = new TopicBytes(TOPICS_KNOWN);
  readonly #packer: Packer;
  readonly #volatilePacker: Packer;
  readonly #store: Store;
  readonly #answers: Answers;
  readonly #faults: Faults;
  readonly #events: PublisherEvent[] = [];
  /** Datagrams for all. */
  readonly #waiting = new Queue<LanDatagram>();
  #waitingBytes = 0;
  #now: Instant;
  /** Somebody was told to stop. */
  #full = false;
  #beats = 0;
  #beatAt: Instant;
  #beatWait: number;
  #state: 'open' | 'ending' | 'ended' = 'open';
  #endsLeft: number;
  readonly #counts = { messages: 0, volatile: 0, dropped: 0, datagrams: 0, bytes: 0, heartbeats: 0, requests: 0 };

  /** @throws HawserError ERR_OPTION for limits that can't be, or for keys without a door: nobody could believe such a publisher. */
  constructor({ door, random, prove, keys = [], limits, times }: PublisherOptions, now: Instant) {
    this.#limits = lanLimits(limits);
    this.#times = lanTimes(times);
    if (door === 0 && keys.length > 0) throw new HawserError('ERR_OPTION', 'a publisher with a key needs a door');
    this.#door = door;
    this.#keys = keys;
    this.#sessionBytes = random.bytes(SESSION_BYTES);
    this.#sessionKey = keyOfSession(this.#sessionBytes);
    this.session = sessionName(this.#sessionKey);
    this.#now = now;
    this.#beatWait = this.#times.heartbeatFirst;
    this.#beatAt = now + this.#beatWait;
    this.#endsLeft = this.#limits.endRepeats;
    this.#faults = new Faults(this.#times.faultInterval);
    this.#packer = this.#newPacker(KIND.data, (bytes, first, next) => this.#onPacked(bytes, first, next));
    this.#volatilePacker = this.#newPacker(KIND.volatile, (bytes) => this.#push(bytes));
    const { storeMessages, storeBytes } = this.#limits;
    this.#store = new Store({ messages: storeMessages, bytes: storeBytes, age: this.#times.storeAge });
    this.#answers = new Answers({
      session: this.#sessionBytes,
      key: keys[0],
      prove,
      limits: this.#limits,
      times: this.#times,
      store: this.#store,
      volatileNext: () => this.#volatilePacker.next,
      startedAt: now,
    });
  }

  /**
   * Takes in a message for the next datagrams; it may wait in an unfinished one until `poll` asks for it, so poll once per turn. Returns
   * false when more than `limits.backlogMark` waits (a `drain` follows): the message is taken all the same, or dropped if it is volatile.
   * @throws HawserError ERR_ARGUMENT for a topic that is none, ERR_UNENCODABLE, ERR_MESSAGE_TOO_LARGE (a volatile message must fit in one
   * datagram), ERR_BACKLOG_FULL over `limits.backlogBytes`, ERR_CLOSED after `end`.
   */
  publish(topic: string, data: unknown, now: Instant, volatile = false): boolean {
    this.#now = now;
    if (this.#state !== 'open') throw new HawserError('ERR_CLOSED', 'this publisher has ended');
    const name = this.#topics.of(topic);
    const payload = encodeValue(data);
    this.#checkSize(name, payload, volatile);
    const backlog = this.#backlog;
    if (volatile && backlog > this.#limits.backlogMark) {
      this.#counts.dropped++;
      this.#full = true;
      return false;
    }
    if (backlog + payload.length > this.#limits.backlogBytes) throw new HawserError('ERR_BACKLOG_FULL');
    (volatile ? this.#volatilePacker : this.#packer).add(name, payload);
    if (volatile) this.#counts.volatile++;
    else this.#counts.messages++;
    if (this.#backlog <= this.#limits.backlogMark) return true;
    this.#full = true;
    return false;
  }

  /** Takes in a datagram that came to the door. Never throws; the bytes are read during the call. */
  receive(bytes: Uint8Array, from: LanAddress, now: Instant): void {
    this.#now = now;
    if (this.#state === 'ended') return;
    const fault = this.#receive(bytes, from, now);
    const told = fault === undefined ? undefined : this.#faults.count(fault, from, now);
    if (told !== undefined) this.#events.push(told);
  }

  /** Tells the end, some times; requests are answered until `ended`. */
  end(now: Instant): void {
    if (this.#state !== 'open') return;
    this.#flush(now);
    this.#state = 'ending';
    this.#beatAt = now;
    this.tick(now);
  }

  /** Whether the end was told often enough. */
  get ended(): boolean {
    return this.#state === 'ended';
  }

  /** Runs what is due. A call that is too early does nothing. */
  tick(now: Instant): void {
    this.#now = now;
    if (this.#state === 'ended' || now < this.#beatAt) return;
    this.#store.expire(now);
    if (this.#state === 'ending') this.#tellEnd(now);
    else this.#tellLife(now);
  }

  /** The next datagram to send; undefined when there is none now. Whoever can't send leaves it here: the backlog is counted here. */
  poll(now: Instant): LanDatagram | undefined {
    if (this.#waiting.length === 0) this.#flush(now);
    const datagram = this.#waiting.shift();
    if (datagram === undefined) return this.#answers.poll(now);
    this.#waitingBytes -= datagram.bytes.length;
    this.#counts.datagrams++;
    this.#counts.bytes += datagram.bytes.length;
    if (this.#full && this.#backlog <= this.#limits.backlogMark / 2) {
      this.#full = false;
      this.#events.push({ type: 'drain' });
    }
    return datagram;
  }

  pollEvent(): PublisherEvent | undefined {
    return this.#events.shift();
  }

  /** When `tick`, and then `poll`, want to be called; undefined when there is nothing to wait for. */
  deadline(): Instant | undefined {
    if (this.#state === 'ended') return undefined;
    return Math.min(this.#beatAt, this.#answers.readyAt(this.#now) ?? Infinity);
  }

  stats(): PublisherStats {
    const { answers, bytes: answerBytes, welcomes, gone } = this.#answers.counts;
    return {
      ...this.#counts,
      next: this.#packer.next,
      answers,
      answerBytes,
      welcomes,
      gone,
      storeMessages: this.#store.messages,
      storeBytes: this.#store.bytes,
      backlogBytes: this.#backlog,
      faults: this.#faults.totals(),
    };
  }

  get #backlog(): number {
    return this.#waitingBytes + this.#packer.openBytes + this.#volatilePacker.openBytes;
  }

  #newPacker(kind: number, done: (bytes: Uint8Array, first: number, next: number) => void): Packer {
    const { datagramBytes } = this.#limits;
    return new Packer({ kind, session: this.#sessionBytes, door: this.#door, datagramBytes, key: this.#keys[0], done });
  }

  #checkSize(topic: Uint8Array, payload: Uint8Array, volatile: boolean): void {
    const { messageBytes } = this.#limits;
    if (payload.length > messageBytes) {
      throw new HawserError('ERR_MESSAGE_TOO_LARGE', `${payload.length} bytes; at most ${messageBytes} are allowed`);
    }
    if (volatile && !this.#volatilePacker.fits(topic, payload)) {
      throw new HawserError('ERR_MESSAGE_TOO_LARGE', 'a volatile message must fit in one datagram');
    }
  }

  #onPacked(bytes: Uint8Array, first: number, next: number): void {
    const sent = { bytes, to: undefined, first, next, at: this.#now };
    this.#store.add(sent);
    this.#waiting.push(sent);
    this.#waitingBytes += bytes.length;
    this.#beatWait = this.#times.heartbeatFirst;
    this.#beatAt = this.#now + this.#beatWait;
  }

  #push(bytes: Uint8Array): void {
    this.#waiting.push({ bytes, to: undefined });
    this.#waitingBytes += bytes.length;
  }

  #flush(now: Instant): void {
    this.#now = now;
    this.#packer.flush();
    this.#volatilePacker.flush();
  }

  /** A sign of life says which number comes next, so that the loss of the last message is noticed. One waits at a time. */
  #tellLife(now: Instant): void {
    this.#flush(now);
    if (this.#waiting.length === 0) {
      this.#tell(COUNT_BEAT);
      this.#counts.heartbeats++;
    }
    this.#beatWait = Math.min(this.#beatWait * 2, this.#times.heartbeat);
    this.#beatAt = now + this.#beatWait;
  }

  #tellEnd(now: Instant): void {
    if (this.#endsLeft-- <= 0) {
      this.#state = 'ended';
      return;
    }
    this.#tell(COUNT_END);
    this.#beatAt = now + this.#times.endSpacing;
  }

  #tell(count: number): void {
    const header = { door: this.#door, first: this.#packer.next, count };
    this.#push(encodeBeat(this.#sessionBytes, header, ++this.#beats, this.#keys[0]));
  }

  #receive(bytes: Uint8Array, from: LanAddress, now: Instant): LanFault | undefined {
    const end = open(bytes, this.#keys);
    if (typeof end === 'string') return end;
    if (kindOf(bytes) !== KIND.request) return 'request';
    const request = readRequest(bytes, end);
    if (request === undefined) return 'malformed';
    if (sessionKey(bytes) !== this.#sessionKey) return 'request';
    this.#counts.requests++;
    return this.#answers.take(request, from, now);
  }
}
