import { HEAD_BYTES, KIND, seal, sealBytes, writeHead } from './envelope.ts';
import type { LanKey } from './keys.ts';
import { NUMBER_MAX, readUint16, readUint64, writeUint16, writeUint64 } from './numbers.ts';

/** The bodies of datagrams, to bytes and back; docs/LAN.md has them byte by byte. Readers return undefined for what is malformed. */

export const SESSION_BYTES = 12;
export const NONCE_BYTES = 8;
export const PROOF_BYTES = 16;

const AFTER_SESSION = HEAD_BYTES + SESSION_BYTES;
/** Where the blocks of a datagram begin. */
export const DATA_HEADER: number = AFTER_SESSION + 12;
/** Counts that are none: there are no messages in it. */
export const COUNT_BEAT = 0;
export const COUNT_END = 0xffff;
const BEAT_BYTES = DATA_HEADER + 8;

const AFTER_NONCE = AFTER_SESSION + NONCE_BYTES;
const AFTER_PROOF = AFTER_NONCE + PROOF_BYTES;
const WELCOME_BYTES = AFTER_PROOF + 32;
/** A request is never shorter than what a stranger is answered. */
const REQUEST_LEAST = WELCOME_BYTES;
const ASK_BYTES = 10;
const GONE_BYTES = 16;
/** Ranges in one request, and in what tells that they are gone. */
export const RANGES_MOST = 32;

/** The least that `limits.datagramBytes` may be: a request with all its ranges, a topic of any length and a piece of a message. */
export const DATAGRAM_LEAST = 512;
/** What a UDP packet over IPv4 carries. */
export const DATAGRAM_MOST = 65_507;

/** Numbers from `from` up to, not including, `to`. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface DataHeader {
  readonly door: number;
  /** The number of the first message; without messages the one that comes next. */
  readonly first: number;
  /** Messages, `COUNT_BEAT` or `COUNT_END`. */
  readonly count: number;
}

export interface Request {
  readonly nonce: Uint8Array;
  readonly proof: Uint8Array;
  readonly ranges: readonly Range[];
}

export interface Welcome {
  readonly proof: Uint8Array;
  /** The oldest message that the store has, and the number of the next one to come. */
  readonly oldest: number;
  readonly next: number;
  readonly volatileNext: number;
  /** For how long the publisher has been there, ms. */
  readonly age: number;
}

/** The session as a key for maps; its bytes lie at the same place in every kind. */
export function sessionKey(bytes: Uint8Array): string {
  const b = bytes as unknown as readonly number[];
  return String.fromCharCode(
    b[4] as number,
    b[5] as number,
    b[6] as number,
    b[7] as number,
    b[8] as number,
    b[9] as number,
    b[10] as number,
    b[11] as number,
    b[12] as number,
    b[13] as number,
    b[14] as number,
    b[15] as number,
  );
}

/** The session of such a key, as people see it. */
export function sessionName(key: string): string {
  let name = '';
  for (let i = 0; i < key.length; i++) name += key.charCodeAt(i).toString(16).padStart(2, '0');
  return name;
}

export function keyOfSession(session: Uint8Array): string {
  return String.fromCharCode(...session);
}

/** Writes what stands before blocks. */
export function writeDataHeader(bytes: Uint8Array, kind: number, session: Uint8Array, header: DataHeader): void {
  writeHead(bytes, kind);
  bytes.set(session, HEAD_BYTES);
  writeUint16(bytes, AFTER_SESSION, header.door);
  writeUint64(bytes, AFTER_SESSION + 2, header.first);
  writeUint16(bytes, AFTER_SESSION + 10, header.count);
}

export function readDataHeader(bytes: Uint8Array, end: number): DataHeader | undefined {
  if (end < DATA_HEADER) return undefined;
  const door = readUint16(bytes, AFTER_SESSION);
  const first = readUint64(bytes, AFTER_SESSION + 2);
  const count = readUint16(bytes, AFTER_SESSION + 10);
  if (first < 1 || first > NUMBER_MAX - COUNT_END) return undefined;
  if ((count === COUNT_BEAT || count === COUNT_END) && end !== BEAT_BYTES) return undefined;
  return { door, first, count };
}

/** A sign of life, or the end: how many of them there were before tells a new one from a repeated one. */
export function encodeBeat(session: Uint8Array, header: DataHeader, beat: number, key: LanKey | undefined): Uint8Array {
  const bytes = new Uint8Array(BEAT_BYTES + sealBytes(key));
  writeDataHeader(bytes, KIND.data, session, header);
  writeUint64(bytes, DATA_HEADER, beat);
  return seal(bytes, BEAT_BYTES, key);
}

/** The number of a sign of life whose header was read. */
export function readBeat(bytes: Uint8Array): number {
  return readUint64(bytes, DATA_HEADER);
}

