import type { CloseReason, Outbound } from '../core/index.ts';

/** What a framing tells its driver while it reads a chunk. */
export interface FramingSink {
  /** One whole message; `bytes` is valid only during the call. */
  onMessage(bytes: Uint8Array, text: boolean): void;
  /** Bytes that the framing itself wants written, in order with frames: a pong, the echo of a close, an error line. */
  onReply(bytes: Uint8Array): void;
  onPong(): void;
  /**
   * The peer said goodbye, or broke the rules (`reason` then says how; the framing has already replied what it had to
   * say). The driver flushes, then closes the byte stream. Nothing more is read.
   */
  onClose(reason: CloseReason): void;
}

/**
 * How messages lie in a byte stream: a pure machine with bytes in and messages out. One per link; it holds only what it needs to
 * go on after a chunk that ends in mid-frame. Malformed input is told by `onClose`; nothing throws.
 */
export interface Framing {
  /** Takes in one chunk, cut anywhere. The chunk may be kept until the next call, never changed but by unmasking. */
  receive(chunk: Uint8Array, sink: FramingSink): void;
  /** The frame of one message, ready to write. Kept by the message when it doesn't depend on the link. */
  encode(message: Outbound): Uint8Array;
  /**
   * Makes the frame of one message in `target`, from `at` on, and returns where it ends; -1 where there is not enough room, or `encode` has to
   * make it. Left out where that gains nothing.
   */
  write?(message: Outbound, target: Uint8Array, at: number): number;
  /**
   * The header alone of a long message whose bytes can follow it as they are, so that nobody copies them; undefined where `encode` has to make
   * a frame, or does so without a copy. Left out where it always is.
   */
  head?(message: Outbound): Uint8Array | undefined;
  /** The bytes that ask for a sign of life, where the framing has any. */
  ping?(): Uint8Array;
  /**
   * What it means that the peer's bytes end here without a goodbye: 1006 cuts the link at once; with another code what
   * is queued is still written, and the link can be half-closed (`Link.end`). Without this method 1006, and no half-close.
   */
  ended?(): CloseReason;
  /** The bytes that say goodbye; empty where the framing has no such thing. */
  goodbye(reason: CloseReason): Uint8Array;
  /** True when the peer answers a goodbye with one of its own, so that it is worth waiting for (RFC 6455 7.1.1). */
  readonly answersGoodbye: boolean;
}
