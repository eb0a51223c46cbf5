import { statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ALL,
  Cluster,
  closed,
  dial,
  frame,
  greeting,
  pass,
  Relay,
  ROOM,
  RULE,
  say,
} from '../../../test/support/hub-cluster.ts';
import { logKeyOf } from './keys.ts';
import { HUB } from './limits.ts';

describe('the hub', () => {
  test('can be reached by its own user alone', async () => {
    await using cluster = await Cluster.start();
    expect(statSync(dirname(cluster.door().path)).mode & 0o777).toBe(0o700);
  });

  test.each([
    ['nothing that it knows', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['an announced length beyond the limit', Buffer.from([0xff, 0xff, 0xff, 0x7f, 1])],
    ['an empty frame', Buffer.alloc(5)],
    ['a wrong secret', frame(1, Buffer.alloc(33, 1))],
    ['a short secret', frame(1, Buffer.alloc(12, 1))],
    ['another frame first', frame(3, Buffer.from('key'))],
  ])('lets nobody in who says %s', async (_, bytes) => {
    await using cluster = await Cluster.start();
    const { bus, ear, door } = await cluster.node();
    const stranger = await dial(door.path);
    stranger.write(bytes);
    await closed(stranger);
    await expect.poll(() => cluster.reports).toEqual([expect.stringContaining('a stranger')]);
    bus.subscribe(ALL);
    bus.publish(ALL, say('still here'));
    await ear.hears('still here');
  });

  test.each([
    ['an unknown kind', frame(99, Buffer.alloc(3))],
    ['a second greeting', frame(1, Buffer.alloc(33))],
    ['a publication without a frame in it', frame(2, Buffer.from([1, 0, 97]))],
    ['a publication with a shorter frame in it', frame(2, Buffer.from([1, 0, 97, 1, 0, 0, 0, 17, 1]))],
    ['a publication with another kind in it', frame(2, Buffer.from([1, 0, 97, 1, 0, 0, 0, 18]))],
    ['a key that is cut off', frame(2, Buffer.from([200, 0, 97]))],
    ['a key that is too long', frame(3, Buffer.alloc(5000, 97))],
    ['an entry without a rule', frame(5, Buffer.from([0, 0, 0, 0, 1, 0, 97]))],
    ['a reading that is cut off', frame(6, Buffer.from([0, 0]))],
    [
      'an offset that is no number',
      frame(6, Buffer.concat([Buffer.alloc(6), Buffer.alloc(17), Buffer.alloc(10, 0xff)])),
    ],
    ['a frame for another worker that is none', frame(7, Buffer.from([1, 1, 0, 0, 0, 22]))],
  ])('cuts off a worker that says %s, and nobody else', async (_, bytes) => {
    await using cluster = await Cluster.start();
    const { bus, ear } = await cluster.node();
    const bad = cluster.door();
    const socket = await dial(bad.path);
    socket.write(greeting(bad));
    await pass(cluster.hub, ({ connections }) => connections === 2);
    socket.resume();
    socket.write(bytes);
    await closed(socket);
    await expect.poll(() => cluster.reports).toEqual([expect.stringContaining(`worker ${bad.worker}`)]);
    bus.subscribe(ALL);
    bus.publish(ALL, say('still here'));
    await ear.hears('still here');
  });

  test('cuts off a worker that does not read, and carries on for the others', async () => {
    await using cluster = await Cluster.start();
    const [a, b] = [await cluster.node(), await cluster.node()];
    const deaf = cluster.door();
    const socket = await dial(deaf.path);
    socket.write(Buffer.concat([greeting(deaf), frame(3, Buffer.from('a6:hawser'))]));
    b.bus.subscribe(ALL);
    await pass(cluster.hub, ({ connections, subjects }) => connections === 3 && subjects === 1);
    socket.pause();
    const bytes = new Uint8Array(1 << 20);
    let sent = 0;
    for (; cluster.reports.length === 0; sent++) {
      a.bus.publish(ALL, bytes);
      await b.ear.until(() => b.ear.told.length > sent);
    }
    expect(cluster.reports).toEqual([expect.stringContaining(`didn't read ${HUB.backlogBytes} bytes`)]);
    expect(sent).toBeGreaterThanOrEqual(HUB.backlogBytes / bytes.length);
    expect(cluster.hub.stats.connections).toBe(2);
    socket.destroy();
  });

  test('gives long readings one after the other: who asks for many at once is not cut off', async () => {
    const limits = { backlogBytes: 4 << 20, readingBytes: 1 << 20 };
    await using cluster = await Cluster.start(limits);
    const { bus, ear } = await cluster.node();
    const { epoch } = (await bus.read('/', 'r', RULE, {})).position;
    for (let n = 0; n < RULE.size; n++) await bus.append('/', 'r', RULE, new Uint8Array(340_000), {});
    const since = { offset: 0, epoch };
    const readings = await Promise.all(Array.from({ length: 40 }, () => bus.read('/', 'r', RULE, { since })));
    expect(readings.map((one) => one.isWhole && one.entries.length)).toEqual(Array(40).fill(RULE.size));
    expect([cluster.reports, ear.errors]).toEqual([[], []]);
  });

  test('cuts off a worker that asks for readings and takes none', async () => {
    await using cluster = await Cluster.start({ readingBytes: 1 << 20, readings: 10 });
    const { bus } = await cluster.node();
    const { epoch } = (await bus.read('/', 'r', RULE, {})).position;
    for (let n = 0; n < RULE.size; n++) await bus.append('/', 'r', RULE, new Uint8Array(340_000), {});
    const deaf = cluster.door();
    const socket = await dial(deaf.path);
    socket.pause();
    const reading = frame(6, readingOf(logKeyOf('hawser', '/', 'r'), epoch));
    socket.write(Buffer.concat([greeting(deaf), ...Array.from({ length: 20 }, () => reading)]));
    await expect.poll(() => cluster.reports).toEqual([expect.stringContaining('more than 10 readings')]);
    socket.destroy();
  });

  test('a hub that does not read costs a worker its connection, with a code, and no more memory', async () => {
    await using cluster = await Cluster.start();
    const relay = await Relay.start(cluster.door());
    const { bus, ear } = await cluster.node('hawser', relay.door);
    relay.hold();
    for (let n = 0; n < HUB.backlogBytes / (1 << 20) + 1; n++) bus.publish(ALL, new Uint8Array(1 << 20));
    await ear.hears('disconnected');
    expect(ear.errors).toMatchObject([{ code: 'ERR_BACKLOG_FULL' }]);
    relay.cut();
    await ear.hears('reconnected');
    await relay.close();
  });

  test('a flood of messages to rooms, or of entries, is refused before it costs the connection', async () => {
    await using cluster = await Cluster.start();
    const relay = await Relay.start(cluster.door());
    const { bus, ear } = await cluster.node('hawser', relay.door);
    const large = new Uint8Array(1 << 20);
    for (let n = 0; n < HUB.backlogBytes / large.length; n++) bus.publish(ROOM, large);
    // There is room for a short one, and it makes no report of each of the next.
    bus.publish(ROOM, say('short'));
    bus.publish(ROOM, large);
    await expect(bus.append('/', 'r', RULE, large, {})).rejects.toMatchObject({
      code: 'ERR_ENGINE_DOWN',
      delivered: 'no',
    });
    expect(ear.errors).toMatchObject([{ code: 'ERR_BACKLOG_FULL' }]);
    bus.subscribe(ALL);
    bus.publish(ALL, say('I live'));
    await ear.hears('I live');
    await bus.append('/', 'r', RULE, large, {});
    bus.subscribe(ROOM);
    bus.publish(ROOM, say('again'));
    await ear.hears('again');
    expect(ear.told).not.toContain('disconnected');
    await relay.close();
  });

  test('takes so many connections of one worker, and so many of strangers', async () => {
    await using cluster = await Cluster.start();
    const door = cluster.door();
    for (let n = 0; n < HUB.connectionsPerWorker; n++) await cluster.node('hawser', door);
    await expect(cluster.node('hawser', door)).rejects.toMatchObject({ code: 'ERR_AUTH_FAILED' });
    const strangers: Socket[] = [];
    for (let n = 0; n < HUB.strangers; n++) strangers.push(await dial(door.path));
    await pass(cluster.hub, ({ connections }) => connections === HUB.connectionsPerWorker + HUB.strangers);
    await expect(cluster.node()).rejects.toMatchObject({
      code: expect.stringMatching('ERR_AUTH_FAILED|ERR_CONNECT_FAILED'),
    });
    for (const stranger of strangers) stranger.destroy();
    await pass(cluster.hub, ({ connections }) => connections === HUB.connectionsPerWorker);
    await cluster.node();
  });

  test('so many subjects of one worker; one that wants more is cut off', async () => {
    await using cluster = await Cluster.start({ subscriptions: 3 });
    const { bus, ear } = await cluster.node();
    for (let n = 0; n < 3; n++) bus.subscribe({ kind: 'room', namespace: '/', room: `${n}` });
    await pass(cluster.hub, ({ subjects }) => subjects === 3);
    expect(ear.errors).toEqual([]);
    bus.subscribe({ kind: 'room', namespace: '/', room: '3' });
    await ear.hears('disconnected');
    expect(cluster.reports).toEqual([expect.stringContaining('more than 3 subjects')]);
  });

  test('who never says whose it is is not waited for', async () => {
    await using cluster = await Cluster.start({ joinWait: 20 });
    const { door } = await cluster.node();
    await closed(await dial(door.path));
    await expect
      .poll(() => cluster.reports)
      .toEqual([expect.stringContaining('a stranger off: it never said whose it is')]);
    expect(cluster.hub.stats.connections).toBe(1);
  });

  test('so many logs; the one that was quiet longest gives way, and begins anew', async () => {
    await using cluster = await Cluster.start({ logs: 2 });
    const { bus } = await cluster.node();
    const add = (room: string): Promise<unknown> => bus.append('/', room, RULE, say(room), {});
    const first = await add('a');
    for (const room of ['b', 'a', 'c']) await add(room);
    expect(cluster.hub.stats.logs).toBe(2);
    expect(await add('a')).toMatchObject({ offset: 3 });
    const again = await add('b');
    expect(again).toMatchObject({ offset: 1 });
    expect(again).not.toEqual(first);
  });

  test('so many bytes of entries; the logs that were quiet longest are emptied, and say so', async () => {
    await using cluster = await Cluster.start({ logBytes: 10_000 });
    const { bus } = await cluster.node();
    const add = async (room: string): Promise<string> => {
      return (await bus.append('/', room, { ...RULE, size: 100 }, new Uint8Array(1000), {})).epoch;
    };
    const epoch = await add('a');
    for (let n = 0; n < 8; n++) await add('b');
    const since = { since: { offset: 0, epoch } };
    expect(await bus.read('/', 'a', RULE, since)).toMatchObject({ isWhole: false, reason: 'expired' });
    expect(await bus.read('/', 'a', RULE, { since: { offset: 1, epoch } })).toMatchObject({ isWhole: true });
  });

  test('what is forwarded to a worker that does not read is lost, and costs it nothing else', async () => {
    await using cluster = await Cluster.start({ forwardBytes: 100_000 });
    const [a, b] = [await cluster.node(), cluster.door()];
    const socket = await dial(b.path);
    socket.write(Buffer.concat([greeting(b), frame(8, new Uint8Array(0))]));
    await pass(cluster.hub, ({ connections }) => connections === 2);
    let came = 0;
    socket.on('data', (chunk) => (came += chunk.length));
    await expect.poll(() => came).toBeGreaterThan(5);
    socket.pause();
    const sender = await dial(a.door.path);
    const forwarded = frame(7, Buffer.concat([Buffer.from([b.worker]), frame(22, new Uint8Array(1001))]));
    sender.write(greeting(a.door));
    sender.write(Buffer.concat(Array.from({ length: 5000 }, () => forwarded)));
    sender.write(frame(3, Buffer.from('k')));
    await pass(cluster.hub, ({ subjects }) => subjects === 1);
    socket.resume();
    await expect.poll(() => came).toBeGreaterThan(100_000);
    expect(came).toBeLessThan(5000 * 1000);
    expect(cluster.reports).toEqual([]);
    sender.destroy();
    socket.destroy();
  });

  test('is upset by no bytes of a worker, whatever they are', async () => {
    await using cluster = await Cluster.start();
    const { bus, ear } = await cluster.node();
    bus.subscribe(ALL);
    await pass(cluster.hub, ({ subjects }) => subjects === 1);
    const door = cluster.door();
    let sent = 0;
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      // Keys and lengths that fit, and what does not behind them.
      fc.uint8Array({ maxLength: 60 }).map((rest) => Buffer.concat([Buffer.from([1, 0, 97]), rest])),
      fc.uint8Array({ maxLength: 60 }).map((rest) => Buffer.concat([Buffer.from([7, 0, 0, 0, 1, 0, 97]), rest])),
    );
    const isTame = fc.asyncProperty(fc.array(fc.tuple(fc.nat(9), body), { maxLength: 5 }), async (said) => {
      const socket = await dial(door.path);
      socket.end(Buffer.concat([greeting(door), ...said.map(([kind, bytes]) => frame(kind, bytes))]));
      await closed(socket);
      sent += 1;
      bus.publish(ALL, say(`still here ${sent}`));
      await ear.hears(`still here ${sent}`);
    });
    await fc.assert(isTame, { numRuns: 200 });
    expect(ear.errors).toEqual([]);
  });
});

/** What asks for all after the place 0 of a log. */
function readingOf(key: string, epoch: string): Buffer {
  const text = (one: string): Buffer => Buffer.concat([Buffer.from([one.length, 0]), Buffer.from(one)]);
  const rule = Buffer.alloc(12);
  rule.writeUInt32LE(RULE.size);
  rule.writeDoubleLE(RULE.age, 4);
  const since = Buffer.alloc(13);
  since.writeUInt32LE(1000);
  since[4] = 1;
  return Buffer.concat([Buffer.alloc(4), text(key), rule, since, text(epoch)]);
}
