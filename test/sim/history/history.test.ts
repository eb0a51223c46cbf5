import { expect, test } from 'vitest';
import { type HistoryRun, runHistory } from './history-sim.ts';

const SEEDS = 600;
const PARTS = 4;

for (let part = 0; part < PARTS; part++) {
  const from = (part * SEEDS) / PARTS;
  test(`a room's members get what its log has, once and in order, or are told of a gap: seeds from ${from}`, async () => {
    const runs: HistoryRun[] = [];
    for (let seed = from; seed < from + SEEDS / PARTS; seed++) runs.push(await runHistory(seed));
    const sum = (what: keyof HistoryRun): number => runs.reduce((total, run) => total + run[what], 0);
    // The runs must have met what they are meant to meet, or they prove nothing.
    expect(sum('delivered')).toBeGreaterThan(5000);
    expect(sum('recoveries')).toBeGreaterThan(500);
    expect(sum('missed')).toBeGreaterThan(500);
    expect(sum('gaps')).toBeGreaterThan(100);
    expect(sum('restarts')).toBeGreaterThan(30);
    expect(sum('waits')).toBeGreaterThan(100);
  });
}

test('the same seed replays the same run', async () => {
  expect(await runHistory(7)).toEqual(await runHistory(7));
});
