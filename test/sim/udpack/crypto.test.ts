import { expect, test } from 'vitest';
import { TAG_BYTES } from '../../../src/udpack/index.ts';
import { Chance } from './chance.ts';
import { cheapCrypto, Witness, watched } from './crypto.ts';
import { mutated } from './network.ts';

const chance = new Chance(1);
const HEADER = chance.bytes(13);
const NONCE = chance.bytes(12);

function sealed(key: Uint8Array, text: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(text.length + TAG_BYTES);
  bytes.set(text);
  cheapCrypto.aead(key).seal(NONCE, HEADER, bytes, 0, text.length);
  return bytes;
}

test('what is sealed opens under its key, nonce and header alone, and only whole', () => {
  const key = chance.bytes(32);
  const text = chance.bytes(100);
  const bytes = sealed(key, text);
  const aead = cheapCrypto.aead(key);
  expect(aead.open(NONCE, HEADER, bytes, 0, bytes.length)).toEqual(text);
  expect(aead.open(chance.bytes(12), HEADER, bytes, 0, bytes.length)).toBeUndefined();
  expect(aead.open(NONCE, chance.bytes(13), bytes, 0, bytes.length)).toBeUndefined();
  expect(cheapCrypto.aead(chance.bytes(32)).open(NONCE, HEADER, bytes, 0, bytes.length)).toBeUndefined();
  for (let round = 0; round < 500; round++) {
    const spoilt = mutated(bytes, chance);
    if (Buffer.compare(spoilt, bytes) === 0) continue;
    expect(aead.open(NONCE, HEADER, spoilt, 0, spoilt.length)).toBeUndefined();
  }
});

test('both sides of an exchange come to the same secret', () => {
  const crypto = watched(cheapCrypto, chance, new Witness(() => {}));
  const [a, b, c] = [crypto.keyPair(), crypto.keyPair(), crypto.keyPair()];
  expect(crypto.shared(a, b.publicKey)).toEqual(crypto.shared(b, a.publicKey));
  expect(crypto.shared(a, c.publicKey)).not.toEqual(crypto.shared(a, b.publicKey));
  expect(crypto.shared(a, new Uint8Array(32))).toBeUndefined();
});

test('a nonce that comes a second time under one key is told', () => {
  const told: string[] = [];
  const crypto = watched(cheapCrypto, chance, new Witness((what) => told.push(what)));
  const key = chance.bytes(32);
  const seal = (nonce: Uint8Array): void => crypto.aead(key).seal(nonce, HEADER, new Uint8Array(50), 0, 30);
  seal(NONCE);
  seal(chance.bytes(12));
  expect(told).toEqual([]);
  seal(NONCE);
  expect(told).toHaveLength(1);
});
