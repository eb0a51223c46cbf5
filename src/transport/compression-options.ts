/**
 * How messages over WebSocket are compressed: permessage-deflate (RFC 7692), used where the other side does it too. `true` stands for the
 * defaults. The names of the four agreements are the RFC's, and mean the same on either side.
 */
export interface CompressionOptions {
  /** Messages shorter than this, in bytes, are sent as they are. Default 1024. */
  readonly threshold?: number;
  /** zlib's, from 1 (fast) to 9 (small). Default 3. */
  readonly level?: number;
  /** zlib's `memLevel`, 1 to 9: 1 takes 1 KiB while a message is compressed, 8 takes 128 KiB, 9 takes 256 KiB. Default 8. */
  readonly memoryLevel?: number;
  /**
   * Whether the server may refer to earlier messages of a connection: better for small and similar messages, at the cost of a window of
   * memory for each connection, and of compressing a broadcast for each member. Default false.
   */
  readonly serverContextTakeover?: boolean;
  /** The same of the client. Default false. */
  readonly clientContextTakeover?: boolean;
  /** The server looks back over 2 to the power of this many bytes: 8 to 15. Default 15: 32 KiB. */
  readonly serverMaxWindowBits?: number;
  /** The same of the client. A server with less than 15 compresses only with clients that can be held to it. */
  readonly clientMaxWindowBits?: number;
}
