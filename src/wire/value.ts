import { HEADROOM } from '../core/index.ts';
import { Reader } from './messagepack-reader.ts';
import { Writer } from './messagepack-writer.ts';
import { DEPTH_MAX } from './rules.ts';

const writer = new Writer();
const reader = new Reader();

/**
 * One value as MessagePack, without anything around it.
 * @throws HawserError ERR_UNENCODABLE for what MessagePack can't say.
 */
export function encodeValue(value: unknown): Uint8Array {
  writer.start(0);
  try {
    writer.value(value);
  } catch (error) {
    writer.cancel();
    throw error;
  }
  return writer.finish().bytes.subarray(1);
}

/** The value that these bytes are, held in an object of its own since any value may be one; undefined when they are no value. */
export function decodeValue(bytes: Uint8Array): { readonly value: unknown } | undefined {
  try {
    reader.start(bytes, 0);
    const value = reader.value();
    reader.finish();
    return { value };
  } catch {
    return undefined;
  }
}

/** The longest header that `encodeFramed` takes, bytes. */
export const FRAMED_HEADER: number = HEADROOM + 1;

/**
 * A list behind a header of at most `FRAMED_HEADER` bytes, in one piece of memory. Each item may be as deep as any value.
 * @throws HawserError ERR_UNENCODABLE for what MessagePack can't say.
 */
export function encodeFramed(header: Uint8Array, list: readonly unknown[]): Uint8Array {
  writer.start(0);
  try {
    writer.value(list, DEPTH_MAX + 1);
  } catch (error) {
    writer.cancel();
    throw error;
  }
  const { buffer, byteOffset, length } = writer.finish().bytes;
  const framed = new Uint8Array(buffer, byteOffset + 1 - header.length, length - 1 + header.length);
  framed.set(header);
  return framed;
}

/** The list that lies in these bytes from `at` on; undefined when there is none. Its bytes are views of memory that is given away. */
export function decodeFramed(bytes: Uint8Array, at: number): readonly unknown[] | undefined {
  try {
    reader.start(bytes, at, true);
    const value = reader.value(DEPTH_MAX + 1);
    reader.finish();
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
