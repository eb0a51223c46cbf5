import { createClient } from '@redis/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BytesRead, HistoryRule, Position, Subject } from '../../src/engine/index.ts';
import { type Redis, startRedis } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { bytes, text } from '../support/words.ts';
import { HeardBus } from './redis-bus.ts';

const RULE: HistoryRule = { name: '/ *', size: 100, age: 60_000 };
const ROOM = { kind: 'room', namespace: '/', room: 'lobby' } as const;

let redis: Redis;
let names = 0;
const fresh = (): { url: string; name: string } => {
  names += 1;
  return { url: redis.url, name: `t${names}` };
};

beforeAll(async () => {
  redis = await startRedis({ config: 'save ""' });
});
afterAll(async () => redis[Symbol.asyncDispose]());

describe('what is published on Redis', () => {
  test('is heard by who subscribed, its publisher too, in order, and by nobody else', async () => {
    const options = fresh();
    await using one = await HeardBus.start(options);
    await using two = await HeardBus.start(options);
    await using stranger = await HeardBus.start(fresh());
    for (const { bus } of [one, two, stranger]) bus.subscribe({ kind: 'all' });
    two.bus.subscribe(ROOM);
    two.bus.publish({ kind: 'all' }, bytes('two is there'));
    await until(() => two.heard.length > 0, 'an echo');
    const said = Array.from({ length: 500 }, (_, at) => `m${at}`);
    for (const words of said) one.bus.publish({ kind: 'all' }, bytes(words));
    one.bus.publish(ROOM, bytes('for the room'));
    one.bus.publish({ kind: 'all' }, bytes('end'));
    await until(() => two.heard.at(-1) === 'end' && one.heard.at(-1) === 'end', 'all that was published');
    expect(two.heard.filter((words) => words.startsWith('m'))).toEqual(said);
    expect(one.heard.filter((words) => words.startsWith('m'))).toEqual(said);
    expect(two.heard).toContain('for the room');
    expect(one.heard).not.toContain('for the room');
    expect(stranger.heard).toEqual([]);
  });

  test('right after a subscription is heard', async () => {
    await using one = await HeardBus.start(fresh());
    one.bus.subscribe(ROOM);
    one.bus.publish(ROOM, bytes('at once'));
    await until(() => one.heard.length > 0, 'the echo');
    expect(one.heard).toEqual(['at once']);
  });

  test('is bytes, whatever they are, and whatever the subject is called', async () => {
    await using one = await HeardBus.start(fresh());
    const rooms = [
      '}',
      '{',
      '{}',
      'a|b',
      '%007b',
      '*',
      '',
      '\0',
      '\n',
      'ä',
      '🚀',
      '\ud800',
      '\udfff',
      'a b',
      'x'.repeat(256),
    ];
    const subjects = [
      ...rooms.flatMap((room): Subject[] => [
        { kind: 'room', namespace: '/', room },
        { kind: 'user', namespace: '/}|', user: room },
        { kind: 'node', node: room },
      ]),
    ];
    const heard: Uint8Array[] = [];
    one.received = (got) => heard.push(got);
    subjects.forEach((subject, at) => {
      one.bus.subscribe(subject);
      one.bus.publish(subject, new Uint8Array([at, 0, 255, 13, 10]));
    });
    await until(() => heard.length >= subjects.length, 'all of them');
    expect(heard.map((got) => [...got])).toEqual(subjects.map((_, at) => [at, 0, 255, 13, 10]));
  });

  test('is not heard after `unsubscribe`, and again after another `subscribe`', async () => {
    await using one = await HeardBus.start(fresh());
    one.bus.subscribe({ kind: 'all' });
    one.bus.subscribe(ROOM);
    one.bus.publish(ROOM, bytes('1'));
    one.bus.unsubscribe(ROOM);
    one.bus.publish(ROOM, bytes('2'));
    one.bus.subscribe(ROOM);
    one.bus.unsubscribe(ROOM);
    one.bus.subscribe(ROOM);
    one.bus.publish(ROOM, bytes('3'));
    one.bus.publish({ kind: 'all' }, bytes('end'));
    await until(() => one.heard.includes('end'), 'the end');
    expect(one.heard).toEqual(['1', '3', 'end']);
  });

  test('over the payload is reported, not sent', async () => {
    await using one = await HeardBus.start({ ...fresh(), payloadBytes: 1024 });
    one.bus.subscribe(ROOM);
    one.bus.publish(ROOM, new Uint8Array(1025));
    one.bus.publish(ROOM, new Uint8Array(1024));
    await until(() => one.heard.length > 0, 'what is just within it');
    expect(one.heard[0]).toHaveLength(1024);
    expect(one.reported).toMatchObject([{ code: 'ERR_MESSAGE_TOO_LARGE' }]);
    await expect(one.bus.append('/', 'r', RULE, new Uint8Array(1025))).rejects.toMatchObject({
      code: 'ERR_MESSAGE_TOO_LARGE',
    });
  });

  test('100,000 rooms are subscribed to and left', { timeout: 60_000 }, async () => {
    await using one = await HeardBus.start({ ...fresh(), heartbeat: 5000 });
    const rooms = Array.from(
      { length: 100_000 },
      (_, at): Subject => ({ kind: 'room', namespace: '/', room: `room-${at}` }),
    );
    for (const room of rooms) one.bus.subscribe(room);
    for (const room of rooms.slice(-3)) one.bus.publish(room, bytes('x'));
    await until(() => one.heard.length === 3, 'three of them');
    for (const room of rooms) one.bus.unsubscribe(room);
    one.bus.subscribe({ kind: 'all' });
    for (const room of rooms.slice(0, 10)) one.bus.publish(room, bytes('late'));
    one.bus.publish({ kind: 'all' }, bytes('end'));
    await until(() => one.heard.includes('end'), 'the end');
    expect(one.heard).not.toContain('late');
  });
});

