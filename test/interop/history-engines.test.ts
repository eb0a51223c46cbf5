import { afterEach, describe, expect, test } from 'vitest';
import type { Engine } from '../../src/engine/index.ts';
import { natsEngine } from '../../src/engines/nats/index.ts';
import { redisEngine } from '../../src/engines/redis/index.ts';
import { createServer, type Server } from '../../src/server/index.ts';
import { freshUrl } from '../support/house.ts';
import { Listener } from '../support/listener.ts';
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

interface Node {
  readonly server: Server;
  readonly url: string;
}

async function start(engine: Engine): Promise<Node> {
  const server = keep(createServer({ engine, times: { closeWait: 200 }, onError: () => {} }));
  server.history('room', { size: 1000 });
  server.on('connection', (socket) => {
    socket.join('room');
  });
  const [url = ''] = await server.listen(freshUrl('tcp'));
  return { server, url };
}

const ENGINES: [name: string, prepare: () => Promise<() => Engine>][] = [
  [
    'NATS',
    async () => {
      const nats = keep(await startNats({ jetstream: true }));
      return () => natsEngine({ servers: nats.url, history: { storage: 'memory' } });
    },
  ],
  [
    'Redis',
    async () => {
      const redis = keep(await startRedis());
      return () => redisEngine({ url: redis.url });
    },
  ],
];

const ROUNDS = 3;
const EACH = 40;

describe.each(ENGINES)('a room with history on nodes that are joined by %s', (_, prepare) => {
  test('loses nothing, doubles nothing and keeps one order for members whose nodes end one after the other', async () => {
    const makeEngine = await prepare();
    const stays = await start(makeEngine());
    let goes = await start(makeEngine());
    const [ada, bob] = [keep(await Listener.open(stays.url)), keep(await Listener.open(goes.url))];
    const told = (listener: Listener, event: string): number =>
      listener.heard.filter((one) => one.event === event).length;
    for (const listener of [ada, bob]) await expect.poll(() => told(listener, 'positioned')).toBe(1);
    const published: string[] = [];
    const publish = async ({ server }: Node, who: string): Promise<void> => {
      for (let n = 0; n < EACH; n++) {
        await server.to('room').publish('say', `${who} ${n}`);
        published.push(`${who} ${n}`);
      }
    };
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all([publish(stays, `a${round}`), publish(goes, `b${round}`)]);
      // What is said while nobody serves bob, and what the next node says before he is there.
      const port = new URL(goes.url).port;
      await goes.server.close({ drain: 0 });
      await publish(stays, `c${round}`);
      const server = keep(createServer({ engine: makeEngine(), times: { closeWait: 200 }, onError: () => {} }));
      server.history('room', { size: 1000 });
      server.on('connection', (socket) => {
        socket.join('room');
      });
      goes = { server, url: `tcp://127.0.0.1:${port}` };
      await Promise.all([server.listen(goes.url), publish(stays, `d${round}`)]);
    }
    await stays.server.to('room').publish('say', 'end');
    const said = (listener: Listener): unknown[] =>
      listener.heard.filter(({ event }) => event === 'say').map(({ data }) => data);
    for (const listener of [ada, bob]) await expect.poll(() => said(listener).at(-1), { timeout: 20_000 }).toBe('end');
    expect(said(bob)).toEqual(said(ada));
    expect(new Set(said(ada))).toEqual(new Set([...published, 'end']));
    expect(said(ada)).toHaveLength(published.length + 1);
    const offsets = bob.heard.flatMap(({ offset }) => offset ?? []);
    expect(offsets).toEqual([...new Set(offsets)].toSorted((a, b) => a - b));
    expect([told(bob, 'gap'), told(bob, 'recovered'), told(ada, 'recovered')]).toEqual([0, ROUNDS, 0]);
  });
});
