import { expect, test } from 'vitest';
import { CLEAN, eventsOf, framesSent, machine, StreamsPair } from '../../../test/support/udpack-streams.ts';
import { varintLength, writeVarint } from '../../core/index.ts';
import { UDPACK_LIMITS, type UdpackLimits } from '../options.ts';
import { ReceiveCredit } from './credit.ts';
import type { Streams } from './streams.ts';

test('a window doubles when it is used up within four round trips, up to its most', () => {
  const credit = new ReceiveCredit(1000, 3000);
  const use = (now: number): number => {
    credit.received = credit.announced;
    credit.released = credit.received;
    credit.announce(now, 50);
    return credit.window;
  };
  expect([use(0), use(160), use(320), use(480)]).toEqual([1000, 2000, 3000, 3000]);
  const slow = new ReceiveCredit(1000, 3000);
  for (const now of [0, 210, 420]) {
    slow.received = slow.announced;
    slow.released = slow.received;
    slow.announce(now, 50);
  }
  expect(slow.window).toBe(1000);
});

test('windows of streams grow from one pool, and give back what they took', () => {
  const pool = { left: 1500 };
  const [one, two] = [new ReceiveCredit(1000, 9000, pool), new ReceiveCredit(1000, 9000, pool)];
  one.growTo(2000);
  two.growTo(2000);
  expect([one.window, two.window, pool.left]).toEqual([2000, 1500, 0]);
  one.close();
  expect(pool.left).toBe(1000);
});

test('credit is due when a quarter of the window is free, or the sender is nearly out of it', () => {
  const credit = new ReceiveCredit(100_000, 100_000);
  credit.received = 50_000;
  credit.released = 24_999;
  expect(credit.due).toBe(false);
  credit.released = 25_000;
  expect(credit.due).toBe(true);
  credit.announce(0, 50);
  credit.received = 124_000;
  expect(credit.due).toBe(false);
  credit.released = 25_001;
  expect(credit.due).toBe(true);
});

/** A peer that begins a long packet on each of many streams, and sends whatever credit allows it to. */
class Greedy {
  readonly #streams: Streams;
  readonly #size: number;
  readonly #head: Uint8Array;
  readonly #sent: number[];
  readonly #most: number[];
  #session: number;
  #total = 0;
  whole = 0;
  fault: string | undefined;

