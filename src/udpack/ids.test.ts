import { describe, expect, test } from 'vitest';
import { IDS_MOST, OwnIds, type RemoteId, RemoteIds } from './ids.ts';

const idOf = (number: number): Uint8Array => new Uint8Array(8).fill(number + 1);
const remote = (sequence: number, id: number = sequence): RemoteId => ({
  sequence,
  id: idOf(id),
  resetToken: new Uint8Array(16).fill(id + 1),
});

describe('ids of ours', () => {
  test('are found by their bytes, wherever these stand, until they are given back', () => {
    const own = new OwnIds();
    expect([own.add(idOf(0)), own.add(idOf(1))]).toEqual([0, 1]);
    const datagram = new Uint8Array(20);
    datagram.set(idOf(1), 1);
    expect(own.sequenceOf(datagram, 1)).toBe(1);
    expect(own.sequenceOf(datagram, 2)).toBe(-1);
    expect(own.sequenceOf(idOf(1).subarray(0, 7), 0)).toBe(-1);
    expect(own.retire(1)).toEqual(idOf(1));
    expect(own.sequenceOf(datagram, 1)).toBe(-1);
    expect([own.retire(1), own.retire(9), own.count, own.has(0), own.has(1)]).toEqual([
      undefined,
      undefined,
      1,
      true,
      false,
    ]);
    // A number is never given twice.
    expect(own.add(idOf(2))).toBe(2);
    expect([...own.all()]).toEqual([idOf(0), idOf(2)]);
  });
});

describe("ids of the peer's", () => {
  const started = (): RemoteIds => {
    const ids = new RemoteIds();
    ids.first(remote(0));
    return ids;
  };

  test('are used in their order, however they came', () => {
    const ids = started();
    for (const sequence of [3, 1, 2]) expect(ids.add(remote(sequence), 0, IDS_MOST, [])).toBe(true);
    expect([ids.take(), ids.take(), ids.take(), ids.take()]).toEqual([remote(1), remote(2), remote(3), undefined]);
  });

  test('that come when a later one is used already are given back unused', () => {
    const ids = started();
    ids.add(remote(3), 0, IDS_MOST, []);
    expect(ids.take()).toEqual(remote(3));
    const late: number[] = [];
    expect(ids.add(remote(2), 0, IDS_MOST, late)).toBe(true);
    expect(ids.add(remote(4), 0, IDS_MOST, late)).toBe(true);
    expect([late, ids.take(), ids.take()]).toEqual([[2], remote(4), undefined]);
  });

  test('said twice are one, said otherwise are a fault', () => {
    const ids = started();
    ids.add(remote(1), 0, IDS_MOST, []);
    expect(ids.add(remote(1), 0, IDS_MOST, [])).toBe(true);
    expect(ids.spare).toBe(1);
    expect(ids.add(remote(1, 7), 0, IDS_MOST, [])).toBe(false);
    expect(ids.add(remote(2, 1), 0, IDS_MOST, [])).toBe(false);
    expect(ids.add({ ...remote(3), resetToken: remote(1).resetToken }, 0, IDS_MOST, [])).toBe(false);
    expect(started().add(remote(1, 0), 0, IDS_MOST, [])).toBe(false);
  });

  test('given back stay so, even if they are said again', () => {
    const ids = started();
    ids.add(remote(1), 0, IDS_MOST, []);
    expect(ids.retire(1)).toEqual(remote(1));
    expect(ids.retire(1)).toBeUndefined();
    expect(ids.add(remote(1), 0, IDS_MOST, [])).toBe(true);
    expect(ids.spare).toBe(0);
  });

  test('one more than are kept is a fault', () => {
    const ids = started();
    for (let sequence = 1; sequence < IDS_MOST; sequence++)
      expect(ids.add(remote(sequence), 0, IDS_MOST, [])).toBe(true);
    expect(ids.add(remote(IDS_MOST), 0, IDS_MOST, [])).toBe(false);
  });

  test('may replace others, which are to be given back', () => {
    const ids = started();
    ids.add(remote(1), 0, IDS_MOST, []);
    const retire: number[] = [];
    expect(ids.add(remote(5), 2, IDS_MOST, retire)).toBe(true);
    expect(retire).toEqual([0, 1]);
    for (const sequence of retire) ids.retire(sequence);
    // What comes late is given back at once.
    const late: number[] = [];
    expect(ids.add(remote(1), 0, IDS_MOST, late)).toBe(true);
    expect(ids.add(remote(9), 9, IDS_MOST, [])).toBe(true);
    expect(ids.add(remote(4), 0, IDS_MOST, late)).toBe(true);
    expect(late).toEqual([4]);
    expect(ids.add(remote(10), 11, IDS_MOST, [])).toBe(false);
  });

  test('whose number has no room in a nonce are a fault', () => {
    expect(started().add(remote(2 ** 32 - 1, 9), 0, IDS_MOST, [])).toBe(true);
    expect(started().add(remote(2 ** 32, 9), 0, IDS_MOST, [])).toBe(false);
  });

  test('with more holes between their numbers than loss makes are a fault', () => {
    const ids = started();
    const token = (at: number): Uint8Array => Uint8Array.from({ length: 16 }, (_, byte) => (at >> (byte % 4)) + byte);
    let taken = 0;
    for (let at = 1; at < 200; at++) {
      const id = Uint8Array.from({ length: 8 }, (_, byte) => (byte < 2 ? at >> (byte * 4) : byte));
      const one = { sequence: at * 2, id, resetToken: token(at) };
      if (!ids.add(one, 0, IDS_MOST, [])) break;
      ids.retire(one.sequence);
      taken++;
    }
    expect(taken).toBeGreaterThan(20);
    expect(taken).toBeLessThan(64);
  });
});
