import { expect, test } from 'vitest';
import { keyOf, Line, newPublisher, newSubscriber, PUBLISHER } from '../../test/support/lan-line.ts';
import { readRequest } from './datagrams.ts';
import { open } from './envelope.ts';
import type { LanLimits, LanTimes } from './options.ts';
import type { Publisher } from './publisher.ts';
import type { Subscriber } from './subscriber.ts';

/** A line on which the subscriber has met the publisher and nothing of what is said now arrives, until `mend`. */
function deafLine(limits: Partial<LanLimits> = {}, times: Partial<LanTimes> = {}): Line & { mend(): void } {
  const line = new Line({}, { limits, times });
  line.meet();
  line.loses = () => true;
  return Object.assign(line, { mend: () => (line.loses = () => false) });
}

function events(subscriber: Subscriber): string[] {
  const told: string[] = [];
  for (let event = subscriber.pollEvent(); event !== undefined; event = subscriber.pollEvent()) {
    told.push(event.type === 'fault' ? `fault ${event.reason}` : event.type);
  }
  return told;
}

/** The first datagram of a publisher that has said something. */
function firstOf(publisher: Publisher, now = 0): Uint8Array {
  publisher.publish('a', 1, now);
  return publisher.poll(now)?.bytes as Uint8Array;
}

test('publishers: further ones are not listened to, and told of', () => {
  const subscriber = newSubscriber({ limits: { publishers: 2 } });
  for (let seed = 1; seed <= 3; seed++) subscriber.receive(firstOf(newPublisher({ door: 0 }, 0, seed)), PUBLISHER, 0);
  expect(events(subscriber)).toEqual(['publisher', 'message', 'publisher', 'message', 'fault publishers']);
  expect(subscriber.publishers()).toHaveLength(2);
});

test('strangers: the oldest gives way', () => {
  const subscriber = newSubscriber({ limits: { strangers: 3 } });
  const publishers = Array.from({ length: 5 }, (_, i) => newPublisher({}, 0, i + 1));
  for (const publisher of publishers) subscriber.receive(firstOf(publisher), PUBLISHER, 0);
  expect(subscriber.publishers().map(({ publisher }) => publisher)).toEqual(
    publishers.slice(2).map(({ session }) => session),
  );
});

test('remembered: the past of more publishers is forgotten, the oldest first', () => {
  const subscriber = newSubscriber({ limits: { remembered: 1 } });
  const publishers = [1, 2].map((seed) => newPublisher({ door: 0 }, 0, seed));
  const said = publishers.map((publisher) => {
    const bytes = firstOf(publisher);
    publisher.end(0);
    return [bytes, publisher.poll(0)?.bytes as Uint8Array];
  });
  for (const bytes of said.flat()) subscriber.receive(bytes, PUBLISHER, 0);
  expect(events(subscriber)).toEqual(['publisher', 'message', 'end', 'publisher', 'message', 'end']);
  for (const bytes of said.flat().toReversed()) subscriber.receive(bytes, PUBLISHER, 1);
  expect(events(subscriber)).toEqual(['publisher', 'end']);
  expect(subscriber.stats().duplicates).toBe(3);
});

test('heldBytes: what comes too early is held up to so many bytes, and asked for again beyond', () => {
  const line = deafLine({ heldBytes: 3000 });
  line.say('a', 0);
  line.loses = (_, to) => to === 'publisher';
  for (let i = 1; i <= 10; i++) line.say('a', `${i}`.repeat(400));
  expect(line.subscriber.stats().heldBytes).toBeLessThanOrEqual(3000);
  expect(line.subscriber.stats().heldBytes).toBeGreaterThan(1500);
  expect(line.data()).toEqual([]);
  line.mend();
  line.advance(1000);
  expect(line.data()).toHaveLength(11);
  expect(line.told().filter((told) => told.startsWith('gap'))).toEqual([]);
  expect(line.subscriber.stats().heldBytes).toBe(0);
});

