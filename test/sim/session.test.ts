import { expect, test } from 'vitest';
import { runSession, type SessionRun } from './session-sim.ts';

const SEEDS = 2400;
const PARTS = 8;

// In parts, so that a failure names its seed soon and no single test runs long.
for (let part = 0; part < PARTS; part++) {
  const from = (part * SEEDS) / PARTS;
  test(`every message arrives once and in order, or is accounted for: seeds from ${from}`, () => {
    const runs = Array.from({ length: SEEDS / PARTS }, (_, i) => runSession(from + i));
    // The runs must have met what they are meant to meet, or they prove nothing.
    expect(sumOf(runs, 'delivered')).toBeGreaterThan(10_000);
    expect(sumOf(runs, 'resumes')).toBeGreaterThan(300);
    expect(sumOf(runs, 'lost')).toBeGreaterThan(100);
    expect(sumOf(runs, 'takeovers')).toBeGreaterThan(100);
    expect(sumOf(runs, 'secondShowings')).toBeGreaterThan(30);
  });
}

test('the same seed replays the same run', () => {
  expect(runSession(7)).toEqual(runSession(7));
});

function sumOf(runs: readonly SessionRun[], what: keyof SessionRun): number {
  return runs.reduce((sum, run) => sum + run[what], 0);
}
