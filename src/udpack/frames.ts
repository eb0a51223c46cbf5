/**
 * What a sealed datagram carries: frames, one after the other, until its end. docs/UDPACK.md has the layout of each. Numbers are
 * varints (RFC 9000 section 16) up to 2^53 - 1 unless said otherwise.
 */

import { readVarint, VARINT_MAX, varintLength, varintLengthAt, writeVarint } from '../core/index.ts';
import type { Fault } from './faults.ts';
import type { Ranges } from './ranges.ts';

/** The first byte of each frame. */
export const FRAME = {
  padding: 0x00,
  ping: 0x01,
  ack: 0x02,
  auth: 0x03,
  accept: 0x04,
  close: 0x05,
  closeByApplication: 0x06,
  goaway: 0x07,
  newId: 0x08,
  retireId: 0x09,
  challenge: 0x0a,
  answer: 0x0b,
  credit: 0x0c,
  streamCredit: 0x0d,
  streamsCredit: 0x0e,
  ackRate: 0x0f,
  reset: 0x10,
  stop: 0x11,
  skip: 0x12,
  datagram: 0x13,
  /** 0x20 to 0x2f: the low bits are `STREAM`. */
  stream: 0x20,
} as const;

/** The low bits of a STREAM frame's first byte. 0x02 has no meaning, and is a fault. */
export const STREAM = {
  /** The stream ends with this frame's last byte. */
  fin: 0x01,
  /** A packet begins with this frame's first byte; it and those after it in the frame may be handed on once they are whole. */
  loose: 0x04,
  /** A length follows the offset; without it the data reach to the datagram's end. */
  length: 0x08,
} as const;

/** Lengths of fields that have one length. */
export const ID_BYTES = 8;
export const RESET_TOKEN_BYTES = 16;
export const CHALLENGE_BYTES = 8;

/** One ack range costs two varints; more of them than this in a frame are a fault. */
export const ACK_RANGES_MOST = 256;

/** The unit of an ack's delay: 8 microseconds. */
export const ACK_DELAY_UNITS_PER_MS = 125;

/** Reasons in CLOSE and GOAWAY, in bytes of UTF-8. */
export const REASON_BYTES_MOST = 256;

/** Room in a datagram that is being filled. Writers write at `at` and never past `end`: callers check `room` first. */
export class FrameWriter {
  readonly bytes: Uint8Array;
  at: number;
  end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get room(): number {
    return this.end - this.at;
  }

  byte(value: number): void {
    this.bytes[this.at++] = value;
  }

  varint(value: number): void {
    this.at = writeVarint(this.bytes, this.at, value);
  }

  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** A type byte and numbers behind it; false, and nothing written, when they don't fit. */
  numbers(type: number, ...values: readonly number[]): boolean {
    let length = 1;
    for (const value of values) length += varintLength(value);
    if (length > this.room) return false;
    this.byte(type);
    for (const value of values) this.varint(value);
    return true;
  }

  /** A type byte and bytes of a fixed length behind it. */
  fixed(type: number, bytes: Uint8Array): boolean {
    if (1 + bytes.length > this.room) return false;
    this.byte(type);
    this.raw(bytes);
    return true;
  }

  /** A type byte, a length and that many bytes. */
  counted(type: number, bytes: Uint8Array): boolean {
    if (1 + varintLength(bytes.length) + bytes.length > this.room) return false;
    this.byte(type);
    this.varint(bytes.length);
    this.raw(bytes);
    return true;
  }

  /** CLOSE, CLOSE by the application, or GOAWAY. */
  ending(type: number, code: number, reason: Uint8Array): boolean {
    if (1 + varintLength(code) + varintLength(reason.length) + reason.length > this.room) return false;
    this.byte(type);
    this.varint(code);
    this.varint(reason.length);
    this.raw(reason);
    return true;
  }

  newId(sequence: number, retirePrior: number, id: Uint8Array, resetToken: Uint8Array): boolean {
    const length = 1 + varintLength(sequence) + varintLength(retirePrior) + ID_BYTES + RESET_TOKEN_BYTES;
    if (length > this.room) return false;
    this.byte(FRAME.newId);
    this.varint(sequence);
    this.varint(retirePrior);
    this.raw(id);
    this.raw(resetToken);
    return true;
  }

