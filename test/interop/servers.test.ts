import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { firstWords } from '../support/daemon.ts';
import { startNats, startNatsCluster } from '../support/nats-server.ts';
import { startRedis } from '../support/redis-server.ts';

describe('the servers that tests start', () => {
  test('nats-server answers, and is there again after a restart', async () => {
    await using nats = await startNats({ jetstream: true, maxPayload: 4096 });
    const info = await firstWords(nats.port, '');
    expect(info).toContain('"max_payload":4096');
    expect(info).toContain('"jetstream":true');
    await nats.daemon.restart();
    expect(await firstWords(nats.port, '')).toContain('"max_payload":4096');
    expect(nats.log.match(/Server is ready/g)).toHaveLength(2);
  });

  test('three nats-servers have one leader, and another one when it is gone', async () => {
    await using cluster = await startNatsCluster(3);
    const leader = await cluster.leader();
    await leader.daemon.stop('SIGKILL');
    expect(await cluster.leader()).not.toBe(leader);
  });

  test('redis-server keeps its data over a restart, unless it is thrown away', async () => {
    await using redis = await startRedis({ password: 'a b' });
    const say = (words: string): Promise<string> => firstWords(redis.port, `AUTH "a b"\r\n${words}\r\n`);
    await say('SET a 1');
    await redis.daemon.restart();
    expect(await say('GET a')).toContain('$1\r\n1\r\n');
    await redis.daemon.restart({ keepsData: false });
    expect(await say('GET a')).toContain('$-1');
  });

  test('one node can be a whole Redis Cluster', async () => {
    await using redis = await startRedis({ cluster: 'all' });
    expect(await firstWords(redis.port, 'SET a 1\r\n')).toBe('+OK\r\n');
  });

  test('a frozen one takes connections and says nothing', async () => {
    await using redis = await startRedis();
    redis.daemon.freeze();
    await expect(firstWords(redis.port, 'PING\r\n')).rejects.toThrow(/abort/);
    redis.daemon.thaw();
    expect(await firstWords(redis.port, 'PING\r\n')).toBe('+PONG\r\n');
  });

  test('nothing is left of one that was ended, and one that can not start says why', async () => {
    const nats = await startNats();
    const { folder, pid } = nats.daemon;
    expect(readdirSync(folder)).toContain('nats.conf');
    await nats[Symbol.asyncDispose]();
    expect(() => readdirSync(folder)).toThrow(/ENOENT/);
    expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
    await expect(startNats({ config: 'nonsense: }' })).rejects.toThrow(/nats ended:.*nats.conf/s);
  });
});
