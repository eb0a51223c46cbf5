import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { nodeCrypto, resetSecretOf } from './crypto.ts';
import { generateKeys, publicKeyText, readPrivateKey, readPublicKey } from './keys.ts';

const REMEDY = /hawser keygen/;

describe('keys', () => {
  test('a pair that was made agrees with another on a secret', () => {
    const one = generateKeys();
    const other = generateKeys();
    const here = nodeCrypto.shared(readPrivateKey(one.privateKey), readPublicKey(other.publicKey));
    const there = nodeCrypto.shared(readPrivateKey(other.privateKey), readPublicKey(one.publicKey));
    expect(here).toHaveLength(32);
    expect(here).toEqual(there);
  });

  test('a public key is the same in every form', () => {
    const { publicKey } = generateKeys();
    const raw = readPublicKey(publicKey);
    const others = [Buffer.from(publicKey), createPublicKey(publicKey), raw, publicKeyText(raw)];
    for (const other of others) expect(readPublicKey(other)).toEqual(raw);
    expect(publicKeyText(raw)).toHaveLength(43);
  });

  test('what resets are made of is known again by the key and the address, and by nothing else', () => {
    const { privateKey } = generateKeys();
    const here = { address: '0.0.0.0', port: 4433 };
    const secret = resetSecretOf(readPrivateKey(privateKey), here);
    expect(secret).toHaveLength(32);
    expect(resetSecretOf(readPrivateKey(privateKey), { ...here })).toEqual(secret);
    expect(resetSecretOf(readPrivateKey(privateKey), { ...here, port: 4434 })).not.toEqual(secret);
    expect(resetSecretOf(readPrivateKey(generateKeys().privateKey), here)).not.toEqual(secret);
  });

  test.each([
    ['rsa', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['ed25519', generateKeyPairSync('ed25519')],
  ])('a pair of %s is refused with a word on where the right ones come from', (_name, { publicKey, privateKey }) => {
    for (const read of [
      () => readPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
      () => readPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })),
      () => readPublicKey(publicKey),
      () => readPrivateKey(privateKey),
    ]) {
      expect(read).toThrow(expect.objectContaining({ code: 'ERR_KEY', message: expect.stringMatching(REMEDY) }));
    }
  });

  test('one kind is not taken for the other', () => {
    const { publicKey, privateKey } = generateKeys();
    expect(() => readPublicKey(privateKey)).toThrow(expect.objectContaining({ code: 'ERR_KEY' }));
    expect(() => readPrivateKey(publicKey)).toThrow(expect.objectContaining({ code: 'ERR_KEY' }));
  });

  test('what is no key at all is refused', () => {
    for (const text of ['', 'a key', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n']) {
      expect(() => readPublicKey(text)).toThrow(expect.objectContaining({ code: 'ERR_KEY' }));
      expect(() => readPrivateKey(text)).toThrow(expect.objectContaining({ code: 'ERR_KEY' }));
    }
  });
});
