import { afterEach, expect, test, vi } from 'vitest';
import { Assembly } from '../../../src/lan/assembly.ts';
import { Feed } from '../../../src/lan/feed.ts';
import { Holes } from '../../../src/lan/holes.ts';
import { Store } from '../../../src/lan/store.ts';
import { Stranger } from '../../../src/lan/stranger.ts';
import { type LanRun, type Planted, runLan } from './lan-sim.ts';

const SEEDS = 160;
const PARTS = 4;

afterEach(() => {
  vi.restoreAllMocks();
});

for (let part = 0; part < PARTS; part++) {
  const from = (part * SEEDS) / PARTS;
  test(`every subscriber hears every publisher in order and once, or is told of a gap: seeds from ${from}`, () => {
    const runs: LanRun[] = [];
    for (let seed = from; seed < from + SEEDS / PARTS; seed++) runs.push(played(seed));
    const sum = (what: keyof LanRun): number => runs.reduce((total, run) => total + run[what], 0);
    // The runs must have met what they are meant to meet, or they prove nothing.
    expect(sum('messages')).toBeGreaterThan(10_000);
    expect(sum('volatile')).toBeGreaterThan(500);
    expect(sum('recovered')).toBeGreaterThan(3000);
    expect(sum('gaps')).toBeGreaterThan(300);
    expect(sum('silences')).toBeGreaterThan(10);
    expect(sum('restarts')).toBeGreaterThan(10);
    expect(sum('forged')).toBeGreaterThan(100);
    expect(sum('unproved')).toBeGreaterThan(5);
  });
}

test('the same seed replays the same run', () => {
  expect(runLan(7)).toEqual(runLan(7));
});

test.each<[string, () => Planted]>([
  [
    'answers that leave out a datagram',
    () => spoil(Store.prototype, 'find', (find, from, to, take) => find(from + 1, to, take)),
  ],
  ['a subscriber that overlooks what is missing', () => spoil(Holes.prototype, 'append', () => undefined)],
  [
    'a subscriber that takes what comes for what was missing',
    () => spoil(Holes.prototype, 'fill', (fill, from, to, at, asked) => fill(from - 1, to + 1, at, asked)),
  ],
  [
    'more told as lost than is',
    () => spoil(Holes.prototype, 'lose', (lose, from, to, reason) => lose(from, to + 1, reason)),
  ],
  ['messages that are put together without their middle', () => spoil(Assembly.prototype, 'begins', () => undefined)],
  [
    'a publisher whose last message nobody asks for',
    () => ({ times: { heartbeatFirst: 1e6, heartbeat: 1e6, silence: 1e9 } }),
  ],
  ['a key that signs everything alike', () => ({ mac: () => new Uint8Array(32) })],
  ['proofs that are not looked at', () => ({ prove: () => new Uint8Array(32) })],
  [
    'a subscriber that believes whoever signs',
    () => spoil(Stranger.prototype, 'beginning', (begin, welcome, how) => begin(welcome, { ...how, keyed: false })),
  ],
  ['a publisher that is not forgotten when it is silent', () => spoil(Feed.prototype, 'isSilent', () => false)],
  ['a past that is forgotten', () => ({ limits: { remembered: 0 } })],
])('a planted defect is found: %s', (_what, plant) => {
  const planted = plant();
  let found: unknown;
  for (let seed = 0; seed < 80 && found === undefined; seed++) {
    try {
      runLan(seed, planted);
    } catch (error) {
      found = error;
    }
  }
  expect(found).toBeInstanceOf(Error);
});

/** Puts another method in the place of one, which gets the right one and what it is called with. */
function spoil<T extends object, N extends keyof T>(
  target: T,
  name: N,
  wrong: T[N] extends (...args: infer A) => infer R ? (right: (...args: A) => R, ...args: A) => R | undefined : never,
): Planted {
  const right = target[name] as (...args: unknown[]) => unknown;
  vi.spyOn(target as Record<N, (...args: unknown[]) => unknown>, name as never).mockImplementation(function (
    this: unknown,
    ...args: unknown[]
  ) {
    return (wrong as (...args: unknown[]) => unknown)(right.bind(this), ...args);
  } as never);
  return {};
}

function played(seed: number): LanRun {
  try {
    return runLan(seed);
  } catch (error) {
    throw new Error(`seed ${seed}; replay: npm run proof:lan -- --from ${seed} --to ${seed + 1}`, { cause: error });
  }
}
