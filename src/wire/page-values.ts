import { checkText, isPlain, MALFORMED, unencodable } from './rules.ts';

// Varints and MessagePack for page-codec.ts: the bytes and the refusals of messagepack-writer.ts and messagepack-reader.ts, in as little code as
// can be read. Their comments have the rules.

/** A buffer that has become longer than this, in bytes, is not kept for the next message. */
const KEPT_MOST = 1 << 16;
const FOUR_BYTES = 2 ** 32;
const NANOSECONDS_MAX = 999_999_999;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

// Writing. One buffer for all: a message that is begun while another is written (by a getter in its data) lies behind it.

let output: Uint8Array = new Uint8Array(0);
let end = 0;

/** The bytes that `fill` writes. */
export function written(fill: () => void): Uint8Array {
  const start = end;
  try {
    fill();
    return output.slice(start, end);
  } finally {
    end = start;
    if (output.length > KEPT_MOST && !start) output = new Uint8Array(0);
  }
}

/** Makes room for `length` bytes and returns where they begin. */
function grow(length: number): number {
  const start = end;
  end += length;
  if (end > output.length) {
    const bytes = new Uint8Array(end * 2);
    bytes.set(output);
    output = bytes;
  }
  return start;
}

export function writeBytes(bytes: Uint8Array): void {
  const start = grow(bytes.length);
  output.set(bytes, start);
}

/** The low bytes of a whole number, most significant first; negative ones as two's complement. */
function writeUint(length: number, value: number): void {
  const start = grow(length);
  let rest = value;
  for (let at = end; at > start; rest = Math.floor(rest / 256)) output[--at] = rest;
}

export function writeVarint(value: number): void {
  const size = value < 64 ? 0 : value < 1 << 14 ? 1 : value < 1 << 30 ? 2 : 3;
  const start = end;
  writeUint(1 << size, value);
  output[start] = (output[start] ?? 0) | (size << 6);
}

/** The type byte of a family for 1, 2, 4 or 8 bytes, and the number that follows it; `range` says how many it needs. */
function writeSized(family: number, value: number, range: number = value): void {
  const size = range < 256 ? 0 : range < 1 << 16 ? 1 : range < FOUR_BYTES ? 2 : 3;
  writeUint(1, family + size);
  writeUint(1 << size, value);
}

/** @throws HawserError ERR_UNENCODABLE. */
export function writeValue(value: unknown, room: number): void {
  switch (typeof value) {
    case 'string':
      writeText(value);
      break;
    case 'number':
      writeNumber(value);
      break;
    case 'bigint':
      writeBigint(value);
      break;
    case 'boolean':
      writeUint(1, value ? 0xc3 : 0xc2);
      break;
    case 'undefined':
      writeUint(1, 0xc0);
      break;
    case 'object':
      if (value) writeObject(value, room);
      else writeUint(1, 0xc0);
      break;
    default:
      unencodable(`a ${typeof value}`);
  }
}

function writeObject(value: object, room: number): void {
  if (value instanceof Uint8Array) {
    writeSized(0xc4, value.length);
    writeBytes(value);
  } else if (value instanceof Date) writeDate(value.getTime());
  else if (!room) unencodable('a cycle, or too deep');
  else if (Array.isArray(value)) writeList(value, room - 1);
  else if (isPlain(value)) writeMap(value as Record<string, unknown>, room - 1);
  else unencodable('a class instance');
}

function writeList(list: readonly unknown[], room: number): void {
  const { length } = list;
  writeCount(0x90, 0xdb, length);
  for (let i = 0; i < length; i++) writeValue(list[i], room);
}

function writeMap(map: Record<string, unknown>, room: number): void {
  // A getter is asked once.
  const fields = Object.keys(map)
    .map((key) => [key, map[key]] as const)
    .filter(([, value]) => value !== undefined);
  writeCount(0x80, 0xdd, fields.length);
  for (const [key, value] of fields) {
    if (key === '__proto__') unencodable(key);
    writeText(key);
    writeValue(value, room);
  }
}

function writeCount(short: number, family: number, count: number): void {
  if (count < 16) writeUint(1, short + count);
  // There is no head for one byte.
  else writeSized(family, count, Math.max(count, 256));
}

function writeText(text: string): void {
  checkText(text);
  const bytes = encoder.encode(text);
  const { length } = bytes;
  if (length < 32) writeUint(1, 0xa0 + length);
  else writeSized(0xd9, length);
  writeBytes(bytes);
}

function writeNumber(value: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    writeUint(1, 0xcb);
    const start = grow(8);
    new DataView(output.buffer).setFloat64(start, value);
  } else if (value >= -32 && value < 128) writeUint(1, value);
  else if (value < 0) writeSized(0xd0, value, -2 * (value + 1));
  else writeSized(0xcc, value);
}

function writeBigint(value: bigint): void {
  const number = Number(value);
  if (Number.isSafeInteger(number)) writeNumber(number);
  else if (BigInt.asIntN(64, value) !== value && BigInt.asUintN(64, value) !== value) unencodable('over 64 bits');
  else {
    writeUint(1, value < 0 ? 0xd3 : 0xcf);
    const start = grow(8);
    new DataView(output.buffer).setBigInt64(start, value);
  }
}

