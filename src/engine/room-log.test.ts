import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { HistoryRule } from './history.ts';
import { ID_WINDOW, IDS_MOST, RoomLog } from './room-log.ts';

const RULE: HistoryRule = { name: '/ r', size: 3, age: 1000 };
const valuesOf = (read: ReturnType<RoomLog<number>['read']>): unknown =>
  read.isWhole ? read.entries.map(({ value }) => value) : read.reason;

describe('the log of a room', () => {
  test('numbers from 1 and says all that came after a place', () => {
    const log = new RoomLog<number>('e');
    const appended = [10, 11, 12].map((value) => log.append(value, RULE, 0).offset);
    expect(appended).toEqual([1, 2, 3]);
    expect([0, 1, 2, 3].map((offset) => valuesOf(log.read({ offset, epoch: 'e' }, 10)))).toEqual([
      [10, 11, 12],
      [11, 12],
      [12],
      [],
    ]);
    expect(log.read(undefined, 10)).toEqual({ isWhole: true, entries: [], position: { offset: 3, epoch: 'e' } });
  });

  test('says why it can not say all', () => {
    const log = new RoomLog<number>('e');
    for (let value = 1; value <= 5; value++) log.append(value, RULE, value);
    const at = (offset: number, epoch = 'e', most = 10): unknown => valuesOf(log.read({ offset, epoch }, most));
    expect([at(1), at(2)]).toEqual(['expired', [3, 4, 5]]);
    expect([at(2, 'f'), at(6), at(2, 'e', 2)]).toEqual(['epoch', 'unknown', 'too-many']);
    log.trim(3, 1000, 1004);
    expect([at(2), at(3)]).toEqual(['expired', [4, 5]]);
    expect(log.trim(3, 1000, 2000)).toBe(false);
    expect([at(4), at(5)]).toEqual(['expired', []]);
  });

  test('adds nothing by an id that it had lately', () => {
    const log = new RoomLog<number>('e');
    expect(log.append(1, RULE, 0, 'a')).toMatchObject({ offset: 1, isDuplicate: false });
    expect(log.append(2, RULE, 1, 'b')).toMatchObject({ offset: 2, isDuplicate: false });
    expect(log.append(3, RULE, ID_WINDOW, 'a')).toEqual({ offset: 1, epoch: 'e', isDuplicate: true });
    expect(log.append(3, RULE, ID_WINDOW + 1, 'a')).toMatchObject({ offset: 3, isDuplicate: false });
    for (let n = 0; n < IDS_MOST; n++) log.append(n, RULE, ID_WINDOW + 2, `${n}`);
    expect(log.append(3, RULE, ID_WINDOW + 2, 'a')).toMatchObject({ isDuplicate: false });
  });

  test('is never anything but whole or a gap, whatever its bounds', () => {
    const step = fc.record({
      wait: fc.nat(50),
      size: fc.integer({ min: 1, max: 8 }),
      age: fc.integer({ min: 1, max: 99 }),
    });
    const isHonest = fc.property(fc.array(step, { maxLength: 60 }), fc.nat(60), (steps, from) => {
      const log = new RoomLog<number>('e');
      let now = 0;
      for (const { wait, size, age } of steps) {
        now += wait;
        log.append(log.position.offset + 1, { name: '', size, age }, now);
      }
      const read = log.read({ offset: from, epoch: 'e' }, 1000);
      if (!read.isWhole) return from > steps.length ? read.reason === 'unknown' : read.reason === 'expired';
      return read.entries.every(({ value, offset, previous }, at) => {
        return value === from + 1 + at && offset === value && previous === value - 1;
      });
    });
    expect(() => fc.assert(isHonest)).not.toThrow();
  });
});
