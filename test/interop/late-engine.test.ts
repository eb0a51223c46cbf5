import { afterEach, expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import type { Engine } from '../../src/engine/index.ts';
import { natsEngine } from '../../src/engines/nats/index.ts';
import { redisEngine } from '../../src/engines/redis/index.ts';
import { createServer } from '../../src/server/index.ts';
import type { Daemon } from '../support/daemon.ts';
import { freshUrl } from '../support/house.ts';
import { startNats } from '../support/nats-server.ts';
import { startRedis } from '../support/redis-server.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

function keep<T extends AsyncDisposable>(one: T): T {
  open.push(one);
  return one;
}

interface Place {
  readonly daemon: Daemon;
  makeEngine(): Engine;
}

const PLACES: Readonly<Record<string, () => Promise<Place>>> = {
  nats: async () => {
    const { daemon, url } = keep(await startNats({ jetstream: true }));
    return { daemon, makeEngine: () => natsEngine({ servers: url, connectWait: 300 }) };
  },
  redis: async () => {
    const { daemon, url } = keep(await startRedis());
    return { daemon, makeEngine: () => redisEngine({ url, connectWait: 300 }) };
  },
};

test.each(Object.keys(PLACES))('%s that is not there: `listen` fails, and works when it has come', async (name) => {
  const { daemon, makeEngine } = await (PLACES[name] as () => Promise<Place>)();
  await daemon.stop();
  const [server, other] = [makeEngine(), makeEngine()].map((engine) => keep(createServer({ engine })));
  server?.history('kept', { size: 10 });
  server?.on('connection', (socket) => socket.handle('enter', async () => void (await socket.join('kept'))));
  const url = freshUrl('tcp');
  const failure = { code: 'ERR_CONNECT_FAILED' };
  await Promise.all([server, server, other].map((one) => expect(one?.listen(url)).rejects.toMatchObject(failure)));
  await expect(server?.listen(url)).rejects.toMatchObject(failure);
  await daemon.start();
  await other?.listen(freshUrl('tcp'));
  const [at = ''] = (await server?.listen(url)) ?? [];
  const client = keep(await connect(at));
  const heard = new Promise((resolve) => client.once('say', resolve));
  await client.request('enter');
  await expect.poll(async () => (await other?.nodes())?.length).toBe(2);
  await server?.to('kept').publish('say', 'all the same');
  expect(await heard).toBe('all the same');
});
