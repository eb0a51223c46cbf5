import { expect, test } from 'vitest';
import { hmac, keyOf, Line, newPublisher, newSubscriber, PUBLISHER, SUBSCRIBER } from '../../test/support/lan-line.ts';
import { seededRandom } from '../testing/index.ts';
import { encodeRequest, type Range, readWelcome } from './datagrams.ts';
import { kindOf } from './envelope.ts';
import { Publisher } from './publisher.ts';

const NONCE = new Uint8Array(8).fill(7);
const NO_PROOF = new Uint8Array(16);

/** Sends a request of our own. */
function ask(publisher: Publisher, proof: Uint8Array, ranges: readonly Range[], now: number): void {
  const session = Uint8Array.from(Buffer.from(publisher.session, 'hex'));
  publisher.receive(encodeRequest(session, { nonce: NONCE, proof, ranges }, undefined), SUBSCRIBER, now);
}

/** All that the publisher sends now, by kind. */
function sent(publisher: Publisher, now: number): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let one = publisher.poll(now); one !== undefined; one = publisher.poll(now)) all.push(one.bytes);
  return all;
}

function proofOf(publisher: Publisher, now: number): Uint8Array {
  ask(publisher, NO_PROOF, [], now);
  const welcome = sent(publisher, now).find((bytes) => kindOf(bytes) === 4) as Uint8Array;
  return readWelcome(welcome, welcome.length)?.proof as Uint8Array;
}

const code = (name: string): unknown => expect.objectContaining({ code: name });

test.each([
  [{ limits: { datagramBytes: 511 } }],
  [{ limits: { datagramBytes: 65_508 } }],
  [{ limits: { datagramBytes: 600.5 } }],
  [{ limits: { asks: -1 } }],
  [{ times: { heartbeat: 0 } }],
  [{ times: { retryWait: Number.NaN } }],
  [{ keys: [keyOf('k')], door: 0 }],
])('what can not be is refused: %j', (options) => {
  const given = { door: 1, random: seededRandom(1), prove: hmac('p'), ...options };
  expect(() => new Publisher(given, 0)).toThrow(code('ERR_OPTION'));
});

test.each(['', 'x'.repeat(256), 'ü'.repeat(128), '\ud800', 5 as unknown as string])('%j is no topic', (topic) => {
  expect(() => newPublisher().publish(topic, 1, 0)).toThrow(code('ERR_ARGUMENT'));
});

test('a topic may have 255 bytes', () => {
  const line = new Line({ limits: { datagramBytes: 512 } });
  line.say(`${'ü'.repeat(127)}x`, 'y'.repeat(1000));
  line.meet();
  expect(line.messages()[0]?.topic).toBe(`${'ü'.repeat(127)}x`);
});

test('messageBytes: a longer message is refused, and a volatile one that is longer than a datagram', () => {
  const publisher = newPublisher({ limits: { messageBytes: 2000 } });
  publisher.publish('a', 'x'.repeat(1990), 0);
  expect(() => publisher.publish('a', 'x'.repeat(2000), 0)).toThrow(code('ERR_MESSAGE_TOO_LARGE'));
  expect(() => publisher.publish('a', 'x'.repeat(1400), 0, true)).toThrow(code('ERR_MESSAGE_TOO_LARGE'));
  expect(() => publisher.publish('a', () => 1, 0)).toThrow(code('ERR_UNENCODABLE'));
});

test('backlogMark and backlogBytes: false, volatile messages dropped, a throw; drain when it is better', () => {
  const publisher = newPublisher({ limits: { backlogMark: 1000, backlogBytes: 3000 } });
  expect(publisher.publish('a', 'x'.repeat(900), 0)).toBe(true);
  expect(publisher.publish('a', 'x'.repeat(900), 0)).toBe(false);
  expect(publisher.publish('a', 1, 0, true)).toBe(false);
  expect(publisher.stats().dropped).toBe(1);
  expect(publisher.publish('a', 'x'.repeat(900), 0)).toBe(false);
  expect(() => publisher.publish('a', 'x'.repeat(900), 0)).toThrow(code('ERR_BACKLOG_FULL'));
  expect(publisher.pollEvent()).toBeUndefined();
  sent(publisher, 0);
  expect(publisher.pollEvent()).toEqual({ type: 'drain' });
  expect(publisher.pollEvent()).toBeUndefined();
  expect(publisher.publish('a', 1, 0, true)).toBe(true);
});

