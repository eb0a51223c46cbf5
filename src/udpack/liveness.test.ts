import { describe, expect, test } from 'vitest';
import { earlier, Liveness } from './liveness.ts';

describe('the idle time', () => {
  test.each([
    [30_000, 20_000, 20_000],
    [10_000, 20_000, 10_000],
    [0, 20_000, 20_000],
    [10_000, 0, 10_000],
    [0, 0, undefined],
  ])('of %i and %i is the lesser that is not nought: %s', (own, peer, meant) => {
    const liveness = new Liveness(0, 0);
    liveness.agree(own, peer);
    expect(liveness.idleAt(10)).toBe(meant);
  });

  test('is three probe time-outs at least (RFC 9000 10.1)', () => {
    const liveness = new Liveness(0, 0);
    liveness.agree(1000, 1000);
    expect([liveness.idleAt(100), liveness.idleAt(400)]).toEqual([1000, 1200]);
  });

  test('begins anew when the peer is heard, and when it is asked for the first time since', () => {
    const liveness = new Liveness(0, 0);
    liveness.agree(1000, 1000);
    liveness.onHeard(100);
    expect(liveness.idleAt(1)).toBe(1100);
    liveness.onAsked(300);
    expect(liveness.idleAt(1)).toBe(1300);
    // Who goes on asking without an answer does not live for ever.
    liveness.onAsked(900);
    expect(liveness.idleAt(1)).toBe(1300);
    liveness.onHeard(1000);
    liveness.onAsked(1200);
    expect(liveness.idleAt(1)).toBe(2200);
  });
});

describe('a sign of life', () => {
  test('is due after silence, and not while an answer is waited for', () => {
    const liveness = new Liveness(300, 0);
    liveness.agree(10_000, 10_000);
    liveness.onHeard(100);
    expect(liveness.keepaliveAt).toBe(400);
    liveness.onAsked(400);
    expect(liveness.keepaliveAt).toBeUndefined();
    liveness.onHeard(450);
    expect(liveness.keepaliveAt).toBe(750);
  });

  test('is due after half of the idle time at the latest, unless it is turned off', () => {
    const impatient = new Liveness(30_000, 0);
    impatient.agree(30_000, 2000);
    expect(impatient.keepaliveAt).toBe(1000);
    const off = new Liveness(0, 0);
    off.agree(30_000, 2000);
    expect(off.keepaliveAt).toBeUndefined();
    const patient = new Liveness(5000, 0);
    patient.agree(0, 0);
    expect(patient.keepaliveAt).toBe(5000);
  });
});

test('the earlier of two times, either of which may be none', () => {
  expect([
    earlier(1, 2),
    earlier(2, 1),
    earlier(undefined, 3),
    earlier(3, undefined),
    earlier(undefined, undefined),
  ]).toEqual([1, 1, 3, 3, undefined]);
  expect(earlier(0, undefined)).toBe(0);
});
