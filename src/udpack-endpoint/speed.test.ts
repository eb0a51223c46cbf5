import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Docks, streamOf } from '../../test/support/udpack.ts';
import type { UdpackSpeed } from './index.ts';
import { SpeedMeter } from './speed.ts';

afterEach(() => {
  vi.useRealTimers();
});

beforeEach(() => {
  vi.useFakeTimers();
});

test('every second the bytes of that second are told, in KB', () => {
  const told: UdpackSpeed[] = [];
  const meter = new SpeedMeter((speed) => told.push(speed));
  meter.start();
  meter.sent = 250_000;
  meter.received = 1_499;
  vi.advanceTimersByTime(999);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(1);
  meter.sent += 3_000_000;
  vi.advanceTimersByTime(2000);
  expect(told).toEqual([
    { send: 250, recv: 1 },
    { send: 3000, recv: 0 },
    { send: 0, recv: 0 },
  ]);
  meter.stop();
  vi.advanceTimersByTime(5000);
  expect(told).toHaveLength(3);
});

test('an endpoint tells it from when it is bound until it is closed', async () => {
  vi.useRealTimers();
  await using docks = new Docks();
  const pair = await docks.pair();
  let received = 0;
  const all = new Promise<void>((resolve) => {
    pair.server.on('speed', ({ send, recv }) => {
      expect([Number.isInteger(send), Number.isInteger(recv)]).toEqual([true, true]);
      received += recv;
      if (received >= 100) resolve();
    });
  });
  const { out, into } = await streamOf(pair);
  into.resume();
  await out.write(new Uint8Array(100_000));
  await all;
});
