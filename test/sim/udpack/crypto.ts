import { type Aead, type Crypto, type KeyPair, TAG_BYTES } from '../../../src/udpack/index.ts';
import type { Chance } from './chance.ts';

/** Notes what is sealed, and says when a key and nonce come a second time. */
export class Witness {
  /** What was sealed last, before it was: valid until the next one. */
  text: Uint8Array = new Uint8Array();
  textLength = 0;
  readonly #sealed = new Map<string, Set<string>>();
  readonly #fail: (what: string) => void;

  constructor(fail: (what: string) => void) {
    this.#fail = fail;
  }

  /** The nonces that a key was used with. */
  of(key: Uint8Array): Set<string> {
    const name = latin(key);
    const nonces = this.#sealed.get(name) ?? new Set<string>();
    this.#sealed.set(name, nonces);
    return nonces;
  }

  seals(nonces: Set<string>, nonce: Uint8Array, text: Uint8Array): void {
    const before = nonces.size;
    if (nonces.add(latin(nonce)).size === before) this.#fail('a nonce was used twice with one key');
    if (this.text.length < text.length) this.text = new Uint8Array(text.length + 1024);
    this.text.set(text);
    this.textLength = text.length;
  }
}

function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Cryptography whose chance is seeded and whose sealing is watched. */
export function watched(crypto: Crypto, chance: Chance, witness: Witness): Crypto {
  const random = (length: number): Uint8Array => chance.bytes(length);
  return {
    ...crypto,
    random,
    keyPair: () => crypto.keyPairOf(random(32)),
    aead(key) {
      const aead = crypto.aead(key);
      const nonces = witness.of(key);
      return {
        seal(nonce, header, target, from, to) {
          witness.seals(nonces, nonce, target.subarray(from, to));
          aead.seal(nonce, header, target, from, to);
        },
        open: (nonce, header, source, from, to) => aead.open(nonce, header, source, from, to),
      };
    },
  };
}

/**
 * Cryptography that hides nothing from anybody who tries, and costs next to nothing: what is changed on the way is found out, what
 * has another key can't be opened, and both sides of an exchange of keys come to the same. Enough for a network that is simulated.
 */
export const cheapCrypto: Crypto = {
  random: () => {
    throw new Error('a simulation has its own chance');
  },
  keyPair: () => {
    throw new Error('a simulation has its own chance');
  },
  keyPairOf: (privateKey) => ({ publicKey: digest([privateKey], 1), privateKey }),
  shared(own, publicKey) {
    if (publicKey.length !== 32 || publicKey.every((byte) => byte === 0)) return undefined;
    const ours = ownPublic(own);
    return below(ours, publicKey) ? digest([ours, publicKey], 2) : digest([publicKey, ours], 2);
  },
  hash: (...parts) => digest(parts, 3),
  mac: (key, ...parts) => digest([key, ...parts], 4),
  aead: (key) => new CheapAead(key),
  equal: (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]),
};

function ownPublic(own: KeyPair): Uint8Array {
  return digest([own.privateKey as Uint8Array], 1);
}

function below(a: Uint8Array, b: Uint8Array): boolean {
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** 32 bytes that depend on all bytes of all parts, and on where a part ends. */
function digest(parts: readonly Uint8Array[], kind: number): Uint8Array {
  let a = 0x811c9dc5 ^ kind;
  let b = 0x9e3779b9;
  for (const part of parts) {
    for (let at = 0; at < part.length; at++) {
      a = Math.imul(a ^ (part[at] ?? 0), 0x01000193);
      b = Math.imul(b ^ a ^ (b >>> 15), 0x85ebca6b);
    }
  }
  const out = new Uint8Array(32);
  for (let at = 0; at < 32; at++) {
    a = Math.imul(a ^ (b >>> 13) ^ at, 0xc2b2ae35);
    b = Math.imul(b ^ (a >>> 16), 0x27d4eb2f);
    out[at] = (a ^ (b >>> 7)) & 0xff;
  }
  return out;
}

class CheapAead implements Aead {
  readonly #a: number;
  readonly #b: number;

  constructor(key: Uint8Array) {
    const mixed = digest([key], 5);
    const view = new DataView(mixed.buffer);
    this.#a = view.getUint32(0);
    this.#b = view.getUint32(4);
  }

  seal(nonce: Uint8Array, header: Uint8Array, target: Uint8Array, from: number, to: number): void {
    const start = this.#start(nonce);
    const tag = this.#tag(start, header, target, from, to);
    hide(start, target, from, to);
    tag.copy(target, to);
  }

  open(nonce: Uint8Array, header: Uint8Array, source: Uint8Array, from: number, to: number): Uint8Array | undefined {
    const end = to - TAG_BYTES;
    if (end < from) return undefined;
    const text = source.slice(from, end);
    const start = this.#start(nonce);
    hide(start, text, 0, text.length);
    return this.#tag(start, header, text, 0, text.length).same(source, end) ? text : undefined;
  }

  #start(nonce: Uint8Array): number {
    let start = this.#a;
    for (let at = 0; at < nonce.length; at++) start = Math.imul(start ^ (nonce[at] ?? 0), 0x01000193);
    return start;
  }

  #tag(start: number, header: Uint8Array, text: Uint8Array, from: number, to: number): Tag {
    let a = start ^ this.#b;
    for (let at = 0; at < header.length; at++) a = Math.imul(a ^ (header[at] ?? 0), 0x01000193);
    let b = a ^ (to - from);
    for (let at = from; at < to; at++) {
      a = Math.imul(a ^ (text[at] ?? 0), 0x01000193);
      b = (b + a) | 0;
    }
    return new Tag(a, b);
  }
}

/** Exclusive-or with 16 bytes that come again and again. */
function hide(start: number, bytes: Uint8Array, from: number, to: number): void {
  let state = start | 1;
  const pad = new Uint8Array(16);
  for (let at = 0; at < 16; at++) {
    state = Math.imul(state, 0x19660d) + 0x3c6ef35f;
    pad[at] = state >>> 24;
  }
  for (let at = from; at < to; at++) bytes[at] = (bytes[at] ?? 0) ^ (pad[(at - from) & 15] ?? 0);
}

class Tag {
  readonly #a: number;
  readonly #b: number;

  constructor(a: number, b: number) {
    this.#a = a;
    this.#b = b;
  }

  copy(target: Uint8Array, at: number): void {
    for (let byte = 0; byte < TAG_BYTES; byte++) target[at + byte] = this.#byte(byte);
  }

  same(source: Uint8Array, at: number): boolean {
    for (let byte = 0; byte < TAG_BYTES; byte++) if (source[at + byte] !== this.#byte(byte)) return false;
    return true;
  }

  #byte(at: number): number {
    const word = at & 4 ? this.#b : this.#a;
    return ((word >>> ((at & 3) * 8)) ^ (at < 8 ? 0 : 0x5a)) & 0xff;
  }
}
