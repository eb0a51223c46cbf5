import {
  advanceUtf8,
  CLOSE,
  type CloseReason,
  isUtf8,
  UTF8_BROKEN,
  UTF8_START,
  type Utf8Check,
} from '../core/index.ts';
import { readClose } from './close-frame.ts';
import { deflatedAtMost, INFLATE, type MessageCompression } from './compression.ts';
import {
  COMPRESSED,
  CONTROL,
  CONTROL_BYTES,
  FIN,
  HEADER_BYTES,
  headerLengthAt,
  LENGTH_NEGATIVE,
  LENGTH_NOT_MINIMAL,
  MASKED,
  OPCODE,
  RESERVED,
  read32,
  readLength,
} from './frame.ts';
import { mask, turnKey } from './mask.ts';
import { type Allocate, MessageBuffer, view } from './message-buffer.ts';

/** What the decoder tells at once; pings and the end are read from its fields after `receive`. */
export interface DecoderSink {
  onMessage(bytes: Uint8Array, text: boolean): void;
  onPong(): void;
}

export interface DecoderOptions {
  /** Whether the peer's frames must be masked: a client's must, a server's must not (RFC 6455 5.1). */
  readonly masked: boolean;
  /** The longest message taken in, in bytes, all fragments together. */
  readonly messageBytes: number;
  /** The most frames that one message may be cut into. */
  readonly fragmentsMax: number;
  /** A faster check of whole texts than the one built in. */
  readonly isUtf8?: Utf8Check | undefined;
  /** Faster memory for messages that come in pieces. */
  readonly allocate?: Allocate | undefined;
  /** How messages are compressed, where that was agreed on: RSV1 then means it. */
  readonly compression?: MessageCompression | undefined;
}

/** Pings of one chunk that are answered; of more than these, the latest stands for all others (RFC 6455 5.5.3). */
export const PINGS_PER_CHUNK = 16;

/** No message is being put together. */
const NO_MESSAGE = 0;

/**
 * Reads RFC 6455 frames out of chunks cut anywhere. A frame that lies whole in a chunk is handed on as a view of it,
 * unmasked in place. Once `ending` is set nothing more is read.
 */
export class FrameDecoder {
  /** The payloads to answer with pongs, oldest first; views that hold until the next chunk. The caller clears it. */
  pings: Uint8Array[] | undefined = undefined;
  /** The peer's goodbye, or what it did wrong. */
  ending: CloseReason | undefined = undefined;
  /** True when `ending` is a broken rule. */
  failed = false;

  readonly #masked: boolean;
  readonly #messageBytes: number;
  readonly #fragmentsMax: number;
  readonly #isUtf8: Utf8Check;
  readonly #fastUtf8: Utf8Check | undefined;
  readonly #allocate: Allocate | undefined;
  readonly #compression: MessageCompression | undefined;
  /** The reserved bits that mean nothing here: all of them as long as no extension is agreed on. */
  readonly #reserved: number;

  /** The frame under way: its first byte, payload length and masking key. */
  #first = 0;
  #length = 0;
  #key = 0;
  /** How much of its payload is still to come, when the chunk ended in the middle of it. */
  #missing = 0;

  /** The beginning of a header that a chunk ended in. */
  #held: Uint8Array | undefined = undefined;
  #heldLength = 0;
  /** The payload of a control frame that a chunk ended in. */
  #control: Uint8Array | undefined = undefined;

  /** The message under way: its opcode, whether it is compressed, its frames so far, its bytes, and where its text stands. */
  #message: number = NO_MESSAGE;
  #compressed = false;
  #fragments = 0;
  #buffer: MessageBuffer | undefined = undefined;
  #utf8: number = UTF8_START;

  constructor(options: DecoderOptions) {
    this.#masked = options.masked;
    this.#messageBytes = options.messageBytes;
    this.#fragmentsMax = options.fragmentsMax;
    this.#isUtf8 = options.isUtf8 ?? isUtf8;
    this.#fastUtf8 = options.isUtf8;
    this.#allocate = options.allocate;
    this.#compression = options.compression;
    this.#reserved = options.compression === undefined ? RESERVED : RESERVED & ~COMPRESSED;
  }

  /** Takes in one chunk, which it may unmask in place. Never throws, but for what the sink throws. */
  receive(chunk: Uint8Array, sink: DecoderSink): void {
    let at = 0;
    while (at < chunk.length && this.ending === undefined) {
      at = this.#missing === 0 ? this.#readFrame(chunk, at, sink) : this.#readPayload(chunk, at, sink);
    }
  }

