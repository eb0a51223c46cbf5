import { createClient } from '@redis/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HistoryRule, Subject } from '../../src/engine/index.ts';
import { slotOf } from '../../src/engines/redis/names.ts';
import { type Redis, startRedis } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { bytes, text } from '../support/words.ts';
import { HeardBus } from './redis-bus.ts';

const RULE: HistoryRule = { name: '/ *', size: 100, age: 60_000 };
/** How long servers may take to agree, ms: it is theirs to say. */
const ELECTION = 45_000;
const THIRDS = [
  [0, 5460],
  [5461, 10_922],
  [10_923, 16_383],
] as const;

let servers: Redis[] = [];
let names = 0;
const fresh = (): { cluster: string[]; name: string } => {
  names += 1;
  return { cluster: servers.map(({ url }) => url), name: `t${names}` };
};

beforeAll(async () => {
  servers = await Promise.all(THIRDS.map(async () => startRedis({ cluster: 'some' })));
  const [first] = servers;
  for (const [at, server] of servers.entries()) {
    await command(server, 'CLUSTER', 'ADDSLOTSRANGE', ...(THIRDS[at] ?? []).map(String));
    await command(server, 'CLUSTER', 'SET-CONFIG-EPOCH', String(at + 1));
  }
  for (const server of servers.slice(1))
    await command(server, 'CLUSTER', 'MEET', '127.0.0.1', String(first?.port), await busPort(first));
  await whole();
});
afterAll(async () => {
  await Promise.all(servers.map(async (server) => server[Symbol.asyncDispose]()));
});

async function command(server: Redis | undefined, ...args: string[]): Promise<unknown> {
  const client = await createClient({ url: server?.url ?? '' }).connect();
  try {
    return await client.sendCommand(args);
  } finally {
    client.destroy();
  }
}

async function busPort(server: Redis | undefined): Promise<string> {
  const nodes = String(await command(server, 'CLUSTER', 'NODES'));
  return /@(\d+)/.exec(nodes)?.[1] ?? '';
}

