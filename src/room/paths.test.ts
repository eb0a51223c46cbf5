import fc from 'fast-check';
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  comparePatterns,
  isPattern,
  isSamePattern,
  matchPattern,
  normalPath,
  PATH_LENGTH,
  PATH_SEGMENTS,
  type ParamsOf,
  type PathPattern,
  parsePattern,
} from './paths.ts';

function pattern(path: string): PathPattern {
  return parsePattern(path) ?? expect.fail(`${path} is no pattern`);
}

function params(path: string, concrete: string): unknown {
  const found = matchPattern(pattern(path), concrete);
  return found && { ...found };
}

describe('a path', () => {
  test.each([
    ['/', '/'],
    ['/a', '/a'],
    ['/a/', '/a'],
    ['/a/B/ä 🚀', '/a/B/ä 🚀'],
    ['/%2f', '/%2f'],
    ['/...', '/...'],
  ])('%s is called %s', (path, name) => expect(normalPath(path)).toBe(name));

  test.each(['', 'a', 'a/', '//', '/a//b', '/a//', '/.', '/a/..', '/../a', '/a/./b', '/a\\b', '/a\n', '/\0', '/\x7f'])(
    '%o is no path',
    (path) => expect(normalPath(path)).toBeUndefined(),
  );

  test('has so many characters and segments, and no more', () => {
    const long = `/${'x'.repeat(PATH_LENGTH - 1)}`;
    expect([normalPath(long), normalPath(`${long}x`)]).toEqual([long, undefined]);
    const deep = '/x'.repeat(PATH_SEGMENTS);
    expect([normalPath(deep), normalPath(`${deep}/x`)]).toEqual([deep, undefined]);
    expect(normalPath('/'.repeat(1 << 20))).toBeUndefined();
  });

  test('of any text is normal once it was made so, or none', () => {
    const texts = fc.string({ unit: fc.constantFrom('/', '.', 'a', '\\', ':', '*', '\n') });
    const holds = (text: string): boolean => {
      const name = normalPath(`/${text}`);
      return name === undefined || normalPath(name) === name;
    };
    expect(() => fc.assert(fc.property(texts, holds))).not.toThrow();
  });
});

describe('a pattern', () => {
  test.each(['/room/:id', '/:a', '/*', '/files/*path', '/a/:b/c/:d/*'])('%s is one', (path) => {
    expect(isPattern(path)).toBe(true);
    expect(pattern(path).path).toBe(path);
  });

  test.each(['/room/:', '/:a/:a', '/*/a', '/*a/*b', '/:a/*a'])('%s is none', (path) => {
    expect(parsePattern(path)).toBeUndefined();
  });

  test.each(['/a:b', '/a*', '/a/b:', '/'])('%s is a fixed path', (path) => expect(isPattern(path)).toBe(false));

  test('fits paths segment by segment, and says what stood for its names', () => {
    expect(params('/room/:id', '/room/7')).toEqual({ id: '7' });
    expect(params('/room/:id', '/room/:id')).toEqual({ id: ':id' });
    expect(params('/:a/x/:b', '/1/x/2')).toEqual({ a: '1', b: '2' });
    expect(params('/:__proto__', '/1')).toEqual(Object.fromEntries([['__proto__', '1']]));
    for (const other of ['/', '/room', '/room/7/8', '/ROOM/7', '/rooms/7']) {
      expect(params('/room/:id', other)).toBeUndefined();
    }
  });

  test('with a tail takes one segment or more', () => {
    expect(params('/files/*path', '/files/a/b/c')).toEqual({ path: 'a/b/c' });
    expect(params('/*', '/a/b')).toEqual({ '*': 'a/b' });
    expect(params('/files/*path', '/files')).toBeUndefined();
    expect(params('/*', '/')).toBeUndefined();
  });

  test('comes before one that says less', () => {
    const paths = ['/*', '/:a/*', '/:a', '/a/*', '/:a/b', '/a/:b', '/:a/:b'];
    const sorted = paths.map(pattern).toSorted(comparePatterns);
    const first = (path: string): string | undefined =>
      sorted.find((one) => matchPattern(one, path) !== undefined)?.path;
    expect(first('/a/b')).toBe('/a/:b');
    expect(first('/c/b')).toBe('/:a/b');
    expect(first('/c/d')).toBe('/:a/:b');
    expect(first('/a/b/c')).toBe('/a/*');
    expect(first('/c/d/e')).toBe('/:a/*');
    expect(first('/c')).toBe('/:a');
  });

  test('is the same as another that fits the same paths, whatever the names', () => {
    expect(isSamePattern(pattern('/a/:b'), pattern('/a/:c'))).toBe(true);
    expect(isSamePattern(pattern('/a/:b'), pattern('/a/*'))).toBe(false);
    expect(isSamePattern(pattern('/a/:b'), pattern('/b/:b'))).toBe(false);
  });

  test('takes one look at each segment, however the path was made to be hard', () => {
    const deep = pattern(`${'/:x'.replace('x', 'a')}${Array.from({ length: 30 }, (_, n) => `/:p${n}`).join('')}/end`);
    let looks = 0;
    const look = (): string => {
      looks += 1;
      return 'end';
    };
    const parts = deep.parts.map((part) =>
      part.kind === 'text' ? Object.defineProperty({ ...part }, 'text', { get: look }) : part,
    );
    expect(matchPattern({ ...deep, parts }, '/a'.repeat(PATH_SEGMENTS))).toBeUndefined();
    expect(looks).toBe(1);
  });

  test('that was filled in fits, and gives back what filled it', () => {
    const word = fc.stringMatching(/^[a-z0-9 ä]{1,8}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(word, fc.boolean()), { minLength: 1, maxLength: 10 }), (segments) => {
        const made = segments.map(([text, named], at) => (named ? `/:n${at}` : `/${text}`)).join('');
        const filled = segments.map(([text]) => `/${text}`).join('');
        const expected = segments.flatMap(([text, named], at) => (named ? [[`n${at}`, text]] : []));
        expect(params(made, filled)).toEqual(Object.fromEntries(expected));
      }),
    );
  });

  test('has a type with its names', () => {
    expectTypeOf<ParamsOf<'/room/:id/x/*rest'>>().toEqualTypeOf<{ readonly id: string; readonly rest: string }>();
    expectTypeOf<ParamsOf<'/*'>>().toEqualTypeOf<{ readonly '*': string }>();
    expectTypeOf<ParamsOf<string>>().toEqualTypeOf<Readonly<Record<string, string>>>();
    expectTypeOf<keyof ParamsOf<'/room'>>().toEqualTypeOf<never>();
  });
});
