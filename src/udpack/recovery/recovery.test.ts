import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AckRanges } from '../frames.ts';
import { Recovery } from './recovery.ts';
import { SentDatagram } from './sent-datagram.ts';

const DELAY = 20;

/** A path on which datagrams leave and acks come, without a network. */
class Bench {
  readonly recovery = new Recovery(DELAY);
  /** Orders whose frame is to be sent again, and orders whose frame arrived. */
  readonly lost: number[] = [];

  send(now: number, { asks = true, probe = false, size = 1000 } = {}): SentDatagram {
    const order = this.recovery.next;
    const frame = { acked: () => {}, lost: () => void this.lost.push(order) };
    const datagram = new SentDatagram(order, now, size, asks, 0, probe, [frame]);
    this.recovery.onSent(datagram);
    return datagram;
  }

  sendMany(count: number, now: number): void {
    for (let at = 0; at < count; at++) this.send(now);
  }

  /** An ACK of these ranges, the highest first; what came of it in orders. */
  ack(now: number, ...ranges: readonly (readonly [from: number, to: number])[]) {
    const named = new AckRanges();
    for (const [from, to] of ranges) named.push(from, to + 1);
    const outcome = this.recovery.onAck(named, 0, 0, now);
    if (outcome === undefined) return undefined;
    const orders = (list: readonly SentDatagram[]): number[] => list.map(({ order }) => order);
    const { ackedBytes, lostBytes, measured, persistent } = outcome;
    return {
      acked: orders(outcome.acked),
      lost: orders(outcome.lost),
      spurious: orders(outcome.spurious),
      ackedBytes,
      lostBytes,
      measured,
      persistent,
    };
  }

  lossTime(now: number): number[] {
    return this.recovery.onLossTime(now).lost.map(({ order }) => order);
  }
}

/** A path with a round trip of 100 ms, of which nothing is under way. */
function withTrip(): Bench {
  const bench = new Bench();
  for (let at = 0; at < 20; at++) {
    bench.send(at * 100);
    bench.ack(at * 100 + 100, [at, at]);
  }
  return bench;
}