describe('a log on Redis', () => {
  const all = async ({ bus }: HeardBus, since: Position, most?: number): Promise<BytesRead> =>
    bus.read('/', 'lobby', RULE, { since, ...(most === undefined ? {} : { most }) });
  const texts = (read: BytesRead): string[] | string =>
    read.isWhole ? read.entries.map((entry) => text(entry.bytes)) : read.reason;

  test('has what was added, in one order for all who watch it, each naming the one before', async () => {
    const options = fresh();
    await using one = await HeardBus.start(options);
    await using two = await HeardBus.start(options);
    for (const { bus } of [one, two]) bus.watchLog('/', 'lobby');
    const start = (await one.bus.read('/', 'lobby', RULE)).position;
    await two.bus.read('/', 'lobby', RULE);
    expect(start.offset).toBe(0);
    const said = Array.from({ length: 100 }, (_, at) => `m${at}`);
    await Promise.all(
      said.map(async (words, at) => (at % 2 === 0 ? one : two).bus.append('/', 'lobby', RULE, bytes(words), {})),
    );
    await until(() => one.entries.length === 100 && two.entries.length === 100, 'all entries');
    expect(one.entries).toEqual(two.entries);
    expect(one.entries.map(({ text: words }) => words).toSorted()).toEqual(said.toSorted());
    one.entries.forEach(({ entry, epoch }, at) => {
      expect(entry.previous).toBe(one.entries[at - 1]?.entry.offset ?? 0);
      expect(epoch).toBe(start.epoch);
    });
    const read = await all(one, start);
    expect(texts(read)).toEqual(one.entries.map(({ text: words }) => words));
    expect(read.position).toEqual({ offset: one.entries.at(-1)?.entry.offset, epoch: start.epoch });
    const half = one.entries[49]?.entry.offset ?? 0;
    expect(texts(await all(one, { ...start, offset: half }))).toHaveLength(50);
    expect(texts(await all(one, read.position))).toEqual([]);
  });

  test('takes what it had by an id no second time', async () => {
    await using one = await HeardBus.start(fresh());
    one.bus.watchLog('/', 'lobby');
    await one.bus.read('/', 'lobby', RULE);
    const first = await one.bus.append('/', 'lobby', RULE, bytes('a'), { id: 'i} 1' });
    const again = await one.bus.append('/', 'lobby', RULE, bytes('a'), { id: 'i} 1' });
    const other = await one.bus.append('/', 'lobby', RULE, bytes('b'), { id: 'i2' });
    expect(again).toEqual({ ...first, isDuplicate: true });
    expect(other).toMatchObject({ epoch: first.epoch, isDuplicate: false });
    await until(() => one.entries.length === 2, 'two entries');
    expect(one.entries.map(({ text: words }) => words)).toEqual(['a', 'b']);
  });

  test('refuses a place that it can not go on from, and says why', async () => {
    await using one = await HeardBus.start(fresh());
    const rule = { ...RULE, size: 3 };
    const places: Position[] = [(await one.bus.read('/', 'lobby', rule)).position];
    for (const words of ['a', 'b', 'c', 'd', 'e']) places.push(await one.bus.append('/', 'lobby', rule, bytes(words)));
    const at = (index: number): Position => places[index] as Position;
    expect(texts(await all(one, at(0)))).toBe('expired');
    expect(texts(await all(one, at(1)))).toBe('expired');
    expect(texts(await all(one, at(2)))).toEqual(['c', 'd', 'e']);
    expect(texts(await all(one, at(2), 2))).toBe('too-many');
    expect(texts(await all(one, { ...at(2), epoch: 'ab' }))).toBe('epoch');
    expect(texts(await all(one, { ...at(5), offset: at(5).offset + 1 }))).toBe('unknown');
    expect(texts(await all(one, { ...at(3), offset: at(3).offset + 1 }))).toBe('unknown');
    expect(await all(one, at(1))).toMatchObject({ position: { offset: at(5).offset, epoch: at(5).epoch } });
  });

  test('says no more at once than a server should', async () => {
    await using one = await HeardBus.start({ ...fresh(), heartbeat: 5000 });
    const { position } = await one.bus.read('/', 'lobby', RULE);
    const large = new Uint8Array(1_048_576);
    const first = await one.bus.append('/', 'lobby', RULE, large);
    for (let added = 0; added < 16; added += 1) await one.bus.append('/', 'lobby', RULE, large);
    expect(texts(await all(one, position))).toBe('too-many');
    expect(texts(await all(one, first))).toHaveLength(16);
  });

  test('forgets by age', async () => {
    await using one = await HeardBus.start(fresh());
    const start = await one.bus.append('/', 'lobby', RULE, bytes('a'));
    await one.bus.append('/', 'lobby', RULE, bytes('b'));
    const read = async (by: HistoryRule) => texts(await one.bus.read('/', 'lobby', by, { since: start }));
    expect(await read(RULE)).toEqual(['b']);
    const rule = { ...RULE, age: 150 };
    let last: unknown;
    while (last !== 'expired') last = await read(rule);
    const third = await one.bus.append('/', 'lobby', rule, bytes('c'));
    expect(third.epoch).toBe(start.epoch);
    const client = await createClient({ url: redis.url }).connect();
    expect(await client.xLen(`hawser:t${names}:{log:/|lobby}`)).toBe(1);
    client.destroy();
  });
});
