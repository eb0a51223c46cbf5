import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { frame } from '../../../test/support/hub-cluster.ts';
import { FrameCutter } from './frame-cutter.ts';
import { Cursor, putText, textBytes } from './frames.ts';

/** What comes out of chunks: the frames, and whether all was well. */
function cut(chunks: readonly Buffer[], most = 1000): { readonly frames: readonly string[]; readonly isWell: boolean } {
  const cutter = new FrameCutter(most);
  const frames: string[] = [];
  const take = (kind: number, bytes: Buffer, at: number, end: number): boolean => {
    frames.push(`${kind} ${bytes.toString('hex', at, end)}`);
    return true;
  };
  return { isWell: chunks.every((chunk) => cutter.receive(chunk, take)), frames };
}

describe('frames', () => {
  const bytes = Buffer.concat([
    frame(1, Buffer.alloc(0)),
    frame(2, Buffer.from('abc')),
    frame(255, Buffer.alloc(300, 7)),
  ]);
  const whole = ['1 ', '2 616263', `255 ${'07'.repeat(300)}`];

  test('are the same wherever they were cut', () => {
    expect(cut([bytes])).toEqual({ frames: whole, isWell: true });
    for (let at = 0; at <= bytes.length; at++) {
      expect(cut([bytes.subarray(0, at), bytes.subarray(at)])).toEqual({ frames: whole, isWell: true });
    }
    expect(cut([...bytes].map((byte) => Buffer.from([byte])))).toEqual({ frames: whole, isWell: true });
  });

  test('are the same in whatever pieces they come', () => {
    const isSame = fc.property(
      fc.array(fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 40 })), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 10 }),
      (said, sizes) => {
        const all = Buffer.concat(said.map(([kind, body]) => frame(kind, body)));
        const chunks: Buffer[] = [];
        for (let at = 0; at < all.length; at += chunks.at(-1)?.length ?? 1) {
          chunks.push(all.subarray(at, at + (sizes[chunks.length % sizes.length] ?? 1)));
        }
        const expected = said.map(([kind, body]) => `${kind} ${Buffer.from(body).toString('hex')}`);
        expect(cut(chunks)).toEqual({ frames: expected, isWell: true });
      },
    );
    expect(() => fc.assert(isSame)).not.toThrow();
  });

  test('that are empty or too long are refused by their length alone', () => {
    expect(cut([frame(1, Buffer.alloc(999))], 1000).isWell).toBe(true);
    expect(cut([frame(1, Buffer.alloc(1000))], 1000).isWell).toBe(false);
    expect(cut([frame(1, Buffer.alloc(1000)).subarray(0, 5)], 1000).isWell).toBe(false);
    expect(cut([Buffer.alloc(5)]).isWell).toBe(false);
  });

  test('no more are given to who wants none', () => {
    const cutter = new FrameCutter(1000);
    const kinds: number[] = [];
    const isWell = cutter.receive(bytes, (kind) => {
      kinds.push(kind);
      return kind !== 2;
    });
    expect([isWell, kinds]).toEqual([false, [1, 2]]);
  });
});

describe('a cursor', () => {
  test('reads what was written', () => {
    const memory = Buffer.alloc(100);
    const end = memory.writeDoubleLE(
      Number.POSITIVE_INFINITY,
      putText(memory, memory.writeDoubleLE(2 ** 53 - 1, 0), 'ä🚀'),
    );
    const cursor = new Cursor(memory, 0, end);
    expect([cursor.whole(), cursor.text(), cursor.span(), cursor.rest().length]).toEqual([
      2 ** 53 - 1,
      'ä🚀',
      Infinity,
      0,
    ]);
    expect([cursor.isBad, textBytes('ä🚀')]).toEqual([false, 8]);
  });

  test('of too few bytes, or of no number, is bad and never throws', () => {
    const isTame = fc.property(
      fc.uint8Array({ maxLength: 30 }),
      fc.array(fc.nat(6), { maxLength: 8 }),
      (bytes, reads) => {
        const cursor = new Cursor(Buffer.from(bytes), 0, bytes.length);
        const read = [
          () => cursor.u8(),
          () => cursor.u32(),
          () => cursor.whole(),
          () => cursor.span(),
          () => cursor.text(),
          () => cursor.frame(17),
          () => cursor.rest(),
        ];
        for (const which of reads) read[which]?.();
        return cursor.at <= cursor.end;
      },
    );
    expect(() => fc.assert(isTame)).not.toThrow();
    const short = new Cursor(Buffer.alloc(3), 0, 3);
    expect([short.u32(), short.isBad]).toEqual([0, true]);
    const wrong = new Cursor(Buffer.alloc(8, 0xff), 0, 8);
    expect([wrong.whole(), wrong.isBad]).toEqual([0, true]);
  });
});
