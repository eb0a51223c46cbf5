import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { idKey, metaKey, Names, SLOTS, slotOf } from './names.ts';

describe('slots', () => {
  test.each([
    // As `CLUSTER KEYSLOT` of Redis 7.0.15 says.
    ['123456789', 12_739],
    ['foo', 12_182],
    ['{foo}.bar', 12_182],
    ['foo{}{bar}', 8363],
    ['foo{{bar}}zap', 4015],
    ['foo{bar}{zap}', 5061],
    ['bar', 5061],
    ['', 0],
    ['ä', 13_929],
  ])('of %j is %i', (key, slot) => {
    expect(slotOf(key)).toBe(slot);
  });
});

describe('names', () => {
  const names = new Names('hawser');

  test('are as the guide writes them', () => {
    expect(names.channel({ kind: 'all' })).toBe('hawser:hawser:{all}');
    expect(names.channel({ kind: 'room', namespace: '/', room: 'lobby' })).toBe('hawser:hawser:{room:/|lobby}');
    expect(names.channel({ kind: 'user', namespace: '/chat', user: 'ada' })).toBe('hawser:hawser:{user:/chat|ada}');
    expect(names.channel({ kind: 'node', node: 'n1' })).toBe('hawser:hawser:{node:n1}');
    expect(names.log('/', 'a}b')).toBe('hawser:hawser:{log:/|a%007db}');
    expect(metaKey(names.log('/', 'a'))).toBe('hawser:hawser:{log:/|a}:meta');
    expect(idKey(names.log('/', 'a'), 'x')).toBe('hawser:hawser:{log:/|a}:id:x');
    expect([names.push, names.pushStream]).toEqual(['hawser:hawser:push', 'hawser:hawser:push:stream']);
  });

  const text = fc.string({ unit: 'binary', maxLength: 12 });
  const odd = fc.string({ unit: fc.constantFrom('%', '{', '}', '|', '0', 'a', ' ', '\ud800', '\udc00'), maxLength: 8 });
  const name = fc.oneof(text, odd);

  test('of different rooms are different, also as bytes', () => {
    fc.assert(
      fc.property(name, name, name, name, (n1, r1, n2, r2) => {
        fc.pre(n1 !== n2 || r1 !== r2);
        expect(Buffer.from(names.log(n1, r1))).not.toEqual(Buffer.from(names.log(n2, r2)));
      }),
    );
  });

  test('of what one room keeps are of one slot', () => {
    fc.assert(
      fc.property(name, name, name, (namespace, room, id) => {
        const log = names.log(namespace, room);
        expect(slotOf(metaKey(log))).toBe(slotOf(log));
        expect(slotOf(idKey(log, id))).toBe(slotOf(log));
        expect(slotOf(log)).toBeLessThan(SLOTS);
      }),
    );
  });
});
