import { HawserError } from '../core/index.ts';
import type { Engine, NodeInfo } from '../engine/index.ts';
import { ADA, BOB, type EngineSuiteOptions, type SuiteNode, testIn } from './engine-suite-nodes.ts';

/** Users who have sockets on several nodes. */
export function rivalCases(options: EngineSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('a user on two nodes is told to both, once, and they agree who came later', async (cluster) => {
    const [here, there] = await cluster.joined(2);
    here.engine.arrive('/', 'ada', 'a1');
    await cluster.until(async () => (await there.engine.countUser('/', 'ada')) === 1);
    there.engine.arrive('/', 'ada', 'a2');
    await cluster.until(() => here.rivals.length > 0 && there.rivals.length > 0);
    expect(here.rivals).toEqual([['/', 'ada', 'a1', 'a2', 'theirs']]);
    expect(there.rivals).toEqual([['/', 'ada', 'a2', 'a1', 'mine']]);
    for (const { engine } of [here, there]) {
      const sockets = (await engine.whereIs('/', 'ada')).map(({ socket }) => socket);
      expect(sockets).toEqual(['a1', 'a2']);
    }
    const [first, last] = await here.engine.whereIs('/', 'ada');
    const ids = await Promise.all([here, there].map(async ({ engine }) => (await engine.nodes())[0]?.id));
    expect([first?.node, last?.node]).toEqual(ids);
  });

  test('of those who come at once both nodes name the same as the later one', async (cluster) => {
    const [here, there] = await cluster.joined(2);
    const users = Array.from({ length: 20 }, (_, i) => `u${i}`);
    for (const user of users) {
      here.engine.arrive('/', user, `${user} here`);
      there.engine.arrive('/', user, `${user} there`);
    }
    await cluster.until(() => [here, there].every(({ rivals }) => rivals.length >= users.length));
    const laterOf = ({ rivals }: SuiteNode): (readonly [string, string])[] =>
      rivals.map(([, user, mine, theirs, later]) => [user, later === 'mine' ? mine : theirs] as const);
    expect(laterOf(here).toSorted(byText)).toEqual(laterOf(there).toSorted(byText));
    for (const [user, later] of laterOf(here)) {
      for (const { engine } of [here, there]) {
        expect((await engine.whereIs('/', user)).at(-1)?.socket).toBe(later);
      }
    }
    expect([here.rivals.length, there.rivals.length]).toEqual([users.length, users.length]);
  });

  test('sockets of one node, of other namespaces, and those that left are no rivals', async (cluster) => {
    const [here, there] = await cluster.joined(2);
    here.engine.arrive('/', 'ada', 'a1');
    here.engine.arrive('/', 'ada', 'a2');
    here.engine.arrive('/', 'bob', 'b1');
    here.engine.depart('/', 'bob', 'b1');
    there.engine.arrive('/x', 'ada', 'a3');
    there.engine.arrive('/', 'eve', 'e1');
    await cluster.until(async () => (await here.engine.countUser('/', 'eve')) === 1);
    await cluster.until(async () => (await there.engine.countUser('/', 'ada')) === 2);
    await cluster.until(async () => (await there.engine.countUser('/', 'bob')) === 0);
    there.engine.arrive('/', 'bob', 'b2');
    await cluster.until(async () => (await here.engine.countUser('/', 'bob')) === 1);
    expect([here.rivals, there.rivals]).toEqual([[], []]);
    expect((await there.engine.whereIs('/', 'ada')).map(({ socket }) => socket)).toEqual(['a1', 'a2']);
    expect(await there.engine.whereIs('/', 'nobody')).toEqual([]);
  });

  test('a node that comes later meets the rivals of its own', async (cluster) => {
    const here = await cluster.node();
    here.engine.arrive('/', 'ada', 'a1');
    const there = await cluster.node();
    there.engine.arrive('/', 'ada', 'a2');
    await cluster.until(() => here.rivals.length > 0 && there.rivals.length > 0);
    expect(here.rivals[0]?.[4]).toBe(there.rivals[0]?.[4] === 'mine' ? 'theirs' : 'mine');
    expect([here.rivals.length, there.rivals.length]).toEqual([1, 1]);
  });
}

