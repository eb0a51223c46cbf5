import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { epochIn, Names, pathOf, tokenOf } from './names.ts';

const name = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 256 }),
  fc.string({ unit: fc.constantFrom('a', '~', '.', '*', '>', ' ', '/', '\ud800', '$'), maxLength: 60 }),
);

describe('names in subjects', () => {
  test('any name is one token of printable letters, short, and never a wildcard', () => {
    const isToken = fc.property(name, (text) => /^[\w/:@+~-]{1,48}$/.test(tokenOf(text)));
    expect(() => fc.assert(isToken, { numRuns: 1000 })).not.toThrow();
  });

  test('different names are different tokens', () => {
    const differ = fc.property(name, name, (a, b) => (a === b) === (tokenOf(a) === tokenOf(b)));
    expect(() => fc.assert(differ, { numRuns: 1000 })).not.toThrow();
    const hard = [
      '',
      '~',
      '.',
      '*',
      '>',
      ' ',
      '\ud800',
      '\udfff',
      '\ufffd',
      'x'.repeat(48),
      'x'.repeat(49),
      'x'.repeat(50),
    ];
    expect(new Set(hard.map(tokenOf)).size).toBe(hard.length);
    expect(tokenOf(tokenOf('.'))).not.toBe(tokenOf('.'));
  });

  test('the pages that name subjects are right', () => {
    const names = new Names('hawser');
    const rule = { name: '/chat r*', size: 1, age: 1 };
    expect([
      names.push,
      names.subject({ kind: 'all' }),
      names.subject({ kind: 'room', namespace: '/chat', room: 'lobby' }),
      names.subject({ kind: 'user', namespace: '/', user: 'ada' }),
      names.subject({ kind: 'node', node: 'n1' }),
    ]).toEqual([
      'hawser.hawser.push',
      'hawser.hawser.all',
      'hawser.hawser.room./chat.lobby',
      'hawser.hawser.user./.ada',
      'hawser.hawser.node.n1',
    ]);
    const logs = names.logs(rule);
    expect(logs.stream).toMatch(/^HAWSER_hawser_[\da-f]{16}$/);
    const key = logs.stream.slice(-16);
    expect([logs.added('e'), logs.republish.dest, logs.heard(pathOf('/chat', 'r1'))]).toEqual([
      `hawser.hawser.log.${key}.e`,
      `hawser.hawser.live.${key}.>`,
      `hawser.hawser.live.${key}.*./chat.r1`,
    ]);
  });

  test("a stream's subjects say its epoch, and others are none of ours", () => {
    const logs = new Names('hawser').logs({ name: '/ r', size: 1, age: 1 });
    const ours = `${logs.added('e1')}.*.*`;
    expect(logs.epochOf([ours])).toBe('e1');
    expect(epochIn(`hawser.hawser.live.${logs.stream.slice(-16)}.e1./.r`)).toBe('e1');
    const foreign = [[], ['orders.>'], [ours, 'orders.>'], [`${logs.added('e1')}.>`], ['hawser.hawser.log.x.e1.*.*']];
    expect(foreign.map((subjects) => logs.epochOf(subjects))).toEqual(foreign.map(() => undefined));
  });
});
