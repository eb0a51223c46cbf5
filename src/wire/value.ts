import { Reader } from './messagepack-reader.ts';
import { Writer } from './messagepack-writer.ts';

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
