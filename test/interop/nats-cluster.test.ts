import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Appended, HistoryRule } from '../../src/engine/index.ts';
import { type NatsCluster, startNatsCluster } from '../support/nats-server.ts';
import { until } from '../support/until.ts';
import { bytes, text } from '../support/words.ts';
import { HeardBus } from './nats-bus.ts';

const RULE: HistoryRule = { name: '/ r*', size: 1000, age: 60_000 };

/** Adds, again and again by the same id, until it is there; as who wants it there must. */
async function insist(bus: HeardBus, word: string): Promise<Appended> {
  for (;;) {
    try {
      return await bus.bus.append('/', 'r', RULE, bytes(word), { id: word, timeout: 1000 });
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_ENGINE_DOWN' });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

describe('three servers of NATS', () => {
  let cluster: NatsCluster;
  beforeAll(async () => {
    cluster = await startNatsCluster(3);
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  test('lose their leader, and no entry is lost, doubled or out of order', async () => {
    const options = { name: 'leader', history: { replicas: 3 }, pingInterval: 500 };
    await using here = await HeardBus.start({ servers: cluster.urls[0] ?? '', ...options });
    await using there = await HeardBus.start({ servers: cluster.urls[1] ?? '', ...options });
    for (const { bus } of [here, there]) bus.watchLog('/', 'r', RULE);
    const first = await insist(here, 'first');
    const stream = (await cluster.nodes[0]?.streams())?.[0] ?? '';
    const leader = await cluster.leader(stream);
    const places: Appended[] = [];
    for (let i = 0; i < 100; i++) {
      if (i === 30) await leader.daemon.stop('SIGKILL');
      places.push(await insist(here, `e${i}`));
    }
    expect(places.map(({ offset }) => offset)).toEqual(places.map(({ offset }) => offset).toSorted((a, b) => a - b));
    const words = Array.from({ length: 100 }, (_, i) => `e${i}`);
    for (const bus of [here, there]) {
      await until(async () => {
        const read = await bus.bus.read('/', 'r', RULE, { since: first }).catch(() => undefined);
        return read?.isWhole === true && read.entries.length === 100;
      }, 'all can be read');
      const read = await bus.bus.read('/', 'r', RULE, { since: first });
      expect(read.isWhole && read.entries.map((entry) => text(entry.bytes))).toEqual(words);
      // What was heard live is in order, and what is missing of it shows as a hole.
      const heard = bus.entries.filter(({ offset }) => offset > first.offset);
      for (const [i, { offset, previous }] of heard.entries()) {
        const before = heard[i - 1]?.offset ?? first.offset;
        expect(offset).toBeGreaterThan(before);
        if (previous !== before) expect(bus.times('reconnected')).toBeGreaterThan(0);
      }
    }
    await leader.daemon.start();
  });

  test('a node goes to another server when its own ends', async () => {
    const options = { name: 'moving', pingInterval: 500 };
    await using bus = await HeardBus.start({ servers: cluster.urls[2] ?? '', ...options });
    await using other = await HeardBus.start({ servers: cluster.urls[0] ?? '', ...options });
    for (const one of [bus, other]) one.bus.subscribe({ kind: 'all' });
    await cluster.nodes[2]?.daemon.stop('SIGTERM');
    await until(() => bus.times('reconnected') > 0, 'it is at another one');
    await until(() => {
      bus.bus.publish({ kind: 'all' }, bytes('m'));
      return other.heard.length > 0;
    }, 'they hear each other');
    expect(other.heard[0]).toBe('m');
    await cluster.nodes[2]?.daemon.start();
  });
});
