/** Numbers of fixed width, the most significant byte first. */

/** The highest number that a sequence may have: what a JavaScript number says exactly. */
export const NUMBER_MAX: number = Number.MAX_SAFE_INTEGER;

export function readUint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

export function writeUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** A number of eight bytes; one over `NUMBER_MAX` comes out as something over it. */
export function readUint64(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + 8; i++) value = value * 256 + (bytes[i] as number);
  return value;
}

export function writeUint64(bytes: Uint8Array, at: number, value: number): void {
  let rest = value;
  for (let i = at + 7; i >= at; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}
