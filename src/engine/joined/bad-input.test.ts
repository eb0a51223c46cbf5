import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JoinedCluster, type JoinedNode, messageTo } from '../../../test/support/joined-nodes.ts';
import { FRAME, Framer, NODE_PROTOCOL } from './frame.ts';
import { REPORT_PAUSE } from './reports.ts';

const BOB = { id: 'b1', user: 'bob' };
const STRANGER = new Framer(Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9));

async function heardAfter(cluster: JoinedCluster, here: JoinedNode, there: JoinedNode): Promise<boolean> {
  const before = there.delivered.length;
  here.engine.publish(messageTo(undefined, 'still there?'));
  await cluster.world.advanceAsync(1);
  return there.delivered.length === before + 1;
}

test('a flood of foreign bytes is two reports, and the node lives', async () => {
  const cluster = new JoinedCluster();
  const [here, there] = await cluster.pair();
  for (let i = 0; i < 1000; i++) there.bus.inject(new TextEncoder().encode(`{"hello": ${i}}`));
  there.bus.inject(new Uint8Array(0));
  expect(there.codes).toEqual(['ERR_MESSAGE_MALFORMED']);
  await cluster.world.advanceAsync(REPORT_PAUSE);
  there.bus.inject(Uint8Array.of(1));
  expect(there.codes).toEqual(['ERR_MESSAGE_MALFORMED', 'ERR_MESSAGE_MALFORMED']);
  expect(String(there.reported[1])).toContain('1000 more');
  expect(await heardAfter(cluster, here, there)).toBe(true);
});

test('a node of another version is named once, and not heard', async () => {
  const cluster = new JoinedCluster();
  const here = await cluster.node();
  for (let i = 0; i < 3; i++) {
    const frame = new Uint8Array(STRANGER.frame(FRAME.heartbeat, [1, 0, 0, 0, 0]));
    frame[1] = NODE_PROTOCOL + 1;
    here.bus.inject(frame);
  }
  expect(here.codes).toEqual(['ERR_VERSION']);
  expect(String(here.reported[0])).toContain(STRANGER.id);
  expect((await here.engine.nodes()).length).toBe(1);
});

test('frames that are nearly right change nothing', async () => {
  const bodies: [keyof typeof FRAME, unknown[]][] = [
    ['message', []],
    ['message', [0, '/', ['r'], 'say', 1, { room: 7 }, null, []]],
    ['message', [8, '/', ['r'], 'say', 1, 7, null, []]],
    ['message', [4, '/', ['r'], 'say', 1, {}, null, [], [], [], 'sideways', null, null]],
    ['message', [0, '/', [Uint8Array.of(1)], 'say', 1, {}, null, []]],
    ['heartbeat', [1, 0]],
    ['heartbeat', [1, 0, -1, 0, 0]],
    ['changes', [1, 0, [1, '/', 'r', 'x1']]],
    ['changes', [1, 0, [9, '/', 'r', 'x1', null]]],
    ['changes', [1, 0, [1, 0, 'r', 'x1', null]]],
    ['changes', [0, 0, [1, '/', 'r', 'x1', null]]],
    ['changes', [1, 0, [3, '/', 'u', 'x1', 0]]],
    ['want', ['one', 0]],
    ['snapshot', [1, 0, true, 5, 0, 'none']],
    ['notice', [1, 'name', 'up', [], {}, 0]],
    ['notice', [1, 'name', true, Array.from({ length: 65 }, () => 'ws://h'), {}, 0]],
    ['question', [1]],
    ['answer', [1, 7, 'said']],
  ];
  for (const [kind, body] of bodies) {
    const cluster = new JoinedCluster();
    const here = await cluster.node();
    here.engine.watchRoom('/', 'r');
    here.bus.inject(STRANGER.frame(FRAME[kind], body));
    await cluster.world.advanceAsync(1);
    const told = [here.codes, here.told.length, here.delivered.length];
    expect([kind, body, ...told]).toEqual([kind, body, ['ERR_MESSAGE_MALFORMED'], 0, 0]);
  }
});

