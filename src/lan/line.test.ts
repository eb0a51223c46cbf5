import { describe, expect, test } from 'vitest';
import { keyOf, Line, newPublisher, newSubscriber } from '../../test/support/lan-line.ts';

describe('a publisher and a subscriber', () => {
  test('messages come in order, with their topics and numbers, many in one datagram', () => {
    const line = new Line();
    line.meet();
    const before = line.toGroup.length;
    for (let i = 0; i < 10; i++) line.publisher.publish(i % 2 === 0 ? 'quotes/A' : 'quotes/Ü', { i }, line.now);
    line.flush();
    expect(line.toGroup.length).toBe(before + 1);
    expect(line.data()).toEqual(Array.from({ length: 10 }, (_, i) => ({ i })));
    expect(line.messages()[3]).toEqual({
      type: 'message',
      topic: 'quotes/Ü',
      data: { i: 3 },
      publisher: line.publisher.session,
      sequence: 4,
      parts: 1,
      volatile: false,
    });
    expect(line.publisher.session).toMatch(/^[0-9a-f]{24}$/);
  });

  test('what is longer than a datagram travels in parts, each with a number', () => {
    const line = new Line({ limits: { datagramBytes: 512 } });
    line.meet();
    const long = 'x'.repeat(3000);
    line.say('a', 1);
    line.say('long', long);
    line.say('b', 2);
    expect(line.data()).toEqual([1, long, 2]);
    const [, whole, after] = line.messages();
    expect(whole).toMatchObject({ sequence: 2, topic: 'long' });
    expect(whole?.parts).toBeGreaterThan(5);
    expect(after?.sequence).toBe(2 + (whole?.parts ?? 0));
    expect(Math.max(...line.toGroup.map(({ length }) => length))).toBeLessThanOrEqual(512);
  });

  test('who was there before the publisher hears everything, also when the first datagrams are lost', () => {
    const line = new Line();
    line.loses = (_, to) => to === 'group' && line.toGroup.length <= 2;
    line.say('a', 1);
    line.say('a', 2);
    line.say('a', 3);
    line.meet();
    expect(line.data()).toEqual([1, 2, 3]);
    expect(line.told()).toEqual(['publisher 1', 'recovered 1-1', 'recovered 2-2']);
  });

  test('the loss of the last message is found by a sign of life', () => {
    const line = new Line();
    line.meet();
    line.loses = (_, to) => to === 'group' && line.toGroup.length === lost;
    const lost = line.toGroup.length + 1;
    line.say('a', 'last');
    expect(line.data()).toEqual([]);
    line.advance(200);
    expect(line.data()).toEqual(['last']);
    expect(line.told()).toContain('recovered 1-1');
  });

  test('a late joiner begins with what it hears first, or with the oldest in the store', () => {
    const publisher = newPublisher();
    for (let i = 1; i <= 5; i++) publisher.publish('a', i, 0);
    publisher.poll(0);
    const now = new Line(publisher, newSubscriber({}, 1000));
    now.now = 1000;
    now.say('a', 6);
    now.meet();
    expect(now.data()).toEqual([6]);
    expect(now.told()).toEqual(['publisher 6']);

    const store = new Line(publisher, newSubscriber({ since: 'store' }, 1200));
    store.now = 1200;
    store.say('a', 7);
    store.meet();
    expect(store.data()).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(store.told()).toEqual(['publisher 1']);
  });

  test('who joins in the middle of a long message begins with the next one', () => {
    const line = new Line({ limits: { datagramBytes: 512 } }, newSubscriber({}, 10));
    line.now = 500;
    let group = 0;
    line.loses = (_, to) => to === 'group' && ++group <= 2;
    line.publisher.publish('long', 'x'.repeat(2000), line.now);
    line.say('a', 'next');
    line.meet();
    expect(line.data()).toEqual(['next']);
    expect(line.told()[0]).toMatch(/^publisher [34]$/);
    expect(line.told().length).toBe(1);
  });

  test('a datagram that comes twice, or late, is told once', () => {
    const line = new Line();
    line.meet();
    line.say('a', 1);
    const first = line.toGroup.at(-1) as Uint8Array;
    line.say('a', 2);
    line.subscriber.receive(first, { address: '10.0.0.1', port: 4000 }, line.now);
    line.flush();
    expect(line.data()).toEqual([1, 2]);
    expect(line.subscriber.stats().duplicates).toBe(1);
  });

  test('what overtakes waits for what it has overtaken, and nothing is asked for', () => {
    const line = new Line();
    line.meet();
    const requests = line.requests.length;
    const from = { address: '10.0.0.1', port: 4000 };
    line.publisher.publish('a', 1, line.now);
    const first = line.publisher.poll(line.now)?.bytes as Uint8Array;
    line.say('a', 2);
    expect(line.data()).toEqual([]);
    line.subscriber.receive(first, from, line.now + 1);
    line.advance(100);
    expect(line.data()).toEqual([1, 2]);
    expect(line.told()).toEqual(['publisher 1']);
    expect(line.requests.length).toBe(requests);
  });

  test('a volatile message is not repaired, comes once, and never behind a newer one', () => {
    const line = new Line();
    line.meet();
    line.say('a', 1, true);
    const first = line.toGroup.at(-1) as Uint8Array;
    line.say('a', 2, true);
    line.subscriber.receive(first, { address: '10.0.0.1', port: 4000 }, line.now);
    line.loses = (_, to) => to === 'group' && line.toGroup.length === lost;
    const lost = line.toGroup.length + 1;
    line.say('a', 3, true);
    line.say('a', 4, true);
    line.advance(1000);
    expect(line.data()).toEqual([1, 2, 4]);
    expect(line.messages().map(({ sequence, volatile }) => [sequence, volatile])).toEqual([
      [1, true],
      [2, true],
      [4, true],
    ]);
    expect(line.told()).toEqual(['publisher 1']);
  });

  test('the end is told when all has come, and nothing of the publisher is taken in behind it', () => {
    const line = new Line();
    line.meet();
    line.loses = (_, to) => to === 'group' && line.toGroup.length === lost;
    const lost = line.toGroup.length + 1;
    line.say('a', 'last');
    line.publisher.end(line.now);
    line.advance(1000);
    expect(line.publisher.ended).toBe(true);
    expect(line.publisher.deadline()).toBeUndefined();
    expect(line.data()).toEqual(['last']);
    expect(line.told()).toEqual(['publisher 1', 'recovered 1-1', 'end ended']);
    for (const bytes of line.toGroup) line.subscriber.receive(bytes, { address: '10.0.0.1', port: 4000 }, line.now);
    line.advance(1000);
    expect(line.data()).toEqual(['last']);
    expect(line.subscriber.publishers()).toEqual([]);
    expect(() => line.publisher.publish('a', 1, line.now)).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
  });

  test('a publisher that was silent and comes back goes on where it was, and what was missed is repaired', () => {
    const line = new Line();
    line.meet();
    line.say('a', 1);
    line.loses = () => true;
    line.say('a', 2);
    line.advance(6000);
    expect(line.told()).toEqual(['publisher 1', 'end silent']);
    line.loses = () => false;
    line.advance(2000);
    line.say('a', 3);
    expect(line.data()).toEqual([1, 2, 3]);
    expect(line.told()).toEqual(['publisher 1', 'end silent', 'publisher 2', 'recovered 2-2']);
  });

  test('a publisher without a door is heard, and what is lost is told', () => {
    const line = new Line({ door: 0 });
    line.say('a', 1);
    line.loses = (_, to) => to === 'group' && line.toGroup.length === 2;
    line.say('a', 2);
    line.say('a', 3);
    line.advance(100);
    expect(line.data()).toEqual([1, 3]);
    expect(line.told()).toEqual(['publisher 1', 'gap 2-2 unanswered']);
    expect(line.requests).toEqual([]);
  });

  test('what nobody wants is counted and not decoded', () => {
    const line = new Line({ limits: { datagramBytes: 512 } }, { wants: (topic) => topic === 'a' });
    line.meet();
    line.say('b', 1);
    line.say('b', 'x'.repeat(2000));
    line.say('a', 2);
    expect(line.data()).toEqual([2]);
    expect(line.subscriber.stats().unwanted).toBe(2);
  });

  test('one does not listen to the publisher that is excepted', () => {
    const publisher = newPublisher();
    const line = new Line(publisher, { except: () => publisher.session });
    line.say('a', 1);
    line.advance(1000);
    expect(line.events).toEqual([]);
  });

  test('with keys both ways, all is as without', () => {
    const line = new Line({ keys: [keyOf('k')] }, { keys: [keyOf('other'), keyOf('k')] });
    line.loses = (_, to) => to === 'group' && line.toGroup.length % 3 === 0;
    line.meet();
    for (let i = 0; i < 20; i++) line.say('a', i);
    line.advance(500);
    // The subscriber signs its requests with a key that the publisher doesn't have.
    expect(line.data()).toEqual([]);

    const same = new Line({ keys: [keyOf('k'), keyOf('old')] }, { keys: [keyOf('old'), keyOf('k')] });
    same.loses = (_, to) => to === 'group' && same.toGroup.length % 3 === 0;
    for (let i = 0; i < 20; i++) same.say('a', i);
    same.advance(500);
    expect(same.data()).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });
});
