import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { TAG_BYTES } from '../udpack/index.ts';
import { aeadOf } from './aead.ts';
import { NodeAead } from './crypto.ts';

/** Bytes that are the same in every run, and look like chance. */
function bytesOf(name: string, length: number): Uint8Array {
  return new Uint8Array(
    createHash('shake256', { outputLength: Math.max(length, 1) })
      .update(name)
      .digest(),
  ).subarray(0, length);
}

function sealed(aead: Pick<NodeAead, 'seal'>, nonce: Uint8Array, header: Uint8Array, text: Uint8Array): Uint8Array {
  const target = new Uint8Array(text.length + TAG_BYTES);
  target.set(text);
  aead.seal(nonce, header, target, 0, text.length);
  return target;
}

const KEY = bytesOf('key', 32);
const NONCE = bytesOf('nonce', 12);
const HEADER = bytesOf('header', 13);
const node = new NodeAead(KEY);
const both = aeadOf(KEY, node);

describe('ChaCha20-Poly1305 in WebAssembly', () => {
  test('is there', () => {
    expect(both).not.toBe(node);
  });

  test('seals as node:crypto does, at every length of text and header', () => {
    for (let length = 0; length <= 4200; length++) {
      const nonce = bytesOf(`nonce ${length}`, 12);
      const header = bytesOf(`header ${length}`, length % 34);
      const text = bytesOf(`text ${length}`, length);
      expect(Buffer.compare(sealed(both, nonce, header, text), sealed(node, nonce, header, text)), `${length}`).toBe(0);
    }
  });

  test('opens what node:crypto has sealed, at every length, and leaves it as it was', () => {
    for (let length = 0; length <= 4200; length++) {
      const nonce = bytesOf(`nonce ${length}`, 12);
      const text = bytesOf(`text ${length}`, length);
      const box = sealed(node, nonce, HEADER, text);
      const before = box.slice();
      expect(Buffer.compare(both.open(nonce, HEADER, box, 0, box.length) ?? new Uint8Array(1), text), `${length}`).toBe(
        0,
      );
      expect(Buffer.compare(box, before)).toBe(0);
    }
  });

  test('carries every limb of Poly1305 through, also where the sum passes the prime', () => {
    for (const [key, text] of [
      [new Uint8Array(32), new Uint8Array(256)],
      [new Uint8Array(32).fill(0xff), new Uint8Array(256).fill(0xff)],
    ] as const) {
      for (let at = 0; at < 2000; at++) {
        const nonce = bytesOf(`limb ${at}`, 12);
        const oneKey = aeadOf(key, new NodeAead(key));
        expect(sealed(oneKey, nonce, HEADER, text)).toEqual(sealed(new NodeAead(key), nonce, HEADER, text));
      }
    }
  });

  test('opens nothing in which one bit is another, of text, tag, header, nonce or key', () => {
    const text = bytesOf('text', 100);
    const box = sealed(both, NONCE, HEADER, text);
    for (let bit = 0; bit < box.length * 8; bit++)
      expect(both.open(NONCE, HEADER, flipped(box, bit), 0, box.length)).toBe(undefined);
    for (let bit = 0; bit < 104; bit++)
      expect(both.open(NONCE, flipped(HEADER, bit), box, 0, box.length)).toBe(undefined);
    for (let bit = 0; bit < 96; bit++)
      expect(both.open(flipped(NONCE, bit), HEADER, box, 0, box.length)).toBe(undefined);
    for (let bit = 0; bit < 256; bit++) {
      expect(aeadOf(flipped(KEY, bit), node).open(NONCE, HEADER, box, 0, box.length)).toBe(undefined);
    }
    expect(both.open(NONCE, HEADER, box, 0, box.length)).toEqual(Buffer.from(text));
  });

  test('opens nothing that is shorter than a tag', () => {
    for (let length = 0; length < TAG_BYTES; length++) {
      expect(both.open(NONCE, HEADER, new Uint8Array(length), 0, length)).toBe(undefined);
    }
  });

  test('keys don’t mix, whoever seals in between', () => {
    const other = aeadOf(bytesOf('other', 32), node);
    const text = bytesOf('text', 50);
    const before = sealed(both, NONCE, HEADER, text);
    const between = sealed(other, NONCE, HEADER, text);
    expect(between).not.toEqual(before);
    expect(sealed(both, NONCE, HEADER, text)).toEqual(before);
  });

  test('what was opened stays, whatever is opened after it', () => {
    const first = both.open(NONCE, HEADER, sealed(both, NONCE, HEADER, bytesOf('first', 300)), 0, 316);
    both.open(NONCE, HEADER, sealed(both, NONCE, HEADER, bytesOf('second', 300)), 0, 316);
    expect(first).toEqual(Buffer.from(bytesOf('first', 300)));
  });
});

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const other = bytes.slice();
  other[bit >>> 3] = (other[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
  return other;
}
