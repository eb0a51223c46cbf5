import {
  type LanAddress,
  type LanMessageEvent,
  Subscriber,
  type SubscriberEvent,
  type SubscriberOptions,
} from '../../../src/lan/index.ts';
import type { Clockwork } from './clockwork.ts';
import type { Record } from './ledger.ts';
import type { Host, Network } from './network.ts';

/** What a listener has had of one publisher. */
interface Heard {
  /** The number that must be told next. */
  next: number;
  /** What was told last by its index; and whether a gap, or a beginning in the middle, came behind it. */
  index: number;
  broken: boolean;
  joining: boolean;
  volatileIndex: number;
  isOpen: boolean;
}

export interface ListenerChecks {
  readonly records: ReadonlyMap<string, Record>;
  /** How long after its end, at the most, a publisher may be heard of first. */
  readonly afterglow: number;
  /** The longest that a datagram may be under way. */
  readonly delayMost: number;
  /** Whether replays of what was said before must be found out. */
  readonly fresh: boolean;
  /** Whether there is a reason for gaps, and for silence. */
  readonly gaps: boolean;
  readonly heldBytes: number;
}

export interface ListenerCounts {
  messages: number;
  volatile: number;
  gaps: number;
  lost: number;
  recovered: number;
  publishers: number;
  ends: number;
  silences: number;
  requests: number;
}

/** A subscriber on the network, each of whose words is checked at once. */
export class Listener implements Host {
  readonly address: LanAddress;
  readonly listens = true;
  readonly name: string;
  readonly subscriber: Subscriber;
  readonly startedAt: number;
  readonly #since: 'now' | 'store';
  readonly #clock: Clockwork;
  readonly #network: Network;
  readonly #checks: ListenerChecks;
  readonly heard: Map<string, Heard> = new Map();
  readonly counts: ListenerCounts = {
    messages: 0,
    volatile: 0,
    gaps: 0,
    lost: 0,
    recovered: 0,
    publishers: 0,
    ends: 0,
    silences: 0,
    requests: 0,
  };
  #armed = Infinity;
  #isGone = false;
  #turns = 0;
  #looks = 0;
  #turnsAt = 0;

