import { describe, expect, test, vi } from 'vitest';
import type { ControllerName } from '../../../src/udpack/congestion/index.ts';
import { mbit, run } from './scenario.ts';

// Long runs: seconds each, more on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const RATE = mbit(100);
/** Bandwidth times 40 ms. */
const PRODUCT = RATE * 40;

describe.each<ControllerName>(['bbr', 'cubic', 'newreno'])('%s alone on 100 Mbit/s with 40 ms', (kind) => {
  test('uses more than 90 % of the path, the beginning included, with a queue of one product', () => {
    const outcome = run({
      seed: 1,
      duration: 10_000,
      link: { rate: RATE, queue: PRODUCT },
      flows: [{ kind, delay: 20 }],
    });
    expect(outcome.goodput(0, 0, 10_000) / RATE).toBeGreaterThan(0.9);
    expect(outcome.goodput(0, 4000, 10_000) / RATE).toBeGreaterThan(0.95);
  });
});
