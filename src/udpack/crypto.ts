/**
 * The primitives that UDPack needs, as an argument: the core holds no cryptography of its own. In Node they are node:crypto
 * (`udpack-endpoint/crypto.ts`); a simulation may pass cheaper ones. All lengths are in bytes.
 */
export interface Crypto {
  /** Fresh bytes of cryptographic quality. */
  random(length: number): Uint8Array;
  /** A fresh X25519 pair (RFC 7748). */
  keyPair(): KeyPair;
  /** The pair whose private half these 32 bytes are. */
  keyPairOf(privateKey: Uint8Array): KeyPair;
  /** X25519 of a private and a public key: 32 bytes, or undefined when the result is all zeros (RFC 7748 6.1) or the key is none. */
  shared(own: KeyPair, publicKey: Uint8Array): Uint8Array | undefined;
  /** SHA-256 of the parts, one after the other: 32 bytes. */
  hash(...parts: readonly Uint8Array[]): Uint8Array;
  /** HMAC-SHA-256 (RFC 2104) of the parts, one after the other: 32 bytes. */
  mac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array;
  /** ChaCha20-Poly1305 (RFC 8439) under one key of 32 bytes. */
  aead(key: Uint8Array): Aead;
  /** Whether two strings of bytes are the same, in a time that depends on their lengths alone. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
}

export interface KeyPair {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes, or whatever the implementation needs in their place. */
  readonly privateKey: unknown;
}

/** What sealing adds. */
export const TAG_BYTES = 16;

/** One key of an authenticated cipher. A nonce must never be used for two messages. */
export interface Aead {
  /**
   * Seals `target[from, to)` in place and writes the tag of 16 bytes at `to`.
   * @param nonce 12 bytes, read during the call.
   * @param header What is authenticated and not hidden, read during the call.
   */
  seal(nonce: Uint8Array, header: Uint8Array, target: Uint8Array, from: number, to: number): void;
  /**
   * The text of `source[from, to)`, whose last 16 bytes are its tag; undefined when it was not sealed so. The bytes returned are
   * the receiver's own and may be kept.
   */
  open(nonce: Uint8Array, header: Uint8Array, source: Uint8Array, from: number, to: number): Uint8Array | undefined;
}
