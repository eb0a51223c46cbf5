import type { Crypto } from '../crypto.ts';
import { ID_BYTES } from '../frames.ts';
import { MTU_LEAST } from '../mtu.ts';
import { NOISE_OVERHEAD, PUBLIC_KEY_BYTES } from './noise.ts';

/** "UDP2". */
export const VERSION = 0x55445032;

/** The first byte of each datagram of the handshake. */
export const KIND = { init: 0xd0, response: 0xd1, retry: 0xd2, version: 0xd3 } as const;

/** Kind, version and the client's id: how all datagrams of the handshake begin, and the prologue of Noise. */
export const PROLOGUE_BYTES: number = 1 + 4 + ID_BYTES;
export const COOKIE_BYTES = 40;
export const MAC_BYTES = 16;
export const RETRY_BYTES: number = PROLOGUE_BYTES + COOKIE_BYTES + MAC_BYTES;

const MAC_LABEL = 'UDPack 2 mac 1';

/** The key of mac 1 and mac 2: anybody can have it who knows the server's public key. */
export function macKey(crypto: Crypto, serverKey: Uint8Array): Uint8Array {
  return crypto.hash(bytesOf(MAC_LABEL), serverKey);
}

export function versionOf(datagram: Uint8Array): number {
  return read32(datagram, 1);
}

/** 32 bits at `at`, the most significant byte first. */
export function read32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at);
}

/** The client's id in a datagram of the handshake. */
export function clientIdOf(datagram: Uint8Array): Uint8Array {
  return datagram.subarray(5, PROLOGUE_BYTES);
}

/** Kind, version and id. */
export function prologue(kind: number, version: number, id: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(PROLOGUE_BYTES);
  bytes[0] = kind;
  new DataView(bytes.buffer).setUint32(1, version);
  bytes.set(id, 5);
  return bytes;
}

/** An INIT in its parts. */
export interface Init {
  readonly prologue: Uint8Array;
  readonly clientId: Uint8Array;
  /** Empty: it brings none. */
  readonly cookie: Uint8Array;
  /** Noise message 1. */
  readonly message: Uint8Array;
  readonly ephemeral: Uint8Array;
  readonly mac: Uint8Array;
}

/** How long the payload of message 1 is, so that an INIT with a cookie has 1200 bytes. */
export const INIT_PAYLOAD_BYTES: number = MTU_LEAST - PROLOGUE_BYTES - 1 - COOKIE_BYTES - NOISE_OVERHEAD - MAC_BYTES;

export function encodeInit(
  crypto: Crypto,
  key: Uint8Array,
  start: Uint8Array,
  cookie: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  const body = joined(start, Uint8Array.of(cookie.length), cookie, message);
  return joined(body, crypto.mac(key, body).subarray(0, MAC_BYTES));
}

/** Whether the last bytes are the mac of all before them. It is looked at before anything else is done with a datagram. */
export function hasMac(crypto: Crypto, key: Uint8Array, datagram: Uint8Array): boolean {
  const end = datagram.length - MAC_BYTES;
  const mac = crypto.mac(key, datagram.subarray(0, end)).subarray(0, MAC_BYTES);
  return crypto.equal(mac, datagram.subarray(end));
}

/** An INIT whose mac is good, in its parts; undefined: it has a wrong form. */
export function decodeInit(datagram: Uint8Array): Init | undefined {
  const cookieLength = datagram[PROLOGUE_BYTES] ?? 0;
  if (cookieLength !== 0 && cookieLength !== COOKIE_BYTES) return undefined;
  const at = PROLOGUE_BYTES + 1 + cookieLength;
  const end = datagram.length - MAC_BYTES;
  return {
    prologue: datagram.subarray(0, PROLOGUE_BYTES),
    clientId: datagram.subarray(5, PROLOGUE_BYTES),
    cookie: datagram.subarray(PROLOGUE_BYTES + 1, at),
    message: datagram.subarray(at, end),
    ephemeral: datagram.subarray(at, at + PUBLIC_KEY_BYTES),
    mac: datagram.subarray(end),
  };
}

/** RETRY or VERSION: an answer that is bound to the INIT by its mac. */
export function encodeBound(
  crypto: Crypto,
  key: Uint8Array,
  start: Uint8Array,
  body: Uint8Array,
  initMac: Uint8Array,
): Uint8Array {
  const head = joined(start, body);
  return joined(head, crypto.mac(key, initMac, head).subarray(0, MAC_BYTES));
}

/** The body of a RETRY or VERSION that answers the INIT with this mac; undefined: it doesn't. */
export function decodeBound(
  crypto: Crypto,
  key: Uint8Array,
  datagram: Uint8Array,
  initMac: Uint8Array,
): Uint8Array | undefined {
  const end = datagram.length - MAC_BYTES;
  if (end < PROLOGUE_BYTES) return undefined;
  const mac = crypto.mac(key, initMac, datagram.subarray(0, end)).subarray(0, MAC_BYTES);
  return crypto.equal(mac, datagram.subarray(end)) ? datagram.subarray(PROLOGUE_BYTES, end) : undefined;
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
