import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Speck } from './speck.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const word = fc.nat(2 ** 32 - 1);
const key = fc.uint8Array({ minLength: 16, maxLength: 16 });

test("makes of the paper's block what the paper says", () => {
  const speck = new Speck(hex('1b1a1918131211100b0a090803020100'));
  const block = Uint32Array.of(0x3b726574, 0x7475432d);
  speck.encrypt(block);
  expect([...block]).toEqual([0x8c6fa548, 0x454e028b]);
  speck.decrypt(block);
  expect([...block]).toEqual([0x3b726574, 0x7475432d]);
});

test('gives back every block under every key, and takes what stands in the middle of others', () => {
  fc.assert(
    fc.property(key, word, word, (bytes, high, low) => {
      const inside = new Uint8Array(40);
      inside.set(bytes, 11);
      const speck = new Speck(inside.subarray(11, 27));
      const block = Uint32Array.of(high, low);
      speck.encrypt(block);
      expect([...block]).not.toEqual([high, low]);
      new Speck(bytes).decrypt(block);
      expect([...block]).toEqual([high, low]);
    }),
  );
});

test('changes half of the bits with one bit of the block or of the key', () => {
  const base = hex('000102030405060708090a0b0c0d0e0f');
  let changed = 0;
  let trials = 0;
  const compare = (a: Speck, b: Speck, one: Uint32Array, other: Uint32Array): void => {
    a.encrypt(one);
    b.encrypt(other);
    for (let at = 0; at < 2; at++) changed += bits((one[at] ?? 0) ^ (other[at] ?? 0));
    trials++;
  };
  for (let bit = 0; bit < 64; bit++) {
    const flipped = Uint32Array.of(1, 2);
    flipped[bit >> 5] = (flipped[bit >> 5] ?? 0) ^ (1 << (bit & 31));
    compare(new Speck(base), new Speck(base), Uint32Array.of(1, 2), flipped);
  }
  for (let bit = 0; bit < 128; bit++) {
    const other = base.slice();
    other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    compare(new Speck(base), new Speck(other), Uint32Array.of(1, 2), Uint32Array.of(1, 2));
  }
  expect(changed / trials).toBeGreaterThan(31);
  expect(changed / trials).toBeLessThan(33);
});

function bits(of: number): number {
  let count = 0;
  for (let rest = of >>> 0; rest !== 0; rest &= rest - 1) {
    rest >>>= 0;
    count++;
  }
  return count;
}
