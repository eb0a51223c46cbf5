import { expect, test } from 'vitest';
import { createController } from './congestion/index.ts';
import { AckRanges } from './frames.ts';
import { Path } from './path.ts';
import { SentDatagram } from './recovery/sent-datagram.ts';

/** Bytes per ms. */
const RATE = 100;
const LONGEST = 60_000;

/** A path of the longest datagrams, at a rate that stays. */
function slowPath(): Path {
  const controller = Object.defineProperties(createController('newreno', { datagramSize: 1200, random: () => 0 }), {
    pacingRate: { get: () => RATE, set: () => {} },
    sendQuantum: { get: () => 2 * LONGEST, set: () => {} },
  });
  const remote = { sequence: 0, id: new Uint8Array(8), resetToken: undefined };
  return new Path({
    address: { address: '10.0.0.1', port: 1 },
    remote,
    controller,
    datagramSize: LONGEST,
    ackDelay: 20,
    proved: true,
  });
}

function send(path: Path, size: number, now: number): void {
  path.onSent(new SentDatagram(path.recovery.next, now, size, true, 0, false, []));
}

test('a short datagram waits for what a short one takes, on a path of long ones too', () => {
  const path = slowPath();
  // The burst that is let through at first.
  for (let burst = 0; burst < 2; burst++) send(path, LONGEST, 0);
  expect(path.pacedAt(0)).toBeGreaterThan(0);
  expect(path.pacedAt(0)).toBeLessThanOrEqual(1200 / RATE);
});

test('a long one is owed for: the rate is met in the long run', () => {
  const path = slowPath();
  let [now, bytes] = [0, 0];
  while (now < 60_000) {
    send(path, LONGEST, now);
    bytes += LONGEST;
    now = path.pacedAt(now);
  }
  expect(bytes / RATE / now).toBeGreaterThan(0.95);
  // And the burst at the beginning.
  expect((bytes - 3 * LONGEST) / RATE / now).toBeLessThan(1);
});

test('where a round trip is shorter than timers can tell apart, nothing is paced', () => {
  const path = slowPath();
  const trip = (sentAt: number, ackedAt: number): void => {
    const ranges = new AckRanges();
    send(path, LONGEST, sentAt);
    ranges.push(path.recovery.next - 1, path.recovery.next);
    path.onAck(ranges, 0, 0, ackedAt);
  };
  for (let burst = 0; burst < 4; burst++) trip(0, 1);
  send(path, LONGEST, 1);
  expect(path.pacedAt(1)).toBeGreaterThan(1);
  trip(1, 1.9);
  expect(path.pacedAt(1.9)).toBe(1.9);
  // Until they have become long.
  trip(2, 102);
  for (let burst = 0; burst < 5; burst++) send(path, LONGEST, 102);
  expect(path.pacedAt(102)).toBeGreaterThan(102);
});
