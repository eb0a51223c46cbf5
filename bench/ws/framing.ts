/** How frames lie in what a server sends. It looks at headers alone: to the load generator a frame costs a few nanoseconds. */
export interface Framing {
  /** Bytes of payload of the frame that was measured last. */
  readonly length: number;
  /** The length of the header of the frame that begins at `at`; 0 when the header is not whole before `end`. */
  measure(bytes: Uint8Array, at: number, end: number): number;
}

const MASKED = 0x80;
const LENGTH = 0x7f;
const MASK_BYTES = 4;

/** RFC 6455 5.2; frames may be masked. */
export class WebSocketFrames implements Framing {
  length = 0;

  measure(bytes: Uint8Array, at: number, end: number): number {
    if (end - at < 2) return 0;
    const second = bytes[at + 1] ?? 0;
    const short = second & LENGTH;
    const wide = short < 126 ? 0 : short === 126 ? 2 : 8;
    if (end - at < 2 + wide) return 0;
    this.length = wide === 0 ? short : number(bytes, at + 2, wide);
    return 2 + wide + (second >= MASKED ? MASK_BYTES : 0);
  }
}

/** Hawser's frames on byte streams: a varint of the length times four and the kind (docs/PROTOCOL.md, 2.2). */
export class VarintFrames implements Framing {
  length = 0;

  measure(bytes: Uint8Array, at: number, end: number): number {
    if (end === at) return 0;
    const first = bytes[at] ?? 0;
    const width = 1 << (first >> 6);
    if (end - at < width) return 0;
    const value = (first & 0x3f) * 256 ** (width - 1) + number(bytes, at + 1, width - 1);
    this.length = Math.floor(value / 4);
    return width;
  }
}

/** Four bytes of length before each message. */
export class PrefixFrames implements Framing {
  length = 0;

  measure(bytes: Uint8Array, at: number, end: number): number {
    if (end - at < 4) return 0;
    this.length = number(bytes, at, 4);
    return 4;
  }
}

function number(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}

export const OPCODE = { text: 1, binary: 2, close: 8, ping: 9 } as const;
const FINAL = 0x80;
const KEY = Uint8Array.of(0x9d, 0x3a, 0x71, 0xe4);

/** A frame of a client. Its masking key is always the same. */
export function maskedFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const header = length < 126 ? [MASKED | length] : length < 65_536 ? [MASKED | 126] : [MASKED | 127];
  const wide = Buffer.alloc(length < 126 ? 0 : length < 65_536 ? 2 : 8);
  if (wide.length === 2) wide.writeUInt16BE(length);
  else if (wide.length === 8) wide.writeBigUInt64BE(BigInt(length));
  const masked = Buffer.from(payload);
  for (let i = 0; i < length; i++) masked[i] = (masked[i] ?? 0) ^ (KEY[i % MASK_BYTES] ?? 0);
  return Buffer.concat([Buffer.from([FINAL | opcode, ...header]), wide, KEY, masked]);
}

/** A frame of a server. */
export function plainFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const wide = Buffer.alloc(length < 126 ? 0 : length < 65_536 ? 2 : 8);
  if (wide.length === 2) wide.writeUInt16BE(length);
  else if (wide.length === 8) wide.writeBigUInt64BE(BigInt(length));
  const short = length < 126 ? length : length < 65_536 ? 126 : 127;
  return Buffer.concat([Buffer.from([FINAL | opcode, short]), wide, payload]);
}

/** QUIC's varint. */
export function varint(value: number): Buffer {
  if (value < 64) return Buffer.from([value]);
  const width = value < 16_384 ? 2 : 4;
  const bytes = Buffer.alloc(width);
  bytes.writeUIntBE(value, 0, width);
  bytes[0] = (bytes[0] ?? 0) | (width === 2 ? 0x40 : 0x80);
  return bytes;
}

/** A binary message of Hawser on a byte stream. */
export function varintFrame(payload: Uint8Array): Buffer {
  return Buffer.concat([varint(payload.length * 4), payload]);
}

export function prefixFrame(payload: Uint8Array): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(payload.length);
  return Buffer.concat([header, payload]);
}
