import { describe, expect, test, vi } from 'vitest';
import type { ControllerName } from '../../../src/udpack/congestion/index.ts';
import type { BottleneckOptions } from './bottleneck.ts';
import { mbit, type Outcome, run, type Scenario } from './scenario.ts';

// Long runs: seconds each, more on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const RATE = mbit(20);
/** Bandwidth times 40 ms. */
const PRODUCT = RATE * 40;
const KINDS: readonly ControllerName[] = ['bbr', 'cubic'];

function alone(
  kind: ControllerName,
  duration: number,
  more: {
    readonly link?: Partial<BottleneckOptions>;
    readonly flow?: Partial<Scenario['flows'][number]>;
    readonly steps?: Scenario['steps'];
  } = {},
): Outcome {
  return run({
    seed: 1,
    duration,
    link: { rate: RATE, queue: PRODUCT, ...more.link },
    flows: [{ delay: 20, ...more.flow, kind }],
    ...(more.steps === undefined ? {} : { steps: more.steps }),
  });
}

describe('loss by chance, 100 Mbit/s, 40 ms, queue of 500 KB', () => {
  const link = { rate: mbit(100), queue: 500_000 };

  test.each([
    [0.01, 10.7],
    [0.03, 9.2],
  ])('BBR keeps its speed at %s', (loss, least) => {
    const outcome = alone('bbr', 15_000, { link: { ...link, loss } });
    expect(outcome.goodput(0, 0, 15_000) / 1000).toBeGreaterThan(least);
  });

  test('CUBIC does not, as is its nature', () => {
    const outcome = alone('cubic', 15_000, { link: { ...link, loss: 0.01 } });
    expect(outcome.goodput(0, 5000, 15_000) / 1000).toBeLessThan(2);
  });
});

test('two BBR flows share a path that loses 1 %', () => {
  const flows = [
    { kind: 'bbr', delay: 20 },
    { kind: 'bbr', delay: 20 },
  ] as const;
  const outcome = run({ seed: 1, duration: 40_000, link: { rate: RATE, queue: PRODUCT, loss: 0.01 }, flows });
  expect(outcome.share(0, 20_000, 40_000)).toBeGreaterThan(0.35);
  expect(outcome.share(0, 20_000, 40_000)).toBeLessThan(0.65);
});

test('BBR comes through bursts in which a third is lost', () => {
  const steps = [2, 4, 6, 8].flatMap((second) => [
    { at: second * 1000, loss: 0.33 },
    { at: second * 1000 + 100, loss: 0 },
  ]);
  expect(alone('bbr', 10_000, { steps }).goodput(0, 1000, 10_000) / RATE).toBeGreaterThan(0.7);
});

describe.each(KINDS)('%s', (kind) => {
  test('is back within two seconds after an outage of one second', () => {
    const steps = [
      { at: 5000, loss: 1 },
      { at: 6000, loss: 0 },
    ];
    const outcome = alone(kind, 12_000, { steps });
    expect(outcome.goodput(0, 8000, 12_000) / RATE).toBeGreaterThan(0.85);
  });

  test('follows the capacity down to a quarter and up again', () => {
    const steps = [
      { at: 10_000, rate: RATE / 4 },
      { at: 25_000, rate: RATE },
    ];
    const outcome = alone(kind, 40_000, { steps });
    expect(outcome.goodput(0, 12_000, 25_000) / (RATE / 4)).toBeGreaterThan(0.9);
    expect(outcome.goodput(0, 30_000, 40_000) / RATE).toBeGreaterThan(0.9);
  });

  test.each([10, 200])('gives an application of 4 Mbit/s that writes each %s ms all it wants', (every) => {
    const outcome = alone(kind, 10_000, { flow: { app: { bytes: mbit(4) * every, every } } });
    expect(outcome.goodput(0, 1000, 10_000) / mbit(4)).toBeGreaterThan(0.97);
    expect(outcome.flows[0]?.lostBytes).toBe(0);
  });

  test.each([5, 20, 50])('bears acks that come together each %s ms', (ackGrid) => {
    expect(alone(kind, 15_000, { flow: { ackGrid } }).goodput(0, 3000, 15_000) / RATE).toBeGreaterThan(0.85);
  });

  test.each([2, 10, 40])('bears acks of %s datagrams', (ackEvery) => {
    const outcome = alone(kind, 15_000, { flow: { ackEvery, ackDelay: 20 } });
    expect(outcome.goodput(0, 3000, 15_000) / RATE).toBeGreaterThan(0.9);
  });

  test('undoes what reordering made it do', () => {
    const outcome = alone(kind, 15_000, { flow: { reorder: { chance: 0.05, by: 12 } } });
    expect(outcome.goodput(0, 3000, 15_000) / RATE).toBeGreaterThan(0.9);
    expect(outcome.flows[0]?.controller.snapshot().undone).toBeGreaterThan(0);
  });
});

test('the same seed gives the same run', () => {
  const one = alone('bbr', 5000, { link: { loss: 0.02 } });
  const other = alone('bbr', 5000, { link: { loss: 0.02 } });
  expect(one.samples).toEqual(other.samples);
});
