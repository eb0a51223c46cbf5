/** From this length on, making a view of 32-bit words costs less than it saves. */
const WORDS_FROM = 192;

/** True where the first byte of a number in memory is its lowest. */
const LITTLE_ENDIAN: boolean = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/**
 * Masks or unmasks `bytes` from `start` to `end` in place (RFC 6455 5.3). `key` is the masking key as a 32-bit number,
 * its first byte the most significant one, turned so that this byte belongs to `start`.
 */
export function mask(bytes: Uint8Array, start: number, end: number, key: number): void {
  if (end - start < WORDS_FROM) maskBytes(bytes, start, end, key);
  else maskWords(bytes, start, end, key);
}

/** The key as it stands after `count` bytes were masked with it. */
export function turnKey(key: number, count: number): number {
  const bits = (count & 3) << 3;
  return bits === 0 ? key : (key << bits) | (key >>> (32 - bits));
}

function maskBytes(bytes: Uint8Array, start: number, end: number, key: number): void {
  const key0 = key >>> 24;
  const key1 = (key >>> 16) & 0xff;
  const key2 = (key >>> 8) & 0xff;
  const key3 = key & 0xff;
  let at = start;
  for (const whole = end - 3; at < whole; at += 4) {
    bytes[at] = (bytes[at] as number) ^ key0;
    bytes[at + 1] = (bytes[at + 1] as number) ^ key1;
    bytes[at + 2] = (bytes[at + 2] as number) ^ key2;
    bytes[at + 3] = (bytes[at + 3] as number) ^ key3;
  }
  if (at < end) bytes[at] = (bytes[at] as number) ^ key0;
  if (at + 1 < end) bytes[at + 1] = (bytes[at + 1] as number) ^ key1;
  if (at + 2 < end) bytes[at + 2] = (bytes[at + 2] as number) ^ key2;
}

function maskWords(bytes: Uint8Array, start: number, end: number, key: number): void {
  const { buffer, byteOffset } = bytes;
  const aligned = start + (-(byteOffset + start) & 3);
  maskBytes(bytes, start, aligned, key);
  const turned = turnKey(key, aligned - start);
  const wordKey = LITTLE_ENDIAN ? swap32(turned) : turned;
  const words = new Int32Array(buffer, byteOffset + aligned, (end - aligned) >>> 2);
  maskAll(words, wordKey);
  maskBytes(bytes, aligned + words.byteLength, end, turned);
}

/** Eight at a time: that takes half as long. */
function maskAll(words: Int32Array, key: number): void {
  let at = 0;
  for (const whole = words.length - 7; at < whole; at += 8) {
    words[at] = (words[at] as number) ^ key;
    words[at + 1] = (words[at + 1] as number) ^ key;
    words[at + 2] = (words[at + 2] as number) ^ key;
    words[at + 3] = (words[at + 3] as number) ^ key;
    words[at + 4] = (words[at + 4] as number) ^ key;
    words[at + 5] = (words[at + 5] as number) ^ key;
    words[at + 6] = (words[at + 6] as number) ^ key;
    words[at + 7] = (words[at + 7] as number) ^ key;
  }
  for (; at < words.length; at++) words[at] = (words[at] as number) ^ key;
}

function swap32(value: number): number {
  return (value >>> 24) | ((value >>> 8) & 0xff00) | ((value << 8) & 0xff0000) | (value << 24);
}
