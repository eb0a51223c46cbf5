import { expect, test } from 'vitest';
import { HeldEntries } from './held.ts';

test('entries that came too early are taken in their order, when what is missing has come', () => {
  const held = new HeldEntries();
  for (const offset of [9, 7, 8]) expect(held.hold({ offset, before: offset - 1 })).toBe(true);
  expect(held.next(5)).toBeUndefined();
  expect([held.next(6)?.offset, held.next(7)?.offset, held.isEmpty]).toEqual([7, 8, false]);
  expect(held.takeAll().map(({ offset }) => offset)).toEqual([9]);
  expect([held.isEmpty, held.next(100), held.takeAll()]).toEqual([true, undefined, []]);
});

test('no more than a thousand are held', () => {
  const held = new HeldEntries();
  const taken = Array.from({ length: 1001 }, (_, i) => held.hold({ offset: 2000 - i, before: 1 }));
  expect([taken.indexOf(false), held.next(1)?.offset]).toEqual([1000, 1001]);
});