test.each([
  ['storeMessages', { limits: { storeMessages: 10 } }],
  ['storeBytes', { limits: { storeBytes: 600 } }],
  ['storeAge', { times: { storeAge: 50 } }],
])('%s: what the store has let go of is told as gone', (_name, options) => {
  const line = new Line(options);
  line.meet();
  let lost = true;
  line.loses = (_, to) => to === 'group' && lost;
  for (let i = 0; i < 30; i++) {
    line.say('a', 'x'.repeat(20));
    line.now += 10;
  }
  lost = false;
  line.advance(500);
  expect(line.told().find((told) => told.startsWith('gap'))).toMatch(/^gap 1-\d+ expired$/);
  expect(line.messages().length).toBeLessThan(30);
  expect(line.publisher.stats().gone).toBeGreaterThan(0);
  expect(line.subscriber.publishers()[0]).toMatchObject({ next: 31, missing: 0 });
});

test('answerRate and answerBurst: answers wait until the rate allows them', () => {
  const publisher = newPublisher({ limits: { answerRate: 20_000, answerBurst: 1500 } });
  for (let i = 0; i < 5; i++) {
    publisher.publish('a', 'x'.repeat(900), 0);
    publisher.publish('a', 'x'.repeat(400), 0);
  }
  sent(publisher, 0);
  ask(publisher, proofOf(publisher, 0), [{ from: 1, to: 11 }], 0);
  expect(sent(publisher, 0)).toHaveLength(1);
  const due = publisher.deadline() as number;
  expect(due).toBeGreaterThan(0);
  publisher.tick(2000);
  expect(sent(publisher, 2000).filter((bytes) => bytes.length > 900)).toHaveLength(1);
});

test('answerBytes: no more answers wait than may', () => {
  const publisher = newPublisher({ limits: { answerRate: 100_000, answerBurst: 2000, answerBytes: 3000 } });
  for (let i = 0; i < 10; i++) publisher.publish('a', 'x'.repeat(1300), 0);
  sent(publisher, 0);
  ask(publisher, proofOf(publisher, 0), [{ from: 1, to: 11 }], 0);
  expect(publisher.stats().faults).toEqual({ answers: 1 });
  for (let now = 0; now < 10_000; now += 100) sent(publisher, now);
  expect(publisher.stats().answers).toBe(2);
});

test('who asks twice for what waits is answered once', () => {
  const publisher = newPublisher();
  for (let i = 0; i < 10; i++) publisher.publish('a', 'x'.repeat(1300), 0);
  sent(publisher, 0);
  const proof = proofOf(publisher, 0);
  for (let i = 0; i < 3; i++) ask(publisher, proof, [{ from: 2, to: 4 }], 0);
  expect(sent(publisher, 0)).toHaveLength(2);
});

test('askerRate and askerBurst: one asker gets no more than his share', () => {
  const publisher = newPublisher({ limits: { askerRate: 1000, askerBurst: 3000 } });
  for (let i = 0; i < 10; i++) publisher.publish('a', 'x'.repeat(1300), 0);
  sent(publisher, 0);
  const proof = proofOf(publisher, 0);
  ask(publisher, proof, [{ from: 1, to: 11 }], 0);
  expect(sent(publisher, 0)).toHaveLength(2);
  expect(publisher.stats().faults).toEqual({ answers: 1 });
});

test('welcomeRate and welcomeBurst: strangers are answered so often, and not with more than they sent', () => {
  const publisher = newPublisher({ limits: { welcomeRate: 10, welcomeBurst: 3 } });
  publisher.publish('a', 'x'.repeat(1300), 0);
  sent(publisher, 0);
  for (let i = 0; i < 5; i++) ask(publisher, NO_PROOF, [{ from: 1, to: 2 }], 0);
  const answers = sent(publisher, 0);
  expect(answers).toHaveLength(3);
  const request = encodeRequest(new Uint8Array(12), { nonce: NONCE, proof: NO_PROOF, ranges: [] }, undefined);
  for (const bytes of answers) expect(bytes.length).toBeLessThanOrEqual(request.length);
  expect(publisher.stats().faults).toEqual({ answers: 2 });
  ask(publisher, NO_PROOF, [], 100);
  expect(publisher.stats().welcomes).toBe(4);
});