/** Seconds alone when that is all there is, as 32 bits; then with 34 bits of seconds; for any other time with 64. */
function writeDate(time: number): void {
  if (Number.isNaN(time)) unencodable('an invalid date');
  const seconds = Math.floor(time / 1000);
  const nanoseconds = (time - seconds * 1000) * 1e6;
  const high = Math.floor(seconds / FOUR_BYTES);
  if (!high && !nanoseconds) writeUint(2, 0xd6ff);
  else if (high >= 0 && high < 4) {
    writeUint(2, 0xd7ff);
    writeUint(4, nanoseconds * 4 + high);
  } else {
    writeUint(3, 0xc70cff);
    writeUint(4, nanoseconds);
    writeUint(4, high);
  }
  writeUint(4, seconds);
}

// Reading. No code of others runs meanwhile. What is against the rules throws.

let input: Uint8Array = output;
let at = 0;

export function beginReading(bytes: Uint8Array): void {
  input = bytes;
  at = 0;
}

/** How many bytes are left. */
export function left(): number {
  return input.length - at;
}

/** Steps over the next bytes; returns where they begin. */
function skip(length: number): number {
  if (length > left()) throw MALFORMED;
  at += length;
  return at - length;
}

/** A view of the next bytes. */
export function take(length: number): Uint8Array {
  return input.subarray(skip(length), at);
}

export function readUint(length: number): number {
  let value = 0;
  for (let from = skip(length); from < at; from++) value = value * 256 + (input[from] ?? 0);
  return value;
}

export function readVarint(): number {
  const first = readUint(1);
  let value = first & 63;
  for (let more = (1 << (first >> 6)) - 1; more > 0; more--) value = value * 256 + readUint(1);
  if (value > Number.MAX_SAFE_INTEGER) throw MALFORMED;
  return value;
}

/** Any value. `room` is how many levels of containers it may have. Heads from the highest down; their low bits tell the width of what follows. */
export function readValue(room: number): unknown {
  const head = readUint(1);
  if (head < 0x80) return head;
  if (head < 0x90) return readMap(head & 15, room);
  if (head < 0xa0) return readList(head & 15, room);
  if (head < 0xc0) return readText(head & 31);
  if (head > 0xdf) return head - 256;
  if (head > 0xdd) return readMap(readUint(2 << (head & 1)), room);
  if (head > 0xdb) return readList(readUint(2 << (head & 1)), room);
  if (head > 0xd8) return readText(readUint(1 << (head - 0xd9)));
  if (head > 0xd5 && head < 0xd8) return readDate(4 << (head & 1));
  if (head > 0xd3) throw MALFORMED;
  if (head > 0xcb) return readInteger(1 << (head & 3), head > 0xcf);
  if (head > 0xca) return view(8).getFloat64(0);
  if (head > 0xc9) return view(4).getFloat32(0);
  if (head > 0xc6) return readDate(readUint(1 << (head - 0xc7)));
  if (head > 0xc3) return new Uint8Array(take(readUint(1 << (head & 3))));
  if (head === 0xc1) throw MALFORMED;
  return head > 0xc0 ? head > 0xc2 : null;
}

/** The next bytes, where numbers are read. */
function view(length: number): DataView {
  const start = skip(length);
  return new DataView(input.buffer, input.byteOffset + start, length);
}

function readInteger(length: number, signed: boolean): number | bigint {
  if (length < 8) {
    const value = readUint(length);
    const half = 2 ** (length * 8 - 1);
    return signed && value >= half ? value - half * 2 : value;
  }
  const value = signed ? view(8).getBigInt64(0) : view(8).getBigUint64(0);
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function readText(length: number): string {
  return decoder.decode(take(length));
}

function readList(count: number, room: number): unknown[] {
  if (!room || count > left()) throw MALFORMED;
  const list: unknown[] = [];
  while (list.length < count) list.push(readValue(room - 1));
  return list;
}

function readMap(count: number, room: number): Record<string, unknown> {
  if (!room || count * 2 > left()) throw MALFORMED;
  const map: Record<string, unknown> = {};
  for (let i = 0; i < count; i++) {
    const key = readValue(0);
    if (typeof key !== 'string' || key === '__proto__' || Object.hasOwn(map, key)) throw MALFORMED;
    map[key] = readValue(room - 1);
  }
  return map;
}

/** The one extension there is: a timestamp of 4, 8 or 12 bytes, to the millisecond. */
function readDate(length: number): Date {
  if (readUint(1) !== 0xff || ![4, 8, 12].includes(length)) throw MALFORMED;
  const first = length > 4 ? readUint(4) : 0;
  const nanoseconds = length === 8 ? Math.floor(first / 4) : first;
  const seconds = length > 8 ? Number(readInteger(8, true)) : (length > 4 ? first % 4 : 0) * FOUR_BYTES + readUint(4);
  const date = new Date(seconds * 1000 + Math.floor(nanoseconds / 1e6));
  if (nanoseconds > NANOSECONDS_MAX || Number.isNaN(date.getTime())) throw MALFORMED;
  return date;
}
