import {
  CLOSE,
  type CloseReason,
  closeReason,
  FRAME_SLOT,
  type Outbound,
  prependHeader,
  readVarint,
  varintLength,
  varintLengthAt,
  writeVarint,
} from '../core/index.ts';
import type { Framing, FramingSink } from './framing.ts';
import { GrowingBytes } from './growing-bytes.ts';

/** The kinds of frame: the two low bits of a frame's varint. */
const KIND = { binary: 0, text: 1, close: 2 } as const;

const CLOSE_BYTES_MAX = 125;

/**
 * Messages on a byte stream, after the magic: each frame is a varint of `length * 4 + kind`, then `length` bytes. A close
 * frame carries the code (2 bytes, big-endian) and the reason in UTF-8.
 */
export class LengthFraming implements Framing {
  readonly answersGoodbye: boolean = false;
  readonly #messageBytes: number;
  /** Whatever of a frame arrived before its chunk ended: less than a header, or a part of a body. */
  #part: GrowingBytes | undefined;
  /** The frame whose body is being collected; -1 while a header is expected. */
  #kind = -1;
  #length = 0;
  #over = false;

  constructor(messageBytes: number) {
    this.#messageBytes = messageBytes;
  }

  receive(chunk: Uint8Array, sink: FramingSink): void {
    let at = 0;
    while (!this.#over) {
      if (this.#kind >= 0 && (at < chunk.length || this.#length === 0)) at = this.#body(chunk, at, sink);
      else if (at < chunk.length) at = this.#header(chunk, at, sink);
      else return;
    }
  }

  encode(message: Outbound): Uint8Array {
    const cached = message.frame(FRAME_SLOT.length);
    if (cached !== undefined) return cached;
    const frame = prependHeader(message, header(message.length, message.text ? KIND.text : KIND.binary));
    message.keepFrame(FRAME_SLOT.length, frame);
    return frame;
  }

  write(message: Outbound, target: Uint8Array, at: number): number {
    const { bytes } = message;
    const value = bytes.length * 4 + (message.text ? KIND.text : KIND.binary);
    if (at + varintLength(value) + bytes.length > target.length) return -1;
    const start = writeVarint(target, at, value);
    target.set(bytes, start);
    return start + bytes.length;
  }

  goodbye(reason: CloseReason): Uint8Array {
    const text = new TextEncoder().encode(closeReason(reason.code, reason.reason).reason);
    const head = header(text.length + 2, KIND.close);
    const frame = new Uint8Array(head.length + 2 + text.length);
    frame.set(head);
    frame[head.length] = reason.code >>> 8;
    frame[head.length + 1] = reason.code & 0xff;
    frame.set(text, head.length + 2);
    return frame;
  }

  /** Reads a frame's varint, also one that began in an earlier chunk. Returns where it ends. */
  #header(chunk: Uint8Array, at: number, sink: FramingSink): number {
    if (this.#part !== undefined) return this.#cutHeader(this.#part, chunk, at, sink);
    const value = readVarint(chunk, at);
    if (value === -1) {
      this.#keep(chunk.subarray(at), HEADER_BYTES_MAX);
      return chunk.length;
    }
    this.#begin(value, sink);
    return at + varintLengthAt(chunk[at] ?? 0);
  }

  #cutHeader(part: GrowingBytes, chunk: Uint8Array, at: number, sink: FramingSink): number {
    const missing = varintLengthAt(part.bytes[0] ?? 0) - part.length;
    part.append(chunk.subarray(at, at + missing), HEADER_BYTES_MAX);
    if (chunk.length - at < missing) return chunk.length;
    this.#part = undefined;
    this.#begin(readVarint(part.bytes, 0), sink);
    return at + missing;
  }

  /** The limits are checked here, before a byte of the body is kept. */
  #begin(value: number, sink: FramingSink): void {
    const kind = value % 4;
    const length = (value - kind) / 4;
    if (value < 0 || kind > KIND.close) {
      this.#refuse(CLOSE.protocol, 'unknown kind of frame', sink);
    } else if (kind === KIND.close && (length > CLOSE_BYTES_MAX || length === 1)) {
      this.#refuse(CLOSE.protocol, 'malformed close frame', sink);
    } else if (kind !== KIND.close && length > this.#messageBytes) {
      this.#refuse(CLOSE.messageTooLarge, `a message may have ${this.#messageBytes} bytes`, sink);
    } else {
      this.#kind = kind;
      this.#length = length;
    }
  }

  #body(chunk: Uint8Array, at: number, sink: FramingSink): number {
    const missing = this.#length - (this.#part?.length ?? 0);
    // A plain view, which costs half as much as the `subarray` of a subclass.
    const piece = new Uint8Array(chunk.buffer, chunk.byteOffset + at, Math.min(missing, chunk.length - at));
    if (piece.length < missing) {
      this.#keep(piece, this.#length);
      return chunk.length;
    }
    let body = piece;
    if (missing < this.#length) {
      body = this.#keep(piece, this.#length).bytes;
      this.#part = undefined;
    }
    const kind = this.#kind;
    this.#kind = -1;
    this.#length = 0;
    if (kind === KIND.close) this.#close(body, sink);
    else sink.onMessage(body, kind === KIND.text);
    return at + missing;
  }

  #close(body: Uint8Array, sink: FramingSink): void {
    this.#over = true;
    if (body.length === 0) {
      sink.onClose({ code: CLOSE.noStatus, reason: '' });
    } else {
      const code = ((body[0] ?? 0) << 8) | (body[1] ?? 0);
      sink.onClose({ code, reason: new TextDecoder().decode(body.subarray(2)) });
    }
  }

  #refuse(code: number, why: string, sink: FramingSink): void {
    const reason = { code, reason: why };
    this.#over = true;
    this.#part = undefined;
    sink.onReply(this.goodbye(reason));
    sink.onClose(reason);
  }

  #keep(bytes: Uint8Array, limit: number): GrowingBytes {
    this.#part ??= new GrowingBytes();
    this.#part.append(bytes, limit);
    return this.#part;
  }
}

const HEADER_BYTES_MAX = 8;

/** One for each length that a varint has, the shortest first. `header` fills it: who calls that copies the bytes before it is called again. */
const HEADERS: readonly Uint8Array[] = [1, 2, 4, HEADER_BYTES_MAX].map((length) => new Uint8Array(length));

function header(length: number, kind: number): Uint8Array {
  const value = length * 4 + kind;
  const bytes = HEADERS[Math.log2(varintLength(value))] as Uint8Array;
  writeVarint(bytes, 0, value);
  return bytes;
}
