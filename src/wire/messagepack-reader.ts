import { readVarint, VARINT_MAX, varintLengthAt } from '../core/index.ts';
import { DEPTH_MAX, MALFORMED } from './rules.ts';
import { utf8 } from './text.ts';

/** Names up to this many bytes are looked for among those that came before. */
const SHORT = 24;
/** Up to this many bytes a loop beats the decoder. What V8 puts together of more it keeps in pieces, which take five times the memory. */
const LOOPED = 12;
/** From this length on bytes of memory that was given are not copied, where they are most of it. */
const KEPT_BYTES = 4096;
const SAFE_HIGH = 0x1fffff;
const NANOSECONDS_MAX = 999_999_999;

const scratch = new DataView(new ArrayBuffer(8));

/** Property names and event names come again and again: the string of the last one with this hash. */
const names: (string | undefined)[] = new Array<string | undefined>(256);

/**
 * Reads varints and MessagePack values from one message, strictly: UTF-8 is checked, a map has string keys, no key twice and none
 * that is `__proto__`, and a header that announces more than there is takes no memory. Whatever is against the
 * rules throws `MALFORMED`, or what the text decoder throws; `Codec.decode` catches both.
 *
 * Integers within +-(2^53 - 1) are numbers, those beyond are bigints. Byte strings are copies, or views of memory that was given.
 */
export class Reader {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #given = false;

  /** Begins a message whose first byte, its type, is known. What is `given` need not be copied. */
  start(bytes: Uint8Array, at = 1, given = false): void {
    this.#bytes = bytes;
    this.#at = at;
    this.#given = given;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Refuses what follows the message. */
  finish(): void {
    if (!this.done) throw MALFORMED;
  }

  /** All that is left, as bytes that can be kept. */
  rest(): Uint8Array {
    return this.#blob(this.#bytes.length - this.#at);
  }

  varint(): number {
    const value = readVarint(this.#bytes, this.#at);
    if (value < 0) throw MALFORMED;
    this.#at += varintLengthAt(this.#bytes[this.#at] ?? 0);
    return value;
  }

  /** The header of an array with at least `min` and at most `max` items; returns their number. */
  array(min: number, max: number): number {
    const head = this.#uint(1);
    const count = head === 0xdc ? this.#uint(2) : head === 0xdd ? this.#uint(4) : head ^ 0x90;
    if (count < min || count > max) throw MALFORMED;
    return count;
  }

  /** A string of at least one character that is worth remembering. */
  name(): string {
    const head = this.#uint(1);
    const length = head >> 5 === 5 ? head & 31 : this.#longTextLength(head);
    if (length === 0) throw MALFORMED;
    return this.#name(length);
  }

  /** Any value. `room` is how many levels of containers it may have. */
  value(room: number = DEPTH_MAX): unknown {
    const head = this.#uint(1);
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head < 0x90) return this.#map(head & 15, room);
    if (head < 0xa0) return this.#list(head & 15, room);
    if (head < 0xc0) return this.#text(head & 31);
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#blob(this.#uint(1 << (head - 0xc4)));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#uint(1 << (head - 0xc7)));
      case 0xca:
        scratch.setUint32(0, this.#uint(4));
        return scratch.getFloat32(0);
      case 0xcb:
        this.#load64();
        return scratch.getFloat64(0);
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(1 << (head - 0xcc));
      case 0xcf:
        this.#load64();
        return scratch.getUint32(0) > SAFE_HIGH ? scratch.getBigUint64(0) : Number(scratch.getBigUint64(0));
      case 0xd0:
        return (this.#uint(1) << 24) >> 24;
      case 0xd1:
        return (this.#uint(2) << 16) >> 16;
      case 0xd2:
        return this.#uint(4) | 0;
      case 0xd3:
        return this.#int64();
      case 0xd6:
      case 0xd7:
        return this.#extension(4 << (head - 0xd6));
      case 0xdc:
      case 0xdd:
        return this.#list(this.#uint(2 << (head - 0xdc)), room);
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 << (head - 0xde)), room);
      default:
        return this.#text(this.#longTextLength(head));
    }
  }

  /** Steps over `length` bytes and returns where they began. */
  #take(length: number): number {
    const start = this.#at;
    if (length > this.#bytes.length - start) throw MALFORMED;
    this.#at = start + length;
    return start;
  }

  #uint(length: number): number {
    const bytes = this.#bytes;
    let at = this.#take(length);
    let value = bytes[at++] ?? 0;
    while (at < this.#at) value = value * 256 + (bytes[at++] ?? 0);
    return value;
  }

  #load64(): void {
    scratch.setUint32(0, this.#uint(4));
    scratch.setUint32(4, this.#uint(4));
  }

  #int64(): number | bigint {
    this.#load64();
    const value = scratch.getBigInt64(0);
    return value > VARINT_MAX || value < -VARINT_MAX ? value : Number(value);
  }

  #longTextLength(head: number): number {
    if (head < 0xd9 || head > 0xdb) throw MALFORMED;
    return this.#uint(1 << (head - 0xd9));
  }

