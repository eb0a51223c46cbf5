import { expect, test } from 'vitest';
import { newPublisher, newSubscriber, PUBLISHER, SUBSCRIBER } from '../../test/support/lan-line.ts';
import { writeDataHeader } from './datagrams.ts';
import { KIND } from './envelope.ts';
import type { Subscriber } from './subscriber.ts';
import type { SubscriberEvent } from './types.ts';

const MORE = 2;
const CONTINUED = 4;

/** A datagram with these blocks, from somebody who has no door and so is listened to at once. */
function datagram(first: number, blocks: readonly (readonly number[])[]): Uint8Array {
  const body = blocks.flatMap((block) => [block.length >> 8, block.length & 0xff, ...block]);
  const bytes = new Uint8Array(28 + body.length);
  writeDataHeader(bytes, KIND.data, new Uint8Array(12).fill(7), { door: 0, first, count: blocks.length });
  bytes.set(body, 28);
  return bytes;
}

function events(subscriber: Subscriber): SubscriberEvent[] {
  const told: SubscriberEvent[] = [];
  for (let event = subscriber.pollEvent(); event !== undefined; event = subscriber.pollEvent()) told.push(event);
  return told;
}

test('parts of nothing are no parts: any number of them would be a message that never ends', () => {
  const subscriber = newSubscriber();
  subscriber.receive(datagram(1, [[MORE, 1, 97, 0xa3]]), PUBLISHER, 0);
  subscriber.receive(datagram(2, [[MORE | CONTINUED], [MORE | CONTINUED]]), PUBLISHER, 0);
  subscriber.receive(datagram(2, [[CONTINUED]]), PUBLISHER, 0);
  expect(subscriber.stats().faults).toEqual({ malformed: 2 });
});

test('a message in parts of a byte each comes whole', () => {
  const subscriber = newSubscriber();
  const text = 'slowly'.repeat(10);
  const value = [0xd9, text.length, ...Buffer.from(text)];
  value.forEach((byte, at) => {
    const flags = (at > 0 ? CONTINUED : 0) | (at < value.length - 1 ? MORE : 0);
    const block = at === 0 ? [flags, 1, 97, byte] : [flags, byte];
    subscriber.receive(Buffer.from(datagram(at + 1, [block])), PUBLISHER, 0);
  });
  expect(events(subscriber).at(-1)).toMatchObject({ type: 'message', topic: 'a', data: text, sequence: 1 });
});

test('a hundred thousand datagrams that wait for one are handed on at once when it comes, in their order', () => {
  const publisher = newPublisher({ door: 0 });
  const said = Array.from({ length: 100_000 }, (_, at) => {
    publisher.publish('a', at, 0);
    return publisher.poll(0)?.bytes as Uint8Array;
  });
  const subscriber = newSubscriber();
  const [first, late, ...rest] = said as [Uint8Array, Uint8Array, ...Uint8Array[]];
  subscriber.receive(first, PUBLISHER, 0);
  // Each two are swapped.
  for (let at = 0; at < rest.length; at++) subscriber.receive(rest[at ^ 1] as Uint8Array, PUBLISHER, 0);
  expect(subscriber.stats().messages).toBe(1);
  subscriber.receive(late, PUBLISHER, 0);
  expect(subscriber.stats()).toMatchObject({ messages: said.length, heldBytes: 0 });
  const data = events(subscriber).flatMap((event) => (event.type === 'message' ? [event.data] : []));
  expect(data).toEqual(said.map((_, at) => at));
});

test('those who have not shown to be there do not use up the requests that repair needs', () => {
  const publisher = newPublisher();
  const subscriber = newSubscriber();
  let made = 0;
  let lost = false;
  const carry = (now: number): void => {
    for (let sent = publisher.poll(now); sent !== undefined; sent = publisher.poll(now)) {
      if (!lost) subscriber.receive(sent.bytes, PUBLISHER, now);
    }
    for (let sent = subscriber.poll(now); sent !== undefined; sent = subscriber.poll(now)) {
      // Strangers never answer.
      publisher.receive(sent.bytes, SUBSCRIBER, now);
    }
  };
  const advance = (from: number, to: number, strangers: boolean): void => {
    for (let now = from; now < to; now++) {
      if (strangers) for (let i = 0; i < 8; i++) subscriber.receive(stranger(++made), PUBLISHER, now);
      publisher.tick(now);
      subscriber.tick(now);
      carry(now);
    }
  };
  advance(0, 300, false);
  advance(300, 1300, true);
  let repairs = 0;
  for (let now = 1300; now < 3300; now += 100) {
    lost = true;
    publisher.publish('a', 'lost', now);
    carry(now);
    lost = false;
    publisher.publish('a', 'heard', now);
    carry(now);
    advance(now, now + 100, true);
    repairs++;
  }
  expect(events(subscriber).filter(({ type }) => type === 'recovered')).toHaveLength(repairs);
  expect(subscriber.stats()).toMatchObject({ strangers: 64, lost: 0, messages: 2 * repairs });
});

/** What somebody says who has a door and is heard for the first time. */
function stranger(number: number): Uint8Array {
  const bytes = datagram(1, [[0, 1, 97, 0xc0]]);
  new DataView(bytes.buffer).setUint32(4, number);
  new DataView(bytes.buffer).setUint16(16, 9);
  return bytes;
}
