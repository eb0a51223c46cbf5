import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Deadlines } from './deadlines.ts';

test('items come out in the order of the times they last asked for', () => {
  const step = fc.record({ item: fc.nat(20), at: fc.option(fc.nat(1000), { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const deadlines = new Deadlines<number>();
      const wanted = new Map<number, number>();
      for (const { item, at } of steps) {
        deadlines.set(item, at);
        if (at === undefined) wanted.delete(item);
        else wanted.set(item, at);
        expect(deadlines.next).toBe(wanted.size === 0 ? undefined : Math.min(...wanted.values()));
      }
      let last = -1;
      for (let item = deadlines.take(1000); item !== undefined; item = deadlines.take(1000)) {
        const at = wanted.get(item) ?? -1;
        expect(at).toBeGreaterThanOrEqual(last);
        last = at;
        wanted.delete(item);
      }
      expect(wanted.size).toBe(0);
    }),
  );
});

test('nobody is taken before the time', () => {
  const deadlines = new Deadlines<string>();
  deadlines.set('a', 5);
  expect(deadlines.take(4)).toBeUndefined();
  expect(deadlines.take(5)).toBe('a');
  expect(deadlines.next).toBeUndefined();
});