  constructor(streams: Streams, limits: UdpackLimits, count: number, size: number) {
    this.#streams = streams;
    this.#size = size;
    this.#head = new Uint8Array(varintLength(size + 1));
    writeVarint(this.#head, 0, size + 1);
    this.#sent = Array.from({ length: count }, () => 0);
    this.#most = Array.from({ length: count }, () => limits.streamWindow);
    this.#session = limits.sessionWindow;
  }

  /** One pass over all streams. Returns how much it could send. */
  pass(): number {
    const before = this.#total;
    const end = this.#head.length + this.#size;
    this.#sent.forEach((sent, stream) => {
      const length = Math.min(1000, end - sent, (this.#most[stream] ?? 0) - sent, this.#session - this.#total);
      if (length <= 0) return;
      const data = new Uint8Array(length);
      if (sent < this.#head.length) data.set(this.#head.subarray(sent, sent + length));
      this.fault ??= this.#streams.onStream(stream * 4, 0, sent, data);
      this.#sent[stream] = sent + length;
      this.#total += length;
    });
    this.whole += eventsOf(this.#streams).filter((event) => event.type === 'packet').length;
    for (const [name, ...values] of framesSent(this.#streams, 0, true)) {
      if (name === 'onCredit') this.#session = Number(values[0]);
      if (name === 'onStreamCredit') this.#most[Number(values[0]) / 4] = Number(values[1]);
    }
    return this.#total - before;
  }
}

test('packets that are not whole never take more than their bound, and all of them become whole', () => {
  const limits = {
    ...UDPACK_LIMITS,
    streams: 30,
    packetBytes: 200_000,
    streamWindow: 8000,
    streamWindowMost: 40_000,
    sessionWindow: 50_000,
    sessionWindowMost: 100_000,
    assemblyBytes: 100_000,
  };
  const streams = machine('server', limits);
  const greedy = new Greedy(streams, limits, limits.streams, limits.packetBytes);
  // Buffers are up to twice what has come, so all but what was there when `assemblyBytes` was crossed counts twice.
  const windows = limits.streams * limits.streamWindow + limits.sessionWindowMost;
  const bound = limits.assemblyBytes + 2 * windows + 2 * limits.packetBytes;
  expect(bound).toBeLessThan((limits.streams * limits.packetBytes) / 4);
  let most = 0;
  while (greedy.pass() > 0) most = Math.max(most, streams.memory().assembly);
  expect(most).toBeGreaterThan(limits.assemblyBytes);
  expect(most).toBeLessThan(bound);
  expect([greedy.whole, greedy.fault]).toEqual([limits.streams, undefined]);
  expect(streams.memory()).toMatchObject({ assembly: 0, waiting: 0, unreleased: 0 });
});

test('a paused stream with a part of a packet does not hold up the others', () => {
  const limits = {
    ...UDPACK_LIMITS,
    streamWindow: 4000,
    streamWindowMost: 4000,
    sessionWindow: 50_000,
    sessionWindowMost: 50_000,
    assemblyBytes: 5000,
  };
  const pair = new StreamsPair(5, CLEAN, { client: limits, server: limits });
  const { streams } = pair.client;
  const [a, b, c] = [streams.open('packets'), streams.open('packets'), streams.open('packets')];
  const heard: number[] = [];
  pair.onStep = () => {
    for (const event of eventsOf(pair.server.streams)) if (event.type === 'packet') heard.push(event.stream);
  };
  streams.write(a, new Uint8Array(30_000), {}, 0);
  pair.run(25);
  pair.server.streams.pause(a);
  streams.write(b, new Uint8Array(30_000), {}, pair.now);
  streams.write(c, new Uint8Array(30_000), {}, pair.now);
  pair.run();
  expect(heard.toSorted((one, other) => one - other)).toEqual([b, c]);
  pair.server.streams.resume(a);
  pair.run();
  expect(heard.at(-1)).toBe(a);
});

test('a packet longer than every window and than all packets together may take is let in', () => {
  const limits = {
    ...UDPACK_LIMITS,
    streamWindow: 2000,
    streamWindowMost: 2000,
    sessionWindow: 3000,
    assemblyBytes: 1000,
  };
  const pair = new StreamsPair(5, { ...CLEAN, loss: 0.1 }, { client: limits, server: limits });
  const { streams } = pair.client;
  const bytes = new Uint8Array(100_000).map((_, at) => at & 255);
  streams.write(streams.open('packets'), bytes, {}, 0);
  pair.run();
  const heard = eventsOf(pair.server.streams);
  expect(heard.flatMap((event) => (event.type === 'packet' ? [Buffer.from(event.bytes).equals(bytes)] : []))).toEqual([
    true,
  ]);
});

test('pages take no more than the window, however small the pieces and whatever lies between them', () => {
  const limits = { ...UDPACK_LIMITS, streamWindow: 300_000, streamWindowMost: 300_000, sessionWindow: 500_000 };
  const streams = machine('server', limits);
  for (let at = 1; at < 300_000; at += 100) expect(streams.onStream(2, 0, at, Uint8Array.of(1))).toBeUndefined();
  for (let at = 1; at < 200_000; at += 100) streams.onStream(6, 0, at, Uint8Array.of(1));
  expect(streams.memory().waiting).toBeLessThanOrEqual(limits.sessionWindow + 2 * 4096);
  expect(streams.memory().unreleased).toBeLessThanOrEqual(limits.sessionWindow);
});

test('whoever does not take events gives no credit', () => {
  const streams = machine('server', { streamWindow: 10_000, streamWindowMost: 10_000 });
  for (let at = 0; at < 10_000; at += 1000) streams.onStream(2, 0, at, new Uint8Array(1000));
  expect(framesSent(streams)).toEqual([]);
  expect(streams.onStream(2, 0, 10_000, new Uint8Array(1))).toBe('credit-exceeded');
  eventsOf(streams);
  expect(framesSent(streams)).toEqual([['onStreamCredit', 2, 20_000]]);
});

test('leave for new streams comes as streams end', () => {
  const streams = machine('server', { streams: 16 });
  for (let n = 0; n < 16; n++) {
    streams.onReset(4 * n, 0, 0);
    streams.reset(4 * n, 0);
    eventsOf(streams);
  }
  const frames = framesSent(streams, 0, true);
  const leave = [...frames, ...framesSent(streams, 0, true)].filter(([name]) => name === 'onStreamsCredit');
  expect(leave.at(-1)).toEqual(['onStreamsCredit', 0, 32]);
  expect(streams.count).toBe(0);
});
