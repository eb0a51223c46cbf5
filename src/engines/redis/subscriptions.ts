import type { Hear } from './client.ts';
import { isMoved } from './failures.ts';
import type { Link } from './link.ts';
import { slotOf } from './names.ts';
import type { Servers } from './servers.ts';

export interface Subscription {
  readonly channel: string;
  readonly slot: number;
  readonly hear: Hear;
  /** Published by SPUBLISH, on the server that has the slot; otherwise by PUBLISH, anywhere. */
  readonly isSharded: boolean;
  /** Where it is, or is about to be. */
  link: Link | undefined;
  isWanted: boolean;
  /** The server has it. Rejects never. */
  ready: Promise<void> | undefined;
}

export interface SubscriptionsParts {
  readonly servers: Servers;
  readonly soon: (run: () => void) => void;
  /** A subscription that is refused, and not because the slot has moved. */
  readonly refused: (error: unknown) => void;
}

/** Channels in one command. */
const BATCH = 500;

/** What a node hears: what is wanted is kept here, and brought to the servers once a turn, many channels by one command. */
export class Subscriptions {
  readonly #parts: SubscriptionsParts;
  readonly #byChannel = new Map<string, Subscription>();
  readonly #changed = new Set<Subscription>();
  #isDue = false;

  constructor(parts: SubscriptionsParts) {
    this.#parts = parts;
  }

  add(channel: string, hear: Hear, isSharded = true): void {
    const there = this.#byChannel.get(channel);
    if (there?.isWanted === true) return;
    const made = { channel, slot: slotOf(channel), hear, isSharded, link: undefined, isWanted: true, ready: undefined };
    const subscription = there ?? made;
    subscription.isWanted = true;
    this.#byChannel.set(channel, subscription);
    this.#change(subscription);
  }

  remove(channel: string): void {
    const there = this.#byChannel.get(channel);
    if (there === undefined) return;
    there.isWanted = false;
    this.#change(there);
  }

  /** Resolves when the server has what was added, or has refused it; undefined when nothing is under way. */
  pending(channel: string): Promise<void> | undefined {
    this.flush();
    return this.#byChannel.get(channel)?.ready;
  }

  /** Brings everything to the servers that have its slots now. Resolves when they have it. */
  async moved(): Promise<void> {
    for (const subscription of this.#byChannel.values()) {
      const link = this.#parts.servers.of(subscription.slot);
      if (link !== subscription.link || link?.isUp !== true) this.#changed.add(subscription);
    }
    this.flush();
    const pending = new Set([...this.#byChannel.values()].flatMap(({ ready }) => (ready === undefined ? [] : [ready])));
    await Promise.all(pending);
  }

  /** Nothing that is published after this overtakes what was added or removed before it. */
  flush(): void {
    if (this.#changed.size === 0) return;
    const added = new Groups();
    const removed = new Groups();
    for (const subscription of this.#changed) {
      const { channel, isWanted, link: before, slot } = subscription;
      const link = isWanted ? this.#parts.servers.of(slot) : undefined;
      if (!isWanted) this.#byChannel.delete(channel);
      if (link === before && link?.isUp !== false) continue;
      if (before?.isUp === true) removed.add(before, subscription);
      if (link !== undefined) added.add(link, subscription);
      subscription.link = link;
    }
    this.#changed.clear();
    for (const group of removed) unsubscribe(group);
    for (const group of added) this.#subscribe(group);
  }

  #change(subscription: Subscription): void {
    this.#changed.add(subscription);
    if (this.#isDue) return;
    this.#isDue = true;
    this.#parts.soon(() => {
      this.#isDue = false;
      this.flush();
    });
  }

  #subscribe({ link, hear, isSharded, subscriptions }: Group): void {
    const { wire } = link;
    const channels = subscriptions.map(({ channel }) => channel);
    const work = isSharded ? wire.sSubscribe(channels, hear, true) : wire.subscribe(channels, hear, true);
    const ready = this.#await(link, subscriptions, work);
    for (const subscription of subscriptions) subscription.ready = ready;
  }

  async #await(link: Link, subscriptions: readonly Subscription[], work: Promise<unknown>): Promise<void> {
    const failure = await work.then(
      () => undefined,
      (error: unknown) => error ?? new Error('failed'),
    );
    for (const subscription of subscriptions) {
      // Another link may have it by now.
      if (subscription.link !== link) continue;
      subscription.ready = undefined;
      if (failure !== undefined) subscription.link = undefined;
    }
    if (failure === undefined) link.heard('wire');
    else this.#failed(link, failure);
  }

  #failed(link: Link, error: unknown): void {
    if (!link.isUp) return;
    if (isMoved(error)) this.#parts.servers.refresh(error);
    else this.#parts.refused(error);
  }
}

function unsubscribe({ link, hear, isSharded, subscriptions }: Group): void {
  const { wire } = link;
  const channels = subscriptions.map(({ channel }) => channel);
  const work = isSharded ? wire.sUnsubscribe(channels, hear, true) : wire.unsubscribe(channels, hear, true);
  work.catch(() => {});
}

interface Group {
  readonly link: Link;
  readonly hear: Hear;
  readonly isSharded: boolean;
  readonly subscriptions: Subscription[];
}

/** What one command can name: of one server and, in a Redis Cluster, of one slot. */
class Groups {
  readonly #open = new Map<string, Group>();
  readonly #all: Group[] = [];
  readonly #hears: Hear[] = [];

  add(link: Link, subscription: Subscription): void {
    const { hear, slot, isSharded } = subscription;
    if (!this.#hears.includes(hear)) this.#hears.push(hear);
    const key = `${link.address} ${this.#hears.indexOf(hear)} ${link.isClustered ? slot : ''}`;
    const there = this.#open.get(key);
    if (there !== undefined && there.subscriptions.length < BATCH) {
      there.subscriptions.push(subscription);
      return;
    }
    const group = { link, hear, isSharded, subscriptions: [subscription] };
    this.#open.set(key, group);
    this.#all.push(group);
  }

  [Symbol.iterator](): Iterator<Group> {
    return this.#all.values();
  }
}
