import { expect, test } from 'vitest';
import { LossJudge } from './bbr-loss.ts';

const MIN_RTT = 40;
const ROUND = 100_000;

/** So many rounds with a part lost and a round trip. Returns what was delivered. */
function rounds(judge: LossJudge, count: number, part: number, rtt: number, from = 0): number {
  let delivered = from;
  for (let round = 0; round < count; round++) {
    judge.onRtt(rtt);
    judge.onLost(part * ROUND);
    delivered += (1 - part) * ROUND;
    judge.onRound(delivered, MIN_RTT);
  }
  return delivered;
}

test('loss with a queue is congestion from 2 % on', () => {
  const judge = new LossJudge();
  judge.onRtt(80);
  expect(judge.tooMany(1900, ROUND, MIN_RTT)).toBe(false);
  expect(judge.tooMany(2100, ROUND, MIN_RTT)).toBe(true);
});

test('loss without a queue is the path, unless it is very much', () => {
  const judge = new LossJudge();
  judge.onRtt(41);
  expect(judge.tooMany(10_000, ROUND, MIN_RTT)).toBe(false);
  expect(judge.tooMany(90_000, ROUND, MIN_RTT)).toBe(true);
});

test('what a path loses without a queue is expected of it with a queue', () => {
  const judge = new LossJudge();
  const delivered = rounds(judge, 40, 0.03, 41);
  expect(judge.ambient).toBeCloseTo(0.03, 2);
  judge.onRtt(80);
  expect(judge.tooMany(5000, ROUND, MIN_RTT)).toBe(false);
  expect(judge.tooMany(8000, ROUND, MIN_RTT)).toBe(true);
  judge.onLost(0.03 * ROUND);
  expect(judge.unusual(delivered + 0.97 * ROUND, MIN_RTT)).toBe(false);
  judge.onLost(0.05 * ROUND);
  expect(judge.unusual(delivered + 0.92 * ROUND, MIN_RTT)).toBe(true);
});

test('loss with a queue teaches nothing about the path', () => {
  const judge = new LossJudge();
  rounds(judge, 40, 0.03, 80);
  expect(judge.ambient).toBe(0);
});

test('a path is not believed to lose more than a tenth, and one that got better is seen', () => {
  const judge = new LossJudge();
  const delivered = rounds(judge, 100, 0.5, 41);
  expect(judge.ambient).toBeLessThanOrEqual(0.1);
  rounds(judge, 40, 0, 41, delivered);
  expect(judge.ambient).toBeLessThan(0.001);
});
