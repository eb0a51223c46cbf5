import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Row, type Standing } from './row.ts';

class Item implements Standing {
  rows = 0;
}

test('each stands in it once, and is told from the same in another row', () => {
  const [first, second] = [new Row<Item>(1), new Row<Item>(2)];
  const [a, b] = [new Item(), new Item()];
  for (const item of [a, b, a]) first.add(item);
  second.add(a);
  expect([first.length, first.shift(), first.shift(), first.shift()]).toEqual([2, a, b, undefined]);
  expect([second.shift(), second.shift()]).toEqual([a, undefined]);
});

test('who is removed is passed over, and may come again', () => {
  const row = new Row<Item>(1);
  const [a, b] = [new Item(), new Item()];
  row.add(a);
  row.add(b);
  row.remove(a);
  expect(row.shift()).toBe(b);
  row.add(a);
  expect([row.shift(), row.shift()]).toEqual([a, undefined]);
});

test('who comes and is removed again and again has one place, and one turn', () => {
  const row = new Row<Item>(1);
  const [idle, busy] = [new Item(), new Item()];
  row.add(busy);
  for (let turn = 0; turn < 100; turn++) {
    row.add(idle);
    row.remove(idle);
    expect(row.length).toBeLessThanOrEqual(2);
    row.add(idle);
    expect([row.shift(), row.shift(), row.shift()]).toEqual([busy, idle, undefined]);
    row.add(idle);
    row.remove(idle);
    row.add(busy);
    row.add(idle);
    row.remove(idle);
    expect([row.shift(), row.shift()]).toEqual([busy, undefined]);
    row.add(busy);
  }
});

test('whatever comes and goes, it is a queue', () => {
  const step = fc.record({ add: fc.integer({ min: 0, max: 60 }), shift: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const items = Array.from({ length: 61 }, () => new Item());
      const row = new Row<Item>(4);
      const model: Item[] = [];
      for (const { add, shift } of steps) {
        const item = items[add] ?? new Item();
        row.add(item);
        if (!model.includes(item)) model.push(item);
        if (shift) expect(row.shift()).toBe(model.shift());
        expect(row.length).toBe(model.length);
      }
    }),
  );
});
