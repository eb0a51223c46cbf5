import { describe, expect, test } from 'vitest';
import { ALL, Cluster, Ear, pass, Relay, ROOM, RULE, say } from '../../../test/support/hub-cluster.ts';
import type { Subject } from '../../engine/index.ts';
import { ClusterBus } from './cluster-bus.ts';
import { HUB } from './limits.ts';

describe('the bus of a worker', () => {
  test('carries what is published to who has subscribed, the publisher included, in order', async () => {
    await using cluster = await Cluster.start();
    const [a, b, c] = [await cluster.node(), await cluster.node(), await cluster.node()];
    for (const { bus } of [a, b, c]) bus.subscribe(ALL);
    for (const { bus } of [a, b]) bus.subscribe(ROOM);
    await pass(cluster.hub, ({ subjects }) => subjects === 2);
    for (let n = 0; n < 1000; n++) a.bus.publish(n % 2 === 0 ? ROOM : ALL, say(`${n}`));
    a.bus.publish(ALL, say('end'));
    for (const { ear } of [a, b, c]) await ear.hears('end');
    const all = Array.from({ length: 1000 }, (_, n) => `${n}`);
    expect(a.ear.told).toEqual([...all, 'end']);
    expect(b.ear.told).toEqual([...all, 'end']);
    expect(c.ear.told).toEqual([...all.filter((_, n) => n % 2 === 1), 'end']);
  });

  test('says no more about what was unsubscribed, and nothing twice', async () => {
    await using cluster = await Cluster.start();
    const { bus, ear } = await cluster.node();
    bus.subscribe(ROOM);
    bus.subscribe(ROOM);
    bus.subscribe(ALL);
    bus.publish(ROOM, say('once'));
    bus.unsubscribe(ROOM);
    bus.publish(ROOM, say('never'));
    bus.publish(ALL, say('end'));
    await ear.hears('end');
    expect(ear.told).toEqual(['once', 'end']);
    expect(cluster.hub.stats.subjects).toBe(1);
  });

  test('clusters of two names know nothing of each other', async () => {
    await using cluster = await Cluster.start();
    const [a, b] = [await cluster.node('one'), await cluster.node('two')];
    a.bus.subscribe(ALL);
    b.bus.subscribe(ALL);
    a.bus.publish(ALL, say('to one'));
    await a.ear.hears('to one');
    b.bus.publish(ALL, say('to two'));
    await b.ear.hears('to two');
    expect([a.ear.told, b.ear.told]).toEqual([['to one'], ['to two']]);
  });

  test.each([0, 1, 4095, 8192, 8193, 65_536, 70_000, HUB.payloadBytes])(
    'carries %i bytes as they are',
    async (length) => {
      await using cluster = await Cluster.start();
      const [a, b] = [await cluster.node(), await cluster.node()];
      let came: Uint8Array | undefined;
      b.ear.received = (bytes) => {
        if (came === undefined) came = bytes;
        else b.ear.told.push('end');
        b.ear.reconnected();
      };
      b.bus.subscribe(ALL);
      await pass(cluster.hub, ({ subjects }) => subjects === 1);
      const bytes = new Uint8Array(length).map((_, at) => at * 7);
      a.bus.publish(ALL, bytes);
      a.bus.publish(ALL, say('end'));
      await b.ear.hears('end');
      expect(Buffer.compare(came as Uint8Array, bytes)).toBe(0);
    },
  );

  test('names of all kinds are different subjects, however long', async () => {
    await using cluster = await Cluster.start();
    const { bus, ear } = await cluster.node();
    const rooms = ['a', '\0', '🚀', 'x'.repeat(5000), `${'x'.repeat(4999)}y`, '', 'ä'.repeat(1020)];
    const subjects: Subject[] = [
      ...rooms.map((room) => ({ kind: 'room', namespace: '/', room }) as const),
      { kind: 'user', namespace: '/', user: 'a' },
      { kind: 'room', namespace: '/a', room: '' },
      { kind: 'node', node: 'a' },
      ALL,
    ];
    for (const [at, subject] of subjects.entries()) {
      bus.subscribe(subject);
      for (const [other, another] of subjects.entries()) bus.publish(another, say(`${at} ${other}`));
      bus.unsubscribe(subject);
    }
    bus.subscribe(ALL);
    bus.publish(ALL, say('end'));
    await ear.hears('end');
    expect(ear.told).toEqual([...subjects.map((_, at) => `${at} ${at}`), 'end']);
  });
});

