/**
 * MessagePack values to bytes and back, by whatever library serves the platform. Only bytes that `scan` let pass are decoded.
 * Both give: JavaScript numbers as numbers, 64-bit integers as bigint, binary as a Uint8Array of its own, timestamps as Date.
 */
export interface Body {
  /**
   * The value's bytes after `reserved` bytes that are the caller's to fill; the result begins with those.
   * @throws whatever the library throws for what it can't encode.
   */
  encode(value: unknown, reserved: number): Uint8Array;
  decode(bytes: Uint8Array, start: number, end: number): unknown;
}
