import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Rehearsal } from '../../../test/support/udpack-streams-model.ts';
import { UDPACK_LIMITS } from '../options.ts';

const channel = fc.record({
  delay: fc.constantFrom(1, 10, 40),
  jitter: fc.constantFrom(0, 5, 60),
  loss: fc.constantFrom(0, 0.02, 0.1, 0.3),
  duplication: fc.constantFrom(0, 0.1),
  late: fc.constantFrom(0, 0.5),
  repeats: fc.constantFrom(0, 0.5),
});

test('whatever the channel does, every byte of every stream is what was written, and in the end nothing is left', () => {
  const plans = fc.record({
    seed: fc.integer({ min: 0, max: 2 ** 31 }),
    channel,
    actions: fc.constantFrom(20, 100, 300),
    sizeMost: fc.constantFrom(10, 2000, 200_000),
    streamsMost: fc.constantFrom(1, 5, 30),
  });
  fc.assert(
    fc.property(plans, (plan) => {
      expect(new Rehearsal(plan).run()).toBe('quiet');
    }),
    { numRuns: 20 },
  );
});

test('it holds with windows, streams and packets so few that everything waits for credit', () => {
  const limits = {
    ...UDPACK_LIMITS,
    streams: 2,
    streamWindow: 3000,
    streamWindowMost: 6000,
    sessionWindow: 5000,
    sessionWindowMost: 9000,
    assemblyBytes: 8000,
    backlogBytes: 20_000,
    datagramBytes: 3000,
  };
  const plans = fc.record({
    seed: fc.integer({ min: 0, max: 2 ** 31 }),
    channel,
    actions: fc.constantFrom(20, 100, 300),
    sizeMost: fc.constantFrom(10, 2000, 50_000),
    streamsMost: fc.constantFrom(1, 5, 8),
    limits: fc.constant(limits),
  });
  fc.assert(
    fc.property(plans, (plan) => {
      expect(new Rehearsal(plan).run()).toBe('quiet');
    }),
    { numRuns: 20 },
  );
});
