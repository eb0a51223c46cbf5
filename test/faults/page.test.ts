import { expect, test } from 'vitest';
import { textOf } from '../support/tree.ts';
import { pageOf, rangesOf } from './page.ts';
import { readRecords } from './record.ts';

test('docs/FAULTS.md is what the records say', () => {
  expect(textOf('docs/FAULTS.md')).toBe(pageOf(readRecords()));
});

test('ranges of seeds', () => {
  expect(rangesOf([3, 1, 2, 7, 9, 8, 20])).toBe('1 to 3, 7 to 9, 20');
  expect(rangesOf([])).toBe('');
});
