import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allowsRange, judge } from './conditions.ts';
import { encodingsOf } from './encodings.ts';
import { isHidden, placeOf } from './place.ts';
import { spanOf } from './ranges.ts';
import { isCompressible, typeOf } from './types.ts';

describe('paths', () => {
  test('no request target names anything but things in the folder', () => {
    const piece = fc.constantFrom(
      '..',
      '.',
      '/',
      '\\',
      '%2e',
      '%2E',
      '%2f',
      '%5c',
      '%00',
      '%c0%ae',
      '%25',
      'a',
      '%',
      'é',
      '?',
      ':',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece).map((parts) => `/${parts.join('')}`),
          fc.string(),
          fc.webPath(),
        ),
        (target) => {
          for (const name of placeOf(target)?.names ?? []) {
            expect(name).not.toMatch(/^\.{0,2}$|[/\\\0]/);
          }
        },
      ),
      { numRuns: 5000 },
    );
  });

  test('any name that was encoded is found again', () => {
    const name = fc.string({ minLength: 1, unit: 'grapheme' }).filter((text) => !/^\.{1,2}$|[/\\\0]/.test(text));
    fc.assert(
      fc.property(fc.array(name), fc.boolean(), (names, endsInSlash) => {
        const path = `/${names.map(encodeURIComponent).join('/')}${endsInSlash && names.length > 0 ? '/' : ''}`;
        expect(placeOf(`${path}?q`)).toEqual({ names, endsInSlash: endsInSlash || names.length === 0, query: '?q' });
      }),
    );
  });

  test('hidden is what begins with a dot, but .well-known at the root', () => {
    expect(['.a', 'a/.b/c', '.well-known/.x', 'a/.well-known'].map((path) => isHidden(path.split('/')))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(['a.b/c', '.well-known/x'].map((path) => isHidden(path.split('/')))).toEqual([false, false]);
  });
});

describe('ranges', () => {
  test('a span that is given lies in the file and holds what was asked for', () => {
    const one = fc.record({ first: fc.nat(300), last: fc.nat(300) });
    fc.assert(
      fc.property(fc.array(one, { minLength: 1, maxLength: 5 }), fc.nat(250), (asked, size) => {
        const field = `bytes=${asked.map(({ first, last }) => `${first}-${last}`).join(', ')}`;
        const span = spanOf(field, size);
        const wanted = asked.filter(({ first, last }) => first <= last && first < size);
        if (asked.some(({ first, last }) => last < first)) expect(span).toBe('whole');
        else if (wanted.length === 0) expect(span).toBe('unsatisfiable');
        else if (typeof span === 'object') {
          expect(span).toEqual({
            start: Math.min(...wanted.map(({ first }) => first)),
            end: Math.max(...wanted.map(({ last }) => Math.min(size, last + 1))),
          });
        } else expect(wanted.length).toBeGreaterThan(1);
      }),
    );
  });

  test('numbers that no file has, and fields that are none, do no harm', () => {
    const most = '9'.repeat(400);
    expect(spanOf(`bytes=0-${most}`, 10)).toEqual({ start: 0, end: 10 });
    expect(spanOf(`bytes=-${most}`, 10)).toEqual({ start: 0, end: 10 });
    expect(spanOf(`bytes=${most}-`, 10)).toBe('unsatisfiable');
    expect(spanOf(`bytes=${'0-0,'.repeat(5000)}0-0`, 10)).toBe('whole');
    expect(spanOf('bytes=0-', 0)).toBe('unsatisfiable');
    fc.assert(fc.property(fc.string(), fc.nat(), (text, size) => void spanOf(`bytes=${text}`, size)));
  });
});

describe('conditions', () => {
  const validators = { etag: '"a,b"', lastModified: 'Sat, 21 Nov 2026 10:00:00 GMT' };
  const later = 'Sat, 21 Nov 2026 10:00:01 GMT';
  const earlier = 'Sat, 21 Nov 2026 09:59:59 GMT';

  test.each([
    [{}, 'go-on'],
    [{ 'if-match': '"a,b"' }, 'go-on'],
    [{ 'if-match': '*' }, 'go-on'],
    [{ 'if-match': 'W/"a,b"' }, 'failed'],
    [{ 'if-match': '"x"', 'if-none-match': '"a,b"' }, 'failed'],
    [{ 'if-match': '"a,b"', 'if-unmodified-since': earlier }, 'go-on'],
    [{ 'if-unmodified-since': earlier }, 'failed'],
    [{ 'if-unmodified-since': later }, 'go-on'],
    [{ 'if-unmodified-since': 'soon' }, 'go-on'],
    [{ 'if-none-match': '"x", W/"a,b"' }, 'not-modified'],
    [{ 'if-none-match': 'a,b' }, 'go-on'],
    [{ 'if-none-match': '"x"', 'if-modified-since': later }, 'go-on'],
    [{ 'if-modified-since': later }, 'not-modified'],
    [{ 'if-modified-since': validators.lastModified }, 'not-modified'],
    [{ 'if-modified-since': earlier }, 'go-on'],
    [{ 'if-modified-since': 'yesterday' }, 'go-on'],
  ] as const)('%o: %s', (headers, verdict) => {
    expect(judge(headers, validators)).toBe(verdict);
  });

  test('a range hangs on a strong validator alone', () => {
    const weak = { ...validators, etag: 'W/"a,b"' };
    expect(allowsRange(undefined, weak)).toBe(true);
    expect([allowsRange('"a,b"', validators), allowsRange(validators.lastModified, validators)]).toEqual([true, true]);
    expect([
      allowsRange(weak.etag, weak),
      allowsRange(weak.lastModified, weak),
      allowsRange(later, validators),
    ]).toEqual([false, false, false]);
  });
});

test.each([
  [undefined, []],
  ['', []],
  ['br', ['br']],
  ['gzip, br', ['br', 'gzip']],
  ['GZIP;Q=0.9, BR;q=0.8', ['gzip', 'br']],
  ['*;q=0', []],
  ['*, br;q=0', ['gzip']],
  ['br;q=x', []],
  ['identity;q=0.5, gzip;q=0.4, br', ['br']],
  [';;;,,,=q', []],
])('Accept-Encoding: %s allows %o', (field, encodings) => {
  expect(encodingsOf(field)).toEqual(encodings);
});

test('types by ending, and which of them are worth compressing', () => {
  const types = ['a.HTML', 'a.json', 'a.svg', 'a.wasm', 'a.webmanifest', 'a', '.css', 'a.toString'].map((name) =>
    typeOf(name, {}),
  );
  expect(types).toEqual([
    'text/html; charset=utf-8',
    'application/json',
    'image/svg+xml',
    'application/wasm',
    'application/manifest+json',
    'application/octet-stream',
    'application/octet-stream',
    'application/octet-stream',
  ]);
  expect(types.slice(0, 5).every(isCompressible)).toBe(true);
  expect(['image/png', 'font/woff2', 'video/mp4', 'application/zip'].some(isCompressible)).toBe(false);
});
