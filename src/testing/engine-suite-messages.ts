import {
  ADA,
  BOB,
  type EngineSuiteOptions,
  fullMessage,
  message,
  ODD_NAMES,
  SuiteCluster,
  testIn,
} from './engine-suite-nodes.ts';

export function endingCases(options: EngineSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('a node hears nothing of what it published itself', async (cluster) => {
    const { engine, told, delivered, reported } = await cluster.node();
    engine.watchRoom('/', 'r');
    engine.watchUser('/', 'ada');
    engine.publish(message({ rooms: ['r'] }));
    engine.publish(message({ users: ['ada'] }));
    engine.publish(message({}));
    engine.enter('/', 'r', ADA);
    await cluster.until(() => told.length === 1);
    expect([delivered.length, reported.length]).toEqual([0, 0]);
  });

  test('closing twice is quiet, and nothing is heard or thrown after it', async (cluster) => {
    const { engine, told, delivered, reported } = await cluster.node();
    engine.watchRoom('/', 'r');
    await Promise.all([engine.close(), engine.close()]);
    await engine[Symbol.asyncDispose]();
    told.length = 0;
    engine.publish(message({}));
    engine.watchRoom('/', 's');
    engine.unwatchRoom('/', 's');
    engine.watchUser('/', 'u');
    engine.unwatchUser('/', 'u');
    engine.depart('/', 'ada', 'a1');
    engine.leave('/', 'r', ADA);
    expect([told.length, delivered.length, reported.length]).toEqual([0, 0, 0]);
  });
}

