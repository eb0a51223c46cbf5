import { expect, test } from 'vitest';
import { Allowance } from './allowance.ts';

test('so many at once, then so many a second', () => {
  const allowance = new Allowance(3, 2, 0);
  expect([1, 2, 3, 4].map(() => allowance.take(0))).toEqual([true, true, true, false]);
  expect(allowance.take(500)).toBe(false);
  expect(allowance.take(1500)).toBe(true);
  expect(allowance.take(60_000, 3)).toBe(true);
  expect(allowance.take(60_000)).toBe(false);
});
