import { expect, test } from 'vitest';
import { keyOf, Line, newPublisher, newSubscriber, PUBLISHER, SUBSCRIBER } from '../../test/support/lan-line.ts';
import { seededRandom } from '../testing/index.ts';
import { encodeGone, encodeWelcome } from './datagrams.ts';
import { isRequest, kindOf } from './envelope.ts';

const keys = [keyOf('k')];

/** A keyed line on which something was said, and all that crossed it. */
function recorded(): { readonly line: Line; readonly bytes: Uint8Array[] } {
  const line = new Line({ keys }, { keys });
  line.meet();
  for (let i = 1; i <= 5; i++) line.say('a', i);
  line.advance(1000);
  return { line, bytes: [...line.toGroup, ...line.toSubscriber] };
}

test('with a key nothing is taken in that is not signed, or signed with another; without one nothing that is signed', () => {
  const plain = new Line({}, { keys });
  plain.say('a', 1);
  const other = new Line({ keys: [keyOf('other')] }, { keys });
  other.say('a', 1);
  const signed = new Line({ keys }, {});
  signed.say('a', 1);
  for (const line of [plain, other, signed]) {
    line.advance(500);
    expect(line.told()).toEqual(['fault key']);
  }
  const asker = new Line({ keys }, {});
  asker.publisher.receive(Uint8Array.of(0x48, 0x4c, 0x13, 0), SUBSCRIBER, 0);
  expect(asker.publisher.stats().faults).toEqual({ key: 1 });
});

test('a datagram with any bit changed is dropped', () => {
  const { bytes } = recorded();
  const subscriber = newSubscriber({ keys }, 0, 7);
  const publisher = newPublisher({ keys }, 0, 8);
  for (const whole of bytes.slice(0, 12)) {
    for (let bit = 0; bit < whole.length * 8; bit += 5) {
      const changed = new Uint8Array(whole);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      subscriber.receive(changed, PUBLISHER, 0);
      publisher.receive(changed, PUBLISHER, 0);
    }
  }
  expect(subscriber.publishers()).toEqual([]);
  expect(publisher.stats().requests).toBe(0);
  expect(subscriber.stats().faults.forged).toBeGreaterThan(500);
});

test('a session of the past that is played again is not believed', () => {
  const { bytes } = recorded();
  const subscriber = newSubscriber({ keys }, 10_000, 7);
  let requests = 0;
  for (let now = 10_000; now < 20_000; now += 10) {
    subscriber.receive(bytes[Math.floor(now / 10) % bytes.length] as Uint8Array, PUBLISHER, now);
    subscriber.tick(now);
    while (subscriber.poll(now) !== undefined) requests++;
  }
  const told = [];
  for (let event = subscriber.pollEvent(); event !== undefined; event = subscriber.pollEvent()) {
    told.push(event.type === 'fault' ? event.reason : event.type);
  }
  expect(new Set(told)).toEqual(new Set(['unproved', 'unasked']));
  expect(requests).toBeGreaterThan(10);
  expect(requests).toBeLessThan(100);
});

test('what was said before one came is not believed to be new, although its publisher is there', () => {
  const { line, bytes } = recorded();
  const late = new Line(line.publisher, newSubscriber({ keys }, line.now, 7));
  late.now = line.now;
  for (const one of bytes) late.subscriber.receive(one, PUBLISHER, late.now);
  late.advance(200);
  late.say('a', 6);
  expect(late.data()).toEqual([6]);
});

test('signs of life that are played again keep nobody alive', () => {
  const { line, bytes } = recorded();
  line.loses = (_, to) => to === 'group';
  for (let i = 0; i < 60; i++) {
    for (const one of bytes) line.subscriber.receive(one, PUBLISHER, line.now);
    line.advance(100);
  }
  expect(line.told().filter((told) => !told.startsWith('fault'))).toEqual(['publisher 1', 'end silent']);
  expect(line.data()).toEqual([1, 2, 3, 4, 5]);
});

test('only an answer to a question of one own counts', () => {
  const line = new Line();
  line.meet();
  const session = Uint8Array.from(Buffer.from(line.publisher.session, 'hex'));
  const nonce = new Uint8Array(8).fill(1);
  line.loses = () => true;
  line.say('a', 1);
  line.loses = () => false;
  const welcome = { proof: new Uint8Array(16), oldest: 1, next: 1000, volatileNext: 1, age: 0 };
  line.subscriber.receive(encodeWelcome(session, nonce, welcome, undefined), PUBLISHER, line.now);
  line.subscriber.receive(encodeGone(session, nonce, [{ from: 1, to: 2 }], undefined), PUBLISHER, line.now);
  line.advance(500);
  expect(line.data()).toEqual([1]);
  expect(line.subscriber.stats().faults).toEqual({ unasked: 2 });
});

test('a request that another address sends again brings it no more than it has', () => {
  const { line } = recorded();
  const lost = line.toGroup.length + 1;
  line.loses = (_, to) => to === 'group' && line.toGroup.length === lost;
  for (let i = 0; i < 5; i++) line.say('a', 'x'.repeat(1200));
  line.advance(200);
  const request = line.requests.at(-1) as Uint8Array;
  expect(isRequest(request)).toBe(true);
  const victim = { address: '10.9.9.9', port: 9 };
  line.publisher.receive(request, victim, line.now);
  const answer = line.publisher.poll(line.now);
  expect(answer?.to).toEqual(victim);
  expect(kindOf(answer?.bytes as Uint8Array)).toBe(4);
  expect(answer?.bytes.length).toBeLessThanOrEqual(request.length);
  expect(line.publisher.poll(line.now)).toBeUndefined();
});

test('nothing that comes makes either side throw', () => {
  const random = seededRandom(5);
  const { bytes } = recorded();
  const open = new Line();
  open.meet();
  open.say('a', 1);
  for (let i = 0; i < 3; i++) open.publisher.receive(open.requests[0] as Uint8Array, SUBSCRIBER, open.now);
  const plain = [...open.toGroup, ...open.toSubscriber, ...open.requests, ...bytes];
  const subscriber = newSubscriber({}, 0, 11);
  const publisher = newPublisher({}, 0, 12);
  for (let i = 0; i < 20_000; i++) {
    const changed = new Uint8Array(plain[Math.floor(random.unit() * plain.length)] as Uint8Array);
    for (let n = random.unit() * 4; n >= 1; n--) {
      changed[Math.floor(random.unit() * changed.length)] = random.unit() * 256;
    }
    const cut = random.unit() < 0.3 ? changed.subarray(0, random.unit() * changed.length) : changed;
    subscriber.receive(cut, PUBLISHER, i);
    publisher.receive(cut, SUBSCRIBER, i);
    subscriber.tick(i);
    publisher.tick(i);
    while (subscriber.poll(i) !== undefined || publisher.poll(i) !== undefined);
    while (subscriber.pollEvent() !== undefined || publisher.pollEvent() !== undefined);
  }
  expect(subscriber.stats().datagrams).toBe(20_000);
  expect(subscriber.stats().heldBytes).toBeLessThan(8 * 1024 * 1024);
});
