import { expect, test } from 'vitest';
import { QUICK, Restarts } from './restarts.ts';

test('who has worked for a while is replaced at once; who dies at once is waited for longer and longer, and at last not replaced', () => {
  const restarts = new Restarts(3);
  expect(restarts.died(1000, 1000 + QUICK)).toBe(0);
  expect(restarts.died(undefined, 9_000_000)).toBe(100);
  expect(restarts.died(1000, 1000 + QUICK - 1)).toBe(200);
  expect(restarts.died(0, QUICK)).toBe(0);
  expect([1, 2, 3, 4].map((now) => restarts.died(0, now))).toEqual([100, 200, 400, undefined]);
});

test('no wait is longer than five seconds', () => {
  const restarts = new Restarts(100);
  const waits = Array.from({ length: 100 }, () => restarts.died(undefined, 0));
  expect(Math.max(...waits.map(Number))).toBe(5000);
});
