import { checkText, DEPTH_MAX, INT64_MIN, isPlain, MALFORMED, UINT64_MAX, unencodable } from './rules.ts';
import { type Fields, isMap } from './shapes.ts';

/** A key that stands alone in its object and says what JSON can't; with one more `$` it is itself. */
const TAG = /^\$+(bytes|date|float|int)$/;
const INTEGER = /^-?\d{1,20}$/;
const BINARY_CHUNK = 8192;

/** A copy of `value` that `JSON.stringify` takes as it is. @throws HawserError ERR_UNENCODABLE */
export function toJson(value: unknown, room: number = DEPTH_MAX): unknown {
  switch (typeof value) {
    case 'string':
      checkText(value);
      return value;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $float: Object.is(value, -0) ? '-0' : `${value}` };
    case 'boolean':
    case 'undefined':
      return value;
    case 'bigint':
      return integerToJson(value);
    case 'object':
      return value === null ? null : objectToJson(value, room);
    default:
      return unencodable(`a ${typeof value}`);
  }
}

function integerToJson(value: bigint): unknown {
  if (value < INT64_MIN || value > UINT64_MAX) unencodable('over 64 bits');
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : { $int: `${value}` };
}

function objectToJson(value: object, room: number): unknown {
  if (value instanceof Uint8Array) return { $bytes: toBase64(value) };
  if (value instanceof Date) {
    const time = value.getTime();
    return Number.isNaN(time) ? unencodable('an invalid date') : { $date: time };
  }
  if (room === 0) return unencodable('a cycle, or too deep');
  if (Array.isArray(value)) return Array.from(value, (item) => toJson(item, room - 1));
  return isPlain(value) ? mapToJson(value as Fields, room - 1) : unencodable('a class instance');
}

function mapToJson(map: Fields, room: number): Fields {
  const copy: Fields = {};
  let last = '';
  let count = 0;
  for (const key of Object.keys(map)) {
    const value = toJson(map[key], room);
    if (value === undefined) continue;
    if (key === '__proto__') unencodable(key);
    checkText(key);
    copy[key] = value;
    last = key;
    count++;
  }
  return count === 1 && TAG.test(last) ? { [`$${last}`]: copy[last] } : copy;
}

/** What the members of a parsed JSON text were: `JSON.parse` keeps only the last of those with one key. */
export interface Tally {
  members: number;
  /** Whether strings must be looked at for half a surrogate pair, which only an escape can bring in. */
  readonly surrogates: boolean;
}

/** Turns a value that `JSON.parse` made into what was meant, in place, and counts members. Throws `MALFORMED`. */
export function fromJson(value: unknown, tally: Tally, room: number = DEPTH_MAX): unknown {
  if (typeof value === 'string') {
    if (tally.surrogates && /\p{Surrogate}/u.test(value)) throw MALFORMED;
    return value;
  }
  // 1e999 is a number in JSON and nowhere else.
  if (typeof value === 'number' && !Number.isFinite(value)) throw MALFORMED;
  if (Array.isArray(value)) {
    if (room === 0) throw MALFORMED;
    for (let i = 0; i < value.length; i++) value[i] = fromJson(value[i], tally, room - 1);
    return value;
  }
  return isMap(value) ? mapFromJson(value, tally, room) : value;
}

function mapFromJson(map: Fields, tally: Tally, room: number): unknown {
  const keys = Object.keys(map);
  tally.members += keys.length;
  const [first = ''] = keys;
  if (keys.length === 1 && TAG.test(first)) {
    if (!first.startsWith('$$')) return untag(first, map[first]);
    map = { [first.slice(1)]: map[first] };
    keys[0] = first.slice(1);
  }
  if (room === 0) throw MALFORMED;
  for (const key of keys) {
    if (key === '__proto__') throw MALFORMED;
    fromJson(key, tally);
    map[key] = fromJson(map[key], tally, room - 1);
  }
  return map;
}

function untag(tag: string, value: unknown): unknown {
  if (tag === '$date') return dateFromJson(value);
  if (typeof value !== 'string') throw MALFORMED;
  if (tag === '$bytes') return fromBase64(value);
  if (tag === '$int') return integerFromJson(value);
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity' || value === '-0') return Number(value);
  throw MALFORMED;
}

function dateFromJson(value: unknown): Date {
  const date = new Date(Number.isInteger(value) ? (value as number) : Number.NaN);
  if (Number.isNaN(date.getTime())) throw MALFORMED;
  return date;
}

function integerFromJson(text: string): number | bigint {
  if (!INTEGER.test(text)) throw MALFORMED;
  const value = BigInt(text);
  if (value < INT64_MIN || value > UINT64_MAX) throw MALFORMED;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += BINARY_CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(at, at + BINARY_CHUNK));
  }
  return btoa(binary);
}

/** `atob` throws for what is no base64; it forgives white space and missing padding. */
function fromBase64(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
