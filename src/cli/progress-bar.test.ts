import { expect, test } from 'vitest';
import { barOf, clock, ProgressBar, sized } from './progress-bar.ts';

const HALF = { name: 'film\n.mp4', bytes: 5e8, total: 1e9, bytesPerSecond: 1e8, secondsLeft: 5 };

test('a bar tells the part, the amounts, the speed, the time left and the name', () => {
  expect(barOf(HALF, 120)).toBe(' 50% [##########..........] 500 MB of 1.0 GB 100 MB/s 0:05 left film\\u000a.mp4');
  expect(barOf(HALF, 30)).toHaveLength(29);
  expect(barOf({ ...HALF, bytes: 0, bytesPerSecond: 0, secondsLeft: undefined }, 120)).not.toContain('left');
  expect(barOf({ ...HALF, bytes: 0, total: 0 }, 120)).toContain('100%');
});

test('amounts and times as people read them', () => {
  expect([0, 999, 1000, 123_456_789, 1e12].map(sized)).toEqual(['0 bytes', '999 bytes', '1.0 kB', '123 MB', '1.0 TB']);
  expect([0, 6.2, 65, 3605, 1e9].map(clock)).toEqual(['0:00', '0:07', '1:05', '1:00:05', '99:59:59']);
});

test('without a terminal nothing is drawn', () => {
  const written: string[] = [];
  const write = (text: string): boolean => written.push(text) > 0;
  const file = new ProgressBar({ write, isTTY: false } as unknown as NodeJS.WriteStream, true);
  file.show(HALF);
  file.above(() => {});
  file.clear();
  expect(written).toEqual([]);
  const terminal = new ProgressBar({ write, isTTY: true, columns: 100 } as unknown as NodeJS.WriteStream, true);
  terminal.show(HALF);
  terminal.above(() => written.push('a line'));
  terminal.clear();
  const bar = barOf(HALF, 100);
  expect(written).toEqual([`\r${bar}\u001b[K`, '\r\u001b[K', 'a line', bar, '\r\u001b[K']);
});