describe('acks', () => {
  test('take what they name off what is under way, and measure the round trip by the largest', () => {
    const bench = new Bench();
    bench.sendMany(3, 0);
    expect(bench.recovery).toMatchObject({ inFlight: 3000, flying: 3, next: 3 });
    expect(bench.ack(80, [0, 1])).toMatchObject({ acked: [0, 1], lost: [], ackedBytes: 2000, measured: true });
    expect(bench.recovery).toMatchObject({ inFlight: 1000, flying: 1 });
    expect(bench.recovery.trips.latest).toBe(80);
    // The same again has no news.
    expect(bench.ack(90, [0, 1])).toMatchObject({ acked: [], ackedBytes: 0, measured: false });
    expect(bench.recovery.trips.latest).toBe(80);
    // The largest was known: nobody can tell how long the others took.
    bench.sendMany(2, 60);
    bench.ack(80, [4, 4]);
    expect(bench.ack(85, [2, 4])).toMatchObject({ acked: [2, 3], measured: false });
    expect(bench.recovery).toMatchObject({ inFlight: 0, flying: 0 });
  });

  test('that waited for a process that was stopped measure nothing', () => {
    const bench = withTrip();
    const { smoothed } = bench.recovery.trips;
    bench.sendMany(4, 2000);
    // A probe was due long ago, and did not leave.
    expect(bench.ack(200_000, [20, 20])).toMatchObject({ acked: [20], measured: false });
    expect(bench.ack(200_000, [20, 21])).toMatchObject({ acked: [21], measured: false });
    expect(bench.recovery.trips.smoothed).toBe(smoothed);
    // Where probes left in time, the path was slow.
    const slow = withTrip();
    slow.send(2000);
    for (let due = slow.recovery.probeAt(DELAY) ?? 0; due < 9000; due = slow.recovery.probeAt(DELAY) ?? 0) {
      slow.recovery.onProbeTimeout(2, due);
      slow.send(due);
    }
    expect(slow.ack(9000, [20, 20])).toMatchObject({ acked: [20], measured: true });
  });

  test('of the future are a fault, and so are those of numbers left out', () => {
    const bench = new Bench();
    bench.sendMany(2, 0);
    expect(bench.ack(10, [0, 2])).toBeUndefined();
    expect(bench.ack(10, [5, 9])).toBeUndefined();
    expect(bench.recovery.inFlight).toBe(2000);
    bench.recovery.skip();
    bench.sendMany(2, 0);
    expect(bench.ack(10, [0, 4])).toBeUndefined();
    expect(bench.ack(10, [2, 2])).toBeUndefined();
    expect(bench.recovery.inFlight).toBe(4000);
    expect(bench.ack(10, [3, 4], [0, 1])).toMatchObject({ acked: [0, 1, 3, 4] });
    expect(bench.recovery.flying).toBe(0);
  });

  test('alone are not under way, and call for no probe', () => {
    const bench = new Bench();
    bench.send(0, { asks: false });
    expect(bench.recovery).toMatchObject({ inFlight: 0, flying: 0 });
    expect(bench.recovery.probeAt(DELAY)).toBeUndefined();
    expect(bench.ack(50, [0, 0])).toMatchObject({ acked: [0], ackedBytes: 0, measured: false });
  });

  test('count from the first number of an id', () => {
    const bench = new Bench();
    bench.sendMany(5, 0);
    const named = new AckRanges();
    named.push(0, 2);
    expect(bench.recovery.onAck(named, 3, 0, 50)?.acked.map(({ order }) => order)).toEqual([3, 4]);
    expect(bench.recovery.onAck(named, 4, 0, 50)).toBeUndefined();
  });

  test('of long ago cost nothing, however many there are', () => {
    const bench = new Bench();
    for (let at = 0; at < 20_000; at++) {
      bench.send(at);
      bench.ack(at + 1, [0, at]);
    }
    expect(bench.recovery).toMatchObject({ inFlight: 0, flying: 0, lostCount: 0 });
  });
});