  /** Reads a header, and the payload too when the chunk has all of it. Returns where to go on. */
  #readFrame(chunk: Uint8Array, at: number, sink: DecoderSink): number {
    const start = this.#readHeader(chunk, at);
    if (start < 0) return chunk.length;
    const end = start + this.#length;
    if (end > chunk.length) {
      this.#missing = this.#length;
      return start;
    }
    if (this.#masked) mask(chunk, start, end, this.#key);
    const first = this.#first;
    if (first & CONTROL) {
      this.#onControl(view(chunk, start, end), sink);
    } else if (first & FIN && this.#message === NO_MESSAGE) {
      const payload = view(chunk, start, end);
      if (first & COMPRESSED) this.#inflate(payload, (first & 0x0f) === OPCODE.text, sink);
      else this.#deliver(payload, (first & 0x0f) === OPCODE.text, sink);
    } else {
      this.#append(chunk, start, end, 0);
      this.#endDataFrame(sink);
    }
    return end;
  }

  /** Goes on with the payload of a frame that an earlier chunk began. */
  #readPayload(chunk: Uint8Array, at: number, sink: DecoderSink): number {
    const end = Math.min(at + this.#missing, chunk.length);
    if (this.#masked) {
      mask(chunk, at, end, this.#key);
      this.#key = turnKey(this.#key, end - at);
    }
    const offset = this.#length - this.#missing;
    this.#missing -= end - at;
    if (this.#first & CONTROL) {
      this.#control ??= new Uint8Array(this.#length);
      this.#control.set(view(chunk, at, end), offset);
      if (this.#missing === 0) this.#endCutControl(this.#control, sink);
    } else {
      this.#append(chunk, at, end, this.#missing);
      if (this.#missing === 0) this.#endDataFrame(sink);
    }
    return end;
  }

  /** The offset of the payload, or -1 when the chunk ended before it or the frame may not be. */
  #readHeader(chunk: Uint8Array, at: number): number {
    if (this.#heldLength === 0 && chunk.length - at >= 2) {
      const size = headerLengthAt(chunk[at + 1] as number);
      if (chunk.length - at >= size) {
        return this.#allowsHeader(chunk, at) && this.#takeHeader(chunk, at, size) ? at + size : -1;
      }
    }
    return this.#readCutHeader(chunk, at);
  }

  #readCutHeader(chunk: Uint8Array, start: number): number {
    this.#held ??= new Uint8Array(HEADER_BYTES);
    const held = this.#held;
    for (let at = start; at < chunk.length; at++) {
      held[this.#heldLength++] = chunk[at] as number;
      if (this.#heldLength < 2) continue;
      if (this.#heldLength === 2 && !this.#allowsHeader(held, 0)) return -1;
      const size = headerLengthAt(held[1] as number);
      if (this.#heldLength < size) continue;
      this.#heldLength = 0;
      return this.#takeHeader(held, 0, size) ? at + 1 : -1;
    }
    return -1;
  }

  /** Judges the first two bytes of a frame. */
  #allowsHeader(bytes: Uint8Array, at: number): boolean {
    const first = bytes[at] as number;
    const second = bytes[at + 1] as number;
    if (first & this.#reserved) return this.#fail(CLOSE.protocolError, 'a reserved bit is set');
    if ((second & MASKED) !== (this.#masked ? MASKED : 0)) {
      return this.#fail(CLOSE.protocolError, this.#masked ? 'a frame is not masked' : 'a frame is masked');
    }
    const opcode = first & 0x0f;
    if (first & COMPRESSED && (opcode & CONTROL || opcode === OPCODE.continuation)) {
      return this.#fail(CLOSE.protocolError, 'the bit of compressed messages is set on another frame than their first');
    }
    if (opcode & CONTROL) return this.#allowsControl(first, second);
    if (opcode > OPCODE.binary) return this.#fail(CLOSE.protocolError, 'a reserved opcode');
    if (opcode === OPCODE.continuation && this.#message === NO_MESSAGE) {
      return this.#fail(CLOSE.protocolError, 'a continuation of nothing');
    }
    if (opcode !== OPCODE.continuation && this.#message !== NO_MESSAGE) {
      return this.#fail(CLOSE.protocolError, 'a new message inside a fragmented one');
    }
    return true;
  }

  #allowsControl(first: number, second: number): boolean {
    if ((first & 0x0f) > OPCODE.pong) return this.#fail(CLOSE.protocolError, 'a reserved opcode');
    if (!(first & FIN)) return this.#fail(CLOSE.protocolError, 'a fragmented control frame');
    if ((second & 0x7f) > CONTROL_BYTES) return this.#fail(CLOSE.protocolError, 'a control frame over 125 bytes');
    return true;
  }

  /** Takes length and key from a whole header that is allowed; the limits are held before anything is waited for. */
  #takeHeader(bytes: Uint8Array, at: number, size: number): boolean {
    const length = readLength(bytes, at);
    if (length < 0) return this.#failLength(length);
    const first = bytes[at] as number;
    if (!(first & CONTROL)) {
      const before = this.#message === NO_MESSAGE ? 0 : (this.#buffer?.length ?? 0);
      const compressed = this.#message === NO_MESSAGE ? (first & COMPRESSED) !== 0 : this.#compressed;
      if (before + length > (compressed ? deflatedAtMost(this.#messageBytes) : this.#messageBytes)) {
        return this.#fail(CLOSE.tooLarge, `a message over ${this.#messageBytes} bytes`);
      }
      if (this.#message !== NO_MESSAGE && ++this.#fragments > this.#fragmentsMax) {
        return this.#fail(CLOSE.policy, `a message of more than ${this.#fragmentsMax} fragments`);
      }
    }
    this.#first = first;
    this.#length = length;
    if (this.#masked) this.#key = read32(bytes, at + size - 4);
    return true;
  }

  #failLength(length: number): boolean {
    if (length === LENGTH_NOT_MINIMAL) return this.#fail(CLOSE.protocolError, 'a length in more bytes than it needs');
    return this.#fail(
      CLOSE.protocolError,
      length === LENGTH_NEGATIVE ? 'a length with its top bit set' : 'a broken length',
    );
  }

  /** Puts a piece of a data frame into the message; `missing` is what of the frame is still to come. */
  #append(chunk: Uint8Array, start: number, end: number, missing: number): void {
    if (this.#message === NO_MESSAGE) this.#beginMessage();
    this.#buffer ??= new MessageBuffer(this.#allocate);
    const buffer = this.#buffer;
    const last = (this.#first & FIN) !== 0;
    const most = this.#compressed ? deflatedAtMost(this.#messageBytes) : this.#messageBytes;
    const ceiling = last ? buffer.length + (end - start) + missing : most;
    if (this.#message === OPCODE.text && !this.#compressed) {
      this.#utf8 = advanceUtf8(this.#utf8, view(chunk, start, end), this.#fastUtf8);
      if (this.#utf8 === UTF8_BROKEN) {
        this.#failText();
        return;
      }
    }
    buffer.append(chunk, start, end, ceiling);
  }

  #beginMessage(): void {
    this.#message = this.#first & 0x0f;
    this.#compressed = (this.#first & COMPRESSED) !== 0;
    this.#fragments = 1;
  }

  #endDataFrame(sink: DecoderSink): void {
    if (this.ending !== undefined || !(this.#first & FIN)) return;
    const text = this.#message === OPCODE.text;
    if (text && this.#utf8 !== UTF8_START) {
      this.#failText();
      return;
    }
    const whole = (this.#buffer as MessageBuffer).take();
    this.#message = NO_MESSAGE;
    if (this.#compressed) this.#inflate(whole, text, sink);
    else sink.onMessage(whole, text);
  }

  #inflate(payload: Uint8Array, text: boolean, sink: DecoderSink): void {
    const whole = this.#compression?.inflate(payload, this.#messageBytes) ?? INFLATE.broken;
    if (whole === INFLATE.tooLarge) this.#fail(CLOSE.tooLarge, `a message over ${this.#messageBytes} bytes`);
    else if (whole === INFLATE.broken) this.#fail(CLOSE.badText, 'a compressed message is broken');
    else this.#deliver(whole, text, sink);
  }

  #deliver(bytes: Uint8Array, text: boolean, sink: DecoderSink): void {
    if (text && !this.#isUtf8(bytes)) this.#failText();
    else sink.onMessage(bytes, text);
  }

  #endCutControl(payload: Uint8Array, sink: DecoderSink): void {
    this.#control = undefined;
    this.#onControl(payload, sink);
  }

  #onControl(payload: Uint8Array, sink: DecoderSink): void {
    switch (this.#first & 0x0f) {
      case OPCODE.ping:
        this.#onPing(payload);
        break;
      case OPCODE.pong:
        sink.onPong();
        break;
      default:
        this.#onClose(payload);
    }
  }

  #onPing(payload: Uint8Array): void {
    this.pings ??= [];
    if (this.pings.length < PINGS_PER_CHUNK) this.pings.push(payload);
    else this.pings[PINGS_PER_CHUNK - 1] = payload;
  }

  #onClose(payload: Uint8Array): void {
    const close = readClose(payload);
    if ('broken' in close) this.#fail(close.broken.code, close.broken.reason);
    else this.#end(close, false);
  }

  #failText(): void {
    this.#fail(CLOSE.badText, 'a text is not UTF-8');
  }

  #fail(code: number, reason: string): false {
    this.#end({ code, reason }, true);
    return false;
  }

  #end(ending: CloseReason, failed: boolean): void {
    this.ending = ending;
    this.failed = failed;
    this.#buffer = undefined;
    this.#control = undefined;
  }
}
