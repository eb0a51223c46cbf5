import { expect, test } from 'vitest';
import { JoinedCluster } from '../../../test/support/joined-nodes.ts';
import { DEAD_LISTED } from './peers.ts';
import { JOINED_TIMES } from './talk.ts';

const ADA = { id: 'a1', user: 'ada' };
const BOB = { id: 'b1', user: 'bob' };
const { heartbeat, lease } = JOINED_TIMES;

test('a node that dies is given up at most 8 s later, whenever it was', async () => {
  const found: number[] = [];
  for (let after = 0; after < heartbeat; after += 200) {
    const cluster = new JoinedCluster();
    const { world } = cluster;
    const [here, there] = await cluster.pair();
    there.engine.enter('/', 'r', BOB);
    await world.advanceAsync(10 * heartbeat + after);
    const died = world.now();
    there.bus.kill();
    for (let at = 0; here.told.length < 2; at++) {
      expect(at).toBeLessThan(100);
      await world.advanceAsync(100);
    }
    expect(here.told).toEqual(['b1 joined r (1)', 'b1 left r (0)']);
    found.push(world.now() - died);
  }
  // It had been heard up to a heartbeat before.
  expect(Math.min(...found)).toBeGreaterThan(lease - heartbeat);
  expect(Math.max(...found)).toBeLessThanOrEqual(lease + heartbeat + 100);
});

test('a node that was cut off is told left once, and joined once when it is back; it had given up nobody', async () => {
  const cluster = new JoinedCluster();
  const { world } = cluster;
  const [here, there] = await cluster.pair();
  here.engine.enter('/', 'r', ADA);
  there.engine.enter('/', 'r', BOB);
  there.engine.arrive('/', 'bob', 'b1');
  await world.advanceAsync(heartbeat);
  there.bus.cut();
  await world.advanceAsync(20_000);
  there.engine.enter('/', 's', BOB);
  here.engine.leave('/', 'r', ADA);
  here.engine.arrive('/', 'bob', 'b2');
  await world.advanceAsync(20_000);
  expect(await here.engine.countUser('/', 'bob')).toBe(1);
  expect(there.codes).toEqual(['ERR_ENGINE_DOWN']);
  there.bus.mend();
  await world.advanceAsync(1000);
  expect(here.told).toEqual([
    'a1 joined r (1)',
    'b1 joined r (2)',
    'b1 left r (1)',
    'a1 left r (0)',
    'b1 joined r (1)',
    'b1 joined s (1)',
  ]);
  expect(there.told).toEqual(['b1 joined r (1)', 'a1 joined r (2)', 'b1 joined s (1)', 'a1 left r (1)']);
  expect(there.interruptions).toBe(1);
  const laterHere = here.rivals.map((line) => line.replace('mine', 'b2').replace('theirs', 'b1'));
  const laterThere = there.rivals.map((line) => line.replace('mine', 'b1').replace('theirs', 'b2'));
  expect([laterHere.length, laterHere[0]?.slice(-2)]).toEqual([1, laterThere[0]?.slice(-2)]);
});

test('a hub that stands still for minutes ends nobody', async () => {
  const cluster = new JoinedCluster();
  const [here, there] = await cluster.pair();
  here.engine.enter('/', 'r', ADA);
  there.engine.enter('/', 'r', BOB);
  await cluster.world.advanceAsync(heartbeat);
  cluster.hub.freeze();
  await cluster.world.advanceAsync(300_000);
  cluster.hub.thaw();
  await cluster.world.advanceAsync(60_000);
  for (const { told } of [here, there]) expect(told.length).toBe(2);
});

test('a node that was given up is listed for a minute', async () => {
  const cluster = new JoinedCluster();
  const [here, there] = await cluster.pair();
  there.bus.kill();
  await cluster.world.advanceAsync(lease + 2 * heartbeat);
  expect((await here.engine.nodes()).map(({ isAlive }) => isAlive)).toEqual([true, false]);
  await cluster.world.advanceAsync(DEAD_LISTED + heartbeat);
  expect((await here.engine.nodes()).length).toBe(1);
});

test('what comes late from a node that said goodbye brings nothing back', async () => {
  const cluster = new JoinedCluster();
  const [here, there] = await cluster.pair();
  const caught: Uint8Array[] = [];
  const spy = cluster.hub.bus();
  const none = (): void => {};
  const received = (bytes: Uint8Array): void => void caught.push(bytes);
  await spy.start({ received, logged: none, reconnected: none, disconnected: none, report: none });
  spy.subscribe({ kind: 'all' });
  await cluster.world.advanceAsync(1);
  there.engine.enter('/', 'r', BOB);
  await cluster.world.advanceAsync(heartbeat);
  await there.engine.close();
  await cluster.world.advanceAsync(1);
  for (const bytes of caught) here.bus.inject(bytes);
  await cluster.world.advanceAsync(1);
  expect(here.told).toEqual(['b1 joined r (1)', 'b1 left r (0)']);
  expect((await here.engine.nodes()).length).toBe(1);
});

test('a bus that knows that a node has ended needs no lease', async () => {
  const cluster = new JoinedCluster();
  let ended: ((node: string) => void) | undefined;
  const here = await cluster.node((bus) => {
    const start = bus.start.bind(bus);
    bus.start = (host) => {
      ended = host.ended?.bind(host);
      return start(host);
    };
    return bus;
  });
  const there = await cluster.node();
  there.engine.enter('/', 'r', BOB);
  await cluster.world.advanceAsync(1);
  const { id } = there.engine;
  there.answer = () => new Promise(() => {});
  const asked = here.engine.ask('?', { timeout: 0 });
  await cluster.world.advanceAsync(1);
  there.bus.kill();
  ended?.('nobody');
  ended?.(id);
  expect(here.told).toEqual(['b1 joined r (1)', 'b1 left r (0)']);
  expect((await asked).silent).toEqual([id]);
});