  #blob(length: number): Uint8Array {
    const start = this.#take(length);
    const { buffer, byteOffset } = this.#bytes;
    const isKept = this.#given && length >= KEPT_BYTES && length * 2 >= buffer.byteLength;
    const blob = new Uint8Array(buffer, byteOffset + start, length);
    return isKept ? blob : new Uint8Array(blob);
  }

  #text(length: number): string {
    const bytes = this.#bytes;
    const start = this.#take(length);
    const end = start + length;
    if (length > LOOPED) return utf8.read(bytes, start, end);
    let text = '';
    for (let at = start; at < end; at++) {
      const byte = bytes[at] ?? 0;
      if (byte > 0x7f) return utf8.read(bytes, start, end);
      text += String.fromCharCode(byte);
    }
    return text;
  }

  #name(length: number): string {
    if (length > SHORT) return this.#text(length);
    const bytes = this.#bytes;
    const start = this.#take(length);
    let hash = length;
    for (let at = start; at < this.#at; at++) hash = (hash * 31 + (bytes[at] ?? 0)) | 0;
    const known = names[hash & 255];
    if (known !== undefined && known.length === length) {
      let same = 0;
      while (same < length && known.charCodeAt(same) === bytes[start + same]) same++;
      if (same === length) return known;
    }
    this.#at = start;
    const text = this.#text(length);
    names[hash & 255] = text;
    return text;
  }

  #list(count: number, room: number): unknown[] {
    if (room === 0 || count > this.#bytes.length - this.#at) throw MALFORMED;
    const list: unknown[] = [];
    for (let i = 0; i < count; i++) list.push(this.value(room - 1));
    return list;
  }

  #map(count: number, room: number): Record<string, unknown> {
    if (room === 0 || count > (this.#bytes.length - this.#at) / 2) throw MALFORMED;
    const map: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) {
      const head = this.#uint(1);
      const key = this.#name(head >> 5 === 5 ? head & 31 : this.#longTextLength(head));
      if (key === '__proto__' || (map[key] !== undefined && Object.hasOwn(map, key))) throw MALFORMED;
      map[key] = this.value(room - 1);
    }
    return map;
  }

  /** The one extension there is: a timestamp of 4, 8 or 12 bytes, to the millisecond. */
  #extension(length: number): Date {
    if (this.#uint(1) !== 0xff) throw MALFORMED;
    let nanoseconds = 0;
    let seconds = 0;
    if (length === 4) seconds = this.#uint(4);
    else if (length === 8) {
      const high = this.#uint(4);
      nanoseconds = high >>> 2;
      seconds = (high & 3) * 2 ** 32 + this.#uint(4);
    } else if (length === 12) {
      nanoseconds = this.#uint(4);
      seconds = Number(this.#int64());
    } else throw MALFORMED;
    const date = new Date(seconds * 1000 + Math.floor(nanoseconds / 1e6));
    if (nanoseconds > NANOSECONDS_MAX || Number.isNaN(date.getTime())) throw MALFORMED;
    return date;
  }
}
