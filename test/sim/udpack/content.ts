import { seededRandom } from '../../../src/testing/index.ts';

/** The most that is written to one stream of bytes, or in one packet. */
export const CONTENT_MOST: number = 4 * 1024 * 1024;
const SPREAD = 65_536;
const PATTERN: Uint8Array = seededRandom(2).bytes(CONTENT_MOST + SPREAD);

/** Where what is said on a stream begins: two streams, or two packets of one, seldom say the same. */
export function contentStart(stream: number, place: number): number {
  return (Math.imul(stream + 1, 0x9e3779b1) ^ Math.imul(place + 1, 0x85ebca6b)) >>> 16;
}

/** What is said from `start` on: nobody has to keep it to know it. */
export function content(start: number, length: number): Uint8Array {
  return PATTERN.subarray(start, start + length);
}

export function isContent(bytes: Uint8Array, start: number, length: number): boolean {
  return bytes.length === length && Buffer.compare(bytes, content(start, length)) === 0;
}
