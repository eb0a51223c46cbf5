import { expect, test } from 'vitest';
import { JoinedCluster, type JoinedNode, messageTo } from '../../../test/support/joined-nodes.ts';
import type { Bus, Subject } from '../bus.ts';

const datas = ({ delivered }: JoinedNode): unknown[] => delivered.map(({ data }) => data);

/** Two nodes, of which the first one's messages to the room are taken away by `take` before they leave. */
async function pairWith(take: (bytes: Uint8Array) => boolean): Promise<[JoinedCluster, JoinedNode, JoinedNode]> {
  const cluster = new JoinedCluster();
  const here = await cluster.node((bus): Bus => {
    const publish = bus.publish.bind(bus);
    bus.publish = (subject: Subject, bytes: Uint8Array) => {
      if (subject.kind !== 'room' || !take(bytes)) publish(subject, bytes);
    };
    return bus;
  });
  const there = await cluster.node();
  there.engine.watchRoom('/', 'r');
  await cluster.world.advanceAsync(1);
  return [cluster, here, there];
}

test('what was sent before a reconnect and comes behind what was sent after it is left out', async () => {
  const held: Uint8Array[] = [];
  let isHeld = false;
  const [cluster, here, there] = await pairWith((bytes) => isHeld && held.push(bytes) > 0);
  const publish = async (data: unknown): Promise<void> => {
    here.engine.publish(messageTo('r', data));
    await cluster.world.advanceAsync(1);
  };
  await publish(1);
  isHeld = true;
  await publish(2);
  await publish('x'.repeat(200_000));
  isHeld = false;
  here.bus.cut();
  here.bus.mend();
  await cluster.world.advanceAsync(1);
  await publish(3);
  for (const bytes of held) there.bus.inject(bytes);
  await publish(4);
  expect(datas(there)).toEqual([1, 3, 4]);
});

test('halves of two long messages make no whole', async () => {
  let count = 0;
  // Of two messages with four pieces each, the second half of one and the first half of the other.
  const [cluster, here, there] = await pairWith(() => [2, 3, 4, 5].includes(count++));
  for (const letter of ['a', 'b', 'c']) here.engine.publish(messageTo('r', letter.repeat(200_000)));
  await cluster.world.advanceAsync(1);
  expect(datas(there)).toEqual(['c'.repeat(200_000)]);
  expect([here.codes, there.codes]).toEqual([[], []]);
});
