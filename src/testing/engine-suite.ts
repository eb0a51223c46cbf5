import type { World } from '../core/index.ts';
import type { Engine, EngineHost, EngineMessage, Target } from '../engine/index.ts';
import type { TestApi } from './link-bench.ts';

export interface EngineSuiteOptions {
  readonly api: TestApi;
  readonly world: World;
  /** A new node, not started. Nodes that are made with the same `cluster` are one, all others know nothing of each other. */
  readonly makeEngine: (cluster: string) => Engine;
  /** Whether several nodes can be one. Left out, what crosses nodes is not tested. */
  readonly joins?: boolean;
}

/**
 * What every engine must do, whatever carries its messages. What crosses nodes may take a while: the suite waits for it.
 *
 * @example engineSuite('memory', { api: { describe, test, expect }, world: realWorld(), makeEngine: () => new MemoryEngine(realWorld()) })
 */
export function engineSuite(name: string, options: EngineSuiteOptions): void {
  options.api.describe(`the ${name} engine`, () => {
    presence(options);
    listing(options);
    users(options);
    ending(options);
    if (options.joins ?? false) acrossNodes(options);
  });
}

const ADA = { id: 'a1', user: 'ada' };
const BOB = { id: 'b1', user: 'bob' };
const NOBODY = { id: 'n1', user: null };
/** Names that every object inherits, and some that are hard to carry. */
const ODD_NAMES = ['__proto__', 'constructor', 'toString', '*', '>', 'a.b', 'a b', 'ä', '🚀', "'", '\\', '\n', '\0'];
const CASE_WAIT = 20_000;

let clusters = 0;

/** One started node, and what its host was told. */
class Node implements EngineHost {
  readonly engine: Engine;
  readonly told: string[] = [];
  /** How many members the room had then, for each of `told`. */
  readonly counts: number[] = [];
  readonly delivered: EngineMessage[] = [];
  readonly reported: unknown[] = [];

  constructor(engine: Engine) {
    this.engine = engine;
  }

  deliver(delivered: EngineMessage): void {
    this.delivered.push(delivered);
  }

  presence(
    namespace: string,
    room: string,
    member: { readonly id: string },
    change: 'joined' | 'left',
    count: number,
  ): void {
    this.counts.push(count);
    this.told.push(`${member.id} ${change} ${namespace} ${room}`);
  }

  entered(): void {}

  interrupted(): void {}

  answer(): void {}

  rival(): void {}

  report(error: unknown): void {
    this.reported.push(error);
  }
}

/** The nodes of one case. */
class Cluster implements AsyncDisposable {
  readonly #options: EngineSuiteOptions;
  readonly #name: string;
  readonly #nodes: Node[] = [];

  constructor(options: EngineSuiteOptions) {
    this.#options = options;
    clusters += 1;
    this.#name = `suite${clusters}`;
  }

  async node(): Promise<Node> {
    const node = new Node(this.#options.makeEngine(this.#name));
    this.#nodes.push(node);
    await node.engine.start(node);
    return node;
  }

  /** Waits for what may take a while; the case's own time limit ends a wait in vain. */
  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    const { world } = this.#options;
    while (!(await condition())) {
      await new Promise<void>((resolve) => {
        world.timer(world.now() + 1, resolve);
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#nodes) await node.engine.close();
  }
}

type Case = (cluster: Cluster) => Promise<void>;

function testIn(options: EngineSuiteOptions): (name: string, run: Case) => void {
  return (name, run) => {
    options.api.test(
      name,
      async () => {
        await using cluster = new Cluster(options);
        await run(cluster);
      },
      CASE_WAIT,
    );
  };
}

function presence(options: EngineSuiteOptions): void {
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

function listing(options: EngineSuiteOptions): void {
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

function users(options: EngineSuiteOptions): void {
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

function ending(options: EngineSuiteOptions): void {
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

/** What only engines do that join nodes. */
function acrossNodes(options: EngineSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('a message reaches the nodes that have an interest, whole, in order and once', async (cluster) => {
    const [here, there, other] = [await cluster.node(), await cluster.node(), await cluster.node()];
    there.engine.watchRoom('/', 'r');
    other.engine.watchUser('/', 'ada');
    const sent = Array.from({ length: 50 }, (_, i) => message({ rooms: ['r'], exceptSockets: ['x'] }, { i }));
    await cluster.until(() => {
      here.engine.publish(message({}, 'are you there?'));
      return there.delivered.length > 0 && other.delivered.length > 0;
    });
    for (const one of sent) here.engine.publish(one);
    here.engine.publish(message({ users: ['ada'] }, 'to ada'));
    here.engine.publish(message({}, 'to all'));
    await cluster.until(() => [there, other].every((node) => node.delivered.at(-1)?.data === 'to all'));
    const heard = (node: Node): EngineMessage[] => node.delivered.filter(({ data }) => data !== 'are you there?');
    expect(heard(there).filter(({ target }) => target.rooms.length > 0)).toEqual(sent);
    expect(heard(other).map(({ data }) => data)).toEqual(['to ada', 'to all']);
    expect(here.delivered.length).toBe(0);
  });

  test('a room that is watched no more is no longer heard', async (cluster) => {
    const [here, there] = [await cluster.node(), await cluster.node()];
    there.engine.watchRoom('/', 'r');
    await cluster.until(() => {
      here.engine.publish(message({ rooms: ['r'] }));
      return there.delivered.length > 0;
    });
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
    await using elsewhere = new Cluster(options);
    const far = await elsewhere.node();
    for (const { engine } of [here, far]) engine.watchRoom('/', 'r');
    here.engine.enter('/', 'r', ADA);
    here.engine.publish(message({ rooms: ['r'] }));
    far.engine.enter('/', 'r', BOB);
    await cluster.until(() => here.told.length === 1 && far.told.length === 1);
    expect([here.told, far.told, far.delivered.length]).toEqual([['a1 joined / r'], ['b1 joined / r'], 0]);
  });
}

function message(target: Partial<Target>, data: unknown = null): EngineMessage {
  const whole = { namespace: '/', rooms: [], users: [], exceptRooms: [], exceptSockets: [], ...target };
  return { target: whole, event: 'say', data, meta: { from: ADA }, volatile: false };
}

function pairs(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
}
