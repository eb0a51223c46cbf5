import { expect, test } from 'vitest';
import { runUdpack, type UdpackRun } from './play.ts';

/** Seeds that every change has to pass; they lie in files of `SEEDS_PER_FILE`, which run side by side. */
export const SEEDS_PER_FILE = 1250;
const PARTS = 10;
/** For a machine that has other things to do. A run takes about 30 ms. */
const PATIENCE = 300_000;

/** Plays the seeds of the file with this number, in parts, so that a failure is heard of soon. */
export function proveFile(file: number): void {
  const size = SEEDS_PER_FILE / PARTS;
  for (let part = 0; part < PARTS; part++) {
    const from = file * SEEDS_PER_FILE + part * size;
    test(`sessions keep their promises: seeds from ${from}`, { timeout: PATIENCE }, () => {
      const runs = Array.from({ length: size }, (_, at) => play(from + at));
      // The runs must have met what they are meant to meet, or they prove nothing.
      const sum = (what: keyof UdpackRun): number => runs.reduce((total, run) => total + run[what], 0);
      expect(sum('handed')).toBeGreaterThan(5000);
      expect(sum('opened')).toBeGreaterThan(150);
      expect(sum('closed')).toBeGreaterThan(100);
      expect(sum('dropped')).toBeGreaterThan(50);
      expect(sum('datagrams')).toBeGreaterThan(100);
      expect(sum('moves')).toBeGreaterThan(30);
      expect(sum('lost')).toBeGreaterThan(1000);
      expect(sum('injected')).toBeGreaterThan(1000);
      expect(sum('keyUpdates')).toBeGreaterThan(50);
    });
  }
}

function play(seed: number): UdpackRun {
  try {
    return runUdpack(seed);
  } catch (error) {
    throw new Error(`replay: npm run proof:udpack -- --seed ${seed} --trace`, { cause: error });
  }
}
