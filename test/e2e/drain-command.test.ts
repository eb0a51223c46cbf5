import { expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { startRedis } from '../support/redis-server.ts';
import { Served } from './served.ts';

test('a node that gets SIGTERM is not ready, lets clients in for its delay, then sends them to another node', async () => {
  await using redis = await startRedis();
  const more = ['--engine', redis.url, '--drain-delay', '3s', '--drain', '10s'];
  await using near = await Served.start(['ws://127.0.0.1:0'], more);
  await using far = await Served.start(['ws://127.0.0.1:0'], more);
  const urls = [near, far].map((served) => served.endpoint('ws').href);
  const ready = async (): Promise<number> =>
    (await fetch(new URL('/readyz', `http://${near.endpoint('ws').host}`))).status;
  expect(await ready()).toBe(200);
  // With a back-off of a minute: only who is sent away comes back so soon. The other one can't answer before the near one has.
  far.signal('SIGSTOP');
  const socket = await connect(urls, { reconnect: { first: 60_000 } });
  far.signal('SIGCONT');
  const told: string[] = [];
  const up = new Promise<void>((resolve) => {
    socket.on('goaway', ({ alternatives = [] }) => told.push(...alternatives));
    socket.on('up', () => resolve());
  });
  const ended = near[Symbol.asyncDispose]();
  while ((await ready()) === 200) await new Promise((resolve) => setTimeout(resolve, 10));
  const late = await connect(urls[0] ?? '', { reconnect: false });
  expect(await late.request('rooms')).toBeDefined();
  await up;
  expect(await socket.request('rooms')).toBeDefined();
  expect(told.map((url) => new URL(url).host)).toEqual([far.endpoint('ws').host]);
  await ended;
  expect(near.errors).toEqual([]);
  await socket.close();
});