async function whole(size: number = THIRDS.length): Promise<void> {
  const isWhole = async (server: Redis): Promise<boolean> => {
    const info = String(await command(server, 'CLUSTER', 'INFO'));
    return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${size}`);
  };
  await until(async () => (await Promise.all(servers.map(isWhole))).every(Boolean), 'a cluster', ELECTION);
}

/** A room for each of the servers, by its log. */
function roomsOf(name: string): string[] {
  return THIRDS.map(([from, to]) => {
    for (let at = 0; ; at += 1) {
      const slot = slotOf(`hawser:${name}:{log:/|r${at}}`);
      if (slot >= from && slot <= to) return `r${at}`;
    }
  });
}

describe('on a Redis Cluster', () => {
  test('rooms, users and nodes of all slots are heard, and logs kept, by any of its servers alone', async () => {
    const { cluster, name } = fresh();
    await using one = await HeardBus.start({ cluster, name });
    await using two = await HeardBus.start({ url: cluster[2] ?? '', name });
    const subjects: Subject[] = [{ kind: 'all' }, { kind: 'node', node: 'n' }];
    for (let at = 0; at < 100; at += 1) subjects.push({ kind: 'room', namespace: '/', room: `r${at}` });
    for (const subject of subjects) two.bus.subscribe(subject);
    // Two connections: what one publishes may come before what the other subscribes to.
    for (const subject of subjects) two.bus.publish(subject, bytes('mine'));
    await until(() => two.heard.length === subjects.length, 'its own');
    for (const [at, subject] of subjects.entries()) one.bus.publish(subject, bytes(`${at}`));
    await until(() => two.heard.length === 2 * subjects.length, 'the others');
    expect(two.heard.slice(subjects.length).toSorted()).toEqual(subjects.map((_, at) => `${at}`).toSorted());
    for (const room of roomsOf(name)) {
      two.bus.watchLog('/', room);
      const { position } = await two.bus.read('/', room, RULE);
      await one.bus.append('/', room, RULE, bytes(room), { id: 'an id' });
      await until(() => two.entries.at(-1)?.text === room, 'the entry');
      const read = await one.bus.read('/', room, RULE, { since: position });
      expect(read.isWhole && read.entries.map((entry) => text(entry.bytes))).toEqual([room]);
    }
    expect([...one.told, ...two.told]).toEqual([]);
  });

  test('a push is heard and taken', async () => {
    const { cluster, name } = fresh();
    await using one = await HeardBus.start({ cluster, name });
    await using two = await HeardBus.start({ cluster, name });
    const [server] = servers;
    const heard = (bus: HeardBus): boolean => bus.pushes.includes('all "channel"');
    const both = async (): Promise<boolean> => {
      await command(server, 'PUBLISH', `hawser:${name}:push`, '"channel"');
      return heard(one) && heard(two);
    };
    await until(both, 'the channel at both');
    const stream = `hawser:${name}:push:stream`;
    const at = THIRDS.findIndex(([from, to]) => slotOf(stream) >= from && slotOf(stream) <= to);
    await command(servers[at], 'XADD', stream, '*', 'json', '"stream"');
    const taken = (): number => [...one.pushes, ...two.pushes].filter((push) => push === 'one "stream"').length;
    await until(() => taken() === 1, 'the stream at one');
    expect(one.reported.concat(two.reported)).toEqual([]);
  });

  test('slots that move are followed', async () => {
    const { cluster, name } = fresh();
    await using one = await HeardBus.start({ cluster, name });
    await using two = await HeardBus.start({ cluster, name });
    const [, room = ''] = roomsOf(name);
    const slot = String(slotOf(`hawser:${name}:{log:/|${room}}`));
    two.bus.watchLog('/', room);
    const { position } = await two.bus.read('/', room, RULE);
    const [first, second] = servers;
    const [to, from] = await Promise.all(
      [first, second].map(async (server) => String(await command(server, 'CLUSTER', 'MYID'))),
    );
    await command(first, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', from ?? '');
    await command(second, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', to ?? '');
    const keys = (await command(second, 'CLUSTER', 'GETKEYSINSLOT', slot, '100')) as string[];
    await command(second, 'MIGRATE', '127.0.0.1', String(first?.port), '', '0', '5000', 'KEYS', ...keys);
    // Some of its keys are there, some will be: it waits.
    const waiting = one.bus.append('/', room, RULE, bytes('on the way'));
    await until(async () => String(await command(first, 'INFO', 'errorstats')).includes('TRYAGAIN'), 'a refusal');
    expect(one.told).toEqual([]);
    for (const server of servers) await command(server, 'CLUSTER', 'SETSLOT', slot, 'NODE', to ?? '');
    await waiting;
    await one.bus.append('/', room, RULE, bytes('after'));
    const read = await one.bus.read('/', room, RULE, { since: position });
    expect(read.isWhole && read.entries.map((entry) => text(entry.bytes))).toEqual(['on the way', 'after']);
    await until(() => two.told.includes('reconnected'), 'the move');
    await one.bus.append('/', room, RULE, bytes('then'));
    await until(() => two.entries.at(-1)?.text === 'then', 'an entry at the new place');
  });

  test('a server that is gone takes its rooms with it, and no others', async () => {
    const { cluster, name } = fresh();
    await using one = await HeardBus.start({ cluster, name });
    const rooms = roomsOf(name);
    // Otherwise no slot is served while one is missing.
    for (const server of servers) await command(server, 'CONFIG', 'SET', 'cluster-require-full-coverage', 'no');
    for (const room of rooms) one.bus.watchLog('/', room);
    const places = [];
    for (const room of rooms) places.push(await one.bus.append('/', room, RULE, bytes('before')));
    await servers[2]?.daemon.stop('SIGKILL');
    await until(() => one.told.length > 0, 'the news');
    await expect(one.bus.append('/', rooms[2] ?? '', RULE, bytes('x'))).rejects.toMatchObject({
      code: 'ERR_ENGINE_DOWN',
    });
    await one.bus.append('/', rooms[0] ?? '', RULE, bytes('meanwhile'));
    await servers[2]?.daemon.start();
    await until(() => one.told.at(-1) === 'reconnected', 'its return');
    const isThere = async (): Promise<boolean> =>
      one.bus.append('/', rooms[2] ?? '', RULE, bytes('after'), { id: 'after' }).then(
        () => true,
        () => false,
      );
    await until(isThere, 'its slots', ELECTION);
    const read = await one.bus.read('/', rooms[2] ?? '', RULE, { since: places[2] });
    expect(read.isWhole && read.entries.map((entry) => text(entry.bytes))).toEqual(['after']);
    await until(() => one.entries.some((entry) => entry.text === 'after'), 'the entry');
  });

  test('a replica that takes over is found, and has what it had got', async () => {
    const [first, second] = servers;
    const replica = await startRedis({ cluster: 'some' });
    servers.push(replica);
    await command(replica, 'CLUSTER', 'MEET', '127.0.0.1', String(first?.port), await busPort(first));
    await whole(4);
    await command(replica, 'CLUSTER', 'REPLICATE', String(await command(second, 'CLUSTER', 'MYID')));
    await until(
      async () => String(await command(replica, 'INFO')).includes('master_link_status:up'),
      'a copy',
      ELECTION,
    );
    const { cluster, name } = fresh();
    await using one = await HeardBus.start({ cluster: cluster.slice(0, 3), name });
    const [, room = ''] = roomsOf(name);
    one.bus.watchLog('/', room);
    const place = await one.bus.append('/', room, RULE, bytes('before'));
    await command(second, 'WAIT', '1', '5000');
    await second?.daemon.stop('SIGKILL');
    await until(() => one.told.length > 0, 'the news');
    await until(() => one.told.at(-1) === 'reconnected', 'the replica', ELECTION);
    await one.bus.append('/', room, RULE, bytes('after'));
    const read = await one.bus.read('/', room, RULE, { since: place });
    expect(read.isWhole && read.entries.map((entry) => text(entry.bytes))).toEqual(['after']);
    await until(() => one.entries.at(-1)?.text === 'after', 'the entry');
    expect(one.told).toEqual(['disconnected ERR_CONNECT_FAILED', 'reconnected']);
  });
});
