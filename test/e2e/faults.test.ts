import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EngineName } from '../faults/backend.ts';
import type { FaultName } from '../faults/fault-kinds.ts';
import { planOf } from '../faults/plan.ts';
import { Programs } from '../faults/programs.ts';
import { faultsOf, play } from '../faults/run.ts';

/** A small part of `npm run proof:faults`: one seed for each engine, of short faults. */
const SAMPLES: readonly (readonly [EngineName, number, readonly FaultName[]])[] = [
  ['memory', 1, ['kill-node', 'cut-clients']],
  ['cluster', 1, ['kill-node', 'kill-primary']],
  ['nats', 1, ['kill-node', 'kill-engine']],
  ['redis', 1, ['part-engine', 'lose-engine']],
];
const LASTS = 1200;

let programs: Programs;
beforeAll(async () => {
  programs = await Programs.make();
});
afterAll(() => programs[Symbol.dispose]());

test.each(SAMPLES)('%s, seed %i: %j', async (engine, seed, faults) => {
  const plan = planOf(seed, engine, { faults, steps: 2, lasts: LASTS });
  const said: string[] = [];
  const outcome = await play(plan, programs, (words) => said.push(words));
  expect(faultsOf(outcome), said.join('\n')).toEqual([]);
  expect(outcome.steps).toHaveLength(2);
  expect(outcome.verdict.heard).toBeGreaterThan(100);
});