describe('the logs of the hub', () => {
  test('number what is added, and tell all who watch in one order', async () => {
    await using cluster = await Cluster.start();
    const [a, b] = [await cluster.node(), await cluster.node()];
    a.bus.watchLog('/', 'r');
    b.bus.watchLog('/', 'r');
    await pass(cluster.hub, ({ subjects }) => subjects === 1);
    const added = [];
    for (let n = 0; n < 50; n++) {
      added.push(a.bus.append('/', 'r', RULE, say(`a${n}`), {}), b.bus.append('/', 'r', RULE, say(`b${n}`), {}));
    }
    const offsets = (await Promise.all(added)).map(({ offset }) => offset);
    expect(offsets.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 100 }, (_, n) => n + 1));
    await a.ear.until(() => a.ear.entries.length === 100);
    await b.ear.until(() => b.ear.entries.length === 100);
    expect(a.ear.told).toEqual(b.ear.told);
    expect(a.ear.told[0]).toMatch(/^\/ r 1<0 [ab]0$/);
    const own = a.ear.entries.map(({ bytes }) => Buffer.from(bytes).toString()).filter((text) => text.startsWith('a'));
    expect(own).toEqual(Array.from({ length: 50 }, (_, n) => `a${n}`));
    b.bus.unwatchLog('/', 'r');
    b.bus.subscribe(ALL);
    await a.bus.append('/', 'r', RULE, say('last'), {});
    b.bus.publish(ALL, say('end'));
    await b.ear.hears('end');
    expect(b.ear.entries).toHaveLength(100);
  });

  test('an id that was there adds nothing, from whatever node', async () => {
    await using cluster = await Cluster.start();
    const [a, b] = [await cluster.node(), await cluster.node()];
    const first = await a.bus.append('/', 'r', RULE, say('1'), { id: 'x' });
    const again = await b.bus.append('/', 'r', RULE, say('1'), { id: 'x' });
    expect(again).toEqual({ ...first, isDuplicate: true });
    const long = 'y'.repeat(100_000);
    expect(await a.bus.append('/', 'r', RULE, say('2'), { id: long })).toMatchObject({ offset: 2, isDuplicate: false });
    expect(await b.bus.append('/', 'r', RULE, say('2'), { id: long })).toMatchObject({ offset: 2, isDuplicate: true });
  });

  test('are read whole, or say why not', async () => {
    await using cluster = await Cluster.start();
    const { bus } = await cluster.node();
    const none = await bus.read('/', 'r', RULE, {});
    expect(none).toMatchObject({ isWhole: true, entries: [], position: { offset: 0 } });
    const { epoch } = none.position;
    for (const text of ['1', '2', '3', '4', '5']) await bus.append('/', 'r', RULE, say(text), {});
    const read = await bus.read('/', 'r', RULE, { since: { offset: 3, epoch } });
    expect(read).toMatchObject({ isWhole: true, position: { offset: 5, epoch } });
    expect(
      read.isWhole &&
        read.entries.map(({ bytes, offset, previous }) => [Buffer.from(bytes).toString(), offset, previous]),
    ).toEqual([
      ['4', 4, 3],
      ['5', 5, 4],
    ]);
    const since = async (offset: number, named = epoch, most = 1000): Promise<unknown> => {
      const answer = await bus.read('/', 'r', RULE, { since: { offset, epoch: named }, most });
      return answer.isWhole ? answer.entries.length : answer.reason;
    };
    expect(await since(1)).toBe('expired');
    expect(await since(6)).toBe('unknown');
    expect(await since(3, 'other')).toBe('epoch');
    expect(await since(3, 'x'.repeat(100_000))).toBe('epoch');
    expect(await since(3, epoch, 1)).toBe('too-many');
    expect(await since(Number.NaN)).toBe('unknown');
    expect(await since(1e300)).toBe('unknown');
    expect(await since(5)).toBe(0);
  });

  test('more bytes than one reading brings are a gap', async () => {
    await using cluster = await Cluster.start();
    const { bus } = await cluster.node();
    const rule = { ...RULE, size: 100 };
    const { epoch } = (await bus.read('/', 'r', rule, {})).position;
    const entries = Math.floor(HUB.readingBytes / HUB.payloadBytes) + 1;
    for (let n = 0; n < entries; n++) await bus.append('/', 'r', rule, new Uint8Array(HUB.payloadBytes), {});
    expect(await bus.read('/', 'r', rule, { since: { offset: 0, epoch } })).toMatchObject({ reason: 'too-many' });
    const rest = await bus.read('/', 'r', rule, { since: { offset: 1, epoch } });
    expect(rest.isWhole && rest.entries.length).toBe(entries - 1);
  });

  test('what is too long for the hub is refused, and reported where nobody waits', async () => {
    await using cluster = await Cluster.start();
    const { bus, ear } = await cluster.node();
    const long = new Uint8Array(HUB.payloadBytes + 1);
    await expect(bus.append('/', 'r', RULE, long, {})).rejects.toMatchObject({ code: 'ERR_MESSAGE_TOO_LARGE' });
    bus.publish(ALL, long);
    expect(ear.errors).toMatchObject([{ code: 'ERR_MESSAGE_TOO_LARGE' }]);
  });

  test('who waits may stop waiting', async () => {
    await using cluster = await Cluster.start();
    const { bus } = await cluster.node();
    const gone = AbortSignal.abort(new Error('why'));
    const refused = bus.append('/', 'r', RULE, say('never'), { signal: gone });
    await expect(refused).rejects.toMatchObject({ code: 'ERR_ABORTED', delivered: 'no' });
    const control = new AbortController();
    const left = bus.append('/', 'r', RULE, say('left'), { signal: control.signal });
    control.abort();
    await expect(left).rejects.toMatchObject({ code: 'ERR_ABORTED', delivered: 'unknown' });
    expect(await bus.append('/', 'r', RULE, say('next'), {})).toMatchObject({ offset: 2 });
  });
});

