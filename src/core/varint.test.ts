import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readVarint, VARINT_MAX, varintLength, varintLengthAt, writeVarint } from './varint.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

test.each([
  ['c2197c5eff14e88c', -2],
  ['9d7f3e7d', 494_878_333],
  ['7bbd', 15_293],
  ['25', 37],
  ['4025', 37],
])('the samples of RFC 9000 A.1: %s', (bytes, value) => {
  expect(readVarint(hex(bytes), 0)).toBe(value);
});

test.each([
  [0, '00'],
  [63, '3f'],
  [64, '4040'],
  [16_383, '7fff'],
  [16_384, '80004000'],
  [2 ** 30 - 1, 'bfffffff'],
  [2 ** 30, 'c000000040000000'],
  [VARINT_MAX, 'c01fffffffffffff'],
])('the edges of each length: %d', (value, bytes) => {
  const target = new Uint8Array(8);
  const end = writeVarint(target, 0, value);
  expect(Buffer.from(target.subarray(0, end)).toString('hex')).toBe(bytes);
  expect(varintLength(value)).toBe(end);
  expect(readVarint(target, 0)).toBe(value);
});

test('one above the largest safe integer is refused', () => {
  expect(readVarint(hex('c020000000000000'), 0)).toBe(-2);
});

test('what was written is read, at any offset, and never from fewer bytes', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.nat(20), (value, offset) => {
      const target = new Uint8Array(32);
      const end = writeVarint(target, offset, value);
      expect(readVarint(target, offset)).toBe(value);
      expect(varintLengthAt(target[offset] ?? 0)).toBe(end - offset);
      for (let cut = offset; cut < end; cut++) expect(readVarint(target, offset, cut)).toBe(-1);
    }),
  );
});