describe('loss', () => {
  test('is what three later ones overtook (RFC 9002 6.1.1)', () => {
    const bench = new Bench();
    bench.sendMany(5, 0);
    expect(bench.ack(50, [2, 2])).toMatchObject({ acked: [2], lost: [] });
    expect(bench.ack(51, [3, 3])).toMatchObject({ acked: [3], lost: [0], lostBytes: 1000 });
    expect(bench.ack(52, [4, 4])).toMatchObject({ acked: [4], lost: [1] });
    expect(bench.recovery).toMatchObject({ inFlight: 0, flying: 0, lostCount: 2 });
  });

  test('is what is late by an eighth of a round trip, once something later arrived (RFC 9002 6.1.2)', () => {
    const bench = withTrip();
    bench.send(3000);
    bench.send(3001);
    expect(bench.recovery.lossAt).toBeUndefined();
    expect(bench.ack(3101, [21, 21])).toMatchObject({ acked: [21], lost: [] });
    const due = bench.recovery.lossAt ?? 0;
    expect(due).toBeCloseTo(3000 + 112.5, 5);
    expect(bench.lossTime(due - 0.1)).toEqual([]);
    expect(bench.lossTime(due)).toEqual([20]);
    expect(bench.recovery.lossAt).toBeUndefined();
  });

  test('is not what nothing later has overtaken, however long it takes', () => {
    const bench = withTrip();
    bench.sendMany(3, 3000);
    expect(bench.lossTime(1e6)).toEqual([]);
    expect(bench.recovery.flying).toBe(3);
  });

  test('of a probe for longer datagrams is not counted in bytes', () => {
    const bench = new Bench();
    bench.send(0, { probe: true });
    bench.sendMany(3, 0);
    expect(bench.ack(50, [1, 3])).toMatchObject({ lost: [0], lostBytes: 0 });
  });

  test('in error is found out, and more reordering is borne afterwards', () => {
    const bench = withTrip();
    bench.sendMany(6, 3000);
    expect(bench.ack(3100, [21, 25])).toMatchObject({ lost: [20] });
    expect(bench.ack(3101, [20, 25])).toMatchObject({ spurious: [20], acked: [] });
    expect(bench.recovery).toMatchObject({ lostCount: 1, spuriousCount: 1, inFlight: 0 });
    // It came behind five others: five are borne now, and six are not.
    bench.sendMany(7, 3200);
    expect(bench.ack(3300, [27, 31])).toMatchObject({ lost: [] });
    expect(bench.ack(3300, [32, 32])).toMatchObject({ lost: [26] });
  });

  test('without reordering brings the first thresholds back', () => {
    const bench = withTrip();
    bench.sendMany(6, 3000);
    bench.ack(3100, [21, 25]);
    bench.ack(3101, [20, 25]);
    let order = 26;
    let now = 4000;
    const overtaken = (): boolean => {
      bench.sendMany(4, now);
      const lost = bench.ack(now + 1, [order + 1, order + 3])?.lost ?? [];
      if (lost.length === 0) bench.ack(now + 2, [order, order + 3]);
      order += 4;
      now += 1000;
      return lost.length > 0;
    };
    expect(overtaken()).toBe(false);
    for (let losses = 0; losses < 16; losses++) {
      bench.sendMany(9, now);
      bench.ack(now + 100, [order + 1, order + 8]);
      order += 9;
      now += 1000;
      bench.recovery.forget(now, DELAY);
    }
    expect(overtaken()).toBe(true);
  });

  test('is forgotten after three probe time-outs: an ack then is no news', () => {
    const bench = withTrip();
    bench.sendMany(4, 3000);
    bench.ack(3100, [21, 23]);
    const patience = bench.recovery.trips.probeTimeout(DELAY) * 3;
    bench.recovery.forget(3100 + patience, DELAY);
    expect(bench.recovery.quiet).toBe(false);
    bench.recovery.forget(3101 + patience, DELAY);
    expect(bench.recovery.quiet).toBe(true);
    expect(bench.ack(9000, [20, 23])).toMatchObject({ spurious: [], acked: [] });
  });

  test('is remembered of no more than 4,096, also if nobody looks after it', () => {
    const bench = new Bench();
    bench.sendMany(6001, 0);
    expect(bench.ack(10, [6000, 6000])?.lost).toHaveLength(5998);
    bench.ack(10, [6000, 6000]);
    expect(bench.ack(11, [0, 6000])?.spurious).toHaveLength(4096);
  });

  test('in error is found wherever it lies among the ranges of an ack', () => {
    const bench = new Bench();
    bench.sendMany(40, 0);
    const late = [1, 2, 7, 8, 9, 20, 33];
    const arrived = (order: number): boolean => !late.includes(order) && order !== 5 && order !== 30;
    for (let order = 0; order < 40; order++) if (arrived(order)) bench.ack(10, [order, order]);
    expect(bench.recovery.lostCount).toBe(late.length + 2);
    const outcome = bench.ack(11, [31, 39], [6, 29], [1, 4]);
    expect(outcome?.spurious.toSorted((a, b) => a - b)).toEqual(late);
    expect(bench.ack(12, [0, 39])?.spurious.toSorted((a, b) => a - b)).toEqual([5, 30]);
  });
});

