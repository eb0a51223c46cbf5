import { decode, encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeValue, encodeValue } from './value.ts';

describe('a value alone', () => {
  test('is what another implementation of MessagePack reads and writes', () => {
    const value = ['chunk', { chunk: Uint8Array.of(1, 2, 3), name: 'a', size: 1_048_576 }];
    expect(decode(encodeValue(value))).toEqual(value);
    expect(decodeValue(encode(value))).toEqual({ value });
  });

  test('nothing at all is null', () => {
    expect([...encodeValue(['finish', undefined])]).toEqual([0x92, 0xa6, ...Buffer.from('finish'), 0xc0]);
  });

  test('goes there and back', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.boolean())), (value) => {
        expect(decodeValue(encodeValue(value))).toEqual({ value });
      }),
    );
  });

  test('no bytes make it throw, and none that are left over are taken', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void decodeValue(bytes)));
    expect(decodeValue(Uint8Array.of(1, 2))).toBeUndefined();
    expect(decodeValue(new Uint8Array(0))).toBeUndefined();
  });

  test('what it cannot say leaves the next one whole', () => {
    expect(() => encodeValue(['a', () => {}])).toThrow(expect.objectContaining({ code: 'ERR_UNENCODABLE' }));
    expect(decodeValue(encodeValue('b'))).toEqual({ value: 'b' });
  });
});
