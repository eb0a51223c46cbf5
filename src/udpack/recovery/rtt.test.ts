import { describe, expect, test } from 'vitest';
import { GRANULARITY, INITIAL_RTT, RoundTrips } from './rtt.ts';

describe('round trips', () => {
  test('before the first is measured, a guess stands (RFC 9002 6.2.2)', () => {
    const trips = new RoundTrips();
    expect([trips.smoothed, trips.variation, trips.measured]).toEqual([INITIAL_RTT, INITIAL_RTT / 2, false]);
    expect(trips.probeTimeout(25)).toBe(3 * INITIAL_RTT + 25);
    trips.guess(50);
    expect([trips.smoothed, trips.variation, trips.measured]).toEqual([50, 25, false]);
  });

  test('the first sample replaces it, whatever the delay of its ack', () => {
    const trips = new RoundTrips();
    trips.guess(50);
    trips.sample(100, 20);
    expect(trips).toMatchObject({ latest: 100, smoothed: 100, variation: 50, least: 100, measured: true });
  });

  test('later ones are smoothed, without the time that the peer held its ack back (RFC 9002 5.3)', () => {
    const trips = new RoundTrips();
    trips.sample(100, 0);
    trips.sample(140, 20);
    expect(trips).toMatchObject({ latest: 140, least: 100, smoothed: 102.5, variation: 42.5 });
    // A delay that would make the trip shorter than the shortest is not believed.
    trips.sample(110, 20);
    expect(trips.smoothed).toBeCloseTo(0.875 * 102.5 + 0.125 * 110);
    trips.sample(80, 20);
    expect(trips.least).toBe(80);
  });

  test('a probe waits for the variation, yet a millisecond at least and ten seconds at most', () => {
    const trips = new RoundTrips();
    for (let count = 0; count < 200; count++) trips.sample(10, 0);
    expect(trips.probeTimeout(0)).toBeCloseTo(10 + GRANULARITY);
    trips.sample(600_000, 0);
    expect(trips.probeTimeout(25)).toBe(10_000);
  });
});
