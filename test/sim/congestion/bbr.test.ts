import { describe, expect, test, vi } from 'vitest';
import { mbit, type Outcome, run, type Scenario } from './scenario.ts';

// Long runs: seconds each, more on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const RATE = mbit(20);
/** Bandwidth times 40 ms. */
const PRODUCT = RATE * 40;

function alone(more: Partial<Scenario>, flow: Partial<Scenario['flows'][number]> = {}): Outcome {
  return run({
    seed: 1,
    duration: 20_000,
    link: { rate: RATE, queue: 4 * PRODUCT },
    flows: [{ kind: 'bbr', delay: 20, ...flow }],
    every: 20,
    ...more,
  });
}

const phases = (outcome: Outcome): readonly string[] => outcome.samples.map((one) => one.flows[0]?.phase ?? '');

describe('BBR on a path of its own', () => {
  const outcome = alone({ duration: 40_000 });

  test('goes through its phases, Startup and Drain once', () => {
    const seen = phases(outcome).filter((phase, at, all) => phase !== all[at - 1]);
    expect(seen.slice(0, 2)).toEqual(['startup', 'drain']);
    expect(seen.filter((phase) => phase === 'startup' || phase === 'drain')).toHaveLength(2);
    for (const phase of ['probe-down', 'probe-cruise', 'probe-refill', 'probe-up', 'probe-rtt']) {
      expect(seen).toContain(phase);
    }
  });

  test('is out of Startup within a second, and its queue is gone then', () => {
    expect(phases(outcome).lastIndexOf('startup') * 20).toBeLessThan(1000);
    expect(outcome.meanQueue(1200, 2000) / PRODUCT).toBeLessThan(0.1);
  });

  test('keeps the queue below a quarter of a product, and loses nothing', () => {
    expect(outcome.meanQueue(2000, 20_000) / PRODUCT).toBeLessThan(0.25);
    expect(outcome.link.dropped).toBe(0);
  });

  test('looks for the round trip once in half a minute, briefly: it sees it by itself', () => {
    const at = outcome.samples.filter((one) => one.flows[0]?.phase === 'probe-rtt').map((one) => one.at);
    expect(at[0]).toBeGreaterThan(30_000);
    expect(at.length * 20).toBeGreaterThan(100);
    expect(at.length * 20).toBeLessThan(500);
  });

  test('knows rate and round trip', () => {
    const { bandwidth, minRtt } = outcome.flows[0]?.controller.snapshot() ?? {};
    expect((bandwidth ?? 0) / RATE).toBeGreaterThan(0.95);
    expect((bandwidth ?? 0) / RATE).toBeLessThan(1.1);
    expect(minRtt).toBeGreaterThan(39);
    expect(minRtt).toBeLessThan(45);
  });
});

test('with a queue that others keep it looks for the round trip each five seconds or so', () => {
  const flows = (['bbr', 'cubic'] as const).map((kind) => ({ kind, delay: 20 }));
  const outcome = alone({ flows, link: { rate: RATE, queue: 2 * PRODUCT } });
  const looking = phases(outcome).filter((phase) => phase === 'probe-rtt').length * 20;
  expect(looking).toBeGreaterThan(400);
  expect(looking).toBeLessThan(1500);
});

test('pauses cost little loss and no speed', () => {
  const outcome = alone({ link: { rate: RATE, queue: PRODUCT } }, { app: { bytes: 1_000_000, every: 2000 } });
  expect(outcome.goodput(0, 4000, 20_000)).toBeGreaterThan(0.95 * 500);
  // Most of it by Startup.
  expect((outcome.flows[0]?.lostBytes ?? 0) / (outcome.flows[0]?.sentBytes ?? 1)).toBeLessThan(0.02);
});

test('a slow application does not make it think the path slow', () => {
  const outcome = run({
    seed: 1,
    duration: 20_000,
    link: { rate: RATE, queue: PRODUCT },
    flows: [
      { kind: 'bbr', delay: 20, stop: 5000 },
      { kind: 'bbr', delay: 20, app: { bytes: 14_520, every: 100 } },
    ],
  });
  // 1.2 Mbit/s wanted of 20.
  expect(outcome.goodput(1, 10_000, 20_000) / mbit(1.1616)).toBeGreaterThan(0.97);
});

test('a queue that it filled when the capacity went is gone within six seconds', () => {
  const outcome = run({
    seed: 3,
    duration: 20_000,
    link: { rate: mbit(50), queue: mbit(50) * 40 },
    steps: [{ at: 8000, rate: mbit(10) }],
    flows: [{ kind: 'bbr', delay: 20 }],
  });
  expect(outcome.meanQueue(14_000, 20_000) / (mbit(10) * 40)).toBeLessThan(0.5);
  expect(outcome.goodput(0, 14_000, 20_000) / mbit(10)).toBeGreaterThan(0.9);
});