  /**
   * ACK of the highest `most` ranges of `heard`, or as many as there is room for; false when not even one fits.
   * @param delay How long the highest number waited for this ack, in ms.
   */
  ack(space: number, heard: Ranges, delay: number, most: number): boolean {
    const highest = heard.count - 1;
    const largest = heard.toAt(highest) - 1;
    const units = Math.min(VARINT_MAX, Math.max(0, Math.round(delay * ACK_DELAY_UNITS_PER_MS)));
    const firstLength = largest - heard.fromAt(highest);
    // One byte for the count of further ranges, or two where there are over 63.
    const fixed = 1 + varintLength(space) + varintLength(largest) + varintLength(units) + 2 + varintLength(firstLength);
    if (fixed > this.room) return false;
    let left = this.room - fixed;
    let further = 0;
    for (let at = highest - 1; at >= 0 && further < most - 1; at--) {
      const gap = heard.fromAt(at + 1) - heard.toAt(at) - 1;
      const cost = varintLength(gap) + varintLength(heard.toAt(at) - heard.fromAt(at) - 1);
      if (cost > left) break;
      left -= cost;
      further++;
    }
    this.byte(FRAME.ack);
    this.varint(space);
    this.varint(largest);
    this.varint(units);
    this.varint(further);
    this.varint(firstLength);
    for (let at = highest - 1; at >= highest - further; at--) {
      this.varint(heard.fromAt(at + 1) - heard.toAt(at) - 1);
      this.varint(heard.toAt(at) - heard.fromAt(at) - 1);
    }
    return true;
  }
}

/**
 * Who hears the frames of a datagram, in their order. A method that finds its frame at fault says so, and the session is closed
 * with that. Bytes are valid as long as the datagram is.
 */
export interface FrameHandler {
  onPing(): Fault | undefined;
  /** Ranges of `[from, to)`, the highest first. Called once per frame; the array is the reader's and reused. */
  onAck(space: number, ranges: AckRanges, delay: number): Fault | undefined;
  onAuth(token: Uint8Array): Fault | undefined;
  onAccept(): Fault | undefined;
  onClose(byApplication: boolean, code: number, reason: Uint8Array): Fault | undefined;
  onGoaway(code: number, reason: Uint8Array): Fault | undefined;
  onNewId(sequence: number, retirePrior: number, id: Uint8Array, resetToken: Uint8Array): Fault | undefined;
  onRetireId(sequence: number): Fault | undefined;
  onChallenge(data: Uint8Array): Fault | undefined;
  onAnswer(data: Uint8Array): Fault | undefined;
  onCredit(most: number): Fault | undefined;
  onStreamCredit(stream: number, most: number): Fault | undefined;
  onStreamsCredit(kind: number, most: number): Fault | undefined;
  onAckRate(sequence: number, datagrams: number, delay: number): Fault | undefined;
  onReset(stream: number, code: number, finalSize: number): Fault | undefined;
  onStop(stream: number, code: number): Fault | undefined;
  onSkip(stream: number, from: number, to: number): Fault | undefined;
  onDatagram(data: Uint8Array): Fault | undefined;
  onStream(stream: number, flags: number, offset: number, data: Uint8Array): Fault | undefined;
}

/** What an ACK frame names: `from[i]` to `to[i]`, not including the latter, for i below `count`, the highest first. */
export class AckRanges {
  count = 0;
  readonly from: number[] = [];
  readonly to: number[] = [];

  push(from: number, to: number): void {
    this.from[this.count] = from;
    this.to[this.count] = to;
    this.count++;
  }
}

/** Frames that ask for an ack: all but PADDING, ACK and the two CLOSE frames. */
export function asksForAck(type: number): boolean {
  return type !== FRAME.padding && type !== FRAME.ack && type !== FRAME.close && type !== FRAME.closeByApplication;
}

/** Reads the frames of datagrams, one datagram at a time, and keeps what it needs for that. */
export class FrameReader {
  /** Whether a frame of the last datagram asked for an ack. */
  asked = false;
  /** Whether the last datagram had frames other than those that probe a path (RFC 9000 9.1). */
  moved = false;

  #bytes: Uint8Array = new Uint8Array();
  #at = 0;
  #short = false;
  readonly #ranges = new AckRanges();

