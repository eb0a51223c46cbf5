import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allOf, type Few, isIn, sizeOf, withOne, withoutOne } from './few.ts';

const things = Array.from({ length: 40 }, (_, at) => ({ at }));

test('is a set, whatever its form', () => {
  const isSet = fc.property(fc.array(fc.nat(things.length - 1), { maxLength: 300 }), (picks) => {
    const model = new Set<object>();
    let few: Few<{ at: number }>;
    for (const pick of picks) {
      const one = things[pick] as { at: number };
      const before = allOf(few);
      const wasList = before instanceof Set ? undefined : [...before];
      expect(isIn(few, one)).toBe(model.has(one));
      few = model.has(one) ? withoutOne(few, one) : withOne(few, one);
      if (!model.delete(one)) model.add(one);
      expect(new Set(allOf(few))).toEqual(model);
      expect([sizeOf(few), [...allOf(few)].length]).toEqual([model.size, model.size]);
      // Who goes through a list is not disturbed by changes.
      if (wasList !== undefined) expect(before).toEqual(wasList);
    }
  });
  expect(() => fc.assert(isSet)).not.toThrow();
});
