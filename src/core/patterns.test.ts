import fc from 'fast-check';
import { expect, test } from 'vitest';
import { matches, matchesAny } from './patterns.ts';

test.each([
  ['*', '', true],
  ['*', 'lobby', true],
  ['lobby', 'lobby', true],
  ['lobby', 'lobby2', false],
  ['team-*', 'team-a', true],
  ['team-*', 'team', false],
  ['*-a', 'team-a', true],
  ['a*a', 'a', false],
  ['a*a', 'aa', true],
  ['a*b*c', 'a-b-c', true],
  ['a*b*c', 'acb', false],
  ['a.c', 'abc', false],
  ['', '', true],
])('%s covers %s: %s', (pattern, name, covered) => {
  expect(matches(pattern, name)).toBe(covered);
});

test('it agrees with a regular expression, character by character', () => {
  const short = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 });
  const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 });
  fc.assert(
    fc.property(short, name, (pattern, text) => {
      const expression = new RegExp(`^${pattern.split('*').join('.*')}$`);
      expect(matches(pattern, text)).toBe(expression.test(text));
    }),
    { numRuns: 2000 },
  );
});

test('a pattern that explodes a regular expression is answered at once', () => {
  expect(matches(`${'a*'.repeat(5000)}b`, 'a'.repeat(10_000))).toBe(false);
});

test('one pattern of several is enough', () => {
  expect(matchesAny(['x', 'y*'], 'yes')).toBe(true);
  expect(matchesAny([], 'yes')).toBe(false);
});
