import { describe, expect, test } from 'vitest';
import { hawserCodec, jsonCodec } from '../wire/index.ts';
import { Delivery } from './index.ts';

describe('a delivery', () => {
  test('is encoded once by each dialect', () => {
    const delivery = new Delivery({ event: 'say', data: 'hi', volatile: false }, undefined);
    const all = [hawserCodec, jsonCodec, hawserCodec, jsonCodec].map((codec) => delivery.encodedBy(codec));
    expect([all[0] === all[2], all[1] === all[3], all[0] === all[1]]).toEqual([true, true, false]);
  });

  test.each([
    ['a function', () => 0],
    ['a symbol', Symbol('x')],
    ['an instance', new Map([[1, 2]])],
    ['an invalid date', new Date(Number.NaN)],
    ['an integer of 65 bits', 1n << 64n],
    ['half a surrogate pair', '\ud800'],
    ['half a surrogate pair in a key', { '\ud800': 1 }],
    ['an own __proto__', JSON.parse('{"__proto__":1}')],
    ['65 levels', nested(65)],
    ['a cycle', cycle()],
    ['a value that is no data, deep inside', { a: [{ b: () => 0 }] }],
  ])('%s is refused by both dialects alike, so that nobody got it', (_, data: unknown) => {
    const unencodable = expect.objectContaining({ code: 'ERR_UNENCODABLE' });
    for (const codec of [hawserCodec, jsonCodec]) {
      expect(() => new Delivery({ event: 'say', data: data, volatile: false }, undefined).encodedBy(codec)).toThrow(
        unencodable,
      );
      expect(() => new Delivery({ event: 'say', data: data, volatile: true }, undefined).encodedBy(codec)).toThrow(
        unencodable,
      );
    }
  });

  test.each([
    ['64 levels', nested(64)],
    ['numbers beyond JSON', [Number.NaN, Number.POSITIVE_INFINITY, -0, 1n << 63n]],
    ['a date', new Date(0)],
    ['bytes', new Uint8Array(3)],
    ['no prototype', Object.assign(Object.create(null), { a: 1 })],
    ['holes and undefined', [undefined, { a: undefined }]],
    ['names that objects inherit', { toString: 1, constructor: 2, valueOf: 3 }],
  ])('%s is taken by both', (_, data: unknown) => {
    for (const codec of [hawserCodec, jsonCodec]) {
      const { bytes, text } = new Delivery({ event: 'say', data: data, volatile: false }, undefined).encodedBy(codec);
      expect(codec.decode(bytes, text).kind).not.toBe(0);
    }
  });
});

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = [value];
  return value;
}

function cycle(): unknown {
  const ring: unknown[] = [];
  ring.push(ring);
  return ring;
}
