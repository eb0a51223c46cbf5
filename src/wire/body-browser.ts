import { Decoder, Encoder } from '@msgpack/msgpack';
import type { Body } from './body.ts';

const encoder = new Encoder({ useBigInt64: true, ignoreUndefined: true });
const decoder = new Decoder({ useBigInt64: true });

/** MessagePack by @msgpack/msgpack, the smallest that keeps 64-bit integers; docs/decisions/messagepack.md has the figures. */
export const browserBody: Body = {
  encode(value, reserved) {
    const encoded = encoder.encodeSharedRef(value);
    const bytes = new Uint8Array(reserved + encoded.length);
    bytes.set(encoded, reserved);
    return bytes;
  },
  decode(bytes, start, end) {
    return copyBinary(decoder.decode(bytes.subarray(start, end)));
  },
};

/** The library hands out views of the bytes it read; those are the link's, and soon overwritten. */
function copyBinary(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.slice();
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  const holder = value as Record<string, unknown>;
  for (const key of Object.keys(holder)) {
    const inner = holder[key];
    if (typeof inner === 'object') holder[key] = copyBinary(inner);
  }
  return value;
}
