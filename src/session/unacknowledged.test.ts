import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Outbound } from '../core/index.ts';
import { Unacknowledged } from './unacknowledged.ts';

const message = (length: number): Outbound => new Outbound(new Uint8Array(length), false);

test('keeps what is pushed, by reference and in order, through growth and wrap', () => {
  const queue = new Unacknowledged(3);
  const all = Array.from({ length: 100 }, (_, i) => message(i));
  for (const [i, one] of all.entries()) {
    queue.push(one, i % 7);
    queue.markSent();
    if (i % 3 === 2) queue.acknowledge(queue.acknowledged + 2);
  }
  const left = queue.left(queue.acknowledged, queue.end);
  expect(left.map((one) => one.message)).toEqual(all.slice(queue.acknowledged));
  expect(left.map((one) => one.tag)).toEqual(all.map((_, i) => i % 7).slice(queue.acknowledged));
  expect(left.every((one) => one.channel === 3)).toBe(true);
});

test('an assertion stops a count that the caller did not check', () => {
  const queue = new Unacknowledged(0);
  queue.push(message(1), 0);
  expect(queue.canAcknowledge(1)).toBe(false);
  expect(() => queue.acknowledge(1)).toThrow('assertion failed');
});

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ push: fc.nat(50), tag: fc.oneof(fc.constant(0), fc.nat(9)) }) },
  fc.constant('sent' as const),
  fc.record({ acknowledge: fc.nat(20) }),
);

test('does what a plain array does', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new Unacknowledged(0);
      const all: { message: Outbound; tag: number }[] = [];
      let [sent, acknowledged] = [0, 0];
      for (const one of steps) {
        if (one === 'sent') {
          queue.markSent();
          sent = all.length;
        } else if ('push' in one) {
          all.push({ message: message(one.push), tag: one.tag });
          queue.push(all.at(-1)?.message ?? message(0), one.tag);
        } else {
          const count = acknowledged + one.acknowledge;
          expect(queue.canAcknowledge(count)).toBe(count <= sent);
          if (count > sent) continue;
          queue.acknowledge(count);
          acknowledged = count;
        }
        const kept = all.slice(acknowledged);
        expect([queue.acknowledged, queue.sent, queue.end]).toEqual([acknowledged, sent, all.length]);
        expect(queue.bytes).toBe(kept.reduce((sum, { message: { length } }) => sum + length, 0));
        expect(queue.left(acknowledged, all.length)).toEqual(kept.map((left) => ({ ...left, channel: 0 })));
      }
    }),
    { numRuns: 200 },
  );
});