describe('silence', () => {
  test('brings a probe, then each after twice as long, at most half a minute (RFC 9002 6.2)', () => {
    const bench = withTrip();
    expect(bench.recovery.probeAt(DELAY)).toBeUndefined();
    bench.send(3000);
    bench.send(3050);
    const timeout = bench.recovery.trips.probeTimeout(DELAY);
    // From the last one that asks.
    expect(bench.recovery.probeAt(DELAY)).toBe(3050 + timeout);
    for (let times = 1; times < 30; times++) {
      bench.recovery.onProbeTimeout(2, 4000);
      expect(bench.recovery.probeAt(DELAY)).toBe(3050 + Math.min(timeout * 2 ** Math.min(times, 12), 30_000));
    }
    bench.ack(5000, [20, 21]);
    expect(bench.recovery.timeouts).toBe(0);
    expect(bench.recovery.probeAt(DELAY)).toBeUndefined();
  });

  test('makes the oldest be sent again, two at a time, each once; they stay under way', () => {
    const bench = withTrip();
    bench.sendMany(3, 3000);
    bench.recovery.onProbeTimeout(2, 3500);
    expect(bench.lost).toEqual([20, 21]);
    bench.recovery.onProbeTimeout(2, 4500);
    expect(bench.lost).toEqual([20, 21, 22]);
    bench.recovery.onProbeTimeout(2, 6500);
    expect(bench.lost).toEqual([20, 21, 22]);
    expect(bench.recovery.flying).toBe(3);
  });
});

describe('persistent congestion (RFC 9002 7.6)', () => {
  /** Datagrams leave at these times after an ack, all are lost but the last, and `acked` of them arrive. */
  const outage = (bench: Bench, times: readonly number[], acked: readonly number[] = [], late = 0) => {
    const first = bench.recovery.next;
    for (const at of times) bench.send(3000 + at);
    bench.sendMany(3, 3000 + (times.at(-1) ?? 0) + 10);
    const last = bench.recovery.next - 1;
    const ranges = [[last - 2, last] as const, ...acked.toReversed().map((at) => [first + at, first + at] as const)];
    return bench.ack(3000 + (times.at(-1) ?? 0) + 110 + late, ...ranges);
  };
  const least = 3 * withTrip().recovery.trips.probeTimeout(DELAY);

  test('is two losses far apart, and nothing that arrived between them', () => {
    expect(outage(withTrip(), [0, least])).toMatchObject({ lost: [20, 21], persistent: true });
    expect(outage(withTrip(), [0, 50, least / 2, least])).toMatchObject({ persistent: true });
  });

  test('is not what one datagram between them got through', () => {
    expect(outage(withTrip(), [0, least / 2, least], [1])).toMatchObject({ lost: [20, 22], persistent: false });
    // Behind it there may be such a time again.
    expect(outage(withTrip(), [0, 1, 2, least + 2], [1])).toMatchObject({ persistent: true });
    expect(outage(withTrip(), [0, least, least + 1, least + 2], [2])).toMatchObject({ persistent: true });
  });

  test('is not less than three probe time-outs, with the delay of acks in them', () => {
    expect(outage(withTrip(), [0, least - 1])).toMatchObject({ lost: [20, 21], persistent: false });
    // What a late ack measures makes the time-out longer.
    expect(outage(withTrip(), [0, least], [], 500)).toMatchObject({ lost: [20, 21], persistent: false });
  });

  test('is nothing that happens before a round trip was measured', () => {
    const bench = new Bench();
    bench.send(0);
    bench.send(60_000);
    bench.sendMany(3, 60_001);
    expect(bench.ack(60_050, [2, 4])).toMatchObject({ lost: [0, 1], measured: true, persistent: false });
  });

  test('is not what left before the last ack came', () => {
    const bench = withTrip();
    bench.send(3000);
    bench.send(3001);
    bench.ack(3101, [21, 21]);
    bench.send(3101 + least);
    bench.sendMany(3, 3102 + least);
    expect(bench.ack(9000, [23, 25])).toMatchObject({ lost: [20, 22], persistent: false });
  });
});

