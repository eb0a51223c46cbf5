import { expect, test } from 'vitest';
import type { ControllerName } from '../../../src/udpack/index.ts';
import { Bulk } from './bulk.ts';

/** 10 Mbit/s, 40 ms, a queue of one bandwidth-delay product. */
const NARROW = { bytesPerMs: 1250, rtt: 40, queueBytes: 50_000 };
/** 100 Mbit/s, likewise. */
const WIDE = { bytesPerMs: 12_500, rtt: 40, queueBytes: 500_000 };
const PATIENCE = { timeout: 180_000 };

const share = (received: readonly number[], of: number): number => {
  const all = received.reduce((sum, bytes) => sum + bytes, 0);
  return (received[of] ?? 0) / all;
};

test.each<ControllerName>(['bbr', 'cubic', 'newreno'])('%s alone fills a path', PATIENCE, (name) => {
  const bulk = new Bulk(WIDE);
  bulk.add(name);
  bulk.run(2000);
  const [came = 0] = bulk.run(4000);
  // What headers and tags take is not counted.
  expect(came / (4000 * WIDE.bytesPerMs)).toBeGreaterThan(0.9);
});

test.each<ControllerName>(['bbr', 'cubic', 'newreno'])('two sessions with %s share a path', PATIENCE, (name) => {
  const bulk = new Bulk(NARROW);
  bulk.add(name);
  bulk.run(3000);
  bulk.add(name);
  bulk.run(12_000);
  const came = bulk.run(20_000);
  expect(share(came, 0)).toBeGreaterThan(0.4);
  expect(share(came, 0)).toBeLessThan(0.6);
});

test('bbr beside cubic, and cubic beside bbr, have a quarter at least', PATIENCE, () => {
  const bulk = new Bulk(NARROW);
  bulk.add('cubic');
  bulk.run(3000);
  bulk.add('bbr');
  bulk.run(12_000);
  const came = bulk.run(20_000);
  expect(share(came, 0)).toBeGreaterThan(0.25);
  expect(share(came, 1)).toBeGreaterThan(0.25);
});
