import { createClient } from '@redis/client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { redisEngine } from '../../src/engines/redis/index.ts';
import { createServer, type Server } from '../../src/server/index.ts';
import { freshUrl } from '../support/house.ts';
import { Listener } from '../support/listener.ts';
import { type Redis, startRedis } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

let redis: Redis;
const open: AsyncDisposable[] = [];
const reported: unknown[] = [];

beforeEach(async () => {
  reported.length = 0;
  redis = await startRedis();
  open.push(redis);
});
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

/** A server that has everybody join a room with history and one without. */
async function node(): Promise<Node> {
  const server = keep(
    createServer({
      engine: redisEngine({ url: redis.url, heartbeat: 200 }),
      times: { closeWait: 200, resumeWindow: 0 },
      onError: (error) => reported.push(error),
    }),
  );
  server.history('kept', { size: 100 });
  server.on('connection', (socket) => {
    void socket.join('kept');
    void socket.join('plain');
  });
  const [url = ''] = await server.listen(freshUrl('tcp'));
  return { server, url };
}

const listen = async ({ url }: Node): Promise<Listener> => keep(await Listener.open(url));

async function command(...args: string[]): Promise<unknown> {
  const client = await createClient({ url: redis.url }).connect();
  try {
    return await client.sendCommand(args);
  } finally {
    client.destroy();
  }
}

const said = (listener: Listener): string[] =>
  listener.heard.filter(({ event }) => event === 'say').map(({ data }) => String(data));

describe('two servers on one Redis', () => {
  test('are one: rooms, users, presence and what each knows of the other', async () => {
    const [one, two] = [await node(), await node()];
    const [ada, bob] = [await listen(one), await listen(two)];
    await until(async () => (await one.server.count('plain')) === 2 && (await two.server.count('plain')) === 2, 'both');
    one.server.to('plain').send('say', 'from one');
    two.server.to('plain').send('say', 'from two');
    await until(() => said(ada).length === 2 && said(bob).length === 2, 'both messages');
    expect((await one.server.nodes()).map(({ isAlive }) => isAlive)).toEqual([true, true]);
    await bob.socket.close();
    await until(async () => (await one.server.count('plain')) === 1, 'one is left');
    expect(reported).toEqual([]);
  });

  test('have one order for a room with history, also after Redis was away', async () => {
    const [one, two] = [await node(), await node()];
    const [ada, bob] = [await listen(one), await listen(two)];
    await until(() => ada.heard.length > 0 && bob.heard.length > 0, 'both are placed');
    const publish = async ({ server }: Node, words: string): Promise<unknown> =>
      server.to('kept').publish('say', words);
    await Promise.all(Array.from({ length: 40 }, async (_, at) => publish(at % 2 === 0 ? one : two, `m${at}`)));
    await until(() => said(ada).length === 40 && said(bob).length === 40, 'all of them');
    expect(said(bob)).toEqual(said(ada));
    await redis.daemon.stop('SIGKILL');
    await expect(publish(one, 'never')).rejects.toMatchObject({ code: 'ERR_ENGINE_DOWN' });
    await redis.daemon.start();
    const isBack = async (): Promise<boolean> =>
      publish(two, 'back').then(
        () => true,
        () => false,
      );
    await until(isBack, 'its return');
    await until(() => said(ada).at(-1) === 'back' && said(bob).at(-1) === 'back', 'what came after');
    expect(ada.heard.map(({ event }) => event)).not.toContain('gap');
  });

  test('give what was missed to who comes from the one to the other', async () => {
    const nodes = [await node(), await node()] as const;
    const urls = nodes.map(({ url }) => url);
    const ada = keep(new Listener(await connect(urls, { reconnect: { first: 1, most: 5 } })));
    await until(() => ada.heard.some(({ event }) => event === 'positioned'), 'her place');
    const [self] = await nodes[0].server.nodes();
    const [one, two] = self?.sockets === 1 ? nodes : [nodes[1], nodes[0]];
    await two.server.to('kept').publish('say', 'before');
    await until(() => said(ada).includes('before'), 'the first');
    const away = new Promise((resolve) => ada.socket.once('down', resolve));
    const closing = one.server.close({ drain: 0 });
    await away;
    for (const words of ['missed 1', 'missed 2']) await two.server.to('kept').publish('say', words);
    await closing;
    await until(() => ada.heard.some(({ event }) => event === 'recovered'), 'its recovery');
    await two.server.to('kept').publish('say', 'after');
    await until(() => said(ada).at(-1) === 'after', 'the last');
    expect(said(ada)).toEqual(['before', 'missed 1', 'missed 2', 'after']);
  });

  test('take what any program publishes by Redis', async () => {
    const [one, two] = [await node(), await node()];
    const [ada, bob] = [await listen(one), await listen(two)];
    await until(async () => (await one.server.count('kept')) === 2 && (await two.server.count('kept')) === 2, 'both');
    const push = (room: string, data: string, id?: string): string => JSON.stringify({ room, event: 'say', data, id });
    const publish = async (json: string): Promise<unknown> => command('PUBLISH', 'hawser:hawser:push', json);
    const both = async (words: string): Promise<void> =>
      until(() => said(ada).at(-1) === words && said(bob).at(-1) === words, words);
    await command('XADD', 'hawser:hawser:push:stream', '*', 'json', push('plain', 'a'));
    await both('a');
    await command('XADD', 'hawser:hawser:push:stream', '*', 'json', push('kept', 'b'));
    await both('b');
    await publish(push('plain', 'c'));
    await both('c');
    await publish(push('kept', 'd', 'an id'));
    await both('d');
    await publish(push('kept', 'e'));
    await until(() => reported.length === 2, 'both refusals');
    expect(reported).toMatchObject([1, 2].map(() => ({ code: 'ERR_ARGUMENT' })));
    for (const listener of [ada, bob]) expect(said(listener)).toEqual(['a', 'b', 'c', 'd']);
  });
});
