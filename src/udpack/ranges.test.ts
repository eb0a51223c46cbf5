import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Ranges } from './ranges.ts';

function listOf(ranges: Ranges): [number, number][] {
  return Array.from({ length: ranges.count }, (_, at) => [ranges.fromAt(at), ranges.toAt(at)]);
}

test('ranges that touch become one', () => {
  const ranges = new Ranges();
  expect(ranges.add(0, 2)).toBe(2);
  expect(ranges.add(4, 6)).toBe(2);
  expect(ranges.add(2, 4)).toBe(2);
  expect(listOf(ranges)).toEqual([[0, 6]]);
});

test('it says what a plain set says, whatever is added and removed', () => {
  const step = fc.record({ add: fc.boolean(), from: fc.nat(60), length: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const ranges = new Ranges();
      const model = new Set<number>();
      for (const { add, from, length } of steps) {
        const numbers = Array.from({ length }, (_, at) => from + at);
        const fresh = numbers.filter((number) => !model.has(number)).length;
        for (const number of numbers) model[add ? 'add' : 'delete'](number);
        if (add) expect(ranges.add(from, from + length)).toBe(fresh);
        else ranges.remove(from, from + length);
      }
      const told = listOf(ranges).flatMap(([from, to]) => Array.from({ length: to - from }, (_, at) => from + at));
      expect(told).toEqual([...model].toSorted((a, b) => a - b));
      for (let number = 0; number < 90; number++) expect(ranges.has(number)).toBe(model.has(number));
      const list = listOf(ranges);
      for (let at = 1; at < list.length; at++) expect(list[at]?.[0]).toBeGreaterThan(list[at - 1]?.[1] ?? 0);
      expect(ranges.first).toBe(list[0]?.[0]);
      expect(ranges.end).toBe(list.at(-1)?.[1] ?? 0);
      for (const [from, to] of list) expect(ranges.covers(from, to)).toBe(true);
      expect(ranges.covers(0, 90)).toBe(false);
    }),
  );
});
