import { expect, test } from 'vitest';
import { newPublisher, newSubscriber, PUBLISHER } from '../../test/support/lan-line.ts';

test('when fifty subscribers lose the same datagram each asks once, not all at one time, and each is answered once', () => {
  const publisher = newPublisher();
  const subscribers = Array.from({ length: 50 }, (_, i) => newSubscriber({}, 0, 100 + i));
  const addresses = subscribers.map((_, i) => ({ address: `10.0.1.${i}`, port: 5000 }));
  const askedAt: number[] = [];
  let group = 0;
  let lost = 0;
  const carry = (now: number): void => {
    for (let sent = publisher.poll(now); sent !== undefined; sent = publisher.poll(now)) {
      const { bytes, to } = sent;
      if (to === undefined && ++group === lost) continue;
      const place = to === undefined ? undefined : addresses.findIndex(({ address }) => address === to.address);
      const hearers = place === undefined ? subscribers : [subscribers[place] as (typeof subscribers)[number]];
      for (const subscriber of hearers) subscriber.receive(bytes, PUBLISHER, now);
    }
    for (const [i, subscriber] of subscribers.entries()) {
      for (let sent = subscriber.poll(now); sent !== undefined; sent = subscriber.poll(now)) {
        if (lost > 0) askedAt.push(now);
        publisher.receive(sent.bytes, addresses[i] as (typeof addresses)[number], now);
      }
    }
  };
  const advance = (from: number, to: number): void => {
    for (let now = from; now < to; now += 0.25) {
      publisher.tick(now);
      for (const subscriber of subscribers) subscriber.tick(now);
      carry(now);
    }
  };
  advance(0, 200);
  lost = group + 1;
  publisher.publish('a', 'lost by all', 200);
  carry(200);
  publisher.publish('a', 'heard by all', 200);
  carry(200);
  advance(200, 400);

  for (const subscriber of subscribers) {
    const data: unknown[] = [];
    for (let event = subscriber.pollEvent(); event !== undefined; event = subscriber.pollEvent()) {
      if (event.type === 'message') data.push(event.data);
      expect(event.type).not.toBe('gap');
    }
    expect(data).toEqual(['lost by all', 'heard by all']);
  }
  expect(askedAt).toHaveLength(50);
  expect(publisher.stats().answers).toBe(50);
  const perMs = new Map<number, number>();
  for (const at of askedAt) perMs.set(Math.floor(at), (perMs.get(Math.floor(at)) ?? 0) + 1);
  expect(Math.min(...perMs.keys())).toBeGreaterThanOrEqual(205);
  expect(Math.max(...perMs.keys())).toBeLessThanOrEqual(215);
  expect(Math.max(...perMs.values())).toBeLessThan(20);
});