export function encodeRequest(session: Uint8Array, request: Request, key: LanKey | undefined): Uint8Array {
  const end = Math.max(REQUEST_LEAST, AFTER_PROOF + 1 + request.ranges.length * ASK_BYTES);
  const bytes = new Uint8Array(end + sealBytes(key));
  writeHead(bytes, KIND.request);
  bytes.set(session, HEAD_BYTES);
  bytes.set(request.nonce, AFTER_SESSION);
  bytes.set(request.proof, AFTER_NONCE);
  bytes[AFTER_PROOF] = request.ranges.length;
  let at = AFTER_PROOF + 1;
  for (const { from, to } of request.ranges) {
    writeUint64(bytes, at, from);
    writeUint16(bytes, at + 8, to - from);
    at += ASK_BYTES;
  }
  return seal(bytes, end, key);
}

export function readRequest(bytes: Uint8Array, end: number): Request | undefined {
  if (end < REQUEST_LEAST) return undefined;
  const count = bytes[AFTER_PROOF] as number;
  if (count > RANGES_MOST || end !== Math.max(REQUEST_LEAST, AFTER_PROOF + 1 + count * ASK_BYTES)) return undefined;
  const ranges: Range[] = [];
  for (let at = AFTER_PROOF + 1; ranges.length < count; at += ASK_BYTES) {
    const from = readUint64(bytes, at);
    const length = readUint16(bytes, at + 8);
    if (!isRange(from, length)) return undefined;
    ranges.push({ from, to: from + length });
  }
  return { nonce: bytes.slice(AFTER_SESSION, AFTER_NONCE), proof: bytes.slice(AFTER_NONCE, AFTER_PROOF), ranges };
}

export function encodeWelcome(
  session: Uint8Array,
  nonce: Uint8Array,
  welcome: Welcome,
  key: LanKey | undefined,
): Uint8Array {
  const bytes = new Uint8Array(WELCOME_BYTES + sealBytes(key));
  writeHead(bytes, KIND.welcome);
  bytes.set(session, HEAD_BYTES);
  bytes.set(nonce, AFTER_SESSION);
  bytes.set(welcome.proof, AFTER_NONCE);
  writeUint64(bytes, AFTER_PROOF, welcome.oldest);
  writeUint64(bytes, AFTER_PROOF + 8, welcome.next);
  writeUint64(bytes, AFTER_PROOF + 16, welcome.volatileNext);
  writeUint64(bytes, AFTER_PROOF + 24, welcome.age);
  return seal(bytes, WELCOME_BYTES, key);
}

export function readWelcome(bytes: Uint8Array, end: number): Welcome | undefined {
  if (end !== WELCOME_BYTES) return undefined;
  const oldest = readUint64(bytes, AFTER_PROOF);
  const next = readUint64(bytes, AFTER_PROOF + 8);
  const volatileNext = readUint64(bytes, AFTER_PROOF + 16);
  const age = readUint64(bytes, AFTER_PROOF + 24);
  if (oldest < 1 || oldest > next || next > NUMBER_MAX || volatileNext < 1 || volatileNext > NUMBER_MAX)
    return undefined;
  return { proof: bytes.slice(AFTER_NONCE, AFTER_PROOF), oldest, next, volatileNext, age };
}

export function encodeGone(
  session: Uint8Array,
  nonce: Uint8Array,
  ranges: readonly Range[],
  key: LanKey | undefined,
): Uint8Array {
  const end = AFTER_NONCE + 1 + ranges.length * GONE_BYTES;
  const bytes = new Uint8Array(end + sealBytes(key));
  writeHead(bytes, KIND.gone);
  bytes.set(session, HEAD_BYTES);
  bytes.set(nonce, AFTER_SESSION);
  bytes[AFTER_NONCE] = ranges.length;
  let at = AFTER_NONCE + 1;
  for (const { from, to } of ranges) {
    writeUint64(bytes, at, from);
    writeUint64(bytes, at + 8, to - from);
    at += GONE_BYTES;
  }
  return seal(bytes, end, key);
}

export function readGone(bytes: Uint8Array, end: number): readonly Range[] | undefined {
  const count = bytes[AFTER_NONCE] as number;
  if (end <= AFTER_NONCE || count > RANGES_MOST || end !== AFTER_NONCE + 1 + count * GONE_BYTES) return undefined;
  const ranges: Range[] = [];
  for (let at = AFTER_NONCE + 1; ranges.length < count; at += GONE_BYTES) {
    const from = readUint64(bytes, at);
    const length = readUint64(bytes, at + 8);
    if (!isRange(from, length)) return undefined;
    ranges.push({ from, to: from + length });
  }
  return ranges;
}

/** Whether a welcome, or what is gone, answers a question with this nonce. */
export function answers(bytes: Uint8Array, end: number, nonce: Uint8Array): boolean {
  if (end < AFTER_NONCE) return false;
  for (let i = 0; i < NONCE_BYTES; i++) if (bytes[AFTER_SESSION + i] !== nonce[i]) return false;
  return true;
}

function isRange(from: number, length: number): boolean {
  return from >= 1 && length >= 1 && from + length <= NUMBER_MAX;
}
