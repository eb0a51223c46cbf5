import type { LanKey } from './keys.ts';
import type { LanFault } from './types.ts';

/** What is common to all datagrams: four bytes before, and twenty behind when it is signed. docs/LAN.md has the bytes. */
export const HEAD_BYTES = 4;
const KEY_ID_BYTES = 4;
const TAG_BYTES = 16;
/** What a signature adds. */
export const SEAL_BYTES: number = KEY_ID_BYTES + TAG_BYTES;

const MAGIC_0 = 0x48;
const MAGIC_1 = 0x4c;
const VERSION = 1;
const SIGNED = 1;

/** Kinds of datagrams. 8 and above are not the bus's: discovery has them. */
export const KIND = { data: 1, volatile: 2, request: 3, welcome: 4, gone: 5 } as const;

/** Writes the first four bytes. */
export function writeHead(bytes: Uint8Array, kind: number): void {
  bytes[0] = MAGIC_0;
  bytes[1] = MAGIC_1;
  bytes[2] = (VERSION << 4) | kind;
  bytes[3] = 0;
}

/** How much room a datagram must leave behind its body. */
export function sealBytes(key: LanKey | undefined): number {
  return key === undefined ? 0 : SEAL_BYTES;
}

/**
 * The finished datagram whose body ends at `end`: signed, when there is a key. The memory must have room for `sealBytes` behind `end`.
 */
export function seal(bytes: Uint8Array, end: number, key: LanKey | undefined): Uint8Array {
  if (key === undefined) return bytes.subarray(0, end);
  bytes[3] = SIGNED;
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(end, key.id);
  bytes.set(key.mac(bytes.subarray(0, end + KEY_ID_BYTES)).subarray(0, TAG_BYTES), end + KEY_ID_BYTES);
  return bytes.subarray(0, end + SEAL_BYTES);
}

/** Where the body of this datagram ends, or why it is not to be taken in. */
export function open(bytes: Uint8Array, keys: readonly LanKey[]): number | LanFault {
  if (bytes.length < HEAD_BYTES || bytes[0] !== MAGIC_0 || bytes[1] !== MAGIC_1) return 'foreign';
  if ((bytes[2] as number) >> 4 !== VERSION) return 'version';
  const flags = bytes[3] as number;
  if ((flags & ~SIGNED) !== 0) return 'malformed';
  if (flags === 0) return keys.length === 0 ? bytes.length : 'key';
  const end = bytes.length - SEAL_BYTES;
  if (end < HEAD_BYTES) return 'malformed';
  const id = new DataView(bytes.buffer, bytes.byteOffset).getUint32(end);
  let known = false;
  for (const key of keys) {
    if (key.id !== id) continue;
    known = true;
    if (isTag(key.mac(bytes.subarray(0, end + KEY_ID_BYTES)), bytes, end + KEY_ID_BYTES)) return end;
  }
  return known ? 'forged' : 'key';
}

/** The kind of a datagram that `open` has taken. */
export function kindOf(bytes: Uint8Array): number {
  return (bytes[2] as number) & 15;
}

/** Whether a datagram is for a publisher; all others are for subscribers. Looks at its head alone. */
export function isRequest(bytes: Uint8Array): boolean {
  return bytes[0] === MAGIC_0 && bytes[1] === MAGIC_1 && bytes[2] === ((VERSION << 4) | KIND.request);
}

/** Compares every byte, whatever it finds, so that the time tells nothing. */
function isTag(mac: Uint8Array, bytes: Uint8Array, at: number): boolean {
  let different = 0;
  for (let i = 0; i < TAG_BYTES; i++) different |= (mac[i] as number) ^ (bytes[at + i] as number);
  return different === 0;
}
