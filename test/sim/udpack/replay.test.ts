import { expect, test } from 'vitest';
import { runUdpack } from './play.ts';

test('the same seed replays the same run, traced or not', () => {
  const lines: string[] = [];
  const first = runUdpack(7);
  expect(runUdpack(7, (line) => lines.push(line))).toEqual(first);
  expect(lines.length).toBeGreaterThan(100);
});
