import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  randomFillSync,
  timingSafeEqual,
} from 'node:crypto';
import { type Address, type Aead, type Crypto, type KeyPair, TAG_BYTES } from '../udpack/index.ts';
import { aeadOf } from './aead.ts';
import { hmacSha256, sha256 } from './sha256.ts';

/** What stands before 32 raw bytes in the DER of a private X25519 key: RFC 8410 section 7. */
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const CIPHER = 'chacha20-poly1305';
const TAG = { authTagLength: TAG_BYTES };

/** A call of the system's generator costs more than what most ask of it: it is asked for many bytes, which are given out once each. */
const DRAWN = 4096;
/** Whoever asks for more than this gets it from the system at once. */
const DRAWN_LONGEST = 64;
const drawn: Buffer = Buffer.allocUnsafeSlow(DRAWN);
let drawnAt: number = DRAWN;

function random(length: number): Uint8Array {
  if (length > DRAWN_LONGEST) return randomBytes(length);
  if (drawnAt + length > DRAWN) {
    randomFillSync(drawn);
    drawnAt = 0;
  }
  const from = drawnAt;
  drawnAt += length;
  const bytes = new Uint8Array(drawn.subarray(from, drawnAt));
  // What was given out is nobody else's to find.
  drawn.fill(0, from, drawnAt);
  return bytes;
}

/** The primitives of UDPack as node:crypto has them. */
export const nodeCrypto: Crypto = {
  random,
  keyPair() {
    const { publicKey, privateKey } = generateKeyPairSync('x25519');
    return { publicKey: rawPublicKey(publicKey), privateKey };
  },
  keyPairOf: (bytes) =>
    keyPairOf(createPrivateKey({ key: Buffer.concat([PKCS8, bytes]), format: 'der', type: 'pkcs8' })),
  shared(own, bytes) {
    if (bytes.length !== 32) return undefined;
    const publicKey = publicKeyOf(bytes);
    try {
      return diffieHellman({ privateKey: own.privateKey as KeyObject, publicKey });
    } catch {
      // OpenSSL refuses a result of all zeros.
      return undefined;
    }
  },
  hash: (...parts) => sha256(parts),
  mac: (key, ...parts) => hmacSha256(key, parts),
  aead: (key) => aeadOf(key, new NodeAead(key)),
  equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
};

/** The pair of an X25519 private key. */
export function keyPairOf(privateKey: KeyObject): KeyPair {
  return { publicKey: rawPublicKey(createPublicKey(privateKey)), privateKey };
}

/**
 * What stateless resets of an endpoint are made of: the same after a restart with the same key at the same address, and another for every
 * other address, so that no endpoint can be asked for the tokens of another.
 */
export function resetSecretOf({ privateKey }: KeyPair, { address, port }: Address): Uint8Array {
  const bytes = (privateKey as KeyObject).export({ format: 'der', type: 'pkcs8' });
  return createHmac('sha256', bytes).update(`udpack 2 reset ${address} ${port}`).digest();
}

/** The 32 bytes of an X25519 public key. By JWK: OpenSSL takes thirty times as long over DER. */
export function rawPublicKey(key: KeyObject): Uint8Array {
  return new Uint8Array(Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url'));
}

function publicKeyOf(bytes: Uint8Array): KeyObject {
  const x = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
}

/** By a cipher object of node:crypto for each message. */
export class NodeAead implements Aead {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  seal(nonce: Uint8Array, header: Uint8Array, target: Uint8Array, from: number, to: number): void {
    const cipher = createCipheriv(CIPHER, this.#key, nonce, TAG);
    cipher.setAAD(header, { plaintextLength: to - from });
    target.set(cipher.update(target.subarray(from, to)), from);
    cipher.final();
    target.set(cipher.getAuthTag(), to);
  }

  open(nonce: Uint8Array, header: Uint8Array, source: Uint8Array, from: number, to: number): Uint8Array | undefined {
    const end = to - TAG_BYTES;
    if (end < from) return undefined;
    const decipher = createDecipheriv(CIPHER, this.#key, nonce, TAG);
    decipher.setAAD(header, { plaintextLength: end - from });
    decipher.setAuthTag(source.subarray(end, to));
    const text = decipher.update(source.subarray(from, end));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return text;
  }
}
