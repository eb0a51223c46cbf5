import { expect, test } from 'vitest';
import { type EngineRun, runEngine } from './engine-sim.ts';

const SEEDS = 320;
const PARTS = 4;
const WAIT = 60_000;

// In parts, so that a failure names its seed soon and no single test runs long.
for (let part = 0; part < PARTS; part++) {
  const from = (part * SEEDS) / PARTS;
  test(
    `all nodes come to know the truth, and tell each change once: seeds from ${from}`,
    async () => {
      const runs: EngineRun[] = [];
      for (let i = 0; i < SEEDS / PARTS; i++) runs.push(await runEngine(from + i));
      // The runs must have met what they are meant to meet, or they prove nothing.
      const sumOf = (what: keyof EngineRun): number => runs.reduce((sum, run) => sum + run[what], 0);
      expect(sumOf('told')).toBeGreaterThan(10_000);
      expect(sumOf('rivals')).toBeGreaterThan(10_000);
      expect(sumOf('delivered')).toBeGreaterThan(500);
      expect(sumOf('givenUp')).toBeGreaterThan(500);
      for (const mishap of ['cuts', 'freezes', 'hubFreezes', 'deaths', 'closes', 'lost'] as const) {
        expect(sumOf(mishap)).toBeGreaterThan(10);
      }
    },
    WAIT,
  );
}

test('the same seed replays the same run', async () => {
  expect(await runEngine(7)).toEqual(await runEngine(7));
});
