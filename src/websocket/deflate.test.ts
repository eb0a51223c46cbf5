import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { acceptDeflate, type DeflateWishes, offerDeflate, readDeflateAnswer } from './deflate.ts';
import { parseExtensions } from './extensions.ts';

const FREE: DeflateWishes = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};
const PMD = 'permessage-deflate';
const answerTo = (header: string, wishes: Partial<DeflateWishes> = {}): string => {
  const verdict = acceptDeflate(header, { ...FREE, ...wishes });
  return verdict.kind === 'agreed' ? verdict.answer : verdict.kind;
};

describe('the header', () => {
  test('is a list of names with parameters', () => {
    expect(parseExtensions(' a ; b=c;d ="e" ,\tf;g="h\\i"; b=2')).toEqual([
      {
        name: 'a',
        parameters: [
          ['b', 'c'],
          ['d', 'e'],
        ],
      },
      {
        name: 'f',
        parameters: [
          ['g', 'hi'],
          ['b', '2'],
        ],
      },
    ]);
  });

  test.each([
    '',
    ' ',
    ',',
    'a,',
    ',a',
    'a,,b',
    'a;',
    'a;b=',
    'a;=b',
    'a;b=c=d',
    'a b',
    'a;b c',
    'a;b="',
    'a;b="c',
    'a;b=""',
    'a;b="c d"',
    'a;b="c\\',
    'a;b="c\\"',
    'a;b="c"d',
    'a/b',
    'a;b=é',
    'a;b="\x01"',
  ])('breaks its grammar: %j', (header) => {
    expect(parseExtensions(header)).toBeUndefined();
  });

  test('of any kind is read without a throw, in linear time', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', ';', ',', '=', '"', '\\', ' ', '\t', 'é') }), (header) => {
        const read = parseExtensions(header);
        expect(read === undefined || read.length > 0).toBe(true);
      }),
    );
    expect(parseExtensions(`a${' '.repeat(15_000)}b`)).toBeUndefined();
    expect(parseExtensions(`a;b="${'\\'.repeat(15_000)}`)).toBeUndefined();
  });
});

describe('a server', () => {
  test.each([
    ['a plain offer', PMD, {}, PMD],
    ['no memory of its own', `${PMD}; server_no_context_takeover`, {}, `${PMD}; server_no_context_takeover`],
    ['no memory of theirs', `${PMD}; client_no_context_takeover`, {}, `${PMD}; client_no_context_takeover`],
    ['a smaller window', `${PMD}; server_max_window_bits=10`, {}, `${PMD}; server_max_window_bits=10`],
    ['the largest window', `${PMD}; server_max_window_bits=15`, {}, `${PMD}; server_max_window_bits=15`],
    ['a value in quotes', `${PMD}; server_max_window_bits="9"`, {}, `${PMD}; server_max_window_bits=9`],
    ['a window of theirs that it may choose', `${PMD}; client_max_window_bits`, {}, PMD],
    ['a window of theirs', `${PMD}; client_max_window_bits=9`, {}, `${PMD}; client_max_window_bits=9`],
    [
      'everything',
      `${PMD}; client_max_window_bits=8; server_max_window_bits=8; client_no_context_takeover; server_no_context_takeover`,
      {},
      `${PMD}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8; client_max_window_bits=8`,
    ],
    [
      'with a wish for no memory',
      PMD,
      { serverNoContextTakeover: true, clientNoContextTakeover: true },
      `${PMD}; server_no_context_takeover; client_no_context_takeover`,
    ],
    ['with a smaller window of its own', PMD, { serverMaxWindowBits: 12 }, `${PMD}; server_max_window_bits=12`],
    [
      'the smaller of both',
      `${PMD}; server_max_window_bits=10`,
      { serverMaxWindowBits: 12 },
      `${PMD}; server_max_window_bits=10`,
    ],
    [
      'the smaller of both, its own',
      `${PMD}; server_max_window_bits=14`,
      { serverMaxWindowBits: 12 },
      `${PMD}; server_max_window_bits=12`,
    ],
    [
      'a window of theirs that it chooses',
      `${PMD}; client_max_window_bits`,
      { clientMaxWindowBits: 11 },
      `${PMD}; client_max_window_bits=11`,
    ],
    [
      'a window of theirs that is smaller',
      `${PMD}; client_max_window_bits=10`,
      { clientMaxWindowBits: 11 },
      `${PMD}; client_max_window_bits=10`,
    ],
    ['a second offer, the first being strange', `${PMD}; server_max_window_bits=16, ${PMD}`, {}, PMD],
    ['the first of two', `${PMD}; server_max_window_bits=9, ${PMD}`, {}, `${PMD}; server_max_window_bits=9`],
    ['an offer behind another extension', `x-mux; a=b, ${PMD}`, {}, PMD],
    [
      'a fallback where it must limit the client',
      `${PMD}, ${PMD}; client_max_window_bits`,
      { clientMaxWindowBits: 9 },
      `${PMD}; client_max_window_bits=9`,
    ],
  ] as [string, string, Partial<DeflateWishes>, string][])('accepts %s', (_, header, wishes, answer) => {
    expect(answerTo(header, wishes)).toBe(answer);
  });

  test.each([
    'x-webkit-deflate-frame',
    'Permessage-Deflate',
    `${PMD}; unknown`,
    `${PMD}; server_no_context_takeover; server_no_context_takeover`,
    `${PMD}; server_no_context_takeover=1`,
    `${PMD}; client_no_context_takeover=true`,
    `${PMD}; server_max_window_bits`,
    `${PMD}; server_max_window_bits=7`,
    `${PMD}; server_max_window_bits=16`,
    `${PMD}; server_max_window_bits=08`,
    `${PMD}; server_max_window_bits=1e1`,
    `${PMD}; server_max_window_bits=10; server_max_window_bits=10`,
    `${PMD}; client_max_window_bits=0`,
    `${PMD}; client_max_window_bits=+9`,
    `${PMD}; client_max_window_bits; client_max_window_bits=9`,
    `${PMD}; __proto__=9`,
  ])('declines %s, and the connection does without', (header) => {
    expect(answerTo(header)).toBe('none');
  });

  test('declines a client that it could not hold to a window', () => {
    expect(answerTo(PMD, { clientMaxWindowBits: 14 })).toBe('none');
  });

  test('has nothing to do without an offer, and nothing to do with what can not be read', () => {
    expect(acceptDeflate(undefined, FREE)).toEqual({ kind: 'none' });
    expect(answerTo(`${PMD}; =`)).toBe('broken');
  });
});

