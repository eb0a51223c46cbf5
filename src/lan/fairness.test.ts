import { expect, test } from 'vitest';
import { newPublisher, newSubscriber, SUBSCRIBER } from '../../test/support/lan-line.ts';
import type { Publisher } from './publisher.ts';
import type { Subscriber } from './subscriber.ts';
import type { LanAddress } from './types.ts';

/** A publisher on a line of its own to one subscriber. */
class Speaker {
  readonly publisher: Publisher;
  readonly address: LanAddress;
  readonly #subscriber: Subscriber;
  /** Whether what it says to the group is lost. */
  isLost = false;

  constructor(subscriber: Subscriber, address: string, now: number) {
    this.#subscriber = subscriber;
    this.publisher = newPublisher({}, now, now + 1);
    this.address = { address, port: 4000 };
  }

  say(word: string, now: number): void {
    this.publisher.publish('word', word, now);
    this.carry(now);
  }

  /** Says so much that nobody hears, and then something that is heard. */
  stumble(words: number, now: number): void {
    this.isLost = true;
    for (let i = 0; i < words; i++) this.say('lost', now);
    this.isLost = false;
    this.say('heard', now);
  }

  carry(now: number): void {
    for (let sent = this.publisher.poll(now); sent !== undefined; sent = this.publisher.poll(now)) {
      if (!this.isLost || sent.to !== undefined) this.#subscriber.receive(sent.bytes, this.address, now);
    }
  }
}

/** Two publishers, of whom the first will have much to repair; and what is told of the second. */
class Segment {
  readonly subscriber: Subscriber = newSubscriber({ limits: { requestRate: 20, requestBurst: 4, askMessages: 1 } });
  readonly first: Speaker = new Speaker(this.subscriber, '10.0.0.1', 0);
  readonly #speakers: Speaker[] = [this.first];
  readonly told: string[] = [];
  now = 0;

  /** The second one comes, and is told of. */
  join(): Speaker {
    const speaker = new Speaker(this.subscriber, '10.0.0.3', this.now);
    this.#speakers.push(speaker);
    return speaker;
  }

  advance(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now++) {
      for (const speaker of this.#speakers) {
        speaker.publisher.tick(this.now);
        speaker.carry(this.now);
      }
      this.subscriber.tick(this.now);
      this.#ask();
    }
    this.#listen();
  }

  #ask(): void {
    for (let sent = this.subscriber.poll(this.now); sent !== undefined; sent = this.subscriber.poll(this.now)) {
      const asked = this.#speakers.find(({ address }) => address.address === sent.to?.address);
      asked?.publisher.receive(sent.bytes, SUBSCRIBER, this.now);
    }
  }

  #listen(): void {
    for (let event = this.subscriber.pollEvent(); event !== undefined; event = this.subscriber.pollEvent()) {
      if (!('publisher' in event) || event.publisher !== this.#speakers[1]?.publisher.session) continue;
      this.told.push(event.type === 'message' ? String(event.data) : event.type);
    }
  }
}

test('much to repair of one publisher does not keep another from being known', () => {
  const segment = new Segment();
  segment.advance(300);
  segment.first.stumble(1000, segment.now);
  segment.advance(1000);
  const second = segment.join();
  second.say('first', segment.now);
  segment.advance(500);
  expect(segment.told).toEqual(['publisher', 'first']);
});

test('nor from being repaired', () => {
  const segment = new Segment();
  segment.advance(300);
  const second = segment.join();
  segment.advance(300);
  segment.first.stumble(1000, segment.now);
  segment.advance(1000);
  second.stumble(1, segment.now);
  segment.advance(1000);
  expect(segment.told).toEqual(['publisher', 'recovered', 'lost', 'heard']);
});