test('behindMessages: who is further behind gives up the oldest', () => {
  const line = deafLine({ behindMessages: 10 });
  for (let i = 1; i <= 25; i++) line.say('a', i);
  line.mend();
  line.advance(1000);
  expect(line.told()[1]).toBe('gap 1-15 limits');
  expect(line.data()).toEqual([16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
});

test('holes: of more missing ranges the oldest is given up', () => {
  const line = deafLine({ holes: 2, asksAtOnce: 1 }, { reorderWait: 500 });
  for (let i = 1; i <= 10; i++) {
    line.loses = () => i % 2 === 1;
    line.say('a', i);
  }
  // Five are missing, where two are allowed, and one more that may have been split.
  expect(line.told().slice(1)).toEqual(['gap 1-1 limits', 'gap 3-3 limits']);
  line.mend();
  line.advance(1000);
  expect(line.data()).toEqual([2, 4, 5, 6, 7, 8, 9, 10]);
});

test('askMessages and asksAtOnce: no more is asked for at once', () => {
  const line = deafLine({ askMessages: 4, asksAtOnce: 2 });
  for (let i = 1; i <= 30; i++) line.say('a', i);
  line.loses = (_, to) => to === 'subscriber';
  const before = line.requests.length;
  line.advance(100);
  const asked = line.requests.slice(before).map((bytes) => readRequest(bytes, bytes.length)?.ranges);
  expect(asked.length).toBeGreaterThan(0);
  expect(asked[0]).toEqual([
    { from: 1, to: 5 },
    { from: 5, to: 9 },
  ]);
  for (const { to } of asked.flatMap((ranges) => ranges ?? [])) expect(to).toBeLessThanOrEqual(9);
  line.mend();
  line.advance(3000);
  expect(line.data()).toHaveLength(30);
});

test('asks, retryWait and retryWaitMost: what is asked for in vain is given up, after longer and longer waits', () => {
  const line = deafLine({ asks: 5 }, { retryWait: 20, retryWaitMost: 40 });
  line.say('a', 1);
  line.loses = (_, to) => to !== 'group';
  const at: number[] = [];
  line.say('a', 2);
  const { requests } = line;
  for (let seen = requests.length; line.now < 1000; line.advance(1)) {
    if (requests.length > seen) at.push(line.now);
    seen = requests.length;
  }
  expect(at).toHaveLength(5);
  const waits = at.slice(1).map((time, i) => time - (at[i] as number));
  expect(waits[0]).toBeGreaterThanOrEqual(14);
  expect(waits[0]).toBeLessThanOrEqual(26);
  for (const wait of waits.slice(1)) {
    expect(wait).toBeGreaterThanOrEqual(29);
    expect(wait).toBeLessThanOrEqual(51);
  }
  expect(line.told()).toEqual(['publisher 1', 'gap 1-1 unanswered']);
  expect(line.data()).toEqual([2]);
});

test('greetings: who does not answer is believed without a key, and not with one', () => {
  const plain = new Line({}, { limits: { greetings: 2 } });
  plain.loses = (_, to) => to !== 'group';
  plain.say('a', 1);
  plain.advance(200);
  expect(plain.requests).toHaveLength(2);
  expect(plain.data()).toEqual([1]);

  const keys = [keyOf('k')];
  const keyed = new Line({ keys }, { keys, limits: { greetings: 2 } });
  keyed.loses = (_, to) => to !== 'group';
  keyed.say('a', 1);
  keyed.advance(200);
  expect(keyed.data()).toEqual([]);
  expect(keyed.told()).toEqual(['fault unproved']);
});

test('requestRate and requestBurst: a subscriber asks no more often, whatever it hears', () => {
  const subscriber = newSubscriber({ limits: { requestRate: 20, requestBurst: 6, strangers: 1000 } });
  for (let seed = 1; seed <= 100; seed++) subscriber.receive(firstOf(newPublisher({}, 0, seed)), PUBLISHER, 0);
  let requests = 0;
  let calls = 0;
  for (let due = subscriber.deadline(); due !== undefined && due <= 1000; due = subscriber.deadline()) {
    subscriber.tick(due);
    while (subscriber.poll(due) !== undefined) requests++;
    expect(++calls).toBeLessThan(1000);
  }
  // Half of both is for repair.
  expect(requests).toBeGreaterThanOrEqual(12);
  expect(requests).toBeLessThanOrEqual(13);
});

test('silence: a publisher that says nothing has ended, and what was missing is told', () => {
  const line = deafLine({}, { silence: 2000 });
  line.say('a', 1);
  line.loses = (_, to) => to !== 'group';
  line.say('a', 2);
  line.loses = () => true;
  line.advance(2001);
  expect(line.told()).toEqual(['publisher 1', 'gap 1-1 unanswered', 'end silent']);
  expect(line.data()).toEqual([2]);
});

test('messageBytes: parts of more than that are dropped, and told', () => {
  const line = new Line({ limits: { datagramBytes: 512 } }, { limits: { messageBytes: 1000 } });
  line.meet();
  line.say('a', 'x'.repeat(990));
  line.say('a', 'x'.repeat(3000));
  line.say('a', 1);
  expect(line.data()).toEqual(['x'.repeat(990), 1]);
  expect(line.told()[1]).toMatch(/^gap 4-10 cut$/);
});

test('reorderWait and askJitter: nothing is asked for before, and not everybody asks at once', () => {
  const times = { reorderWait: 40, askJitter: 50 };
  const waits = [3, 4, 5, 6, 7].map((seed) => {
    const line = new Line({}, newSubscriber({ times }, 0, seed));
    line.meet();
    const before = line.requests.length;
    const start = line.now;
    line.loses = (_, to) => to !== 'publisher' && line.toGroup.length === lost;
    const lost = line.toGroup.length + 1;
    line.say('a', 1);
    line.say('a', 2);
    while (line.requests.length === before) line.advance(1);
    return line.now - start;
  });
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(40);
  expect(Math.max(...waits)).toBeLessThanOrEqual(91);
  expect(new Set(waits).size).toBeGreaterThan(2);
});

test('what a stranger says before it has answered is kept up to 64 KiB, and asked for beyond', () => {
  const line = new Line();
  for (let i = 0; i < 100; i++) line.say('a', 'x'.repeat(1300));
  expect(line.subscriber.publishers()[0]).toMatchObject({ state: 'proving' });
  const held = line.subscriber.publishers()[0]?.heldBytes ?? 0;
  expect(held).toBeGreaterThan(60_000);
  expect(held).toBeLessThanOrEqual(65_536);
  line.meet();
  expect(line.data()).toHaveLength(100);
});

test('a payload that is no message is told as a gap of its own', () => {
  const line = new Line({ door: 0 });
  line.publisher.publish('a', 1, 0);
  const bytes = new Uint8Array(line.publisher.poll(0)?.bytes as Uint8Array);
  bytes[bytes.length - 1] = 0xc1;
  line.subscriber.receive(bytes, PUBLISHER, 0);
  line.say('a', 2);
  expect(line.told()).toEqual(['publisher 1', 'gap 1-1 malformed']);
  expect(line.data()).toEqual([2]);
  expect(open(bytes, [])).toBe(bytes.length);
});
