import { createPrivateKey, createPublicKey, generateKeyPairSync, KeyObject } from 'node:crypto';
import { HawserError } from '../core/index.ts';
import type { KeyPair } from '../udpack/index.ts';
import { keyPairOf, rawPublicKey } from './crypto.ts';

/**
 * A key as people have it: the text or bytes of a PEM file, a key object; a public key also as its 32 bytes, or as the 43 characters of
 * base64url that those are.
 */
export type KeySource = string | Uint8Array | KeyObject;

const KEY_BYTES = 32;
const BASE64URL = /^[\w-]{43}$/;

/** The key pair of an X25519 private key. @throws HawserError ERR_KEY. */
export function readPrivateKey(source: KeySource): KeyPair {
  const key = source instanceof KeyObject ? source : parse('private', () => createPrivateKey(asText(source)));
  if (key.type !== 'private') throw wrong('a private key is needed here, and this is a public one');
  return keyPairOf(checkKind(key));
}

/** The 32 bytes of an X25519 public key. @throws HawserError ERR_KEY, also for a private key: it doesn't belong there. */
export function readPublicKey(source: KeySource): Uint8Array {
  if (source instanceof Uint8Array && source.length === KEY_BYTES) return new Uint8Array(source);
  if (typeof source === 'string' && BASE64URL.test(source.trim()))
    return new Uint8Array(Buffer.from(source, 'base64url'));
  if (!(source instanceof KeyObject) && /PRIVATE KEY/.test(asText(source))) {
    throw wrong('a public key is needed here, and this is a private one, which nobody else should ever hold');
  }
  const key = source instanceof KeyObject ? source : parse('public', () => createPublicKey(asText(source)));
  if (key.type !== 'public') throw wrong('a public key is needed here, and this is a private one');
  return rawPublicKey(checkKind(key));
}

/** A public key as the 43 characters that fit into a URL. */
export function publicKeyText(publicKey: Uint8Array): string {
  return Buffer.from(publicKey).toString('base64url');
}

/** A fresh pair as PEM: PKCS #8 and SPKI. */
export function generateKeys(): { readonly privateKey: string; readonly publicKey: string } {
  return generateKeyPairSync('x25519', {
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
}

function asText(source: string | Uint8Array): string {
  return typeof source === 'string' ? source : Buffer.from(source).toString();
}

function parse(kind: 'private' | 'public', read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch (cause) {
    throw new HawserError('ERR_KEY', `this is no ${kind} key in PEM: ${REMEDY}`, { cause });
  }
}

function checkKind(key: KeyObject): KeyObject {
  const { asymmetricKeyType = 'unknown' } = key;
  if (asymmetricKeyType === 'x25519') return key;
  throw wrong(`UDPack needs an X25519 key, and this one is ${asymmetricKeyType.toUpperCase()}`);
}

function wrong(why: string): HawserError {
  return new HawserError('ERR_KEY', `${why}: ${REMEDY}`);
}

const REMEDY = 'hawser keygen makes the right ones';
