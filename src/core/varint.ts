/**
 * Variable-length integers as in RFC 9000 section 16: the two top bits of the first byte say how long the integer is (1, 2, 4 or
 * 8 bytes), the rest is the number, most significant byte first. Hawser takes numbers up to 2^53 - 1 and accepts any of the lengths
 * that can hold a number.
 */

/** The largest number that a varint may carry here. */
export const VARINT_MAX: number = Number.MAX_SAFE_INTEGER;

const TWO_BYTES = 1 << 6;
const FOUR_BYTES = 1 << 14;
const EIGHT_BYTES = 2 ** 30;
const HIGH_WORD_MAX = 0x1fffff;

/** How many bytes `value` takes in its shortest form: 1, 2, 4 or 8. */
export function varintLength(value: number): number {
  if (value < TWO_BYTES) return 1;
  if (value < FOUR_BYTES) return 2;
  if (value < EIGHT_BYTES) return 4;
  return 8;
}

/** Writes `value` at `offset` in its shortest form and returns the offset after it. `value` must be a safe integer from 0. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  if (value < TWO_BYTES) {
    target[offset] = value;
    return offset + 1;
  }
  if (value < FOUR_BYTES) {
    target[offset] = 0x40 | (value >>> 8);
    target[offset + 1] = value & 0xff;
    return offset + 2;
  }
  if (value < EIGHT_BYTES) {
    target[offset] = 0x80 | (value >>> 24);
    target[offset + 1] = (value >>> 16) & 0xff;
    target[offset + 2] = (value >>> 8) & 0xff;
    target[offset + 3] = value & 0xff;
    return offset + 4;
  }
  const high = Math.floor(value / 2 ** 32);
  const low = value >>> 0;
  target[offset] = 0xc0 | (high >>> 24);
  target[offset + 1] = (high >>> 16) & 0xff;
  target[offset + 2] = (high >>> 8) & 0xff;
  target[offset + 3] = high & 0xff;
  target[offset + 4] = low >>> 24;
  target[offset + 5] = (low >>> 16) & 0xff;
  target[offset + 6] = (low >>> 8) & 0xff;
  target[offset + 7] = low & 0xff;
  return offset + 8;
}

/** How long the varint is whose first byte this is. */
export function varintLengthAt(firstByte: number): number {
  return 1 << (firstByte >>> 6);
}

/**
 * Reads the varint at `offset`; the caller steps on by `varintLengthAt(bytes[offset])`. Returns -1 when the bytes end before it
 * does, and -2 when the number is over `VARINT_MAX`.
 */
export function readVarint(bytes: Uint8Array, offset: number, end: number = bytes.length): number {
  if (offset >= end) return -1;
  const first = bytes[offset] ?? 0;
  const length = varintLengthAt(first);
  if (offset + length > end) return -1;
  if (length === 1) return first;
  if (length === 2) return ((first & 0x3f) << 8) | (bytes[offset + 1] ?? 0);
  if (length === 4) return (first & 0x3f) * 2 ** 24 + read24(bytes, offset + 1);
  const high = (first & 0x3f) * 2 ** 24 + read24(bytes, offset + 1);
  if (high > HIGH_WORD_MAX) return -2;
  return high * 2 ** 32 + (bytes[offset + 4] ?? 0) * 2 ** 24 + read24(bytes, offset + 5);
}

function read24(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 16) | ((bytes[offset + 1] ?? 0) << 8) | (bytes[offset + 2] ?? 0);
}