describe('when the connection ends', () => {
  test('what a worker had subscribed to is gone at once; the others hear that its node has ended', async () => {
    await using cluster = await Cluster.start();
    const [a, b] = [await cluster.node(), await cluster.node()];
    b.bus.subscribe({ kind: 'node', node: 'b' });
    b.bus.subscribe(ROOM);
    await pass(cluster.hub, ({ subjects }) => subjects === 2);
    await b.bus.close();
    await pass(cluster.hub, ({ subjects, connections }) => subjects === 0 && connections === 1);
    cluster.hub.dismiss(b.door.worker);
    await a.ear.hears('ended b');
    expect(b.ear.told).toEqual([]);
    await expect(cluster.node('hawser', b.door)).rejects.toMatchObject({ code: 'ERR_AUTH_FAILED' });
  });

  test('a worker comes back with its subscriptions, and who waited is told', async () => {
    await using cluster = await Cluster.start();
    const door = cluster.door();
    const relay = await Relay.start(door);
    const { bus, ear } = await cluster.node('hawser', relay.door);
    const { bus: other } = await cluster.node();
    bus.subscribe(ROOM);
    await pass(cluster.hub, ({ subjects }) => subjects === 1);
    relay.hold();
    const waits = bus.append('/', 'r', RULE, say('x'), {});
    relay.cut();
    await expect(waits).rejects.toMatchObject({ code: 'ERR_ENGINE_DOWN', delivered: 'unknown' });
    expect(ear.errors).toMatchObject([{ code: 'ERR_DISCONNECTED' }]);
    await expect(bus.read('/', 'r', RULE, {})).rejects.toMatchObject({ code: 'ERR_ENGINE_DOWN', delivered: 'no' });
    bus.publish(ROOM, say('lost'));
    await ear.hears('reconnected');
    await pass(cluster.hub, ({ subjects }) => subjects === 1);
    other.publish(ROOM, say('there again'));
    await ear.hears('there again');
    expect(ear.told).toEqual(['disconnected', 'reconnected', 'there again']);
    await relay.close();
  });

  test('a hub that is gone refuses, and one that says nothing is not waited for longer than asked', async () => {
    const cluster = await Cluster.start();
    const relay = await Relay.start(cluster.door());
    const { bus } = await cluster.node('hawser', relay.door);
    relay.hold();
    const late = bus.read('/', 'r', RULE, { timeout: 20 });
    await expect(late).rejects.toMatchObject({ code: 'ERR_ENGINE_DOWN', delivered: 'unknown' });
    const { path } = cluster.door();
    await cluster[Symbol.asyncDispose]();
    await relay.close();
    const lost = new ClusterBus('hawser', () => Promise.resolve({ path, worker: 1, secret: new Uint8Array(32) }));
    await expect(lost.start(new Ear())).rejects.toMatchObject({ code: 'ERR_CONNECT_FAILED' });
  });
});