/** What only engines do that join nodes: messages. */
export function messageCases(options: EngineSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('a message reaches the nodes that have an interest, whole, in order and once', async (cluster) => {
    const [here, there, other] = [await cluster.node(), await cluster.node(), await cluster.node()];
    there.engine.watchRoom('/', 'r');
    other.engine.watchUser('/', 'ada');
    const sent = Array.from({ length: 50 }, (_, i) => message({ rooms: ['r'], exceptSockets: ['x'] }, { i }));
    await cluster.connected(here, there, { rooms: ['r'] });
    await cluster.connected(here, other, { users: ['ada'] });
    for (const node of [there, other]) await cluster.connected(here, node, {});
    for (const one of sent) here.engine.publish(one);
    here.engine.publish(message({ users: ['ada'] }, 'to ada'));
    here.engine.publish(message({}, 'to all'));
    await cluster.until(() => [there, other].every((node) => node.delivered.at(-1)?.data === 'to all'));
    expect(there.delivered.slice(0, -1)).toEqual(sent);
    expect(other.delivered.map(({ data }) => data)).toEqual(['to ada', 'to all']);
    expect(here.delivered.length).toBe(0);
  });

  test('a room that is watched no more is no longer heard', async (cluster) => {
    const [here, there] = [await cluster.node(), await cluster.node()];
    there.engine.watchRoom('/', 'r');
    await cluster.connected(here, there, { rooms: ['r'] });
    there.engine.unwatchRoom('/', 'r');
    let round = 0;
    await cluster.until(async () => {
      round += 1;
      const [before, end] = [there.delivered.length, `end ${round}`];
      here.engine.publish(message({ rooms: ['r'] }));
      here.engine.publish(message({}, end));
      await cluster.until(() => there.delivered.at(-1)?.data === end);
      return there.delivered.length === before + 1;
    });
    expect(there.reported.length).toBe(0);
  });

  test('presence and users are one, and a node that ends takes its own with it', async (cluster) => {
    const [here, there] = [await cluster.node(), await cluster.node()];
    for (const { engine } of [here, there]) engine.watchRoom('/', 'r');
    here.engine.enter('/', 'r', ADA);
    here.engine.arrive('/', 'ada', 'a1');
    there.engine.enter('/', 'r', BOB);
    there.engine.arrive('/', 'ada', 'a2');
    await cluster.until(() => here.told.length === 2 && there.told.length === 2);
    await cluster.until(async () => (await here.engine.countUser('/', 'ada')) === 2);
    for (const { engine, told } of [here, there]) {
      expect(told.toSorted()).toEqual(['a1 joined / r', 'b1 joined / r']);
      expect((await engine.members('/', 'r')).map(({ id }) => id).toSorted()).toEqual(['a1', 'b1']);
    }
    await there.engine.close();
    await cluster.until(() => here.told.includes('b1 left / r'));
    await cluster.until(async () => (await here.engine.countUser('/', 'ada')) === 1);
    expect(await here.engine.members('/', 'r')).toEqual([ADA]);
  });

  test('nodes of another cluster hear nothing', async (cluster) => {
    const here = await cluster.node();
    await using elsewhere = new SuiteCluster(options);
    const far = await elsewhere.node();
    for (const { engine } of [here, far]) engine.watchRoom('/', 'r');
    here.engine.enter('/', 'r', ADA);
    here.engine.publish(message({ rooms: ['r'] }));
    far.engine.enter('/', 'r', BOB);
    await cluster.until(() => here.told.length === 1 && far.told.length === 1);
    expect([here.told, far.told, far.delivered.length]).toEqual([['a1 joined / r'], ['b1 joined / r'], 0]);
  });

  test('all that a message has is carried', async (cluster) => {
    const [here, there] = await cluster.joined(2);
    there.engine.watchRoom('/', 'r');
    const target = { rooms: ['r'], exceptRooms: ['q'], exceptSockets: ['x', 'y'] };
    await cluster.connected(here, there, { rooms: ['r'] });
    const sent = [fullMessage(target), message(target), { ...message(target), data: undefined, meta: {} }];
    for (const one of sent) here.engine.publish(one);
    await cluster.until(() => there.delivered.length === 3);
    expect(there.delivered).toEqual(sent);
  });

  test('a message to several rooms and users comes once, and only to nodes that have one of them', async (cluster) => {
    const [here, there, other] = await cluster.joined(3);
    there.engine.watchRoom('/', 'r');
    there.engine.watchRoom('/', 's');
    there.engine.watchUser('/', 'ada');
    other.engine.watchRoom('/x', 'r');
    for (const node of [there, other]) await cluster.connected(here, node, {});
    here.engine.publish(message({ rooms: ['r', 's'], users: ['ada'] }, 1));
    here.engine.publish(message({ users: ['bob', 'ada'] }, 2));
    here.engine.publish(message({ rooms: ['q', 'p'] }, 3));
    here.engine.publish(message({}, 'end'));
    await cluster.until(() => [there, other].every((node) => node.delivered.at(-1)?.data === 'end'));
    expect(there.delivered.map(({ data }) => data)).toEqual([1, 2, 'end']);
    expect(other.delivered.map(({ data }) => data)).toEqual(['end']);
  });

  test('long messages come whole, and in order with short ones', async (cluster) => {
    const [here, there] = await cluster.joined(2);
    there.engine.watchRoom('/', 'r');
    await cluster.connected(here, there, { rooms: ['r'] });
    const long = new Uint8Array(2_500_000).map((_, at) => at * 7);
    const sent = ['before', long, 'between', long.subarray(0, 70_000), 'after'];
    for (const data of sent) here.engine.publish(message({ rooms: ['r'] }, data));
    await cluster.until(() => there.delivered.length === sent.length);
    for (const [at, { data }] of there.delivered.entries()) expect(isSame(data, sent[at])).toBe(true);
  });

  test('hard names reach who watches them, and nobody else', async (cluster) => {
    const [here, there] = await cluster.joined(2);
    const names = ODD_NAMES.flatMap((odd) => [odd, `${odd}${odd}`]);
    for (const odd of ODD_NAMES) {
      there.engine.watchRoom('/', odd);
      there.engine.watchRoom(odd, odd);
      there.engine.watchUser('/', odd);
    }
    const last = ODD_NAMES.at(-1) ?? '';
    await cluster.connected(here, there, { users: [last] });
    await cluster.connected(here, there, { namespace: last, rooms: [last] });
    for (const odd of names) {
      here.engine.publish(message({ rooms: [odd] }, `room ${JSON.stringify(odd)}`));
      here.engine.publish(message({ users: [odd] }, `user ${JSON.stringify(odd)}`));
      here.engine.publish(message({ namespace: odd, rooms: [odd] }, `namespace ${JSON.stringify(odd)}`));
    }
    here.engine.publish(message({}, 'end'));
    await cluster.until(() => there.delivered.at(-1)?.data === 'end');
    const expected = ODD_NAMES.flatMap((odd) =>
      ['room', 'user', 'namespace'].map((kind) => `${kind} ${JSON.stringify(odd)}`),
    );
    expect(there.delivered.map(({ data }) => data)).toEqual([...expected, 'end']);
  });

  test('what can not be encoded is reported, and what follows goes on', async (cluster) => {
    const [here, there] = await cluster.joined(2);
    await cluster.connected(here, there, {});
    here.engine.publish(message({}, () => 1));
    here.engine.publish(message({}, 'end'));
    await cluster.until(() => there.delivered.length === 1);
    expect(here.reported.map((error) => (error as { code?: string }).code)).toEqual(['ERR_UNENCODABLE']);
  });
}

function isSame(a: unknown, b: unknown): boolean {
  if (!(a instanceof Uint8Array) || !(b instanceof Uint8Array)) return a === b;
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
