import { createClient } from '@redis/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Redis, startRedis } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { HeardBus } from './redis-bus.ts';

let redis: Redis;
let names = 0;
const fresh = (): { url: string; name: string } => {
  names += 1;
  return { url: redis.url, name: `t${names}` };
};
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => redis[Symbol.asyncDispose]());

async function command(...args: string[]): Promise<unknown> {
  const client = await createClient({ url: redis.url }).connect();
  try {
    return await client.sendCommand(args);
  } finally {
    client.destroy();
  }
}

const push = (name: string, ...json: string[]): Promise<unknown> =>
  Promise.all(json.map(async (one) => command('XADD', `hawser:${name}:push:stream`, '*', 'json', one)));
const left = async (name: string): Promise<unknown> => command('XLEN', `hawser:${name}:push:stream`);
const pending = async (name: string): Promise<unknown> =>
  ((await command('XPENDING', `hawser:${name}:push:stream`, 'hawser')) as unknown[])[0];

const connections = async (): Promise<number> =>
  String(await command('CLIENT', 'LIST'))
    .trim()
    .split('\n').length;

describe('what any program pushes by Redis', () => {
  test('on the channel is heard by every node', async () => {
    const options = fresh();
    await using one = await HeardBus.start(options);
    await using two = await HeardBus.start(options);
    await using deaf = await HeardBus.start({ ...options, push: false });
    const channel = `hawser:${options.name}:push`;
    await until(async () => Number(await command('PUBLISH', channel, '"ready"')) >= 2, 'both listen');
    await command('PUBLISH', channel, '{"event":"say"}');
    const last = 'all {"event":"say"}';
    await until(() => one.pushes.at(-1) === last && two.pushes.at(-1) === last, 'the push at both');
    expect(deaf.pushes).toEqual([]);
  });

  test('into the stream is taken by one node, in its order, and is gone then', async () => {
    const options = fresh();
    await using one = await HeardBus.start(options);
    await using two = await HeardBus.start(options);
    const all = Array.from({ length: 100 }, (_, at) => `{"n":${at}}`);
    for (const json of all) await push(options.name, json);
    await until(() => one.pushes.length + two.pushes.length === 100, 'all of them');
    expect([...one.pushes, ...two.pushes].toSorted()).toEqual(all.map((json) => `one ${json}`).toSorted());
    await until(async () => (await left(options.name)) === 0 && (await pending(options.name)) === 0, 'an empty stream');
    expect(one.reported.concat(two.reported)).toEqual([]);
  });

  test('and all else is heard by nobody who was closed while he started', async () => {
    const before = await connections();
    for (const turns of [0, 1, 2, 5, 10, 20]) {
      const one = new HeardBus(fresh());
      const starting = one.bus.start(one).catch(({ code }) => code);
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      await one.bus.close();
      expect(['ERR_CLOSED', undefined]).toContain(await starting);
    }
    await until(async () => (await connections()) <= before, 'no connection but ours');
  });

  test('is heard by connections that a close leaves none of, also one that is being made', async () => {
    const options = fresh();
    const before = await connections();
    for (let i = 0; i < 5; i++) {
      const one = await HeardBus.start(options);
      await one[Symbol.asyncDispose]();
      expect(one.reported).toEqual([]);
    }
    await until(async () => (await connections()) <= before, 'no connection but ours');
  });

  test('into the stream waits while no node is there', async () => {
    const options = fresh();
    await push(options.name, '"early"');
    {
      await using one = await HeardBus.start(options);
      await until(() => one.pushes.length === 1, 'the early one');
      await until(async () => (await left(options.name)) === 0, 'an empty stream');
    }
    await push(options.name, '"late"');
    await using two = await HeardBus.start(options);
    await until(() => two.pushes.length === 1, 'the late one');
    expect(two.pushes).toEqual(['one "late"']);
  });

  test('and can not be published now stays; what is wrong with itself does not', async () => {
    const options = fresh();
    await using one = await HeardBus.start(options);
    one.answer = (json) => JSON.stringify({ error: { code: json === '"down"' ? 'ERR_ENGINE_DOWN' : 'ERR_ARGUMENT' } });
    await push(options.name, '"down"');
    await push(options.name, '"wrong"');
    await command('XADD', `hawser:${options.name}:push:stream`, '*', 'nothing', 'of ours');
    await until(() => one.pushes.length === 3, 'all three');
    expect(one.pushes).toEqual(['one "down"', 'one "wrong"', 'one ']);
    await until(
      async () => (await left(options.name)) === 1 && (await pending(options.name)) === 1,
      'only one that is left',
    );
    expect(one.reported).toEqual([]);
  });

  test('and was taken by a node that died is taken by another one', async () => {
    const options = fresh();
    const stream = `hawser:${options.name}:push:stream`;
    await push(options.name, '"left behind"');
    await command('XGROUP', 'CREATE', stream, 'hawser', '0');
    await command('XREADGROUP', 'GROUP', 'hawser', 'dead', 'STREAMS', stream, '>');
    const [[id]] = (await command('XPENDING', stream, 'hawser', '-', '+', '1')) as [[string]];
    // As long ago as it takes.
    await command('XCLAIM', stream, 'hawser', 'dead', '0', id, 'IDLE', '31000');
    await using one = await HeardBus.start(options);
    await until(() => one.pushes.length === 1, 'what was left behind');
    await until(async () => (await left(options.name)) === 0, 'an empty stream');
    expect(one.reported).toEqual([]);
  });

  test('is heard again after Redis was away, or emptied', async () => {
    const options = fresh();
    await using one = await HeardBus.start(options);
    await redis.daemon.restart({ keepsData: false });
    await until(() => one.told.includes('reconnected'), 'its return');
    await push(options.name, '"a"');
    await until(() => one.pushes.length === 1, 'after a restart');
    await command('FLUSHALL');
    await push(options.name, '"b"');
    await until(() => one.pushes.length === 2, 'after it was emptied');
    expect(one.pushes).toEqual(['one "a"', 'one "b"']);
    expect(one.reported).toEqual([]);
  });

  test('into a key of another kind is reported once', async () => {
    const options = fresh();
    await command('SET', `hawser:${options.name}:push:stream`, 'mine');
    await using one = await HeardBus.start(options);
    await until(() => one.reported.length > 0, 'the report');
    expect(one.reported).toMatchObject([{ code: 'ERR_ENGINE_DOWN', message: expect.stringContaining('WRONGTYPE') }]);
    await command('DEL', `hawser:${options.name}:push:stream`);
    await push(options.name, '"a"');
    await until(() => one.pushes.length === 1, 'what came then');
  });
});
