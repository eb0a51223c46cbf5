/** Why a compressed message can't be taken in. */
export const INFLATE = { tooLarge: 'too large', broken: 'broken' } as const;
export type InflateFault = (typeof INFLATE)[keyof typeof INFLATE];

/**
 * What permessage-deflate (RFC 7692) does to the messages of one connection. It is handed them one after the other, each direction in
 * its order, and keeps what a context that is taken over needs.
 */
export interface MessageCompression {
  /** Messages shorter than this, in bytes, are sent as they are. */
  readonly threshold: number;
  /** Whether `deflate` gives the same bytes for every connection that says so, so that they can be made once for all. */
  readonly shared: boolean;
  /**
   * One message compressed, the four bytes that end it taken off (RFC 7692 7.2.1); undefined when that would not make it shorter: then it is
   * sent as it is, and the context doesn't know of it.
   */
  deflate(bytes: Uint8Array): Uint8Array | undefined;
  /** The reverse: at most `limit` bytes. It stops at the limit, and never throws. The result is the caller's. */
  inflate(bytes: Uint8Array, limit: number): Uint8Array | InflateFault;
}

/** The most bytes that a message of `length` takes when it is compressed: what zlib needs at worst. */
export function deflatedAtMost(length: number): number {
  return length + Math.ceil(length / 8) + Math.ceil(length / 64) + 16;
}
