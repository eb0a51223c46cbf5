import { describe, expect, test } from 'vitest';
import { nodeCrypto } from '../udpack-endpoint/crypto.ts';
import {
  type KeyLimits,
  looksSealed,
  Protection,
  readNumber,
  SEALED_HEADER_BYTES,
  SEALED_OVERHEAD,
  writeSealedHeader,
} from './protection.ts';

const ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const LIMITS: KeyLimits = { bytes: 10_000, age: 60_000, forgeries: 5 };
/** Keys of before are kept for so long. */
const RETIRE = 300;

/** Two sides that know each other's secrets. */
class Pair {
  readonly a: Protection;
  readonly b: Protection;
  now = 0;
  #number = 0;

  constructor(limits: Partial<KeyLimits> = {}) {
    const [one, two] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
    const common = { crypto: nodeCrypto, limits: { ...LIMITS, ...limits } };
    this.a = new Protection({ ...common, sendSecret: one, receiveSecret: two }, 0);
    this.b = new Protection({ ...common, sendSecret: two, receiveSecret: one }, 0);
  }

  seal(from: Protection, size = 10): { readonly datagram: Uint8Array; readonly number: number } {
    const number = this.#number++;
    const bytes = new Uint8Array(size + SEALED_OVERHEAD);
    writeSealedHeader(bytes, ID, number);
    const length = from.seal(bytes, SEALED_HEADER_BYTES + size, 0, number, this.now);
    return { datagram: bytes.subarray(0, length), number };
  }

  open(to: Protection, { datagram, number }: ReturnType<Pair['seal']>): boolean {
    return to.open(datagram, 0, number, this.now, RETIRE) !== undefined;
  }

  /** A datagram from one to the other, acknowledged by one back. */
  exchange(from: Protection, size?: number): void {
    const to = from === this.a ? this.b : this.a;
    const phase = this.pass(from, to, size);
    this.pass(to, from);
    from.onAcked(phase);
  }

  /** Returns the phase that it was sealed in. */
  pass(from: Protection, to: Protection, size?: number): number {
    const sealed = this.seal(from, size);
    if (!this.open(to, sealed)) throw new Error('it did not open');
    return from.sendPhase;
  }
}

describe('a sealed datagram', () => {
  test('opens on the other side, to the same frames', () => {
    const pair = new Pair();
    const bytes = new Uint8Array(100);
    writeSealedHeader(bytes, ID, 7);
    bytes.set([9, 8, 7], SEALED_HEADER_BYTES);
    const length = pair.a.seal(bytes, SEALED_HEADER_BYTES + 3, 2, 7, 0);
    expect(length).toBe(3 + SEALED_OVERHEAD);
    expect(looksSealed(bytes[0] ?? 0)).toBe(true);
    const opened = pair.b.open(bytes.subarray(0, length), 2, 7, 0, RETIRE);
    expect(opened && [...opened]).toEqual([9, 8, 7]);
  });

  test('opens to nothing when any bit of it is another, or when it ends early', () => {
    const pair = new Pair({ forgeries: 1e9 });
    const { datagram, number } = pair.seal(pair.a);
    for (let at = 0; at < datagram.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = Uint8Array.from(datagram);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        expect(pair.open(pair.b, { datagram: changed, number })).toBe(false);
      }
    }
    for (let length = SEALED_HEADER_BYTES; length < datagram.length; length++) {
      expect(pair.open(pair.b, { datagram: datagram.subarray(0, length), number })).toBe(false);
    }
    expect(pair.open(pair.b, { datagram, number })).toBe(true);
  });

  test('opens to nothing under another number, another id, or on the side that made it', () => {
    const pair = new Pair();
    const { datagram, number } = pair.seal(pair.a);
    expect(pair.b.open(datagram, 0, number + 1, 0, RETIRE)).toBeUndefined();
    expect(pair.b.open(datagram, 1, number, 0, RETIRE)).toBeUndefined();
    expect(pair.a.open(datagram, 0, number, 0, RETIRE)).toBeUndefined();
    expect(pair.b.open(datagram, 0, number, 0, RETIRE)).toBeDefined();
  });

  test.each([0xd0, 0xd1, 0xd2, 0xd3, 0x00, 0x41, 0x50, 0x61, 0xc0, 0xff])('does not begin with %i', (first) => {
    expect(looksSealed(first)).toBe(false);
  });
});

describe('a number', () => {
  const read = (low: number, largest: number): number => {
    const bytes = new Uint8Array(13);
    writeSealedHeader(bytes, ID, low);
    return readNumber(bytes, largest);
  };

  test('is completed to the one next to what is expected (RFC 9000 A.3)', () => {
    const wrap = 2 ** 32;
    expect(read(0, -1)).toBe(0);
    expect(read(5, 4)).toBe(5);
    expect(read(5, 100_000)).toBe(5);
    expect(read(wrap - 1, wrap - 2)).toBe(wrap - 1);
    expect(read(wrap, wrap - 1)).toBe(wrap);
    expect(read(wrap - 1, wrap + 5)).toBe(wrap - 1);
    expect(read(3, 7 * wrap - 2)).toBe(7 * wrap + 3);
    expect(read(wrap - 2, 7 * wrap + 3)).toBe(7 * wrap - 2);
    // Just half of all away: the higher one, except where none is lower.
    expect(read(2 ** 31, wrap - 1)).toBe(wrap + 2 ** 31);
    expect(read(2 ** 31 + 9, 0)).toBe(2 ** 31 + 9);
  });

  test('ends where numbers do', () => {
    const most = 2 ** 53 - 1;
    expect(read(most - 1, most - 2 ** 31)).toBe(most - 1);
    // What it is acknowledged by would be no number, or the same.
    expect([read(most, most - 9), read(3, most - 9), read(most, most - 1)]).toEqual([-1, -1, -1]);
  });

  test('survives from header to header, far beyond 32 bits', () => {
    for (let number = 2 ** 32 - 10; number < 2 ** 32 + 10; number++) expect(read(number, number - 1)).toBe(number);
    for (let number = 2 ** 45 - 10; number < 2 ** 45 + 10; number++) expect(read(number, number - 3)).toBe(number);
  });
});

