import { expect, test } from 'vitest';
import { Pacer } from './pacer.ts';

const pace = { pacingRate: 1000, sendQuantum: 2400 };

/** Sends all that is allowed at `now`; returns the bytes. */
function drain(pacer: Pacer, now: number): number {
  let bytes = 0;
  while (pacer.allow(now, 1200)) {
    pacer.spent(now, 1200);
    bytes += 1200;
  }
  return bytes;
}

test('begins with one burst and goes on at the rate', () => {
  const pacer = new Pacer(pace);
  expect(drain(pacer, 0)).toBe(2400);
  expect(pacer.nextAt(0, 1200)).toBeCloseTo(1.2);
  expect(drain(pacer, 1)).toBe(0);
  expect(drain(pacer, 1.2)).toBe(1200);
});

test('meets the rate with timers that are late, up to 20 ms', () => {
  const pacer = new Pacer(pace);
  let sent = drain(pacer, 0);
  for (let now = 0; now < 1000; ) {
    now = Math.ceil(pacer.nextAt(now, 1200)) + 7;
    sent += drain(pacer, now);
  }
  expect(sent).toBeGreaterThan(995_000);
  expect(sent).toBeLessThan(1_015_000);
  const at = pacer.nextAt(1100, 1200);
  expect(drain(pacer, at + 500)).toBeLessThanOrEqual(2400 + 20_000);
});

test('who was not waiting gets one burst, however long it was silent', () => {
  const pacer = new Pacer(pace);
  drain(pacer, 0);
  expect(drain(pacer, 10_000)).toBe(2400);
});

test('what left without leave is owed', () => {
  const pacer = new Pacer(pace);
  drain(pacer, 0);
  pacer.spent(0, 1200);
  expect(pacer.nextAt(0, 1200)).toBeCloseTo(2.4);
});

test('a datagram longer than a burst leaves when the burst is whole', () => {
  const pacer = new Pacer({ pacingRate: 100, sendQuantum: 2400 });
  expect(pacer.allow(0, 9000)).toBe(true);
  pacer.spent(0, 9000);
  expect(pacer.nextAt(0, 9000)).toBeCloseTo(48);
});

test('no pacing without a rate', () => {
  const pacer = new Pacer({ pacingRate: Infinity, sendQuantum: 12_000 });
  pacer.spent(0, 1_000_000);
  expect(pacer.allow(0, 1200)).toBe(true);
  expect(pacer.nextAt(5, 1200)).toBe(5);
});
