import { HEADROOM, Outbound, writeVarint } from '../core/index.ts';
import { checkText, DEPTH_MAX, INT64_MIN, isPlain, UINT64_MAX, unencodable } from './rules.ts';
import { utf8 } from './text.ts';

const SLAB = 1 << 14;
const SHORT = 40;
/** More than the longest header of a value, and than any varint. */
const SLACK = 16;

interface Slab {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** From where on it is free. */
  readonly at: number;
}

/**
 * Writes messages one after the other into a slab that they share; each has free bytes before it for the first framing's header.
 * Integers are written in their shortest form.
 *
 * What a message can't say throws ERR_UNENCODABLE; the slab is then as before the message.
 */
export class Writer {
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  #start = 0;
  #at = 0;
  /** The slab, while a message that is too long for it has memory of its own. */
  #aside: Slab | undefined;

  start(type: number): void {
    this.#start = this.#at;
    this.#ensure(HEADROOM);
    this.#at += HEADROOM;
    this.#byte(type);
  }

  /** The message, whole. */
  finish(): Outbound {
    const message = new Outbound(this.#bytes, false, HEADROOM, this.#start + HEADROOM, this.#at);
    if (this.#aside !== undefined) this.#backToSlab(this.#aside);
    return message;
  }

  /** Forgets the message that was begun and not finished. */
  cancel(): void {
    this.#at = this.#start;
    if (this.#aside !== undefined) this.#backToSlab(this.#aside);
  }

  varint(value: number): void {
    this.#ensure(0);
    this.#at = writeVarint(this.#bytes, this.#at, value);
  }

  array(count: number): void {
    if (count < 16) this.#byte(0x90 | count);
    else this.#sized(0xdb, Math.max(1, width(count)), count);
  }

  text(text: string): void {
    const { length } = text;
    if (length > SHORT) {
      this.#longText(text);
      return;
    }
    this.#ensure(length);
    let at = this.#at + (length < 32 ? 1 : 2);
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) {
        this.#longText(text);
        return;
      }
      this.#bytes[at++] = code;
    }
    this.#textHeader(length);
    this.#at = at;
  }

  value(value: unknown, room: number = DEPTH_MAX): void {
    switch (typeof value) {
      case 'string':
        this.text(value);
        break;
      case 'number':
        this.#number(value);
        break;
      case 'boolean':
        this.#byte(value ? 0xc3 : 0xc2);
        break;
      case 'undefined':
        this.#byte(0xc0);
        break;
      case 'bigint':
        this.#bigint(value);
        break;
      case 'object':
        if (value === null) this.#byte(0xc0);
        else this.#object(value, room);
        break;
      default:
        unencodable(`a ${typeof value}`);
    }
  }

  #object(value: object, room: number): void {
    if (value instanceof Uint8Array) this.#blob(value);
    else if (value instanceof Date) this.#date(value.getTime());
    else if (room === 0) unencodable('a cycle, or too deep');
    else if (Array.isArray(value)) {
      const { length } = value;
      this.array(length);
      for (let i = 0; i < length; i++) this.value(value[i], room - 1);
    } else if (isPlain(value)) this.#map(value as Record<string, unknown>, room - 1);
    else unencodable('a class instance');
  }