  constructor(
    address: LanAddress,
    options: SubscriberOptions,
    { clock, network, checks }: { clock: Clockwork; network: Network; checks: ListenerChecks },
  ) {
    this.address = address;
    this.name = `listener ${address.address}`;
    this.startedAt = clock.now;
    this.#since = options.since ?? 'now';
    this.#clock = clock;
    this.#network = network;
    this.#checks = checks;
    this.subscriber = new Subscriber(options, clock.now);
    network.join(this);
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  receive(bytes: Uint8Array, from: LanAddress): void {
    if (this.#isGone) return;
    // What is read only during the call is spoiled behind it.
    const lent = new Uint8Array(bytes);
    this.subscriber.receive(lent, from, this.#clock.now);
    lent.fill(0xaa);
    this.#after();
  }

  kill(): void {
    this.#isGone = true;
    this.#network.leave(this);
  }

  /** All that lives must have been told to the last message. */
  checkEnd(record: Record, next: number): void {
    const heard = this.heard.get(record.session);
    if (heard === undefined) throw this.#wrong('never heard of a publisher that is there', record.session);
    if (!heard.isOpen) throw this.#wrong('has given up a publisher that is there', record.session);
    if (heard.next !== next && !heard.joining)
      throw this.#wrong(`was told up to ${heard.next}, and ${next} comes next`, record.session);
  }

  #after(): void {
    const { now } = this.#clock;
    for (let sent = this.subscriber.poll(now); sent !== undefined; sent = this.subscriber.poll(now)) {
      this.counts.requests++;
      this.#network.send(sent, this.address);
    }
    for (let event = this.subscriber.pollEvent(); event !== undefined; event = this.subscriber.pollEvent()) {
      this.#check(event);
    }
    if ((this.#looks++ & 15) === 0 && this.subscriber.stats().heldBytes > this.#checks.heldBytes) {
      throw this.#wrong('holds too much', '');
    }
    const due = this.subscriber.deadline();
    if (due === undefined || due === this.#armed) return;
    this.#armed = due;
    this.#clock.at(due, () => this.#tick(due));
  }

  #tick(due: number): void {
    // Another time was set meanwhile, as a timer is.
    if (this.#isGone || this.#armed !== due) return;
    const { now } = this.#clock;
    this.#turns = this.#turnsAt === now ? this.#turns + 1 : 0;
    this.#turnsAt = now;
    if (this.#turns > 1000) throw this.#wrong('runs in circles', '');
    this.#armed = Infinity;
    this.subscriber.tick(now);
    this.#after();
  }

  #check(event: SubscriberEvent): void {
    switch (event.type) {
      case 'publisher':
        this.#onPublisher(event.publisher, event.sequence);
        break;
      case 'message':
        this.#onMessage(event);
        break;
      case 'gap':
        this.#onGap(event.publisher, event.from, event.to, event.reason);
        break;
      case 'recovered':
        this.counts.recovered += event.to - event.from + 1;
        break;
      case 'end':
        this.#onEnd(event.publisher, event.reason);
        break;
      case 'fault':
        break;
    }
  }

  #onPublisher(session: string, sequence: number): void {
    this.counts.publishers++;
    const before = this.heard.get(session);
    if (before?.isOpen === true) throw this.#wrong('told twice of the publisher', session);
    const record = this.#checks.records.get(session);
    if (record === undefined) throw this.#wrong('told of a publisher that nobody is', session);
    if (this.#checks.fresh && record.endedAt < this.#clock.now - this.#checks.afterglow) {
      throw this.#wrong('told of a publisher that is gone', session);
    }
    if (before !== undefined) {
      // The rest of a long message from before the beginning has no events.
      const isNext = before.joining ? sequence >= before.next : sequence === before.next;
      if (!isNext) throw this.#wrong(`goes on at ${sequence}, not at ${before.next}`, session);
      before.next = sequence;
      before.joining = false;
      before.isOpen = true;
      return;
    }
    this.heard.set(session, {
      next: sequence,
      index: -1,
      broken: sequence > 1,
      joining: sequence > 1,
      volatileIndex: -1,
      isOpen: true,
    });
  }

  #onMessage(event: LanMessageEvent): void {
    const { publisher, sequence, parts, volatile } = event;
    const heard = this.#open(publisher);
    const { index, written } = (this.#checks.records.get(publisher) as Record).find(event);
    if (volatile) {
      this.counts.volatile++;
      if (index <= heard.volatileIndex)
        throw this.#wrong(`volatile message ${index} after ${heard.volatileIndex}`, publisher);
      heard.volatileIndex = index;
    } else {
      this.counts.messages++;
      const isNext = heard.joining ? sequence >= heard.next : sequence === heard.next;
      if (!isNext) throw this.#wrong(`number ${sequence} where ${heard.next} was next`, publisher);
      if (heard.broken ? index <= heard.index : index !== heard.index + 1) {
        throw this.#wrong(`message ${index} after ${heard.index}`, publisher);
      }
      heard.next = sequence + parts;
      heard.index = index;
      heard.broken = false;
      heard.joining = false;
    }
    if (this.#checks.fresh && this.#since === 'now' && written.at < this.startedAt - this.#checks.delayMost) {
      throw this.#wrong(
        `message ${index} is a replay from ${written.at}; it listens since ${this.startedAt}`,
        publisher,
      );
    }
  }

  #onGap(session: string, from: number, to: number, reason: string): void {
    const heard = this.#open(session);
    this.counts.gaps++;
    this.counts.lost += to - from + 1;
    if (!this.#checks.gaps) throw this.#wrong(`a gap from ${from} to ${to} for no reason: ${reason}`, session);
    if (from !== heard.next && !heard.joining)
      throw this.#wrong(`a gap at ${from} where ${heard.next} was next`, session);
    const oldest = (this.#checks.records.get(session) as Record).oldest();
    if (reason === 'expired' && to >= oldest)
      throw this.#wrong(`up to ${to} expired, where the store has ${oldest}`, session);
    if (to < from) throw this.#wrong(`a gap from ${from} to ${to}`, session);
    heard.next = to + 1;
    heard.broken = true;
  }

  #onEnd(session: string, reason: string): void {
    const heard = this.#open(session);
    heard.isOpen = false;
    this.counts.ends++;
    if (reason === 'silent') this.counts.silences++;
    const record = this.#checks.records.get(session) as Record;
    if (reason === 'ended' && record.endedAt === Infinity)
      throw this.#wrong('was told of an end that was none', session);
    if (reason === 'silent' && record.endedAt === Infinity && !this.#checks.gaps) {
      throw this.#wrong('was told of silence without a reason', session);
    }
  }

  #open(session: string): Heard {
    const heard = this.heard.get(session);
    if (heard?.isOpen !== true) throw this.#wrong('was told something of a publisher that it is not told of', session);
    return heard;
  }

  #wrong(what: string, session: string): Error {
    return new Error(`${this.name} at ${this.#clock.now}: ${what} (${session})`);
  }
}
