import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hmacSha256, sha256 } from './sha256.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const parts = fc.array(fc.uint8Array({ maxLength: 1500 }), { maxLength: 4 });

test('the digest of FIPS 180, and case 2 of RFC 4231', () => {
  expect(hex(sha256([Buffer.from('a'), Buffer.from('bc')]))).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
  const text = [Buffer.from('what do ya want '), Buffer.from('for nothing?')];
  expect(hex(hmacSha256(Buffer.from('Jefe'), text))).toBe(
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  );
});

test('whatever the parts and the key, it is what node:crypto has', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), parts, (key, input) => {
      expect(hex(sha256(input))).toBe(createHash('sha256').update(Buffer.concat(input)).digest('hex'));
      expect(hex(hmacSha256(key, input))).toBe(createHmac('sha256', key).update(Buffer.concat(input)).digest('hex'));
    }),
  );
});
