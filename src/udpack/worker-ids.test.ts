import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeCrypto } from '../udpack-endpoint/crypto.ts';
import { Speck } from '../udpack-endpoint/speck.ts';
import { WORKERS_MOST, WorkerIds } from './worker-ids.ts';

const KEY = Uint8Array.from({ length: 16 }, (_, at) => at);
const OTHER = Uint8Array.from({ length: 16 }, (_, at) => at + 1);
const eight = fc.uint8Array({ minLength: 8, maxLength: 8 });

test('every worker finds the owner in what any other has made, wherever it stands', () => {
  fc.assert(
    fc.property(eight, fc.nat(WORKERS_MOST - 1), fc.nat(20), (random, owner, at) => {
      const datagram = new Uint8Array(40);
      datagram.set(new WorkerIds(new Speck(KEY), owner).make(random.slice()), at);
      expect(new WorkerIds(new Speck(KEY), 7).workerOf(datagram, at)).toBe(owner);
    }),
  );
});

test('all numbers of workers, each with ids that no other makes', () => {
  const random = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const ids = new Set<string>();
  for (let worker = 0; worker < WORKERS_MOST; worker++) {
    const id = new WorkerIds(new Speck(KEY), worker).make(random.slice());
    expect(new WorkerIds(new Speck(KEY), 0).workerOf(id, 0)).toBe(worker);
    ids.add(Buffer.from(id).toString('hex'));
  }
  expect(ids.size).toBe(WORKERS_MOST);
});

test('forty bits of chance make an id, and no others', () => {
  const ids = new WorkerIds(new Speck(KEY), 3);
  fc.assert(
    fc.property(eight, eight, (one, other) => {
      const same = one.subarray(3).every((byte, at) => byte === other[3 + at]);
      expect(Buffer.compare(ids.make(one.slice()), ids.make(other.slice())) === 0).toBe(same);
    }),
  );
});

test('of ids that were made without the key, one in 65,536 passes', () => {
  const ids = new WorkerIds(new Speck(KEY), 0);
  const forger = new WorkerIds(new Speck(OTHER), 1);
  const trials = 1 << 20;
  let passed = 0;
  for (let trial = 0; trial < trials; trial++) if (ids.workerOf(nodeCrypto.random(8), 0) >= 0) passed++;
  for (let trial = 0; trial < trials; trial++) if (ids.workerOf(forger.make(nodeCrypto.random(8)), 0) >= 0) passed++;
  // 32 on the average; that it were 100 by chance has not happened since the beginning of the world.
  expect(passed).toBeLessThan(100);
});

test("one bit changed in an id makes it nobody's", () => {
  const ids = new WorkerIds(new Speck(KEY), 9);
  let passed = 0;
  for (let trial = 0; trial < 200; trial++) {
    const id = ids.make(nodeCrypto.random(8));
    for (let bit = 0; bit < 64; bit++) {
      const changed = id.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      if (ids.workerOf(changed, 0) >= 0) passed++;
    }
  }
  expect(passed).toBeLessThan(12);
});

test('ids of one worker look like chance: each bit is set in half of them, and none follows from another', () => {
  const ids = new WorkerIds(new Speck(KEY), 0);
  const trials = 4096;
  const set = new Float64Array(64);
  const alike = new Float64Array(64);
  let before = ids.make(nodeCrypto.random(8));
  for (let trial = 0; trial < trials; trial++) {
    const id = ids.make(nodeCrypto.random(8));
    for (let bit = 0; bit < 64; bit++) {
      const mask = 1 << (bit & 7);
      set[bit] = (set[bit] ?? 0) + (((id[bit >> 3] ?? 0) & mask) === 0 ? 0 : 1);
      alike[bit] = (alike[bit] ?? 0) + (((id[bit >> 3] ?? 0) & mask) === ((before[bit >> 3] ?? 0) & mask) ? 1 : 0);
    }
    before = id;
  }
  // Eight deviations of 32.
  for (const count of [...set, ...alike]) expect(Math.abs(count - trials / 2)).toBeLessThan(256);
});
