import { describe, expect, test } from 'vitest';
import type { AckEvent, Controller, LossEvent, SendTag } from './congestion/index.ts';
import { AckRanges } from './frames.ts';
import { Path } from './path.ts';
import { SentDatagram } from './recovery/sent-datagram.ts';

/** A controller that writes down what it is told. */
class Listener implements Omit<Controller, 'snapshot'> {
  readonly name = 'newreno';
  window = 12_000;
  pacingRate: number = Number.POSITIVE_INFINITY;
  readonly sendQuantum = 12_000;
  readonly told: unknown[][] = [];

  onSent(_tag: SendTag, _now: number, size: number, inFlight: number): void {
    this.told.push(['sent', size, inFlight]);
  }
  onAck(_now: number, { acked, bytes, inFlightBefore, inFlight, lostBytes, latestRtt }: AckEvent): void {
    this.told.push(['ack', acked.length, bytes, inFlightBefore, inFlight, lostBytes, latestRtt]);
  }
  onLost(_now: number, { lost, bytes, inFlight, persistent }: LossEvent): void {
    this.told.push(['lost', lost.length, bytes, inFlight, persistent]);
  }
  onSpuriousLoss(): void {
    this.told.push(['spurious']);
  }
  onAppLimited(): void {
    this.told.push(['limited']);
  }
  onMtu(size: number): void {
    this.told.push(['mtu', size]);
  }
  onPathReset(): void {
    this.told.push(['reset']);
  }
}

class Bench {
  readonly listener = new Listener();
  readonly path: Path;
  readonly fates: string[] = [];

  constructor(proved = true) {
    const address = { address: '10.0.0.1', port: 1 };
    const remote = { sequence: 0, id: new Uint8Array(8), resetToken: undefined };
    const controller = this.listener as unknown as Controller;
    this.path = new Path({ address, remote, controller, datagramSize: 9000, ackDelay: 20, proved });
  }

  send(now: number, { asks = true, probe = false, size = 1000 } = {}): void {
    const { next } = this.path.recovery;
    const fate = (what: string) => (): void => void this.fates.push(`${what} ${next}`);
    const frames = [{ acked: fate('acked'), lost: fate('lost') }];
    this.path.onSent(new SentDatagram(next, now, size, asks, 0, probe, frames));
  }

  ack(now: number, from: number, to: number): void {
    const ranges = new AckRanges();
    ranges.push(from, to + 1);
    this.path.onAck(ranges, 0, 0, now);
  }

  /** What was told since this was called last. */
  get told(): unknown[][] {
    return this.listener.told.splice(0);
  }
}