test('a path that is left gives all up, and late acks are no loss in error', () => {
  const bench = withTrip();
  bench.sendMany(3, 3000);
  bench.recovery.onProbeTimeout(1, 3400);
  bench.recovery.abandon(3500);
  // What was sent again already is not sent a third time.
  expect(bench.lost).toEqual([20, 21, 22]);
  expect(bench.recovery).toMatchObject({ inFlight: 0, flying: 0, quiet: false });
  expect(bench.recovery.probeAt(DELAY)).toBeUndefined();
  const late = bench.ack(3600, [20, 22]);
  expect([late?.acked, late?.spurious.toSorted()]).toEqual([[], [20, 21, 22]]);
  expect(bench.recovery.quiet).toBe(true);
});

test('whatever is acknowledged, in whatever order, nothing is counted twice and nothing is left over', () => {
  const step = fc.record({
    sent: fc.integer({ min: 0, max: 6 }),
    skip: fc.boolean(),
    ms: fc.integer({ min: 0, max: 200 }),
    from: fc.nat(40),
    length: fc.nat(12),
    act: fc.constantFrom('ack', 'ack', 'ack', 'timeout', 'loss', 'forget'),
  });
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const bench = new Bench();
    const fates = new Map<number, string>();
    const settle = (order: number, fate: string): void => {
      const before = fates.get(order);
      expect(before === undefined || (before === 'lost' && fate === 'spurious')).toBe(true);
      fates.set(order, fate);
    };
    const skipped = new Set<number>();
    let now = 0;
    for (const { sent, skip, ms, from, length, act } of steps) {
      now += ms;
      if (skip) {
        skipped.add(bench.recovery.next);
        bench.recovery.skip();
      }
      bench.sendMany(sent, now);
      if (act === 'timeout') bench.recovery.onProbeTimeout(2, now);
      if (act === 'forget') bench.recovery.forget(now, DELAY);
      if (act === 'loss') for (const order of bench.lossTime(now)) settle(order, 'lost');
      const low = Math.max(0, bench.recovery.next - from);
      const lies = low + length >= bench.recovery.next || [...skipped].some((at) => at >= low && at <= low + length);
      const outcome = act === 'ack' ? bench.ack(now, [low, low + length]) : undefined;
      if (act === 'ack' && !lies) expect(outcome).toBeDefined();
      for (const order of outcome?.acked ?? []) settle(order, 'acked');
      for (const order of outcome?.lost ?? []) settle(order, 'lost');
      for (const order of outcome?.spurious ?? []) settle(order, 'spurious');
      const flying = bench.recovery.next - skipped.size - fates.size;
      expect([bench.recovery.flying, bench.recovery.inFlight]).toEqual([flying, flying * 1000]);
    }
  });
  fc.assert(property, { numRuns: 300 });
});

describe('a peer that acknowledges nothing', () => {
  test('acks that are never acknowledged themselves are forgotten', () => {
    const bench = withTrip();
    for (let at = 0; at < 10_000; at++) bench.send(3000, { asks: false });
    expect(bench.recovery.orders).toBe(1024);
    const last = bench.recovery.next - 1;
    expect(bench.ack(3100, [0, last])?.acked).toHaveLength(1024);
    expect(bench.recovery.orders).toBe(0);
    bench.send(3200, { asks: false });
    expect(bench.ack(3300, [last + 1, last + 1])?.acked).toEqual([last + 1]);
  });

  test('nor does one that asks keep all behind it', () => {
    const bench = withTrip();
    bench.send(3000);
    for (let at = 0; at < 131_071; at++) bench.send(3000, { asks: false });
    expect(bench.recovery.lossAt).toBeUndefined();
    bench.send(3001, { asks: false });
    expect([bench.recovery.lossAt, bench.lossTime(3001)]).toEqual([3001, [20]]);
    expect([bench.recovery.orders, bench.recovery.inFlight, bench.recovery.lossAt]).toEqual([1024, 0, undefined]);
  });
});
