import type { Utf8Check } from '../core/index.ts';
import { assert, type CloseReason, FRAME_SLOT, frameMemory, type Outbound, prependHeader } from '../core/index.ts';
import { closePayload } from './close-frame.ts';
import type { MessageCompression } from './compression.ts';
import { FrameDecoder } from './decoder.ts';
import { COMPRESSED, headerLength, MASKED, OPCODE, write32, writeHeader } from './frame.ts';
import { mask } from './mask.ts';

export interface WebSocketFramingOptions {
  /** Which side of the connection this is: a server reads masked frames and writes plain ones, a client the reverse. */
  readonly role: 'server' | 'client';
  /** The longest message taken in, in bytes. */
  readonly messageBytes: number;
  /** A fresh, unpredictable 32-bit number for each frame (RFC 6455 5.3). Required for a client, unused by a server. */
  readonly maskKey?: (() => number) | undefined;
  /** The most frames that a message taken in may be cut into. Default 16,384. */
  readonly fragmentsMax?: number | undefined;
  /** A faster check of UTF-8 than the one built in, such as Node's `buffer.isUtf8`. */
  readonly isUtf8?: Utf8Check | undefined;
  /** Faster memory for messages that come in pieces, with whatever lies in it, such as Node's `Buffer.allocUnsafeSlow`. */
  readonly allocate?: ((length: number) => Uint8Array) | undefined;
  /** permessage-deflate (RFC 7692), where the handshake agreed on it. */
  readonly compression?: MessageCompression | undefined;
}

/** What the framing tells its driver; `FramingSink` of transport/ is the same. */
export interface WebSocketSink {
  onMessage(bytes: Uint8Array, text: boolean): void;
  onReply(bytes: Uint8Array): void;
  onPong(): void;
  onClose(reason: CloseReason): void;
}

const FRAGMENTS_MAX = 16_384;
const KEY_BYTES = 4;
const NO_PAYLOAD = new Uint8Array(0);

/** One scratch header for each length there is; its bytes are copied before the next frame is made. */
const SHORT_HEADER = new Uint8Array(2);
const MIDDLE_HEADER = new Uint8Array(4);
const LONG_HEADER = new Uint8Array(10);

/**
 * RFC 6455 after the handshake, as a `Framing`. Protocol errors are answered with a close frame of code 1002, 1007
 * (text that is not UTF-8, deflate data that is none), 1008 (too many fragments) or 1009 (message too large, also once it is
 * inflated), then told by `onClose`.
 *
 * A length written in more bytes than it needs is refused with 1002: RFC 6455 5.2 forbids sending one, and leaves open
 * what a receiver does (`ws` takes it).
 */
export class WebSocketFraming {
  readonly answersGoodbye = true;
  readonly #decoder: FrameDecoder;
  /** A client's source of masking keys; a server has none. */
  readonly #maskKey: (() => number) | undefined;
  readonly #compression: MessageCompression | undefined;
  #saidGoodbye = false;

