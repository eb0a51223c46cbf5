import { expect, test } from 'vitest';
import { runUdpack, type UdpackRun } from './play.ts';

/** Seeds that every change has to pass; they lie in files of `SEEDS_PER_FILE`, which run side by side. */
export const SEEDS_PER_FILE = 2500;
const PARTS = 10;
/** For a machine that has other things to do. A run takes about 10 ms. */
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
      expect(sum('opened')).toBeGreaterThan(300);
      expect(sum('closed')).toBeGreaterThan(200);
      expect(sum('dropped')).toBeGreaterThan(50);
      expect(sum('datagrams')).toBeGreaterThan(100);
      expect(sum('moves')).toBeGreaterThan(300);
      expect(sum('rebound')).toBeGreaterThan(20);
      expect(sum('unspared')).toBeGreaterThan(0);
      expect(sum('followed')).toBeGreaterThan(10);
      expect(sum('lost')).toBeGreaterThan(1000);
      expect(sum('injected')).toBeGreaterThan(10_000);
      expect(sum('keyUpdates')).toBeGreaterThan(500);
      expect(sum('pauses')).toBeGreaterThan(0);
      expect(sum('leaps')).toBeGreaterThan(0);
      expect(sum('restarts')).toBeGreaterThan(30);
      expect(sum('resets')).toBeGreaterThan(20);
      expect(sum('again')).toBeGreaterThan(30);
      expect(sum('goaways')).toBeGreaterThan(30);
      expect(sum('foreign')).toBeGreaterThan(5);
      expect(sum('refused')).toBeGreaterThan(20);
      expect(sum('worn')).toBeGreaterThan(0);
      expect(sum('retries')).toBeGreaterThan(100);
      expect(sum('shared')).toBeGreaterThan(30);
      expect(sum('forwarded')).toBeGreaterThan(1000);
      expect(sum('unforwarded')).toBeGreaterThan(10);
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