describe('a path', () => {
  test('tells congestion control of what is in flight, before and after', () => {
    const bench = new Bench();
    bench.send(0);
    bench.send(0, { asks: false, size: 50 });
    bench.send(0);
    expect(bench.told).toEqual([
      ['sent', 1000, 0],
      ['sent', 1000, 1000],
    ]);
    bench.ack(100, 0, 1);
    expect(bench.told).toEqual([['ack', 1, 1000, 2000, 1000, 0, undefined]]);
    bench.ack(110, 2, 2);
    expect(bench.told).toEqual([['ack', 1, 1000, 1000, 0, 0, 110]]);
    expect(bench.fates).toEqual(['acked 0', 'acked 1', 'acked 2']);
  });

  test('tells of losses first, and then of the ack that showed them', () => {
    const bench = new Bench();
    for (let count = 0; count < 4; count++) bench.send(0);
    bench.told.length = 0;
    bench.ack(100, 3, 3);
    expect(bench.told.slice(-2)).toEqual([
      ['lost', 1, 1000, 2000, false],
      ['ack', 1, 1000, 4000, 2000, 1000, 100],
    ]);
    expect(bench.fates).toEqual(['acked 3', 'lost 0']);
    bench.ack(101, 0, 0);
    expect(bench.told).toEqual([['spurious']]);
    expect(bench.fates.at(-1)).toBe('acked 0');
  });

  test('tells of losses alone when time shows them', () => {
    const bench = new Bench();
    bench.send(0);
    bench.send(0);
    bench.ack(100, 1, 1);
    bench.told.length = 0;
    const due = bench.path.recovery.lossAt ?? 0;
    bench.path.onLossTime(due);
    expect(bench.told.at(-1)).toEqual(['lost', 1, 1000, 0, false]);
  });

  test('sends again what a probe time-out calls for, and not a second time when it is lost', () => {
    const bench = new Bench();
    for (let count = 0; count < 4; count++) bench.send(0);
    bench.path.onProbeTimeout(1000);
    expect([bench.fates, bench.path.probes]).toEqual([['lost 0', 'lost 1'], 2]);
    bench.send(1000);
    bench.ack(1100, 4, 4);
    expect(bench.fates).toEqual(['lost 0', 'lost 1', 'acked 4', 'lost 2', 'lost 3']);
  });

  test('takes no lost probe of its size for congestion, and grows by one that arrives', () => {
    const bench = new Bench();
    bench.path.mtu.onProbeSent();
    bench.send(0, { probe: true, size: 1452 });
    for (let count = 0; count < 3; count++) bench.send(0);
    bench.told.length = 0;
    bench.ack(100, 1, 3);
    expect(bench.told.filter(([what]) => what === 'lost')).toEqual([]);
    expect(bench.path.mtu.probe(100, true)).toBe(1452);
    bench.path.mtu.onProbeSent();
    bench.send(200, { probe: true, size: 1452 });
    bench.ack(300, 4, 4);
    expect(bench.told.slice(-2)).toEqual([
      ['mtu', 1452],
      ['ack', 1, 1452, 1452, 0, 0, 100],
    ]);
  });

  test('falls back to the least size after three silent probe time-outs, or when the system refuses more', () => {
    const bench = new Bench();
    bench.path.mtu.onProbeAcked(1452);
    bench.send(0);
    for (let count = 1; count <= 3; count++) bench.path.onProbeTimeout(count * 1000);
    expect(bench.told.filter(([what]) => what === 'mtu')).toEqual([['mtu', 1200]]);
    bench.path.mtu.onProbeAcked(1452);
    bench.path.onRefused(1452, 5000);
    expect(bench.told.filter(([what]) => what === 'mtu')).toEqual([['mtu', 1200]]);
    expect(bench.path.mtu.size).toBe(1200);
  });

  test('that is left gives everything up, and no longer waits for what it sent', () => {
    const bench = new Bench();
    bench.path.mtu.onProbeSent();
    bench.send(0);
    bench.path.onProbeTimeout(500);
    bench.path.abandon(600);
    expect(bench.path).toMatchObject({ probes: 0, recovery: { inFlight: 0 } });
    expect(bench.path.mtu.probe(600, true)).toBe(1452);
  });
});

test('an address that is not proved may be sent as much as came from it', () => {
  const bench = new Bench(false);
  bench.path.receivedBytes = 1500;
  expect(bench.path.allowance).toBe(1500);
  bench.send(0);
  expect(bench.path.allowance).toBe(500);
  bench.send(0, { asks: false, size: 500 });
  expect(bench.path.allowance).toBe(0);
  bench.path.proved = true;
  expect(bench.path.allowance).toBe(Number.POSITIVE_INFINITY);
  bench.path.moveTo({ address: '10.0.0.2', port: 1 }, 60, new Uint8Array(8), 5);
  expect(bench.path).toMatchObject({ proved: false, allowance: 60, challengedAt: 5 });
});

test('the window has room for what fits wholly, and pacing says when', () => {
  const bench = new Bench();
  for (let count = 0; count < 11; count++) bench.send(0);
  expect([bench.path.hasWindow(1000), bench.path.hasWindow(1001)]).toEqual([true, false]);
  expect(bench.path.pacedAt(5)).toBe(5);
});

test('each id that is used has its own numbers, from nought', () => {
  const bench = new Bench();
  for (let count = 0; count < 3; count++) bench.send(0);
  expect(bench.path.nextNumber).toBe(3);
  bench.path.use({ sequence: 1, id: new Uint8Array(8).fill(1), resetToken: undefined });
  expect([bench.path.nextNumber, bench.path.space.base]).toEqual([0, 3]);
  bench.send(0);
  expect(bench.path.nextNumber).toBe(1);
});
