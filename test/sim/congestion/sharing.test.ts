import { describe, expect, test, vi } from 'vitest';
import type { ControllerName } from '../../../src/udpack/congestion/index.ts';
import { mbit, type Outcome, run } from './scenario.ts';

// Long runs: seconds each, more on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

/** Two flows over 40 ms, from the beginning. `queue` in bandwidth-delay products. */
function pair(first: ControllerName, second: ControllerName, rate: number, queue: number, seed: number): Outcome {
  return run({
    seed,
    duration: 40_000,
    link: { rate, queue: queue * rate * 40 },
    flows: [
      { kind: first, delay: 20 },
      { kind: second, delay: 20 },
    ],
  });
}

/** What the first of two has in the second half. */
const later = (outcome: Outcome): number => outcome.share(0, 20_000, 40_000);

describe('two flows of a kind have 40 to 60 % each', () => {
  const cases = (['bbr', 'cubic', 'newreno'] as const).flatMap((kind) => [0.5, 1, 4].map((queue) => ({ kind, queue })));
  test.each(cases)('$kind, queue of $queue products', ({ kind, queue }) => {
    const outcome = pair(kind, kind, mbit(20), queue, 1);
    expect(later(outcome)).toBeGreaterThan(0.4);
    expect(later(outcome)).toBeLessThan(0.6);
    expect((outcome.goodput(0, 20_000, 40_000) + outcome.goodput(1, 20_000, 40_000)) / mbit(20)).toBeGreaterThan(0.9);
  });
});

describe('BBR beside CUBIC: each has at least a quarter', () => {
  const cases = [0.5, 1, 2, 4].flatMap((queue) => [1, 2].map((seed) => ({ queue, seed })));
  test.each(cases)('20 Mbit/s, queue of $queue products, seed $seed', ({ queue, seed }) => {
    const share = later(pair('bbr', 'cubic', mbit(20), queue, seed));
    expect(share).toBeGreaterThan(0.25);
    expect(share).toBeLessThan(0.75);
  });

  test.each([0.5, 1])('100 Mbit/s, queue of %s products', (queue) => {
    const share = later(pair('bbr', 'cubic', mbit(100), queue, 1));
    expect(share).toBeGreaterThan(0.25);
    expect(share).toBeLessThan(0.75);
  });
});

describe('a flow that joins after ten seconds', () => {
  test.each<[ControllerName, ControllerName]>([
    ['bbr', 'bbr'],
    ['cubic', 'bbr'],
    ['bbr', 'cubic'],
    ['cubic', 'cubic'],
  ])('%s, then %s: has more than a quarter ten seconds later', (first, second) => {
    const outcome = run({
      seed: 1,
      duration: 40_000,
      link: { rate: mbit(20), queue: mbit(20) * 40 },
      flows: [
        { kind: first, delay: 20 },
        { kind: second, delay: 20, start: 10_000 },
      ],
    });
    expect(outcome.share(1, 20_000, 40_000)).toBeGreaterThan(0.25);
    expect(outcome.share(1, 20_000, 40_000)).toBeLessThan(0.75);
  });
});
