import { describe, expect, test } from 'vitest';
import { ENGINES } from './backend.ts';
import { FAULTS, type FaultName, faultsFor } from './fault-kinds.ts';
import { planOf } from './plan.ts';

describe.each(ENGINES)('plans for %s', (engine) => {
  test('a seed says all', () => {
    for (const seed of [0, 1, 77]) expect(planOf(seed, engine)).toEqual(planOf(seed, engine));
    expect(planOf(1, engine)).not.toEqual(planOf(2, engine));
  });

  test('a few seeds have each fault that the engine can have, as the first of a step', () => {
    const met = new Set<FaultName>();
    for (let seed = 0; seed < 20; seed++) {
      for (const [first] of planOf(seed, engine).steps) if (first !== undefined) met.add(first.fault);
    }
    expect([...met].toSorted()).toEqual([...faultsFor(engine)].toSorted());
  });

  test('faults last as long as they may, and nothing is broken twice at once', () => {
    for (let seed = 0; seed < 200; seed++) {
      for (const step of planOf(seed, engine).steps) {
        for (const { fault, lasts, victim } of step) {
          const [least, most] = FAULTS[fault].lasts;
          expect(lasts).toBeGreaterThanOrEqual(least);
          expect(lasts).toBeLessThanOrEqual(most);
          expect(victim).toBeLessThan(engine === 'memory' ? 1 : 3);
        }
        const servers = step.filter(({ fault }) => /^(?:kill|lose|rewind|stop)-(?:engine|leader)$/.test(fault));
        expect(servers.length).toBeLessThanOrEqual(1);
        const nodes = step.filter(({ fault }) => fault === 'clock' || fault.endsWith('-node'));
        expect(new Set(nodes.map(({ victim }) => victim)).size).toBe(nodes.length);
        expect(step.some(({ fault }) => fault === 'kill-primary') && step.length > 1).toBe(false);
      }
    }
  });

  test('only what is asked for', () => {
    const steps = planOf(3, engine, { faults: ['kill-node'], steps: 2 }).steps;
    expect(steps).toHaveLength(2);
    expect(new Set(steps.flat().map(({ fault }) => fault))).toEqual(new Set(['kill-node']));
  });
});

test('an engine without a server has nothing that could be done to it', () => {
  expect(() => planOf(0, 'memory', { faults: ['kill-engine'] })).toThrow('kill-engine');
});