test('no bytes make a node throw, nor deaf', async () => {
  const framers = [STRANGER];
  const kinds = [...Object.values(FRAME), 0, 11, 255];
  const frame = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc
      .record({ kind: fc.constantFrom(...kinds), rest: fc.uint8Array({ maxLength: 60 }) })
      .map(({ kind, rest }) => Uint8Array.of(0x48, NODE_PROTOCOL, kind, 9, 9, 9, 9, 9, 9, 9, 9, ...rest)),
    fc
      .record({ kind: fc.constantFrom(...Object.values(FRAME)), body: fc.array(fc.jsonValue(), { maxLength: 12 }) })
      .map(({ kind, body }) => (framers[0] as Framer).frame(kind, body)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 40 }), async (frames) => {
      const cluster = new JoinedCluster();
      const [here, there] = await cluster.pair();
      for (const bytes of frames) there.bus.inject(new Uint8Array(bytes));
      await cluster.world.advanceAsync(10);
      expect(there.codes.every((code) => typeof code === 'string')).toBe(true);
      expect(await heardAfter(cluster, here, there)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('a host that throws is reported, and hears on', async () => {
  const cluster = new JoinedCluster();
  const [here, there] = await cluster.pair();
  there.onDeliver = () => {
    throw new Error('careless');
  };
  here.engine.publish(messageTo(undefined, 1));
  here.engine.publish(messageTo(undefined, 2));
  await cluster.world.advanceAsync(1);
  expect([there.delivered.length, there.reported.map(String)]).toEqual([2, ['Error: careless', 'Error: careless']]);
});

test('an entry that can not be read is left out, and the next one follows the one before', async () => {
  const cluster = new JoinedCluster();
  const { world } = cluster;
  const here = await cluster.node();
  const rule = { name: '/ *', size: 100, age: 60_000 };
  const append = async (write: () => Promise<unknown>): Promise<void> => {
    const done = write();
    await world.advanceAsync(1);
    await done;
  };
  here.engine.watchRoom('/', 'r', rule);
  await append(() => here.engine.append(messageTo('r', 1), rule));
  await append(() => here.bus.append('/', 'r', rule, new TextEncoder().encode('poison'), {}));
  // Well-formed, but of another room.
  await append(() =>
    here.bus.append('/', 'r', rule, STRANGER.frame(FRAME.message, [0, '/', ['s'], 'e', 1, {}, null, []]), {}),
  );
  await append(() => here.engine.append(messageTo('r', 2), rule));
  await append(() => here.engine.append(messageTo('r', 3), rule));
  const places = here.entries.map(({ offset, previous, message }) => [offset, previous, message.data]);
  expect(places).toEqual([
    [1, 0, 1],
    [4, 1, 2],
    [5, 4, 3],
  ]);
  expect(here.codes).toEqual(['ERR_MESSAGE_MALFORMED']);
  const { epoch } = here.entries[0] as { readonly epoch: string };
  const asked = here.engine.read('/', 'r', rule, { since: { offset: 1, epoch } });
  await world.advanceAsync(1);
  expect(await asked).toMatchObject({
    isWhole: true,
    entries: [
      { offset: 4, previous: 1 },
      { offset: 5, previous: 4 },
    ],
  });
});

test('an outage is reported once, and after it what rooms have is read on', async () => {
  const cluster = new JoinedCluster();
  const [here, there] = await cluster.pair();
  there.engine.enter('/', 'r', BOB);
  for (let round = 1; round <= 2; round++) {
    here.bus.cut();
    await cluster.world.advanceAsync(1000);
    expect(here.codes).toEqual(Array.from({ length: round }, () => 'ERR_ENGINE_DOWN'));
    await expect(here.engine.append(messageTo('r', 1), { name: '/ *', size: 1, age: 1 })).rejects.toMatchObject({
      code: 'ERR_ENGINE_DOWN',
      delivered: 'no',
    });
    here.bus.mend();
    await cluster.world.advanceAsync(100);
    expect(here.interruptions).toBe(round);
    expect(await heardAfter(cluster, there, here)).toBe(true);
  }
});
