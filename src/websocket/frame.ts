/** Opcodes of RFC 6455 5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export const FIN = 0x80;
/** RSV1 to RSV3: an extension that was agreed on may give them a meaning. */
export const RESERVED = 0x70;
/** RSV1 on the first frame of a message: it is compressed (RFC 7692 6). */
export const COMPRESSED = 0x40;
/** Set in the opcodes of control frames. */
export const CONTROL = 0x08;
export const MASKED = 0x80;

/** The longest payload of a control frame (RFC 6455 5.5). */
export const CONTROL_BYTES = 125;
/** The longest header: 2 bytes, a length of 8 and a key of 4. */
export const HEADER_BYTES = 14;

const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** How many bytes a header takes before the masking key, for a payload of this length: 2, 4 or 10. */
export function headerLength(payloadLength: number): number {
  if (payloadLength < LENGTH_16) return 2;
  return payloadLength <= 0xffff ? 4 : 10;
}

/**
 * Writes the header of an unfragmented frame at `at`, without a masking key: the bit for it is `masked` (0 or `MASKED`). `opcode` may
 * bring `COMPRESSED` with it.
 */
export function writeHeader(
  target: Uint8Array,
  at: number,
  opcode: number,
  payloadLength: number,
  masked: number,
): void {
  target[at] = FIN | opcode;
  if (payloadLength < LENGTH_16) {
    target[at + 1] = masked | payloadLength;
  } else if (payloadLength <= 0xffff) {
    target[at + 1] = masked | LENGTH_16;
    target[at + 2] = payloadLength >>> 8;
    target[at + 3] = payloadLength & 0xff;
  } else {
    target[at + 1] = masked | LENGTH_64;
    write32(target, at + 2, Math.floor(payloadLength / 2 ** 32));
    write32(target, at + 6, payloadLength >>> 0);
  }
}

/** How many bytes the header takes, key included, that has this second byte. */
export function headerLengthAt(secondByte: number): number {
  const short = secondByte & 0x7f;
  const key = secondByte & MASKED ? 4 : 0;
  if (short < LENGTH_16) return 2 + key;
  return (short === LENGTH_16 ? 4 : 10) + key;
}

/** The length has its top bit set. */
export const LENGTH_NEGATIVE = -1;
/** The length could have been written in fewer bytes (RFC 6455 5.2 requires the fewest). */
export const LENGTH_NOT_MINIMAL = -2;

/** The payload length in the whole header at `at`, or one of the two constants above. Lengths over 2^53 are rounded. */
export function readLength(bytes: Uint8Array, at: number): number {
  const short = (bytes[at + 1] ?? 0) & 0x7f;
  if (short < LENGTH_16) return short;
  if (short === LENGTH_16) {
    const length = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
    return length < LENGTH_16 ? LENGTH_NOT_MINIMAL : length;
  }
  const high = read32(bytes, at + 2);
  if (high < 0) return LENGTH_NEGATIVE;
  const length = high * 2 ** 32 + (read32(bytes, at + 6) >>> 0);
  return length <= 0xffff ? LENGTH_NOT_MINIMAL : length;
}

/** Four bytes, most significant first, as a signed number. */
export function read32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}

/** Writes the low 32 bits of `value`, most significant byte first. */
export function write32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = (value >>> 16) & 0xff;
  target[at + 2] = (value >>> 8) & 0xff;
  target[at + 3] = value & 0xff;
}
