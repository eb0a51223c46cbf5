import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Subject } from '../../engine/index.ts';
import { KEY_BYTES_MAX, keyOf, logKeyOf, nodeOf, shortId } from './keys.ts';

const name = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.constantFrom('', ':', '1:', 'a', 'x'.repeat(2000)),
);

test('two subjects have one key only when they are the same', () => {
  const subject: fc.Arbitrary<Subject> = fc.oneof(
    fc.constant({ kind: 'all' } as const),
    fc.record({ kind: fc.constant('room' as const), namespace: name, room: name }),
    fc.record({ kind: fc.constant('user' as const), namespace: name, user: name }),
    fc.record({ kind: fc.constant('node' as const), node: name }),
  );
  const isOwn = fc.property(name, name, subject, subject, (one, other, a, b) => {
    const isSame = one === other && JSON.stringify(a) === JSON.stringify(b);
    return (keyOf(one, a) === keyOf(other, b)) === isSame;
  });
  expect(() => fc.assert(isOwn, { numRuns: 2000 })).not.toThrow();
});

test('no key is longer than the hub takes, and the log of a room is none of its other subjects', () => {
  const long = '🚀'.repeat(100_000);
  const room = { kind: 'room', namespace: long, room: long } as const;
  expect(Buffer.byteLength(keyOf(long, room))).toBeLessThan(KEY_BYTES_MAX);
  expect(Buffer.byteLength(keyOf('', { kind: 'node', node: '€'.repeat(1010) }))).toBeLessThan(KEY_BYTES_MAX);
  expect(logKeyOf('c', '/', 'r')).not.toBe(keyOf('c', { kind: 'room', namespace: '/', room: 'r' }));
  expect(shortId(long)).toHaveLength(44);
  expect(shortId('short')).toBe('short');
});

test('a node is read from its key by its own cluster alone', () => {
  expect(nodeOf('c', keyOf('c', { kind: 'node', node: 'a:b' }))).toBe('a:b');
  expect(nodeOf('d', keyOf('c', { kind: 'node', node: 'a' }))).toBeUndefined();
  expect(nodeOf('c', keyOf('c', { kind: 'room', namespace: '', room: 'a' }))).toBeUndefined();
});