  /** Tells `handler` each frame; stops at the first fault and returns it. An empty datagram is one too. */
  read(bytes: Uint8Array, handler: FrameHandler): Fault | undefined {
    this.#bytes = bytes;
    this.#at = 0;
    this.#short = false;
    this.asked = false;
    this.moved = false;
    if (bytes.length === 0) return 'frame-malformed';
    while (this.#at < bytes.length) {
      const type = bytes[this.#at++] ?? 0;
      if (type === FRAME.padding) continue;
      if (asksForAck(type)) this.asked = true;
      if (type !== FRAME.newId && type !== FRAME.challenge && type !== FRAME.answer) this.moved = true;
      const fault = this.#frame(type, handler);
      if (this.#short) return 'frame-malformed';
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #frame(type: number, handler: FrameHandler): Fault | undefined {
    if (type >= FRAME.stream && type < FRAME.stream + 16) return this.#stream(type & 15, handler);
    switch (type) {
      case FRAME.ping:
        return handler.onPing();
      case FRAME.ack:
        return this.#ack(handler);
      case FRAME.auth: {
        const token = this.#counted();
        return this.#short ? undefined : handler.onAuth(token);
      }
      case FRAME.accept:
        return handler.onAccept();
      case FRAME.close:
      case FRAME.closeByApplication:
      case FRAME.goaway:
        return this.#ending(type, handler);
      case FRAME.challenge:
      case FRAME.answer: {
        const data = this.#raw(CHALLENGE_BYTES);
        if (this.#short) return undefined;
        return type === FRAME.challenge ? handler.onChallenge(data) : handler.onAnswer(data);
      }
      case FRAME.datagram: {
        const data = this.#counted();
        return this.#short ? undefined : handler.onDatagram(data);
      }
      default:
        return this.#numbers(type, handler);
    }
  }

  /** Frames of two or three numbers, and NEW_ID, which begins so. */
  #numbers(type: number, handler: FrameHandler): Fault | undefined {
    if (type < FRAME.newId || type > FRAME.skip) return 'frame-unknown';
    const first = this.#varint();
    if (type === FRAME.credit) return this.#short ? undefined : handler.onCredit(first);
    if (type === FRAME.retireId) return this.#short ? undefined : handler.onRetireId(first);
    const second = this.#varint();
    if (type === FRAME.newId) {
      const id = this.#raw(ID_BYTES);
      const token = this.#raw(RESET_TOKEN_BYTES);
      return this.#short ? undefined : handler.onNewId(first, second, id, token);
    }
    const third = type === FRAME.ackRate || type === FRAME.reset || type === FRAME.skip ? this.#varint() : 0;
    if (this.#short) return undefined;
    if (type === FRAME.streamCredit) return handler.onStreamCredit(first, second);
    if (type === FRAME.streamsCredit) return handler.onStreamsCredit(first, second);
    if (type === FRAME.ackRate) return handler.onAckRate(first, second, third);
    if (type === FRAME.reset) return handler.onReset(first, second, third);
    if (type === FRAME.stop) return handler.onStop(first, second);
    return handler.onSkip(first, second, third);
  }

  #stream(flags: number, handler: FrameHandler): Fault | undefined {
    const stream = this.#varint();
    const offset = this.#varint();
    const length = flags & STREAM.length ? this.#varint() : this.#bytes.length - this.#at;
    const data = this.#raw(length);
    if (this.#short) return undefined;
    if (offset + length > VARINT_MAX) return 'frame-malformed';
    return handler.onStream(stream, flags, offset, data);
  }

  #ack(handler: FrameHandler): Fault | undefined {
    const space = this.#varint();
    const largest = this.#varint();
    const delay = this.#varint() / ACK_DELAY_UNITS_PER_MS;
    const further = this.#varint();
    const ranges = this.#ranges;
    ranges.count = 0;
    if (further >= ACK_RANGES_MOST) return 'frame-malformed';
    let from = largest - this.#varint();
    if (from < 0) return 'frame-malformed';
    ranges.push(from, largest + 1);
    for (let at = 0; at < further && !this.#short; at++) {
      const to = from - this.#varint() - 1;
      from = to - this.#varint() - 1;
      if (from < 0) return 'frame-malformed';
      ranges.push(from, to);
    }
    return this.#short ? undefined : handler.onAck(space, ranges, delay);
  }

  #ending(type: number, handler: FrameHandler): Fault | undefined {
    const code = this.#varint();
    const reason = this.#counted();
    if (this.#short) return undefined;
    if (reason.length > REASON_BYTES_MOST) return 'frame-malformed';
    if (type === FRAME.goaway) return handler.onGoaway(code, reason);
    return handler.onClose(type === FRAME.closeByApplication, code, reason);
  }

  #varint(): number {
    const value = readVarint(this.#bytes, this.#at);
    if (value < 0) {
      this.#short = true;
      return 0;
    }
    this.#at += varintLengthAt(this.#bytes[this.#at] ?? 0);
    return value;
  }

  #counted(): Uint8Array {
    return this.#raw(this.#varint());
  }

  #raw(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) {
      this.#short = true;
      return this.#bytes;
    }
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }
}
