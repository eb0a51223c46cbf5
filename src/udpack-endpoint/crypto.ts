import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { type Address, type Aead, type Crypto, type KeyPair, TAG_BYTES } from '../udpack/index.ts';
import { aeadOf } from './aead.ts';

/** What stands before 32 raw bytes in the DER of a private X25519 key: RFC 8410 section 7. */
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const CIPHER = 'chacha20-poly1305';
const TAG = { authTagLength: TAG_BYTES };

/** The primitives of UDPack as node:crypto has them. */
export const nodeCrypto: Crypto = {
  random: (length) => randomBytes(length),
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
  hash(...parts) {
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    return hash.digest();
  },
  mac(key, ...parts) {
    const mac = createHmac('sha256', key);
    for (const part of parts) mac.update(part);
    return mac.digest();
  },
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