describe('a client', () => {
  test('offers what it wants', () => {
    expect(offerDeflate(FREE)).toBe(`${PMD}; client_max_window_bits`);
    const picky = {
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 9,
      clientMaxWindowBits: 10,
    };
    expect(offerDeflate(picky)).toBe(
      `${PMD}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=10`,
    );
  });

  test('takes answers that keep to its offer', () => {
    expect(readDeflateAnswer(undefined, FREE)).toBeUndefined();
    expect(readDeflateAnswer(PMD, FREE)).toEqual(FREE);
    expect(readDeflateAnswer(`${PMD}; server_no_context_takeover; server_max_window_bits=9`, FREE)).toEqual({
      ...FREE,
      serverNoContextTakeover: true,
      serverMaxWindowBits: 9,
    });
    expect(readDeflateAnswer(`${PMD}; client_no_context_takeover; client_max_window_bits=8`, FREE)).toEqual({
      ...FREE,
      clientNoContextTakeover: true,
      clientMaxWindowBits: 8,
    });
  });

  test('keeps to its own wishes, also where the answer says nothing of them', () => {
    expect(readDeflateAnswer(PMD, { ...FREE, clientNoContextTakeover: true, clientMaxWindowBits: 9 })).toEqual({
      ...FREE,
      clientNoContextTakeover: true,
      clientMaxWindowBits: 9,
    });
  });

  test.each([
    ['', {}],
    [`${PMD};`, {}],
    ['x-other', {}],
    [`${PMD}, ${PMD}`, {}],
    [`${PMD}, x-other`, {}],
    [`${PMD}; unknown`, {}],
    [`${PMD}; server_no_context_takeover=1`, {}],
    [`${PMD}; server_no_context_takeover; server_no_context_takeover`, {}],
    [`${PMD}; server_max_window_bits`, {}],
    [`${PMD}; server_max_window_bits=16`, {}],
    [`${PMD}; client_max_window_bits`, {}],
    [`${PMD}; client_max_window_bits=7`, {}],
    [PMD, { serverNoContextTakeover: true }],
    [PMD, { serverMaxWindowBits: 10 }],
    [`${PMD}; server_max_window_bits=11`, { serverMaxWindowBits: 10 }],
    [`${PMD}; client_max_window_bits=11`, { clientMaxWindowBits: 10 }],
  ] as [string, Partial<DeflateWishes>][])('fails the handshake over the answer %j', (answer, wishes) => {
    expect(typeof readDeflateAnswer(answer, { ...FREE, ...wishes })).toBe('string');
  });
});

const bits = fc.integer({ min: 8, max: 15 });
const wishes = fc.record({
  serverNoContextTakeover: fc.boolean(),
  clientNoContextTakeover: fc.boolean(),
  serverMaxWindowBits: bits,
  clientMaxWindowBits: bits,
});

test('whatever both want, they come to the same agreement, and each gets what it asked for', () => {
  fc.assert(
    fc.property(wishes, wishes, (ours, theirs) => {
      const verdict = acceptDeflate(offerDeflate(theirs), ours);
      if (verdict.kind !== 'agreed') throw new Error(verdict.kind);
      const { agreement, answer } = verdict;
      expect(readDeflateAnswer(answer, theirs)).toEqual(agreement);
      for (const wish of [ours, theirs]) {
        expect(agreement.serverNoContextTakeover || !wish.serverNoContextTakeover).toBe(true);
        expect(agreement.clientNoContextTakeover || !wish.clientNoContextTakeover).toBe(true);
        expect(agreement.serverMaxWindowBits).toBeLessThanOrEqual(wish.serverMaxWindowBits);
        expect(agreement.clientMaxWindowBits).toBeLessThanOrEqual(wish.clientMaxWindowBits);
      }
    }),
  );
});
