import { ADA, BOB, type EngineSuiteOptions, NOBODY, ODD_NAMES, pairs, testIn } from './engine-suite-nodes.ts';

export function presenceCases(options: EngineSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('who enters and leaves a room is told once, and is there in between', async (cluster) => {
    const { engine, told, counts } = await cluster.node();
    engine.watchRoom('/', 'r');
    engine.enter('/', 'r', ADA);
    engine.enter('/', 'r', NOBODY);
    await cluster.until(() => told.length === 2);
    expect(await engine.members('/', 'r')).toEqual([ADA, NOBODY]);
    expect(await engine.count('/', 'r')).toBe(2);
    engine.leave('/', 'r', ADA);
    await cluster.until(() => told.length === 3);
    expect(await engine.members('/', 'r')).toEqual([NOBODY]);
    expect(told).toEqual(['a1 joined / r', 'n1 joined / r', 'a1 left / r']);
    expect(counts).toEqual([1, 2, 1]);
  });

  test('entering twice, or leaving without being there, is nothing', async (cluster) => {
    const { engine, told } = await cluster.node();
    engine.watchRoom('/', 'r');
    engine.leave('/', 'r', ADA);
    engine.enter('/', 'r', ADA);
    engine.enter('/', 'r', ADA);
    engine.leave('/', 'r', BOB);
    engine.leave('/', 'elsewhere', ADA);
    engine.enter('/', 'r', BOB);
    await cluster.until(() => told.length >= 2);
    expect(told).toEqual(['a1 joined / r', 'b1 joined / r']);
    expect(await engine.count('/', 'r')).toBe(2);
  });

  test('a member that comes back under another name is told anew', async (cluster) => {
    const { engine, told } = await cluster.node();
    engine.watchRoom('/', 'r');
    engine.enter('/', 'r', NOBODY);
    engine.leave('/', 'r', NOBODY);
    engine.enter('/', 'r', { id: NOBODY.id, user: 'eve' });
    await cluster.until(() => told.length === 3);
    expect(await engine.members('/', 'r')).toEqual([{ id: 'n1', user: 'eve' }]);
  });

  test('namespaces know nothing of each other', async (cluster) => {
    const { engine, told } = await cluster.node();
    engine.watchRoom('/', 'r');
    engine.watchRoom('/x', 'r');
    engine.enter('/', 'r', ADA);
    engine.enter('/x', 'r', BOB);
    engine.leave('/x', 'r', ADA);
    await cluster.until(() => told.length >= 2);
    expect(await engine.members('/', 'r')).toEqual([ADA]);
    expect(await engine.members('/x', 'r')).toEqual([BOB]);
    expect(await engine.count('/y', 'r')).toBe(0);
  });
}

export function listingCases(options: EngineSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('rooms are there while they have members', async (cluster) => {
    const { engine, told } = await cluster.node();
    for (const room of ['r', 's']) engine.watchRoom('/', room);
    engine.enter('/', 'r', ADA);
    engine.enter('/', 's', ADA);
    engine.enter('/', 'r', BOB);
    await cluster.until(() => told.length === 3);
    expect(pairs(await engine.rooms('/'))).toEqual([
      ['r', 2],
      ['s', 1],
    ]);
    engine.leave('/', 's', ADA);
    await cluster.until(() => told.length === 4);
    expect(pairs(await engine.rooms('/'))).toEqual([['r', 2]]);
    expect(pairs(await engine.rooms('/nowhere'))).toEqual([]);
  });

  test('no more than was asked for is listed', async (cluster) => {
    const { engine, told } = await cluster.node();
    for (let i = 0; i < 5; i++) {
      engine.watchRoom('/', `r${i}`);
      engine.enter('/', `r${i}`, ADA);
      engine.enter('/', 'r0', { id: `m${i}`, user: null });
      engine.arrive('/', `u${i}`, `s${i}`);
    }
    await cluster.until(async () => told.length === 10 && (await engine.users('/')).size === 5);
    expect((await engine.rooms('/', 3)).size).toBe(3);
    expect((await engine.users('/', 3)).size).toBe(3);
    expect((await engine.members('/', 'r0', 3)).length).toBe(3);
    expect(await engine.count('/', 'r0')).toBe(6);
    for (const most of [0, 1000]) expect((await engine.rooms('/', most)).size).toBe(Math.min(most, 5));
  });

  test('hard names are names like any other', async (cluster) => {
    const { engine, told } = await cluster.node();
    for (const odd of ODD_NAMES) {
      engine.watchRoom('/', odd);
      engine.watchUser('/', odd);
      engine.enter('/', odd, { id: odd, user: odd });
      engine.arrive('/', odd, odd);
    }
    await cluster.until(async () => told.length === ODD_NAMES.length && (await engine.users('/')).size >= told.length);
    expect([...(await engine.rooms('/')).keys()].toSorted()).toEqual(ODD_NAMES.toSorted());
    expect([...(await engine.users('/')).keys()].toSorted()).toEqual(ODD_NAMES.toSorted());
    for (const odd of ODD_NAMES) {
      expect(await engine.members('/', odd)).toEqual([{ id: odd, user: odd }]);
      expect(await engine.countUser('/', odd)).toBe(1);
    }
  });
}

export function userCases(options: EngineSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('a user is there while one of its sockets is', async (cluster) => {
    const { engine } = await cluster.node();
    engine.arrive('/', 'ada', 'a1');
    engine.arrive('/', 'ada', 'a2');
    engine.arrive('/', 'ada', 'a2');
    engine.arrive('/x', 'ada', 'a3');
    engine.arrive('/', 'bob', 'b1');
    await cluster.until(async () => (await engine.users('/')).size === 2);
    expect(pairs(await engine.users('/'))).toEqual([
      ['ada', 2],
      ['bob', 1],
    ]);
    expect(await engine.countUser('/', 'ada')).toBe(2);
    expect(await engine.countUsers('/')).toBe(2);
    engine.depart('/', 'ada', 'a1');
    engine.depart('/', 'ada', 'a1');
    engine.depart('/', 'ada', 'b1');
    engine.depart('/', 'nobody', 'x');
    await cluster.until(async () => (await engine.countUser('/', 'ada')) === 1);
    engine.depart('/', 'ada', 'a2');
    await cluster.until(async () => (await engine.countUser('/', 'ada')) === 0);
    expect(pairs(await engine.users('/'))).toEqual([['bob', 1]]);
    expect([await engine.countUsers('/'), await engine.countUsers('/nowhere')]).toEqual([1, 0]);
  });
}