/** Nodes, what they say of themselves, and questions to them. */
export function questionCases(options: EngineSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('nodes know each other, and what each says of itself', async (cluster) => {
    const here = await cluster.node();
    const notice = { name: 'one', state: 'up', endpoints: ['ws://h:1'], sockets: 3, metadata: { zone: 'b' } } as const;
    here.engine.announce(notice);
    const there = await cluster.node();
    const seen = async (): Promise<NodeInfo | undefined> => (await there.engine.nodes())[1];
    await cluster.until(async () => (await seen())?.name === 'one' && (await seen())?.sockets === 3);
    const { id, heardAgo, ...info } = (await seen()) as NodeInfo;
    expect([info, heardAgo >= 0]).toEqual([{ ...notice, isSelf: false, isAlive: true }, true]);
    const [self, other, ...more] = await here.engine.nodes();
    expect([self?.id, self?.isSelf, self?.heardAgo, other?.isSelf, more.length]).toEqual([id, true, 0, false, 0]);
    here.engine.announce({ ...notice, state: 'draining', sockets: 1 });
    await cluster.until(async () => (await seen())?.state === 'draining' && (await seen())?.sockets === 1);
    await here.engine.close();
    await cluster.until(async () => (await seen()) === undefined);
  });

  test('a node that says too much of itself is announced without it', async (cluster) => {
    const [here, there] = await cluster.joined(2);
    const notice = { name: 'much', state: 'up', endpoints: [], sockets: 0 } as const;
    here.engine.announce({ ...notice, metadata: { much: 'x'.repeat(4096) } });
    await cluster.until(async () => (await there.engine.nodes())[1]?.name === 'much');
    expect((await there.engine.nodes())[1]?.metadata).toEqual({});
    expect(here.reported.map(codeOfError)).toEqual(['ERR_OPTION']);
  });

  test('questions are answered, also later, and failures cross with their code', async (cluster) => {
    const [here, there, other] = await cluster.joined(3);
    const data = { bytes: Uint8Array.of(1), list: [1, 'two', null] };
    there.answer = async (question, node) => ({ question, isKnown: node === (await idOf(here.engine)) });
    other.answer = () => {
      throw new HawserError('ERR_NOT_ALLOWED', 'not today', { data: 7 });
    };
    const { answers, errors, silent } = await here.engine.ask(data);
    expect(answers).toEqual([{ node: await idOf(there.engine), data: { question: data, isKnown: true } }]);
    expect(errors.map(({ node, error }) => [node, error.code, error.message, error.data])).toEqual([
      [await idOf(other.engine), 'ERR_NOT_ALLOWED', 'not today', 7],
    ]);
    expect(silent).toEqual([]);
  });

  test('an error that was not made to be told crosses as nothing but a code', async (cluster) => {
    const [here, there] = await cluster.joined(2);
    there.answer = () => Promise.reject(new Error('secret'));
    const { errors } = await here.engine.ask('?');
    expect(errors.map(({ error }) => [error.code, error.message.includes('secret')])).toEqual([
      ['ERR_HANDLER_FAILED', false],
    ]);
    expect(there.reported.length).toBe(1);
    there.answer = () => () => 'a function';
    const { errors: again } = await here.engine.ask('?');
    expect(again.map(({ error }) => error.code)).toEqual(['ERR_UNENCODABLE']);
  });

  test('those who are named are asked, and who says nothing is silent', async (cluster) => {
    const [here, there, other] = await cluster.joined(3);
    const [thereId, otherId] = [await idOf(there.engine), await idOf(other.engine)];
    there.answer = () => 'here';
    other.answer = () => new Promise(() => {});
    expect(await here.engine.ask('?', { nodes: [thereId, 'nobody'] })).toEqual({
      answers: [{ node: thereId, data: 'here' }],
      errors: [],
      silent: ['nobody'],
    });
    const { answers, silent } = await here.engine.ask('?', { timeout: 100 });
    expect([answers.length, silent]).toEqual([1, [otherId]]);
  });

  test('a node that ends meanwhile is not waited for', async (cluster) => {
    const [here, there] = await cluster.joined(2);
    const id = await idOf(there.engine);
    let isAsked = false;
    there.answer = () => {
      isAsked = true;
      return new Promise(() => {});
    };
    const asked = here.engine.ask('?', { timeout: 0 });
    await cluster.until(() => isAsked);
    await there.engine.close();
    expect((await asked).silent).toEqual([id]);
  });

  test('a question can be given up, and one that can not be said is refused', async (cluster) => {
    const [here, there] = await cluster.joined(2);
    there.answer = () => new Promise(() => {});
    const stop = new AbortController();
    const asked = codeOf(here.engine.ask('?', { signal: stop.signal }));
    stop.abort();
    expect(await asked).toBe('ERR_ABORTED');
    expect(await codeOf(here.engine.ask('?', { signal: stop.signal }))).toBe('ERR_ABORTED');
    expect(await codeOf(here.engine.ask(() => 1))).toBe('ERR_UNENCODABLE');
  });

  test('a node that is alone has nobody to ask', async (cluster) => {
    const { engine } = await cluster.node();
    expect(await engine.ask('?')).toEqual({ answers: [], errors: [], silent: [] });
  });
}

