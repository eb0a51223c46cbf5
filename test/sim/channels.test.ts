import { expect, test } from 'vitest';
import { runChannels } from './channels-sim.ts';

const STEP = 50;

test.each(Array.from({ length: 6 }, (_, i) => i * STEP))(
  'every byte and event of every channel arrives once and in order, and every end: seeds from %d',
  (from) => {
    const runs = Array.from({ length: STEP }, (_, i) => runChannels(from + i));
    const sum = (pick: (run: (typeof runs)[0]) => number): number => runs.reduce((all, run) => all + pick(run), 0);
    // A run in which nothing happens proves nothing.
    expect(sum((run) => run.channels)).toBeGreaterThan(STEP);
    expect(sum((run) => run.bytes)).toBeGreaterThan(STEP * 1000);
    expect(sum((run) => run.events)).toBeGreaterThan(STEP * 10);
    expect(sum((run) => run.links)).toBeGreaterThan(STEP * 2);
  },
);

test('the same seed replays the same run', () => {
  expect(runChannels(7)).toEqual(runChannels(7));
});
