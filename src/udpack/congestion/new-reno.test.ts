import { expect, test } from 'vitest';
import { type Controller, initialWindow, newSendTag, type SendTag } from './controller.ts';
import { NewReno } from './new-reno.ts';

const SIZE = 1200;

/** Sends until the window is full. */
function fill(controller: Controller, now: number, inFlight = 0, most = Infinity): SendTag[] {
  const tags: SendTag[] = [];
  for (let at = inFlight; at + SIZE <= controller.window && tags.length < most; at += SIZE) {
    const tag = newSendTag();
    controller.onSent(tag, now, SIZE, at);
    tags.push(tag);
  }
  return tags;
}

function ack(controller: Controller, now: number, acked: readonly SendTag[], inFlightBefore: number): void {
  const bytes = acked.length * SIZE;
  const inFlight = inFlightBefore - bytes;
  controller.onAck(now, { acked, bytes, inFlightBefore, inFlight, lostBytes: 0, latestRtt: 40, smoothedRtt: 40 });
}

function lose(controller: Controller, now: number, lost: readonly SendTag[], persistent = false): void {
  controller.onLost(now, { lost, bytes: lost.length * SIZE, inFlight: 0, persistent });
}

const make = (): NewReno => new NewReno({ datagramSize: SIZE, random: () => 0 });

test('the initial window is ten datagrams, within 14,720 bytes or two datagrams', () => {
  expect(initialWindow(1200)).toBe(12_000);
  expect(initialWindow(1472)).toBe(14_720);
  expect(initialWindow(8900)).toBe(17_800);
});

test('slow start grows by what is acknowledged; avoidance by a datagram per window', () => {
  const reno = make();
  const first = fill(reno, 0);
  ack(reno, 40, first, 12_000);
  expect(reno.window).toBe(24_000);
  const second = fill(reno, 40);
  lose(reno, 80, second.slice(0, 1));
  expect(reno.window).toBe(12_000);
  expect(reno.snapshot().phase).toBe('avoidance');
  const third = fill(reno, 81);
  ack(reno, 121, third, 12_000);
  expect(reno.window).toBeCloseTo(13_200, 0);
});

test('one reaction per recovery period', () => {
  const reno = make();
  const tags = fill(reno, 0);
  lose(reno, 50, tags.slice(0, 2));
  lose(reno, 60, tags.slice(2, 4));
  expect(reno.window).toBe(6000);
  ack(reno, 61, tags.slice(4), 7200);
  expect(reno.window).toBe(6000);
  lose(reno, 100, fill(reno, 70).slice(0, 1));
  expect(reno.window).toBe(3000);
});

test('a window that is not in use does not grow', () => {
  const reno = make();
  for (let now = 0; now < 1000; now += 50) ack(reno, now + 40, fill(reno, now, 0, 2), 2400);
  expect(reno.window).toBe(12_000);
});

test('persistent congestion leaves two datagrams', () => {
  const reno = make();
  lose(reno, 1000, fill(reno, 0), true);
  expect(reno.window).toBe(2400);
});

test('losses that all came back are undone, one that did not keeps the reaction', () => {
  const reno = make();
  const tags = fill(reno, 0);
  lose(reno, 50, tags.slice(0, 3));
  for (const tag of tags.slice(0, 2)) reno.onSpuriousLoss(60, tag);
  expect(reno.window).toBe(6000);
  reno.onSpuriousLoss(61, tags[2] ?? newSendTag());
  expect(reno.window).toBe(12_000);
  expect(reno.snapshot()).toMatchObject({ phase: 'slow-start', reactions: 1, undone: 1 });
});

test('nothing is paced before a round trip is known, then a little faster than the window', () => {
  const reno = make();
  expect(reno.pacingRate).toBe(Infinity);
  expect(reno.sendQuantum).toBe(12_000);
  const tags = fill(reno, 0);
  lose(reno, 40, tags.slice(0, 1));
  ack(reno, 40, tags.slice(1), 10_800);
  expect(reno.pacingRate).toBeCloseTo((1.25 * 6000) / 40);
  expect(new NewReno({ datagramSize: SIZE, rtt: 10, random: () => 0 }).pacingRate).toBe(2400);
});

test('another path begins anew, another datagram size only before the window moved', () => {
  const reno = make();
  reno.onMtu(1452);
  expect(reno.window).toBe(14_520);
  lose(reno, 40, fill(reno, 0).slice(0, 1));
  reno.onMtu(1200);
  expect(reno.window).toBe(7260);
  reno.onPathReset();
  expect(reno.window).toBe(12_000);
  expect(reno.pacingRate).toBe(Infinity);
});
