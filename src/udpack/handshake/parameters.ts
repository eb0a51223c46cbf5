import { readVarint, varintLength, varintLengthAt, writeVarint } from '../../core/index.ts';
import { ID_BYTES, RESET_TOKEN_BYTES } from '../frames.ts';
import { IDS_LEAST, IDS_MOST } from '../ids.ts';
import { MTU_LEAST } from '../mtu.ts';
import type { Parameters } from '../options.ts';

/** Numbers of docs/UDPACK.md, "Parameters". */
const END = 0;
const ID = 1;
const RESET_TOKEN = 2;

/** The parameters that are a varint each: what they may be, and what they are when they are not said. */
const NUMBERS = {
  credit: { number: 3, least: 0, most: Number.MAX_SAFE_INTEGER, absent: 0 },
  streamCredit: { number: 4, least: 0, most: Number.MAX_SAFE_INTEGER, absent: 0 },
  packetStreams: { number: 5, least: 0, most: 2 ** 48, absent: 0 },
  byteStreams: { number: 6, least: 0, most: 2 ** 48, absent: 0 },
  packetBytes: { number: 7, least: 0, most: 2 ** 48, absent: 0 },
  datagramSize: { number: 8, least: MTU_LEAST, most: 65_535, absent: MTU_LEAST },
  idle: { number: 9, least: 0, most: 2 ** 48, absent: 0 },
  ackDelay: { number: 10, least: 0, most: 16_384, absent: 25 },
  unreliableBytes: { number: 11, least: 0, most: 65_535, absent: 0 },
  ids: { number: 12, least: IDS_LEAST, most: IDS_MOST, absent: IDS_LEAST },
} as const;

type Name = keyof typeof NUMBERS;
const NAMES = Object.keys(NUMBERS) as Name[];

/** The list, with its end; padded with zeros to `size` if that is more. */
export function encodeParameters(parameters: Parameters, size = 0): Uint8Array {
  const bytes = new Uint8Array(Math.max(size, 512));
  let at = putBytes(bytes, 0, ID, parameters.id);
  at = putBytes(bytes, at, RESET_TOKEN, parameters.resetToken);
  for (const name of NAMES) {
    at = writeVarint(bytes, at, NUMBERS[name].number);
    at = writeVarint(bytes, at, varintLength(parameters[name]));
    at = writeVarint(bytes, at, parameters[name]);
  }
  // The end is a zero, as padding is.
  return bytes.subarray(0, Math.max(at + 1, size));
}

/** Where it ends. */
function putBytes(target: Uint8Array, from: number, number: number, value: Uint8Array | undefined): number {
  if (value === undefined) return from;
  let at = writeVarint(target, from, number);
  at = writeVarint(target, at, value.length);
  target.set(value, at);
  return at + value.length;
}

/** What the other side said. Undefined: it can't be, or a client said what only servers say, or a server did not. */
export function decodeParameters(bytes: Uint8Array, from: 'client' | 'server'): Parameters | undefined {
  const said = readList(bytes);
  if (said === undefined) return undefined;
  const id = copyOf(bytes, said.get(ID));
  const resetToken = copyOf(bytes, said.get(RESET_TOKEN));
  if (from === 'client' && (id !== undefined || resetToken !== undefined)) return undefined;
  if (from === 'server' && (id?.length !== ID_BYTES || resetToken?.length !== RESET_TOKEN_BYTES)) return undefined;
  const numbers = {} as Record<Name, number>;
  for (const name of NAMES) {
    const { number, least, most, absent } = NUMBERS[name];
    const place = said.get(number);
    const read = place === undefined ? absent : numberAt(bytes, place);
    if (read < least || read > most) return undefined;
    numbers[name] = read;
  }
  return { id, resetToken, ...numbers };
}

/** Where a value lies: its offset times this, and its length. A datagram is shorter. */
const PLACE = 65_536;

function copyOf(bytes: Uint8Array, place: number | undefined): Uint8Array | undefined {
  if (place === undefined) return undefined;
  const at = Math.floor(place / PLACE);
  return new Uint8Array(bytes.subarray(at, at + (place % PLACE)));
}

/** A varint that fills its bytes; -1: it doesn't. */
function numberAt(bytes: Uint8Array, place: number): number {
  const at = Math.floor(place / PLACE);
  const length = place % PLACE;
  return length === 0 || varintLengthAt(bytes[at] ?? 0) !== length ? -1 : readVarint(bytes, at);
}

/** Where the values lie, by their numbers. */
function readList(bytes: Uint8Array): Map<number, number> | undefined {
  const said = new Map<number, number>();
  let at = 0;
  while (at < bytes.length) {
    const number = readVarint(bytes, at);
    if (number === END) break;
    if (number < 0) return undefined;
    at += varintLengthAt(bytes[at] ?? 0);
    const length = readVarint(bytes, at);
    if (length < 0) return undefined;
    at += varintLengthAt(bytes[at] ?? 0);
    if (length > bytes.length - at || said.has(number)) return undefined;
    said.set(number, at * PLACE + length);
    at += length;
  }
  // After the end there is nothing but padding.
  for (; at < bytes.length; at++) if (bytes[at] !== 0) return undefined;
  return said;
}