test('proofAge: a proof is good for so long and twice that at most, and at its own address alone', () => {
  const publisher = newPublisher({ times: { proofAge: 1000 } });
  publisher.publish('a', 1, 0);
  sent(publisher, 0);
  const proof = proofOf(publisher, 0);
  const kindAt = (now: number): number | undefined => {
    ask(publisher, proof, [{ from: 1, to: 2 }], now);
    return sent(publisher, now).map((bytes) => kindOf(bytes))[0];
  };
  expect(kindAt(1500)).toBe(1);
  expect(kindAt(2000)).toBe(4);
  const request = encodeRequest(Buffer.from(publisher.session, 'hex'), { nonce: NONCE, proof, ranges: [] }, undefined);
  publisher.receive(request, { ...SUBSCRIBER, port: 5001 }, 2000);
  expect(sent(publisher, 2000).map((bytes) => kindOf(bytes))).toEqual([4]);
});

test('a subscriber whose proof has become old gets what it asks for all the same', () => {
  const line = new Line({ times: { proofAge: 500 } });
  line.meet();
  line.advance(5000);
  const lost = line.toGroup.length + 1;
  line.loses = (_, to) => to === 'group' && line.toGroup.length === lost;
  line.say('a', 1);
  line.say('a', 2);
  line.advance(100);
  expect(line.data()).toEqual([1, 2]);
});

test('heartbeatFirst and heartbeat: signs of life come sooner after messages, then less often', () => {
  const line = new Line({ times: { heartbeatFirst: 10, heartbeat: 40 } });
  line.advance(1000);
  expect(line.publisher.stats().heartbeats).toBe(26);
  line.say('a', 1);
  line.advance(10);
  expect(line.publisher.stats().heartbeats).toBe(27);
});

test('endRepeats and endSpacing: the end is told so often', () => {
  const publisher = newPublisher({ limits: { endRepeats: 3 }, times: { endSpacing: 20 } });
  publisher.end(0);
  publisher.end(0);
  let ends = sent(publisher, 0).length;
  for (let now = 1; now <= 59; now++) {
    publisher.tick(now);
    ends += sent(publisher, now).length;
  }
  expect(ends).toBe(3);
  expect(publisher.ended).toBe(false);
  publisher.tick(60);
  expect(publisher.ended).toBe(true);
});

test('while the line is not taken from, signs of life do not pile up', () => {
  const publisher = newPublisher();
  for (let now = 0; now < 10_000; now += 10) publisher.tick(now);
  expect(sent(publisher, 10_000)).toHaveLength(1);
});

test('faultInterval: a fault is told at once, and then seldom, with how many there were', () => {
  const publisher = newPublisher({ times: { faultInterval: 1000 } });
  for (let now = 0; now <= 1000; now += 100) publisher.receive(Uint8Array.of(1, 2, 3), SUBSCRIBER, now);
  const first = publisher.pollEvent();
  expect(first).toEqual({ type: 'fault', reason: 'foreign', count: 1, from: SUBSCRIBER });
  expect(publisher.pollEvent()).toEqual({ ...first, count: 10 });
  expect(publisher.pollEvent()).toBeUndefined();
});

test('a request for another session, or for what was never published, is a fault', () => {
  const publisher = newPublisher();
  ask(newPublisher({}, 0, 9), NO_PROOF, [], 0);
  const proof = proofOf(publisher, 0);
  ask(publisher, proof, [{ from: 1, to: 2 }], 0);
  expect(publisher.stats().faults).toEqual({ request: 1 });
  const other = encodeRequest(new Uint8Array(12), { nonce: NONCE, proof, ranges: [] }, undefined);
  publisher.receive(other, PUBLISHER, 0);
  expect(publisher.stats().faults).toEqual({ request: 2 });
  expect(newSubscriber().stats().faults).toEqual({});
});
