import { posix, win32 } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { partsOf, shown } from './names.ts';

const RULES = { nameBytes: 1024, folders: 32, windows: false };

test.each([
  ['a.txt'],
  ['a/b/c'],
  ['with blanks and more'],
  ['line\nbreak'],
  ['naïve 文件 🎈'],
  ['.hidden'],
  ['..more'],
  ['a..'],
  ['12:30.log'],
  ['console.log'],
  ['nullable'],
  ['x'.repeat(255)],
])('%j is taken as it is', (name) => {
  expect(partsOf(name, RULES)).toEqual(name.split('/'));
});

test.each([
  [''],
  [undefined],
  [7],
  [['a']],
  ['/etc/passwd'],
  ['//host/share'],
  ['..'],
  ['.'],
  ['../a'],
  ['a/../../b'],
  ['a/..'],
  ['a/./b'],
  ['a//b'],
  ['a/'],
  ['.. '],
  ['. ./a'],
  ['a\0b'],
  ['a\\b'],
  ['\\\\host\\share'],
  ['c:'],
  ['C:/Windows'],
  ['a/c:b'],
  ['nul'],
  ['a/NUL.txt'],
  ['COM1'],
  ['lpt9.log'],
  ['aux .c'],
  ['\ud800'],
  [`.hawser-${'a'.repeat(24)}.part`],
  [`a/.HAWSER-${'0'.repeat(24)}.json`],
  ['x'.repeat(256)],
  ['é'.repeat(128)],
  ['a/'.repeat(600)],
  [`${'a/'.repeat(33)}b`],
])('%j is refused', (name) => {
  expect(partsOf(name, RULES)).toBeTypeOf('string');
});

test.each([['ab:c'], ['a?'], ['a\nb'], ['dot.'], ['blank '], ['a|b/c']])('%j is no name on Windows', (name) => {
  expect(partsOf(name, { ...RULES, windows: true })).toBeTypeOf('string');
  expect(partsOf(name, RULES)).not.toBeTypeOf('string');
});

/** What names are broken with. */
const PIECE = fc.oneof(
  fc.constantFrom(
    '..',
    '.',
    '',
    '/',
    '\\',
    ' ',
    '\0',
    'C:',
    'c:',
    'nul',
    'con',
    '\\\\?\\',
    '~',
    '%2e%2e',
    '．．',
    '/..',
    '../',
  ),
  fc.string({ maxLength: 4 }),
  fc.string({ unit: 'binary', maxLength: 3 }),
);
const NAME = fc
  .array(PIECE, { minLength: 1, maxLength: 8 })
  .chain((pieces) => fc.constantFrom(pieces.join('/'), pieces.join(''), pieces.join('\\')));

test('no name that is taken leads out of the folder, on any platform', () => {
  fc.assert(
    fc.property(NAME, fc.boolean(), (name, windows) => {
      const parts = partsOf(name, { ...RULES, windows });
      if (typeof parts === 'string') return;
      for (const [path, root] of [
        [posix, '/inbox'],
        [win32, 'C:\\inbox'],
      ] as const) {
        const resolved = path.resolve(root, ...parts);
        expect(resolved.startsWith(`${root}${path.sep}`)).toBe(true);
        expect(path.relative(root, resolved).split(path.sep)).toEqual([...parts]);
        for (const part of parts) expect(path.isAbsolute(part)).toBe(false);
      }
    }),
    { numRuns: 5000 },
  );
});

test('a name is shown without what could move a cursor', () => {
  expect(shown('a\u001b[2Jb\n')).toBe("'a\\u{1b}[2Jb\\u{a}'");
  expect(shown('\u202egpj.exe')).not.toContain('\u202e');
  expect(shown(7)).toBe("'number'");
  expect(shown('x'.repeat(1000)).length).toBeLessThan(250);
});