  #map(map: Record<string, unknown>, room: number): void {
    const keys = Object.keys(map);
    let count = 0;
    for (const key of keys) if (map[key] !== undefined) count++;
    if (count < 16) this.#byte(0x80 | count);
    else this.#sized(0xdd, Math.max(1, width(count)), count);
    for (const key of keys) {
      const value = map[key];
      if (value === undefined) continue;
      if (key === '__proto__') unencodable(key);
      this.text(key);
      this.value(value, room);
      count--;
    }
    if (count !== 0) unencodable('a changing property');
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.#byte(0xcb);
      this.#view.setFloat64(this.#at, value);
      this.#at += 8;
    } else if (value < 0) {
      if (value >= -32) this.#byte(value);
      else if (value >= -(2 ** 31)) this.#sized(0xd0, value >= -(2 ** 7) ? 0 : value >= -(2 ** 15) ? 1 : 2, value);
      else this.#int64(0xd3, value);
    } else if (value < 128) this.#byte(value);
    else if (value < 2 ** 32) this.#sized(0xcc, width(value), value);
    else this.#int64(0xcf, value);
  }

  #bigint(value: bigint): void {
    const number = Number(value);
    if (Number.isSafeInteger(number)) this.#number(number);
    else if (value < INT64_MIN || value > UINT64_MAX) unencodable('over 64 bits');
    else {
      this.#byte(value < 0 ? 0xd3 : 0xcf);
      this.#view.setBigUint64(this.#at, BigInt.asUintN(64, value));
      this.#at += 8;
    }
  }

  /** Seconds alone when that is all there is, as 32 bits; then with 34 bits of seconds; for any other time with 64. */
  #date(time: number): void {
    if (Number.isNaN(time)) unencodable('an invalid date');
    const seconds = Math.floor(time / 1000);
    const nanoseconds = (time - seconds * 1000) * 1e6;
    const high = Math.floor(seconds / 2 ** 32);
    if (high === 0 && nanoseconds === 0) {
      this.#byte(0xd6);
      this.#byte(0xff);
    } else if (high >= 0 && high < 4) {
      this.#byte(0xd7);
      this.#byte(0xff);
      this.#uint32(nanoseconds * 4 + high);
    } else {
      this.#sized(0xc7, 0, 12);
      this.#byte(0xff);
      this.#uint32(nanoseconds);
      this.#uint32(high);
    }
    this.#uint32(seconds);
  }

  #blob(blob: Uint8Array): void {
    const { length } = blob;
    this.#ensure(length);
    this.#sized(0xc4, width(length), length);
    this.#bytes.set(blob, this.#at);
    this.#at += length;
  }

  /** Takes the text for ASCII at first; where it turns out longer than its header can say, it moves up. */
  #longText(text: string): void {
    checkText(text);
    const { length } = text;
    const guess = textHeaderLength(length);
    const written = this.#encodeText(text, guess, length) ?? this.#encodeText(text, guess, length * 3) ?? 0;
    const from = this.#at + guess;
    const to = this.#at + textHeaderLength(written);
    if (to !== from) this.#bytes.copyWithin(to, from, from + written);
    this.#textHeader(written);
    this.#at += written;
  }

  /** Encodes after a gap for the header, and leaves room to move up; undefined when `most` bytes are too few. */
  #encodeText(text: string, gap: number, most: number): number | undefined {
    this.#ensure(most + SLACK);
    const at = this.#at + gap;
    return utf8.write(this.#bytes, at, this.#bytes.length - SLACK, text);
  }

  #textHeader(length: number): void {
    if (length < 32) this.#byte(0xa0 | length);
    else this.#sized(0xd9, width(length), length);
  }

  #int64(type: number, value: number): void {
    this.#byte(type);
    this.#uint32(Math.floor(value / 2 ** 32));
    this.#uint32(value);
  }

  #uint32(value: number): void {
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
  }

  /** A type byte of a family of three or four (for 1, 2, 4 bytes) and the number that follows it. */
  #sized(family: number, wide: number, value: number): void {
    this.#byte(family + wide);
    if (wide === 0) this.#view.setUint8(this.#at, value);
    else if (wide === 1) this.#view.setUint16(this.#at, value);
    else this.#view.setUint32(this.#at, value);
    this.#at += 1 << wide;
  }

  #byte(value: number): void {
    this.#ensure(0);
    this.#bytes[this.#at++] = value;
  }

  /** Makes room for `length` bytes and for the header of what comes after them. */
  #ensure(length: number): void {
    const needed = this.#at + length + SLACK;
    if (needed > this.#bytes.length) this.#grow(needed - this.#start);
  }

  /** Moves the message that was begun to the start of a new slab, or to memory that it keeps to itself. */
  #grow(needed: number): void {
    const begun = this.#bytes.subarray(this.#start, this.#at);
    const isLong = needed >= SLAB / 4;
    if (isLong) this.#aside ??= { bytes: this.#bytes, view: this.#view, at: this.#start };
    const bytes = new Uint8Array(isLong ? Math.max(needed, begun.length * 2, SLAB * 2) : SLAB);
    bytes.set(begun);
    this.#at = begun.length;
    this.#start = 0;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  #backToSlab({ bytes, view, at }: Slab): void {
    this.#aside = undefined;
    this.#bytes = bytes;
    this.#view = view;
    this.#at = at;
  }
}

/** The power of two of the bytes that a length or number up to 32 bits needs: 0, 1 or 2. */
function width(value: number): number {
  return value < 1 << 8 ? 0 : value < 1 << 16 ? 1 : 2;
}

function textHeaderLength(length: number): number {
  return length < 32 ? 1 : 1 + (1 << width(length));
}
