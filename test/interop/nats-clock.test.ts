import { afterEach, expect, test, vi } from 'vitest';
import { startNats } from '../support/nats-server.ts';
import { until } from '../support/until.ts';
import { HeardBus } from './nats-bus.ts';

afterEach(() => vi.restoreAllMocks());

test.each([-3_600_000, 3_600_000])('a node whose time of day is moved by %i ms comes back all the same', async (by) => {
  await using nats = await startNats();
  await using bus = await HeardBus.start({ servers: nats.url });
  const real = Date.now.bind(Date);
  // As of now, and further while there is no server.
  const moved = vi.spyOn(Date, 'now').mockImplementation(() => real() + by);
  await nats.daemon.stop('SIGKILL');
  await until(() => bus.times('disconnected') === 1, 'the node notices');
  moved.mockImplementation(() => real() + 2 * by);
  await nats.daemon.start();
  await until(() => bus.times('reconnected') === 1, 'the node is back');
  bus.bus.subscribe({ kind: 'all' });
  await until(() => {
    bus.bus.publish({ kind: 'all' }, new Uint8Array([120]));
    return bus.heard.includes('x');
  }, 'it hears');
  expect(bus.told).toEqual(['disconnected', 'reconnected']);
});
