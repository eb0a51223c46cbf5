import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readAnswer, readLetter } from './letter.ts';

const bytes = Uint8Array.of(1, 2);

describe('letters', () => {
  test.each<[unknown, unknown]>([
    [[0], { kind: 'data', taken: 0, chunks: [] }],
    [[7, bytes, bytes], { kind: 'data', taken: 7, chunks: [bytes, bytes] }],
    [['broken', 'why'], { kind: 'broken', why: 'why' }],
    [['ended', { exitCode: 3 }], { kind: 'ended', end: { exitCode: 3 } }],
    [
      ['ended', { exitCode: 1, error: { name: 'E', message: 'm', stack: 's' } }],
      { kind: 'ended', end: { exitCode: 1, error: { name: 'E', message: 'm' } } },
    ],
  ])('%j is read', (posted, letter) => {
    expect(readLetter(posted)).toEqual(letter);
  });

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['an object', { taken: 0 }],
    ['an empty list', []],
    ['a negative count', [-1]],
    ['half a byte', [0.5]],
    ['no number', [Number.NaN]],
    ['bytes alone', bytes],
    ['text among the chunks', [0, bytes, 'text']],
    ['an empty chunk', [0, new Uint8Array(0)]],
    ['shared memory', [0, new Uint8Array(new SharedArrayBuffer(4))]],
    ['other numbers than bytes', [0, new Uint16Array(4)]],
    ['an unknown word', ['hello', 1]],
    ['a break without a reason', ['broken']],
    ['an end without a code', ['ended', {}]],
    ['an end without anything', ['ended']],
    ['an end whose error is none', ['ended', { exitCode: 1, error: null }]],
    ['an end whose error is a text', ['ended', { exitCode: 1, error: 'oh' }]],
  ])('%s is none', (_, posted) => {
    expect(readLetter(posted)).toBeUndefined();
  });

  test('any value is read without a throw', () => {
    fc.assert(
      fc.property(fc.anything({ withTypedArray: true, withSparseArray: true }), (posted) => {
        for (const value of [posted, [0, posted], ['ended', posted], ['broken', posted], ['refuse', posted, posted]]) {
          expect([readLetter(value)?.kind, readAnswer(value)?.kind]).toHaveLength(2);
        }
      }),
    );
  });

  test('answers', () => {
    expect(readAnswer(['welcome', 'p'])).toEqual({ kind: 'welcome', protocol: 'p' });
    expect(readAnswer(['refuse', 4004, 'full', 429])).toEqual({
      kind: 'refuse',
      code: 4004,
      reason: 'full',
      status: 429,
    });
    for (const none of [undefined, ['welcome'], ['welcome', 1], ['refuse', 1, 'r'], ['refuse', '1', 'r', 2]]) {
      expect(readAnswer(none)).toBeUndefined();
    }
  });
});
