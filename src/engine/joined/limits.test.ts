import { expect, test } from 'vitest';
import { JoinedCluster, messageTo } from '../../../test/support/joined-nodes.ts';
import { FRAME, Framer } from './frame.ts';
import { CHANGES_BYTES, CHANGES_KEPT } from './own-log.ts';
import { NODES_MOST } from './peers.ts';
import { FRAGMENTED_BYTES, piecesOf } from './pieces.ts';
import { QUESTIONS_MOST } from './questions.ts';

const BOB = { id: 'b1', user: 'bob' };

test('a node knows 1,024 others, and says when there are more', async () => {
  const cluster = new JoinedCluster();
  const here = await cluster.node();
  for (let i = 0; i <= NODES_MOST; i++) {
    const framer = new Framer(Uint8Array.of(1, i >> 8, i & 255, 0, 0, 0, 0, 0));
    here.bus.inject(framer.frame(FRAME.heartbeat, [1, 0, 0, 0, 0]));
  }
  expect((await here.engine.nodes()).length).toBe(NODES_MOST + 1);
  expect(here.codes).toEqual(['ERR_TOO_MANY_NODES']);
});

test('a message that is longer than 16 MiB is not sent, and the next one is', async () => {
  const cluster = new JoinedCluster({ payloadBytes: 1 << 20 });
  const [here, there] = await cluster.pair();
  const fits = new Uint8Array(FRAGMENTED_BYTES - 100);
  here.engine.publish(messageTo(undefined, new Uint8Array(FRAGMENTED_BYTES)));
  here.engine.publish(messageTo(undefined, fits));
  await cluster.world.advanceAsync(1);
  expect(here.codes).toEqual(['ERR_MESSAGE_TOO_LARGE']);
  expect(there.delivered.map(({ data }) => (data as Uint8Array).length)).toEqual([fits.length]);
});

test('pieces of what would be longer are refused before memory is taken, and those of half a message are dropped', async () => {
  const cluster = new JoinedCluster();
  const here = await cluster.node();
  const framer = new Framer(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  const [first, second] = piecesOf(framer.frame(FRAME.question, [1, 'x'.repeat(300)]), framer, 200);
  if (first === undefined || second === undefined) throw new Error('there are two');
  here.bus.inject(second);
  here.bus.inject(first);
  here.bus.inject(first);
  expect(here.codes).toEqual([]);
  const long = new Uint8Array(first);
  new DataView(long.buffer).setUint32(11, FRAGMENTED_BYTES + 1);
  here.bus.inject(long);
  expect(here.codes).toEqual(['ERR_MESSAGE_MALFORMED']);
});

test('who missed more changes than are kept gets all that there is, and tells what is different', async () => {
  const cluster = new JoinedCluster();
  const [here, there] = await cluster.pair();
  there.engine.enter('/', 'r', BOB);
  there.engine.enter('/', 's', BOB);
  await cluster.world.advanceAsync(1);
  here.bus.cut();
  for (let i = 0; i < CHANGES_KEPT / 2; i++) {
    there.engine.enter('/', 'hither', BOB);
    there.engine.leave('/', 'hither', BOB);
  }
  there.engine.leave('/', 's', BOB);
  await cluster.world.advanceAsync(100);
  here.bus.mend();
  await cluster.world.advanceAsync(5000);
  expect(here.told).toEqual(['b1 joined r (1)', 'b1 joined s (1)', 'b1 left s (0)']);
  expect(await here.engine.rooms('/')).toEqual(new Map([['r', 1]]));
});

test('the same for more bytes of changes than are kept', async () => {
  const cluster = new JoinedCluster();
  const [here, there] = await cluster.pair();
  there.engine.enter('/', 'r', BOB);
  await cluster.world.advanceAsync(1);
  here.bus.cut();
  const long = 'long '.repeat(250);
  const many = Math.ceil(CHANGES_BYTES / long.length / 2);
  expect(many * 2).toBeLessThan(CHANGES_KEPT);
  for (let i = 0; i < many; i++) {
    there.engine.enter('/', long, BOB);
    there.engine.leave('/', long, BOB);
  }
  await cluster.world.advanceAsync(100);
  here.bus.mend();
  await cluster.world.advanceAsync(5000);
  expect(here.told).toEqual(['b1 joined r (1)']);
});

test('who missed fewer gets those', async () => {
  const cluster = new JoinedCluster();
  const [here, there] = await cluster.pair();
  there.engine.enter('/', 'r', BOB);
  await cluster.world.advanceAsync(1);
  here.bus.cut();
  there.engine.enter('/', 'hither', BOB);
  there.engine.leave('/', 'hither', BOB);
  await cluster.world.advanceAsync(100);
  here.bus.mend();
  await cluster.world.advanceAsync(5000);
  expect(here.told).toEqual(['b1 joined r (1)', 'b1 joined hither (1)', 'b1 left hither (0)']);
});

test('1,000 questions may wait, and as many of others', async () => {
  const cluster = new JoinedCluster();
  const [here, there] = await cluster.pair();
  const third = await cluster.node();
  there.answer = () => new Promise(() => {});
  third.answer = there.answer;
  const nodes = [there.engine.id];
  const many = Array.from({ length: QUESTIONS_MOST }, () => here.engine.ask('?', { nodes }));
  await expect(here.engine.ask('?', { nodes })).rejects.toMatchObject({ code: 'ERR_TOO_MANY_REQUESTS' });
  await cluster.world.advanceAsync(1);
  const over = third.engine.ask('?', { nodes });
  await cluster.world.advanceAsync(1);
  expect((await over).errors.map(({ error }) => error.code)).toEqual(['ERR_TOO_MANY_REQUESTS']);
  await cluster.world.advanceAsync(2000);
  for (const one of many) expect((await one).silent).toEqual(nodes);
  const again = here.engine.ask('?', { nodes: [third.engine.id], timeout: 10 });
  await cluster.world.advanceAsync(10);
  expect((await again).silent).toEqual([third.engine.id]);
});

test('a large node is told in chunks, one by one', async () => {
  const cluster = new JoinedCluster();
  const there = await cluster.node();
  const name = 'x'.repeat(200);
  for (let i = 0; i < 3000; i++) there.engine.enter('/', `${name}${i}`, BOB);
  await cluster.world.advanceAsync(1);
  const here = await cluster.node();
  await cluster.world.advanceAsync(1000);
  expect(here.told.length).toBe(3000);
  expect((await here.engine.rooms('/', 5000)).size).toBe(3000);
});
