/**
 * Variable-length integers as in RFC 9000 section 16: the two top bits of the first byte say how long the integer is (1, 2, 4 or
 * 8 bytes), the rest is the number, most significant byte first. Hawser takes numbers up to 2^53 - 1 and accepts any of the lengths
 * that can hold a number.
 */

/** The largest number that a varint may carry here. */
export const VARINT_MAX: number = Number.MAX_SAFE_INTEGER;

const TWO_BYTES = 0x40;
const FOUR_BYTES = 0x4000;
const EIGHT_BYTES = 0x40000000;

/** How many bytes `value` takes in its shortest form: 1, 2, 4 or 8. */
export function varintLength(value: number): number {
  if (value < TWO_BYTES) return 1;
  if (value < FOUR_BYTES) return 2;
  return value < EIGHT_BYTES ? 4 : 8;
}

/** Writes `value` at `offset` in its shortest form and returns the offset after it. `value` must be a safe integer from 0. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  const length = varintLength(value);
  let rest = value;
  for (let at = offset + length - 1; at > offset; at--) {
    target[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  // The two top bits say how long it is: 0 for 1 byte to 3 for 8.
  target[offset] = rest | ((31 - Math.clz32(length)) << 6);
  return offset + length;
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
  const first = bytes[offset] ?? 0;
  const after = offset + varintLengthAt(first);
  if (offset >= end || after > end) return -1;
  let value = first & 0x3f;
  for (let at = offset + 1; at < after; at++) value = value * 256 + (bytes[at] ?? 0);
  return value > VARINT_MAX ? -2 : value;
}
