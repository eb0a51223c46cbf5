import { randomBytes } from 'node:crypto';
import { HEAD_BYTES, kindOf, type LanFault, type LanKey, open, seal, sealBytes, writeHead } from '../lan/index.ts';

/** The kinds of datagrams that are discovery's. docs/guides/lan.md has their bytes. */
const ASK = 8;
const ANSWER = 9;

export const NONCE_BYTES = 16;
/** What an ask has at least, and an answer at most, in bytes: nobody is sent more than he has sent. */
export const DISCOVERY_BYTES = 1200;

/** Who is asked for; undefined: everybody. */
export interface Ask {
  readonly nonce: Uint8Array;
  readonly name: string | undefined;
}

/** What a server says of itself. */
export interface Announced {
  readonly name: string;
  /** New with each announcement that begins. */
  readonly instance: string;
  readonly endpoints: readonly string[];
  /** The lower, the better: the sockets that it has, unless its application says otherwise. */
  readonly load: number;
  /** It has ended. */
  readonly gone: boolean;
}

/** `nonce` is that of the ask; undefined: nobody has asked. */
export interface Answer {
  readonly nonce: Uint8Array | undefined;
  readonly announced: Announced;
}

export type Discovered =
  | { readonly kind: 'ask'; readonly ask: Ask }
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'fault'; readonly fault: LanFault };

/** What servers may be called. */
const NAME = /^[\w.-]{1,64}$/;
const INSTANCE = /^[\w-]{8,64}$/;
const ENDPOINTS_MOST = 16;
const ENDPOINT_LENGTH = 512;

export function isName(name: unknown): name is string {
  return typeof name === 'string' && NAME.test(name);
}

export function newNonce(): Uint8Array {
  return randomBytes(NONCE_BYTES);
}

export function writeAsk({ nonce, name = '' }: Ask, key: LanKey | undefined): Uint8Array {
  const bytes = Buffer.alloc(DISCOVERY_BYTES);
  writeHead(bytes, ASK);
  bytes.set(nonce, HEAD_BYTES);
  bytes[HEAD_BYTES + NONCE_BYTES] = name.length;
  bytes.write(name, HEAD_BYTES + NONCE_BYTES + 1, 'latin1');
  return seal(bytes, DISCOVERY_BYTES - sealBytes(key), key);
}

/** Undefined when it would be too long. */
export function writeAnswer({ nonce, announced }: Answer, key: LanKey | undefined): Uint8Array | undefined {
  const text = Buffer.from(JSON.stringify(announced));
  const end = HEAD_BYTES + NONCE_BYTES + text.length;
  if (end + sealBytes(key) > DISCOVERY_BYTES) return undefined;
  const bytes = Buffer.alloc(end + sealBytes(key));
  writeHead(bytes, ANSWER);
  if (nonce !== undefined) bytes.set(nonce, HEAD_BYTES);
  bytes.set(text, HEAD_BYTES + NONCE_BYTES);
  return seal(bytes, end, key);
}

/** Reads a datagram. Never throws. */
export function readDiscovered(bytes: Uint8Array, keys: readonly LanKey[]): Discovered {
  const end = open(bytes, keys);
  if (typeof end === 'string') return { kind: 'fault', fault: end };
  const kind = kindOf(bytes);
  if (kind !== ASK && kind !== ANSWER) return { kind: 'fault', fault: 'foreign' };
  if (end < HEAD_BYTES + NONCE_BYTES + 1 || bytes.length > DISCOVERY_BYTES)
    return { kind: 'fault', fault: 'malformed' };
  const nonce = bytes.slice(HEAD_BYTES, HEAD_BYTES + NONCE_BYTES);
  return kind === ASK ? readAsk(bytes, nonce) : readAnswer(bytes.subarray(HEAD_BYTES + NONCE_BYTES, end), nonce);
}

function readAsk(bytes: Uint8Array, nonce: Uint8Array): Discovered {
  const at = HEAD_BYTES + NONCE_BYTES;
  const length = bytes[at] as number;
  const name = Buffer.from(bytes.subarray(at + 1, at + 1 + length)).toString('latin1');
  if (bytes.length < DISCOVERY_BYTES || (length > 0 && !isName(name))) return { kind: 'fault', fault: 'malformed' };
  return { kind: 'ask', ask: { nonce, name: length === 0 ? undefined : name } };
}

function readAnswer(text: Uint8Array, nonce: Uint8Array): Discovered {
  const announced = parse(Buffer.from(text).toString());
  if (announced === undefined) return { kind: 'fault', fault: 'malformed' };
  const isAsked = nonce.some((byte) => byte !== 0);
  return { kind: 'answer', answer: { nonce: isAsked ? nonce : undefined, announced } };
}

function parse(text: string): Announced | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, instance, endpoints, load, gone } = value as Partial<Record<keyof Announced, unknown>>;
  if (!isName(name) || typeof instance !== 'string' || !INSTANCE.test(instance)) return undefined;
  if (typeof load !== 'number' || !(load >= 0) || typeof gone !== 'boolean' || !areEndpoints(endpoints))
    return undefined;
  return { name, instance, endpoints, load, gone };
}

function areEndpoints(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length <= ENDPOINTS_MOST &&
    value.every((one) => typeof one === 'string' && one.length <= ENDPOINT_LENGTH)
  );
}
