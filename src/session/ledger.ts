import { ON_PAGE, type Outbound } from '../core/index.ts';
import { type ChannelCount, type Incoming, MESSAGE } from '../wire/index.ts';
import { type Left, Unacknowledged } from './unacknowledged.ts';

export type Role = 'server' | 'client';

/** What a channel counts for in `kept` until it is forgotten, bytes: so those that a peer opens and never acknowledges are bounded too. */
const CHANNEL_COST = 256;

/**
 * What was sent and handed on, by channel: 0 is the socket itself, the others begin with OPEN and are forgotten when both sides have
 * said their last word and know that it arrived. docs/PROTOCOL.md, "Counts and acknowledgement".
 */
export class Ledger {
  /** Bytes that are kept until they are acknowledged, of all channels, and what the channels themselves cost. */
  kept = 0;
  readonly #role: Role;
  readonly #socket = new Unacknowledged(0);
  #others: Map<number, Unacknowledged> | undefined;
  /** How many the peer opened of which one side has not said its last word. */
  #guests = 0;
  /** The highest numbers that there were, of this side's and of the peer's. */
  #lastOwn = 0;
  #lastGuest = 0;
  /** Counts of channels that were forgotten since the last acknowledgement. */
  #lastCounts: ChannelCount[] | undefined;

  constructor(role: Role) {
    this.#role = role;
  }

  of(channel: number): Unacknowledged | undefined {
    return channel === 0 ? this.#socket : this.#others?.get(channel);
  }

  /** Keeps a message until it is acknowledged; the first one of a channel opens it. */
  push(message: Outbound, tag: number, channel: number, sent: boolean): void {
    const queue = this.of(channel) ?? this.#open(channel);
    queue.push(message, tag);
    this.kept += message.length;
    if (sent) queue.markSent();
  }

  /** The channel's last message was pushed. */
  sentLast(channel: number): void {
    const queue = this.of(channel);
    if (!queue) return;
    queue.sentLast = true;
    if (queue.receivedLast && !this.#isOwn(channel)) this.#guests -= 1;
  }

  /** The peer's last message of the channel came. */
  receivedLast(queue: Unacknowledged): void {
    queue.receivedLast = true;
    if (queue.sentLast && !this.#isOwn(queue.channel)) this.#guests -= 1;
  }

  /**
   * Where an incoming message counts, or undefined when it can't be: a channel begins with OPEN and ends with CLOSE, and its opener
   * gives it the number. `most` is how many channels of the peer may be open.
   */
  placeOf({ kind, channel }: Incoming, most: number): Unacknowledged | undefined {
    const queue = this.of(channel);
    if (kind !== MESSAGE.channelOpen) return queue?.receivedLast ? undefined : queue;
    return queue || this.#isOwn(channel) || this.#guests >= most ? undefined : this.#open(channel);
  }

  /** For HELLO and WELCOME: all channels that are not over, also those of which nothing came. */
  counts(): ChannelCount[] {
    return this.queues().map(({ channel, received }) => [channel, received]);
  }

  /** For an acknowledgement: what it did not tell before. */
  news(): ChannelCount[] {
    const counts = this.#lastCounts ?? [];
    this.#lastCounts = undefined;
    for (const queue of this.queues()) {
      if (queue.told === queue.received) continue;
      queue.told = queue.received;
      counts.push([queue.channel, queue.received]);
    }
    return counts;
  }

  /** Whether a peer that has counted so far can be gone on with: nothing that it lacks was thrown away, nothing it has was never sent. */
  canResume(counts: readonly ChannelCount[]): boolean {
    const byChannel = new Map(counts);
    if (byChannel.size < counts.length || !counts.every(([channel, count]) => this.canBe(channel, count))) return false;
    return this.queues().every((queue) => byChannel.has(queue.channel) || canGoUnnamed(queue));
  }

  /** Whether the peer can have counted so far. What it says of a channel that is forgotten means nothing any more. */
  canBe(channel: number, count: number): boolean {
    const queue = this.of(channel);
    if (queue) return queue.canAcknowledge(count);
    return count === 0 || channel <= (this.#isOwn(channel) ? this.#lastOwn : this.#lastGuest);
  }

  /** The peer has counted so far; the caller has asked `canBe`. */
  acknowledge(channel: number, count: number): void {
    const queue = this.of(channel);
    if (!queue) return;
    const before = queue.bytes;
    queue.acknowledge(count);
    this.kept -= before - queue.bytes;
    this.forgetIfOver(queue);
  }

  /** Takes over the counts of a peer that resumes; the caller has asked `canResume`. */
  goOnFrom(counts: readonly ChannelCount[]): void {
    const byChannel = new Map(counts);
    for (const queue of this.queues()) {
      this.acknowledge(queue.channel, byChannel.get(queue.channel) ?? (queue.receivedLast ? queue.end : 0));
    }
  }

  forgetIfOver(queue: Unacknowledged): void {
    if (!queue.over || !this.#others?.delete(queue.channel)) return;
    this.kept -= CHANNEL_COST;
    if (queue.told === queue.received) return;
    this.#lastCounts ??= [];
    this.#lastCounts.push([queue.channel, queue.received]);
  }

  /** What no link has seen, and what went out without an acknowledgement. */
  leftovers(): { readonly unsent: readonly Left[]; readonly unacknowledged: readonly Left[] } {
    const queues = this.queues();
    return {
      unsent: queues.flatMap((queue) => queue.left(queue.sent, queue.end)),
      unacknowledged: queues.flatMap((queue) => queue.left(queue.acknowledged, queue.sent)),
    };
  }

  queues(): Unacknowledged[] {
    return [this.#socket, ...(this.#others?.values() ?? [])];
  }

  #open(channel: number): Unacknowledged {
    const queue = new Unacknowledged(channel);
    this.#others ??= new Map();
    this.#others.set(channel, queue);
    this.kept += CHANNEL_COST;
    if (this.#isOwn(channel)) {
      this.#lastOwn = channel;
    } else {
      this.#lastGuest = Math.max(this.#lastGuest, channel);
      this.#guests += 1;
    }
    return queue;
  }

  /** A client's channels have odd numbers, a server's even ones; the socket is nobody's. */
  #isOwn(channel: number): boolean {
    return channel !== 0 && channel % 2 === (ON_PAGE || this.#role === 'client' ? 1 : 0);
  }
}

/** A peer does not name a channel of which it never heard; or one that is over for it: it said its last word and had ours. */
function canGoUnnamed(queue: Unacknowledged): boolean {
  return queue.receivedLast ? queue.sentLast && queue.canAcknowledge(queue.end) : queue.canAcknowledge(0);
}
