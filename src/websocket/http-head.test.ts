import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Head,
  isHeaderName,
  isHeaderValue,
  joinHeaders,
  packHeaders,
  parseHead,
  replaceHeader,
  unpackHeaders,
} from './http-head.ts';

const HEADERS_MAX = 6;

/** Line by line, by the rules for names and values alone. */
function plainly(text: string): Head | 'too many' | undefined {
  const [startLine = '', ...lines] = text.slice(0, -4).split('\r\n');
  if (lines.length > HEADERS_MAX) return 'too many';
  const rawHeaders: string[] = [];
  for (const line of lines) {
    const colon = line.indexOf(':');
    const [name, value] = [line.slice(0, Math.max(colon, 0)), line.slice(colon + 1)];
    if (!isHeaderName(name) || !isHeaderValue(value)) return undefined;
    rawHeaders.push(name, value.replace(/^[ \t]+|[ \t]+$/g, ''));
  }
  return { startLine, rawHeaders };
}

/** Lines that are nearly headers: no LF in them, and none is empty. */
const line = fc
  .array(
    fc.oneof(fc.constantFrom('a', 'B-c', ':', ': ', ' ', '\t', '\r', '\0', '\x7f', '\x80', '\xff', '"', '(', '~')),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .map((parts) => parts.join(''));
const header = fc.constantFrom('Host: h', 'x:y', 'Cookie:  a=1; b=2\t', 'X-Empty:', 'é: ü');

test('a head is taken apart as one would by splitting its lines', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof({ weight: 3, arbitrary: header }, line), { maxLength: HEADERS_MAX + 2 }), (lines) => {
      const text = ['GET / HTTP/1.1', ...lines, '', ''].join('\r\n');
      expect(parseHead(new Uint8Array(Buffer.from(text, 'latin1')), HEADERS_MAX)).toEqual(plainly(text));
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ['nothing but the first line', 'GET / HTTP/1.1\r\n\r\n', ['GET / HTTP/1.1', 0]],
  ['nothing at all', '\r\n', ['', 0]],
  ['as many as may be', `G\r\n${'a:b\r\n'.repeat(HEADERS_MAX)}\r\n`, ['G', 2 * HEADERS_MAX]],
])('a head of %s', (_name, text, wanted) => {
  const head = parseHead(new Uint8Array(Buffer.from(text, 'latin1')), HEADERS_MAX) as Head;
  expect([head.startLine, head.rawHeaders.length]).toEqual(wanted);
});

test('one header too many is told, also where another is broken', () => {
  for (const broken of ['', 'no colon\r\n', 'a b: c\r\n']) {
    const text = `G\r\n${broken}${'a:b\r\n'.repeat(HEADERS_MAX + 1)}\r\n`;
    expect(parseHead(new Uint8Array(Buffer.from(text, 'latin1')), HEADERS_MAX)).toBe('too many');
  }
});

test('packed headers are the same when they are taken apart, however many clients there were in between', () => {
  const name = fc.constantFrom('Host', 'host', 'Cookie', 'cookie', 'User-Agent', 'X-Own', '__proto__', 'ACCEPT');
  const value = fc.oneof(fc.constantFrom('', 'a', 'b, c'), fc.integer().map(String), fc.constant('x'.repeat(2000)));
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 8 }), (pairs) => {
      const raw = pairs.flat();
      const { headers } = joinHeaders(raw, new Set());
      expect({ ...unpackHeaders(packHeaders(raw)) }).toEqual({ ...headers });
      const replaced = pairs.flatMap(([one, said]) => [one, one.toLowerCase() === 'cookie' ? 'new' : said]);
      expect(replaceHeader(raw, 'cookie', 'new')).toEqual(replaced);
    }),
    { numRuns: 1000 },
  );
});

test('what is packed keeps its order, in whatever case a name comes', () => {
  const raw = ['ACCEPT', 'a', 'Accept', 'b', 'accept', 'c', 'x-forwarded-for', 'd', 'X-FORWARDED-FOR', 'e'];
  expect({ ...unpackHeaders(packHeaders(raw)) }).toEqual({ accept: 'a, b, c', 'x-forwarded-for': 'd, e' });
});
