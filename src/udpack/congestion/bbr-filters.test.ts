import { expect, test } from 'vitest';
import { MinRtt } from './bbr-filters.ts';

/** A sample every 10 ms. Returns when the least round trip expired for the first time. */
function expiredAt(samples: (now: number) => number, until: number): number | undefined {
  const least = new MinRtt();
  for (let now = 0; now <= until; now += 10) {
    least.add(now, samples(now));
    if (least.expired) return now;
  }
  return undefined;
}

test('the least round trip expires after five seconds of longer ones', () => {
  expect(expiredAt((now) => (now === 0 ? 40 : 43), 20_000)).toBe(5010);
});

test('round trips near the least one show that there is no queue: it need not be emptied', () => {
  const near = (now: number): number => (now % 4000 === 0 ? 40.9 : 45);
  expect(expiredAt((now) => (now === 0 ? 40 : near(now)), 29_000)).toBeUndefined();
});

test('a look that is spared is told each five seconds', () => {
  const least = new MinRtt();
  const told: number[] = [];
  for (let now = 10; now < 16_000; now += 10) {
    least.add(now, 40);
    if (least.spared) told.push(now);
  }
  expect(told).toEqual([10, 5020, 10_030, 15_040]);
});

test('but not for ever: what is near the least one may be a queue, too', () => {
  expect(expiredAt(() => 40, 60_000)).toBe(35_000);
  // Nor do those that are less by a hair begin the time anew.
  expect(expiredAt((now) => 40 - now / 1e6, 29_000)).toBeUndefined();
  expect(expiredAt((now) => (now < 29_000 ? 40 - now / 1e6 : 40), 60_000)).toBe(35_000);
});

test('a least one that is not seen any more gives way to that of the last ten seconds', () => {
  const least = new MinRtt();
  least.add(0, 40);
  for (let now = 10; now < 16_000; now += 10) least.add(now, 50);
  expect(least.value).toBe(50);
});
