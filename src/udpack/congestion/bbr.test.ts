import { expect, test } from 'vitest';
import { newSendTag } from './controller.ts';
import { createController } from './create.ts';

test('longer datagrams raise the pace with the window, while no more is known than one round trip', () => {
  const bbr = createController('bbr', { datagramSize: 1200, random: () => 0.5 });
  const tag = newSendTag();
  bbr.onSent(tag, 0, 1200, 0);
  bbr.onAck(30, {
    acked: [tag],
    bytes: 1200,
    inFlightBefore: 1200,
    inFlight: 0,
    lostBytes: 0,
    latestRtt: 30,
    smoothedRtt: 30,
  });
  expect(bbr.pacingRate).toBeLessThan(Infinity);
  const pace = bbr.pacingRate / bbr.window;
  bbr.onMtu(60_000);
  expect(bbr.window).toBeGreaterThanOrEqual(240_000);
  expect(bbr.pacingRate / bbr.window).toBeCloseTo(pace, 9);
  // One datagram of the new size waits for two round trips at most.
  expect(60_000 / bbr.pacingRate).toBeLessThan(60);
});