/** Nodes that die without a word. */
export function deathCases(options: EngineSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('the members of a node that died leave once, and its users are gone', async (cluster) => {
    const [here, there, other] = await cluster.joined(3);
    const living = [here, other];
    for (const { engine } of [here, there, other]) engine.watchRoom('/', 'r');
    here.engine.enter('/', 'r', ADA);
    there.engine.enter('/', 'r', BOB);
    there.engine.arrive('/', 'bob', 'b1');
    await cluster.until(() => living.every(({ told }) => told.length === 2));
    await cluster.until(async () => (await here.engine.countUser('/', 'bob')) === 1);
    const id = await idOf(there.engine);
    await cluster.kill(there);
    await cluster.until(() => living.every(({ told }) => told.length === 3));
    for (const { engine, told, counts } of living) {
      expect(told.toSorted()).toEqual(['a1 joined / r', 'b1 joined / r', 'b1 left / r']);
      expect(counts.at(-1)).toBe(1);
      expect(await engine.members('/', 'r')).toEqual([ADA]);
      expect([await engine.countUser('/', 'bob'), await engine.countUsers('/')]).toEqual([0, 0]);
      expect((await engine.nodes()).find((node) => node.id === id)?.isAlive ?? false).toBe(false);
    }
  });

  test('a node that died is not waited for, from when that is known', async (cluster) => {
    const [here, there] = await cluster.joined(2);
    const id = await idOf(there.engine);
    await cluster.kill(there);
    expect((await here.engine.ask('?', { timeout: 0 })).silent).toEqual([id]);
    const { silent } = await here.engine.ask('?', { timeout: 0, nodes: [id] });
    expect(silent).toEqual([id]);
  });

  test('those who live are not given up', async (cluster) => {
    const [here, there] = await cluster.joined(2);
    here.engine.enter('/', 'r', ADA);
    there.engine.enter('/', 'r', BOB);
    await cluster.until(() => [here, there].every(({ told }) => told.length === 2));
    await cluster.wait(600);
    expect([here.told.length, there.told.length]).toEqual([2, 2]);
  });
}

async function idOf(engine: Engine): Promise<string> {
  return (await engine.nodes())[0]?.id ?? '';
}

function codeOfError(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}

async function codeOf(failing: Promise<unknown>): Promise<unknown> {
  try {
    await failing;
    return undefined;
  } catch (error) {
    return codeOfError(error);
  }
}

function byText(a: readonly string[], b: readonly string[]): number {
  return a.join() < b.join() ? -1 : 1;
}
