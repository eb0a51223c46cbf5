import { expect, test } from 'vitest';
import { type Controller, newSendTag, type SendTag } from './controller.ts';
import { Cubic } from './cubic.ts';

const SIZE = 1000;
const RTT = 100;

/** Fills the window at `now`; the tags of what was sent. */
function fill(controller: Controller, now: number): SendTag[] {
  const tags: SendTag[] = [];
  for (let inFlight = 0; inFlight + SIZE <= controller.window; inFlight += SIZE) {
    const tag = newSendTag();
    controller.onSent(tag, now, SIZE, inFlight);
    tags.push(tag);
  }
  return tags;
}

function ack(controller: Controller, now: number, acked: readonly SendTag[], latestRtt = RTT): void {
  const bytes = acked.length * SIZE;
  controller.onAck(now, {
    acked,
    bytes,
    inFlightBefore: bytes,
    inFlight: 0,
    lostBytes: 0,
    latestRtt,
    smoothedRtt: RTT,
  });
}

function lose(controller: Controller, now: number, lost: readonly SendTag[], persistent = false): void {
  controller.onLost(now, { lost, bytes: lost.length * SIZE, inFlight: 0, persistent });
}

/** A window of `datagrams`, reached by slow start, then one loss. Returns the time. */
function afterLoss(cubic: Cubic, datagrams: number): number {
  let now = 0;
  while (cubic.window < datagrams * SIZE) {
    const tags = fill(cubic, now);
    now += RTT;
    ack(cubic, now, tags.slice(0, datagrams - cubic.window / SIZE));
  }
  lose(cubic, now, fill(cubic, now).slice(0, 1));
  return now;
}

/** Rounds of one full window each. */
function rounds(cubic: Cubic, from: number, count: number): number {
  let now = from;
  for (let round = 0; round < count; round++) {
    const tags = fill(cubic, now + 1);
    now += RTT;
    ack(cubic, now, tags);
  }
  return now;
}

const make = (): Cubic => new Cubic({ datagramSize: SIZE, random: () => 0 });

test('after loss seven tenths remain, and the former window is back after K seconds', () => {
  const cubic = make();
  const start = afterLoss(cubic, 1000);
  expect(cubic.window).toBe(700 * SIZE);
  // K is the cube root of 300 / 0.4: 9.09 s.
  const middle = rounds(cubic, start, 45);
  expect(cubic.window / SIZE).toBeGreaterThan(940);
  expect(cubic.window / SIZE).toBeLessThan(975);
  rounds(cubic, middle, 46);
  expect(cubic.window / SIZE).toBeGreaterThan(990);
  expect(cubic.window / SIZE).toBeLessThan(1010);
});

test('small windows grow as Reno would', () => {
  const cubic = make();
  const start = afterLoss(cubic, 20);
  expect(cubic.window).toBe(14 * SIZE);
  rounds(cubic, start, 10);
  // Ten rounds at 9/17 of a datagram each.
  expect(cubic.window / SIZE).toBeGreaterThan(18);
  expect(cubic.window / SIZE).toBeLessThan(20.5);
});

test('fast convergence: a loss below the former level gives up more', () => {
  const cubic = make();
  const start = afterLoss(cubic, 1000);
  lose(cubic, start + 200, fill(cubic, start + 100).slice(0, 1));
  expect(cubic.window).toBeCloseTo(490 * SIZE, -1);
  rounds(cubic, start + 300, 70);
  // The level aimed at is 595, 0.85 of 700, where the curve is flat.
  expect(cubic.window / SIZE).toBeLessThan(610);
});

test('losses that came back put window, threshold and curve back', () => {
  const cubic = make();
  const start = afterLoss(cubic, 1000);
  rounds(cubic, start, 20);
  const before = cubic.window;
  const tags = fill(cubic, start + 3000);
  lose(cubic, start + 3100, tags.slice(0, 2));
  expect(cubic.window).toBeLessThan(before);
  for (const tag of tags.slice(0, 2)) cubic.onSpuriousLoss(start + 3110, tag);
  expect(cubic.window).toBe(before);
  expect(cubic.snapshot()).toMatchObject({ reactions: 2, undone: 1, phase: 'avoidance' });
});

test('time without use does not let the window jump', () => {
  const cubic = make();
  const start = afterLoss(cubic, 1000);
  let now = rounds(cubic, start, 5);
  const before = cubic.window;
  for (let round = 0; round < 300; round++) {
    const tag = newSendTag();
    cubic.onSent(tag, now, SIZE, 0);
    now += RTT;
    ack(cubic, now, [tag]);
  }
  expect(cubic.window).toBe(before);
  rounds(cubic, now, 2);
  expect(cubic.window / before).toBeLessThan(1.1);
});

test('persistent congestion leaves two datagrams and forgets the curve', () => {
  const cubic = make();
  const start = afterLoss(cubic, 100);
  lose(cubic, start + 900, fill(cubic, start + 1), true);
  expect(cubic.window).toBe(2 * SIZE);
  expect(cubic.snapshot().phase).toBe('slow-start');
});

/** Slow start in which round `n` takes `rttOf(n)`, with ten acks a round. Returns windows at each round's end. */
function slowStart(cubic: Cubic, rttOf: (round: number) => number, count: number): number[] {
  const windows: number[] = [];
  let now = 0;
  for (let round = 0; round < count; round++) {
    const tags = fill(cubic, now);
    now += rttOf(round);
    const step = Math.ceil(tags.length / 10);
    for (let at = 0; at < tags.length; at += step) ack(cubic, now, tags.slice(at, at + step), rttOf(round));
    windows.push(cubic.window / SIZE);
    now += 1;
  }
  return windows;
}

test('HyStart++: slow start goes on while round trips stay, and slows down when they grow', () => {
  expect(slowStart(make(), () => 50, 6).at(-1)).toBe(640);
  const cubic = make();
  const windows = slowStart(cubic, (round) => (round < 3 ? 50 : 60), 12);
  expect(windows.slice(0, 3)).toEqual([20, 40, 80]);
  expect(windows[4]).toBeLessThan(200);
  expect(cubic.snapshot().phase).toBe('avoidance');
});

test('HyStart++: round trips that shrink again were jitter', () => {
  const cubic = make();
  slowStart(cubic, (round) => (round === 3 ? 60 : 50), 7);
  expect(cubic.snapshot().phase).toBe('slow-start');
  expect(cubic.window / SIZE).toBeGreaterThan(400);
});