  constructor(options: WebSocketFramingOptions) {
    const client = options.role === 'client';
    assert(!client || options.maskKey !== undefined, 'a client needs masking keys');
    this.#maskKey = client ? options.maskKey : undefined;
    this.#decoder = new FrameDecoder({
      masked: !client,
      messageBytes: options.messageBytes,
      fragmentsMax: options.fragmentsMax ?? FRAGMENTS_MAX,
      isUtf8: options.isUtf8,
      allocate: options.allocate,
      compression: options.compression,
    });
    this.#compression = options.compression;
  }

  /**
   * Takes in one chunk, cut anywhere; it is unmasked in place. Messages are told as they are found, then the pongs to
   * write, then the end. After the end, chunks are ignored.
   */
  receive(chunk: Uint8Array, sink: WebSocketSink): void {
    const decoder = this.#decoder;
    if (decoder.ending !== undefined) return;
    decoder.receive(chunk, sink);
    if (decoder.pings !== undefined) this.#answerPings(decoder.pings, sink);
    if (decoder.ending !== undefined) this.#end(decoder.ending, sink);
  }

  /** The frame of one message: made once for all links of a server, and masked anew for each link of a client. */
  encode(message: Outbound): Uint8Array {
    const opcode = message.text ? OPCODE.text : OPCODE.binary;
    const compression = this.#compression;
    if (compression !== undefined && message.length >= compression.threshold) {
      const frame = this.#deflated(opcode, message, compression);
      if (frame !== undefined) return frame;
    }
    if (this.#maskKey !== undefined) return maskedFrame(opcode, message.bytes, this.#maskKey());
    const made = message.frame(FRAME_SLOT.websocket);
    if (made !== undefined) return made;
    const frame = plainFrame(opcode, message);
    message.keepFrame(FRAME_SLOT.websocket, frame);
    return frame;
  }

  /** Left to `encode`: what may get shorter. */
  write(message: Outbound, target: Uint8Array, at: number): number {
    const { bytes } = message;
    const { length } = bytes;
    if (this.#compression !== undefined && length >= this.#compression.threshold) return -1;
    const opcode = message.text ? OPCODE.text : OPCODE.binary;
    if (this.#maskKey !== undefined) return writeMasked(target, at, opcode, bytes, this.#maskKey());
    const start = at + headerLength(length);
    if (start + length > target.length) return -1;
    writeHeader(target, at, opcode, length, 0);
    target.set(bytes, start);
    return start + length;
  }

  head(message: Outbound): Uint8Array | undefined {
    const { length } = message;
    if (this.#maskKey !== undefined || message.headroom > 0 || message.frame(FRAME_SLOT.websocket)) return undefined;
    if (this.#compression !== undefined && length >= this.#compression.threshold) return undefined;
    const header = new Uint8Array(headerLength(length));
    writeHeader(header, 0, message.text ? OPCODE.text : OPCODE.binary, length, 0);
    return header;
  }

  /** A ping without payload. */
  ping(): Uint8Array {
    return this.#frame(OPCODE.ping, NO_PAYLOAD);
  }

  /** A close frame; a code that must not travel (such as 1005) makes it an empty one. Pings aren't answered after it. */
  goodbye(reason: CloseReason): Uint8Array {
    this.#saidGoodbye = true;
    return this.#frame(OPCODE.close, closePayload(reason));
  }

  /** The frame of a compressed message, or undefined where compressing it gains nothing. */
  #deflated(opcode: number, message: Outbound, compression: MessageCompression): Uint8Array | undefined {
    const kept = compression.shared && this.#maskKey === undefined;
    const made = kept ? message.frame(FRAME_SLOT.websocketDeflated) : undefined;
    if (made !== undefined) return made === NO_PAYLOAD ? undefined : made;
    const payload = compression.deflate(message.bytes);
    const frame = payload && this.#frame(opcode | COMPRESSED, payload);
    if (kept) message.keepFrame(FRAME_SLOT.websocketDeflated, frame ?? NO_PAYLOAD);
    return frame;
  }

  #answerPings(pings: readonly Uint8Array[], sink: WebSocketSink): void {
    this.#decoder.pings = undefined;
    if (this.#saidGoodbye) return;
    for (const payload of pings) sink.onReply(this.#frame(OPCODE.pong, payload));
  }

  #end(ending: CloseReason, sink: WebSocketSink): void {
    if (!this.#saidGoodbye)
      sink.onReply(this.goodbye(this.#decoder.failed ? ending : { code: ending.code, reason: '' }));
    sink.onClose(ending);
  }

  #frame(opcode: number, payload: Uint8Array): Uint8Array {
    if (this.#maskKey !== undefined) return maskedFrame(opcode, payload, this.#maskKey());
    const start = headerLength(payload.length);
    const frame = frameMemory(start + payload.length);
    writeHeader(frame, 0, opcode, payload.length, 0);
    frame.set(payload, start);
    return frame;
  }
}

function plainFrame(opcode: number, message: Outbound): Uint8Array {
  const header = scratchHeader(message.length);
  writeHeader(header, 0, opcode, message.length, 0);
  return prependHeader(message, header);
}

function maskedFrame(opcode: number, payload: Uint8Array, key: number): Uint8Array {
  const frame = frameMemory(headerLength(payload.length) + KEY_BYTES + payload.length);
  writeMasked(frame, 0, opcode, payload, key);
  return frame;
}

/** Returns where the frame ends, or -1 when it doesn't fit. */
function writeMasked(target: Uint8Array, at: number, opcode: number, payload: Uint8Array, key: number): number {
  const start = at + headerLength(payload.length) + KEY_BYTES;
  const end = start + payload.length;
  if (end > target.length) return -1;
  writeHeader(target, at, opcode, payload.length, MASKED);
  write32(target, start - KEY_BYTES, key);
  target.set(payload, start);
  mask(target, start, end, key);
  return end;
}

function scratchHeader(payloadLength: number): Uint8Array {
  const length = headerLength(payloadLength);
  if (length === 2) return SHORT_HEADER;
  return length === 4 ? MIDDLE_HEADER : LONG_HEADER;
}