describe('a key', () => {
  test('is changed after so many bytes, and the other side follows', () => {
    const pair = new Pair();
    while (pair.a.sendPhase === 0) pair.exchange(pair.a, 1000);
    expect([pair.a.sendPhase, pair.b.sendPhase]).toEqual([1, 1]);
    // Ten datagrams each.
    for (let count = 0; count < 40; count++) pair.exchange(pair.a, 1000);
    expect([pair.a.sendPhase, pair.b.sendPhase]).toEqual([5, 5]);
  });

  test('is changed when it is too old', () => {
    const pair = new Pair();
    pair.exchange(pair.a);
    pair.now = 59_999;
    pair.exchange(pair.a);
    expect(pair.a.sendPhase).toBe(0);
    pair.now = 60_000;
    pair.exchange(pair.a);
    expect([pair.a.sendPhase, pair.b.sendPhase]).toEqual([1, 1]);
    // The age counts from the change.
    pair.now = 119_999;
    pair.exchange(pair.a);
    expect(pair.a.sendPhase).toBe(1);
  });

  test('is not changed again before the change is acknowledged (RFC 9001 6.1)', () => {
    const pair = new Pair();
    pair.a.update();
    const first = pair.seal(pair.a);
    expect(pair.a.sendPhase).toBe(1);
    pair.a.update();
    for (let count = 0; count < 30; count++) pair.seal(pair.a, 1000);
    pair.a.onAcked(0);
    pair.seal(pair.a);
    expect(pair.a.sendPhase).toBe(1);
    expect(pair.open(pair.b, first)).toBe(true);
    // An ack that is not sealed with the new key shows nothing.
    pair.a.onAcked(1);
    pair.seal(pair.a);
    expect(pair.a.sendPhase).toBe(1);
    pair.pass(pair.b, pair.a);
    pair.a.onAcked(1);
    pair.seal(pair.a);
    expect(pair.a.sendPhase).toBe(2);
  });

  test('may be changed by both sides at once', () => {
    const pair = new Pair();
    pair.a.update();
    pair.b.update();
    const [fromA, fromB] = [pair.seal(pair.a), pair.seal(pair.b)];
    expect([pair.open(pair.b, fromA), pair.open(pair.a, fromB)]).toEqual([true, true]);
    expect([pair.a.sendPhase, pair.b.sendPhase]).toEqual([1, 1]);
    pair.a.onAcked(1);
    pair.exchange(pair.a);
  });

  test('of before opens what comes late, for its time, and the one of before that never', () => {
    const pair = new Pair();
    const [early, late, tooLate] = [pair.seal(pair.a), pair.seal(pair.a), pair.seal(pair.a)];
    pair.a.update();
    pair.exchange(pair.a);
    expect(pair.open(pair.b, early)).toBe(true);
    pair.now = RETIRE - 1;
    expect(pair.open(pair.b, late)).toBe(true);
    pair.now = RETIRE;
    expect(pair.open(pair.b, tooLate)).toBe(false);

    const other = new Pair();
    const old = other.seal(other.a);
    other.a.update();
    other.exchange(other.a);
    other.a.update();
    other.exchange(other.a);
    expect(other.a.sendPhase).toBe(2);
    expect(other.open(other.b, old)).toBe(false);
  });

  test('is not changed by who only flips the phase', () => {
    const pair = new Pair();
    const forged = pair.seal(pair.a);
    forged.datagram[0] = 0x60;
    expect(pair.open(pair.b, forged)).toBe(false);
    expect(pair.b.forgeries).toBe(1);
    pair.exchange(pair.a);
    expect(pair.b.sendPhase).toBe(0);
  });

  test('is worn after so many forgeries, in whatever phase they are, and not by what comes late', () => {
    const pair = new Pair();
    const late = pair.seal(pair.a);
    pair.a.update();
    pair.exchange(pair.a);
    expect(pair.open(pair.b, late)).toBe(true);
    for (let count = 0; count < 5; count++) {
      expect(pair.b.worn).toBe(false);
      const forged = pair.seal(pair.a);
      forged.datagram[0] = count % 2 === 0 ? 0x40 : 0x60;
      forged.datagram[20] = (forged.datagram[20] ?? 0) ^ 1;
      expect(pair.open(pair.b, forged)).toBe(false);
    }
    expect(pair.b.worn).toBe(true);
  });

  test('that is new has no forgeries to its name', () => {
    const pair = new Pair();
    for (let count = 0; count < 4; count++) pair.open(pair.b, { datagram: new Uint8Array(40), number: count });
    expect(pair.b.forgeries).toBe(4);
    pair.a.update();
    pair.exchange(pair.a);
    expect(pair.b.forgeries).toBe(0);
  });
});
