import { createHmac } from 'node:crypto';
import {
  type LanAddress,
  type LanKey,
  type LanMessageEvent,
  lanKey,
  type Mac,
  Publisher,
  type PublisherEvent,
  type PublisherOptions,
  Subscriber,
  type SubscriberEvent,
  type SubscriberOptions,
} from '../../src/lan/index.ts';
import { seededRandom } from '../../src/testing/index.ts';

export const PUBLISHER: LanAddress = { address: '10.0.0.1', port: 4000 };
export const SUBSCRIBER: LanAddress = { address: '10.0.0.2', port: 5000 };

export function hmac(key: string): Mac {
  return (bytes) => createHmac('sha256', key).update(bytes).digest();
}

export function keyOf(words: string): LanKey {
  return lanKey(hmac(words));
}

export function newPublisher(options: Partial<PublisherOptions> = {}, now = 0, seed = 1): Publisher {
  return new Publisher({ door: 4000, random: seededRandom(seed), prove: hmac('proof'), ...options }, now);
}

export function newSubscriber(options: Partial<SubscriberOptions> = {}, now = 0, seed = 2): Subscriber {
  return new Subscriber({ random: seededRandom(seed), ...options }, now);
}

/** One publisher and one subscriber with a line between them, in virtual time. Datagrams arrive at once, unless they are lost. */
export class Line {
  now = 0;
  readonly publisher: Publisher;
  readonly subscriber: Subscriber;
  readonly events: SubscriberEvent[] = [];
  readonly publisherEvents: PublisherEvent[] = [];
  /** All that was sent, in its order. */
  readonly toGroup: Uint8Array[] = [];
  readonly toSubscriber: Uint8Array[] = [];
  readonly requests: Uint8Array[] = [];
  /** Which datagrams are lost; `to` is where they go. */
  loses: (bytes: Uint8Array, to: 'group' | 'subscriber' | 'publisher') => boolean = () => false;

  constructor(
    publisher: Publisher | Partial<PublisherOptions> = {},
    subscriber: Subscriber | Partial<SubscriberOptions> = {},
  ) {
    this.publisher = publisher instanceof Publisher ? publisher : newPublisher(publisher);
    this.subscriber = subscriber instanceof Subscriber ? subscriber : newSubscriber(subscriber);
  }

  /** Carries all that is to be sent now. */
  flush(): void {
    for (let busy = true; busy; ) {
      busy = false;
      for (let sent = this.publisher.poll(this.now); sent !== undefined; sent = this.publisher.poll(this.now)) {
        busy = true;
        const to = sent.to === undefined ? 'group' : 'subscriber';
        (to === 'group' ? this.toGroup : this.toSubscriber).push(sent.bytes);
        if (!this.loses(sent.bytes, to)) this.subscriber.receive(sent.bytes, PUBLISHER, this.now);
      }
      for (let sent = this.subscriber.poll(this.now); sent !== undefined; sent = this.subscriber.poll(this.now)) {
        busy = true;
        this.requests.push(sent.bytes);
        if (!this.loses(sent.bytes, 'publisher')) this.publisher.receive(sent.bytes, SUBSCRIBER, this.now);
      }
    }
    for (let event = this.subscriber.pollEvent(); event !== undefined; event = this.subscriber.pollEvent()) {
      this.events.push(event);
    }
    for (let event = this.publisher.pollEvent(); event !== undefined; event = this.publisher.pollEvent()) {
      this.publisherEvents.push(event);
    }
  }

  /** Lets time go by, from one deadline to the next. */
  advance(ms: number): void {
    const end = this.now + ms;
    this.flush();
    for (;;) {
      const due = Math.min(this.publisher.deadline() ?? Infinity, this.subscriber.deadline() ?? Infinity);
      if (due > end) break;
      this.now = Math.max(this.now, due);
      this.publisher.tick(this.now);
      this.subscriber.tick(this.now);
      this.flush();
    }
    this.now = end;
  }

  /** Publishes, and carries it. */
  say(topic: string, data: unknown, volatile = false): boolean {
    const isGood = this.publisher.publish(topic, data, this.now, volatile);
    this.flush();
    return isGood;
  }

  /** Lets publisher and subscriber meet. */
  meet(): void {
    this.advance(200);
  }

  messages(): LanMessageEvent[] {
    return this.events.filter((event) => event.type === 'message');
  }

  /** The data of all messages, in their order. */
  data(): unknown[] {
    return this.messages().map(({ data }) => data);
  }

  /** What was told beside messages, in short. */
  told(): string[] {
    return this.events.flatMap((event) => {
      if (event.type === 'gap') return [`gap ${event.from}-${event.to} ${event.reason}`];
      if (event.type === 'recovered') return [`recovered ${event.from}-${event.to}`];
      if (event.type === 'end') return [`end ${event.reason}`];
      if (event.type === 'fault') return [`fault ${event.reason}`];
      return event.type === 'publisher' ? [`publisher ${event.sequence}`] : [];
    });
  }
}
