import { describe, expect, test } from 'vitest';
import { MTU_LADDER, MTU_LEAST, MtuSearch } from './mtu.ts';

const [FIRST = 0, SECOND = 0, THIRD = 0] = MTU_LADDER;

/** Probes on a path that carries `most` bytes; what the search found, and how many probes it took. */
function search(mtu: MtuSearch, most: number, now = 0): { readonly size: number; readonly probes: number } {
  let probes = 0;
  for (let size = mtu.probe(now, true); size !== undefined; size = mtu.probe(now, true)) {
    if (probes++ > 50) throw new Error('it never ends');
    mtu.onProbeSent();
    expect(mtu.probe(now, true)).toBeUndefined();
    if (size <= most) mtu.onProbeAcked(size);
    else mtu.onProbeLost(size);
  }
  return { size: mtu.size, probes };
}

describe('the ladder', () => {
  test.each([
    [1200, MTU_LEAST, 3],
    [1451, MTU_LEAST, 3],
    [FIRST, FIRST, 4],
    [9000, SECOND, 5],
    [65_000, THIRD, 3],
  ])('on a path that carries %i bytes, datagrams get %i, after %i probes', (most, size, probes) => {
    const mtu = new MtuSearch(65_535);
    expect(mtu.size).toBe(MTU_LEAST);
    expect(search(mtu, most)).toEqual({ size, probes });
    expect(mtu.probe(1e9, true)).toBeUndefined();
  });

  test('is not climbed above what peer, interface and buffers allow', () => {
    expect(search(new MtuSearch(FIRST), 65_000)).toEqual({ size: FIRST, probes: 1 });
    expect(search(new MtuSearch(FIRST - 1), 65_000)).toEqual({ size: MTU_LEAST, probes: 0 });
    expect(search(new MtuSearch(MTU_LEAST), 65_000)).toEqual({ size: MTU_LEAST, probes: 0 });
  });

  test('two lost probes are chance', () => {
    const mtu = new MtuSearch(FIRST);
    for (let lost = 0; lost < 2; lost++) {
      mtu.onProbeSent();
      mtu.onProbeLost(FIRST);
    }
    expect(search(mtu, 65_000)).toEqual({ size: FIRST, probes: 1 });
  });

  test('a probe whose path was left is no obstacle', () => {
    const mtu = new MtuSearch(FIRST);
    mtu.onProbeSent();
    mtu.onAbandoned();
    expect(search(mtu, 65_000)).toEqual({ size: FIRST, probes: 1 });
  });

  test('an ack that comes after its size was given up changes nothing', () => {
    const mtu = new MtuSearch(FIRST);
    search(mtu, MTU_LEAST);
    expect(mtu.onProbeAcked(FIRST)).toBe(false);
    expect(mtu.size).toBe(MTU_LEAST);
  });
});

describe('a size that the path carries no longer', () => {
  const climbed = (): MtuSearch => {
    const mtu = new MtuSearch(SECOND);
    search(mtu, 65_000);
    return mtu;
  };

  test('is given up after six losses in a row', () => {
    const mtu = climbed();
    for (let lost = 0; lost < 5; lost++) expect(mtu.onLost(SECOND, lost, 100)).toBe(false);
    // Short ones say nothing of long ones.
    mtu.onAcked(MTU_LEAST, 5);
    expect(mtu.onLost(MTU_LEAST, 6, 100)).toBe(false);
    expect(mtu.size).toBe(SECOND);
    expect(mtu.onLost(SECOND, 7, 100)).toBe(true);
    expect(mtu.size).toBe(MTU_LEAST);
  });

  test('stays while one of six arrives', () => {
    const mtu = climbed();
    for (let lost = 0; lost < 60; lost++) {
      if (lost % 6 === 5) mtu.onAcked(SECOND, lost);
      else expect(mtu.onLost(SECOND, lost, 100)).toBe(false);
    }
    expect(mtu.size).toBe(SECOND);
  });

  test('stays when a queue drops many in a row, and others of the size come through behind them', () => {
    const mtu = climbed();
    mtu.onAcked(SECOND, 100);
    for (let lost = 0; lost < 60; lost++) expect(mtu.onLost(SECOND, lost, 100)).toBe(false);
    for (let lost = 101; lost < 106; lost++) expect(mtu.onLost(SECOND, lost, 100)).toBe(false);
    expect(mtu.onLost(SECOND, 106, 100)).toBe(true);
  });

  test('is not tried again, but the one below it, after ten seconds', () => {
    const mtu = climbed();
    for (let lost = 0; lost < 6; lost++) mtu.onLost(SECOND, lost, 100);
    expect([mtu.probe(100, true), mtu.probe(10_099, true), mtu.probe(10_100, true)]).toEqual([
      undefined,
      undefined,
      FIRST,
    ]);
    expect(search(mtu, 65_000, 10_100)).toEqual({ size: FIRST, probes: 1 });
  });

  test('is tried again after ten seconds if there was nothing but silence', () => {
    const mtu = climbed();
    expect(mtu.onSilence(100)).toBe(true);
    expect([mtu.size, mtu.probe(100, true)]).toEqual([MTU_LEAST, undefined]);
    expect(mtu.onSilence(200)).toBe(false);
    expect(search(mtu, 65_000, 10_100).size).toBe(SECOND);
  });

  test('falls at once when the system refuses it, and never comes back', () => {
    const mtu = climbed();
    expect(mtu.onRefused(SECOND, 100)).toBe(true);
    expect(mtu.size).toBe(MTU_LEAST);
    expect(search(mtu, 65_000, 10_100)).toEqual({ size: FIRST, probes: 1 });
    // A refused probe takes nothing from what is known to arrive.
    expect(mtu.onRefused(SECOND, 100)).toBe(false);
    expect(mtu.onRefused(MTU_LEAST, 100)).toBe(true);
    expect(mtu.onRefused(MTU_LEAST, 100)).toBe(false);
    expect([mtu.size, mtu.probe(1e9, true)]).toEqual([MTU_LEAST, undefined]);
  });
});

test('where nobody needs longer datagrams, the search waits', () => {
  const mtu = new MtuSearch(60_000);
  expect([mtu.probe(1000, false), mtu.probe(1099, false), mtu.probe(1100, false)]).toEqual([
    undefined,
    undefined,
    FIRST,
  ]);
  const needed = new MtuSearch(60_000);
  expect([needed.probe(1000, false), needed.probe(1001, true)]).toEqual([undefined, FIRST]);
});
