import type { Engine, Entry, HistoryRule, Position, Reading } from '../engine/index.ts';
import {
  type EngineSuiteOptions,
  fullMessage,
  message,
  ODD_NAMES,
  ruleOf,
  type SuiteNode,
  testIn,
} from './engine-suite-nodes.ts';

/** A place in no log. */
const ELSEWHERE = 'another epoch';

/** Rooms with history, of one node. */
export function logCases(options: EngineSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('an entry is heard by who watches, and read by who asks, with all that it has', async (cluster) => {
    const { engine, entries, reported } = await cluster.node();
    const rule = ruleOf();
    const since = await placeIn(engine, rule, 'r');
    engine.watchRoom('/', 'r', rule);
    const sent = [fullMessage({ rooms: ['r'], exceptSockets: ['x'] }), message({ rooms: ['r'] })];
    const places = await appendAll(engine, rule, sent);
    await cluster.until(() => entries.length === 2);
    expect(entries.map((entry) => entry.message)).toEqual(sent);
    expect(entries.map(placeOf)).toEqual(places);
    expect(entriesOf(await engine.read('/', 'r', rule, { since }))).toEqual(entries);
    expect(reported.length).toBe(0);
  });

  test('offsets grow, and each entry names the one before it', async (cluster) => {
    const { engine, entries } = await cluster.node();
    const rule = ruleOf();
    engine.watchRoom('/', 'r', rule);
    engine.watchRoom('/', 's', rule);
    const begin = { r: await placeIn(engine, rule, 'r'), s: await placeIn(engine, rule, 's') };
    for (let i = 0; i < 10; i++) await append(engine, rule, i % 2 === 0 ? 'r' : 's', i);
    await cluster.until(() => entries.length === 10);
    for (const room of ['r', 's'] as const) {
      const own = entries.filter((entry) => entry.message.target.rooms[0] === room);
      expect(own.map(({ previous }) => previous)).toEqual([
        begin[room].offset,
        ...own.slice(0, -1).map(({ offset }) => offset),
      ]);
      expect(own.every(({ offset, previous }) => offset > previous)).toBe(true);
      expect(valuesOf(await engine.read('/', room, rule, { since: begin[room] }))).toEqual(
        room === 'r' ? [0, 2, 4, 6, 8] : [1, 3, 5, 7, 9],
      );
    }
  });

  test('what is read after a place is all that came after it', async (cluster) => {
    const { engine } = await cluster.node();
    const rule = ruleOf();
    const places: Position[] = [];
    for (let i = 0; i < 5; i++) places.push(await append(engine, rule, 'r', i));
    const read = await engine.read('/', 'r', rule);
    expect([entriesOf(read), read.position]).toEqual([[], places.at(-1)]);
    for (const [at, since] of places.entries()) {
      const after = await engine.read('/', 'r', rule, { since });
      expect([valuesOf(after), after.position]).toEqual([[1, 2, 3, 4].slice(at), places.at(-1)]);
    }
  });

  test('a room that had no message yet has a place, too', async (cluster) => {
    const { engine, entries } = await cluster.node();
    const rule = ruleOf();
    const { position } = await engine.read('/', 'r', rule);
    engine.watchRoom('/', 'r', rule);
    const place = await append(engine, rule, 'r', 1);
    await cluster.until(() => entries.length === 1);
    expect([place.epoch, place.offset > position.offset]).toEqual([position.epoch, true]);
    expect(valuesOf(await engine.read('/', 'r', rule, { since: position }))).toEqual([1]);
  });

  test('what can not be said whole is refused, with the reason', async (cluster) => {
    const { engine } = await cluster.node();
    const rule = ruleOf({ size: 3 });
    const places: Position[] = [];
    for (let i = 0; i < 6; i++) places.push(await append(engine, rule, 'r', i));
    const after = async (since: Position | undefined, most = 100): Promise<unknown> =>
      valuesOf(await engine.read('/', 'r', rule, { since, most }));
    const [last, fourth] = [places.at(-1) as Position, places[3] as Position];
    expect(await after(places[2])).toEqual([3, 4, 5]);
    expect(await after(places[0])).toBe('expired');
    expect(await after(places[2], 2)).toBe('too-many');
    expect(await after(fourth, 2)).toEqual([4, 5]);
    expect(await after({ ...fourth, epoch: ELSEWHERE })).toBe('epoch');
    expect(await after({ ...last, offset: last.offset + 1000 })).toBe('unknown');
    const refused = await engine.read('/', 'r', rule, { since: places[0] as Position });
    expect(refused.position).toEqual(last);
  });

  test('the same id is added once', async (cluster) => {
    const { engine, entries } = await cluster.node();
    const rule = ruleOf();
    engine.watchRoom('/', 'r', rule);
    const one = { ...message({ rooms: ['r'] }, 1), id: "it's \0 one" };
    const first = await engine.append(one, rule);
    const second = await engine.append({ ...one, data: 2 }, rule);
    expect([first.isDuplicate, second]).toEqual([false, { ...first, isDuplicate: true }]);
    // Another room knows nothing of it.
    const elsewhere = await engine.append({ ...one, target: { ...one.target, rooms: ['s'] } }, rule);
    expect(elsewhere.isDuplicate).toBe(false);
    await append(engine, rule, 'r', 'end');
    await cluster.until(() => entries.length === 2);
    expect(entries.map((entry) => entry.message.data)).toEqual([1, 'end']);
  });

  test('a room that is watched no more is no longer heard', async (cluster) => {
    const { engine, entries } = await cluster.node();
    const rule = ruleOf();
    for (const room of ['r', 's']) engine.watchRoom('/', room, rule);
    for (const room of ['r', 's']) await append(engine, rule, room, 1);
    await cluster.until(() => entries.length === 2);
    engine.unwatchRoom('/', 'r');
    for (const room of ['r', 's']) await append(engine, rule, room, 2);
    await cluster.until(() => entries.length === 3);
    expect(entries[2]?.message.target.rooms).toEqual(['s']);
    // Who watches again hears what comes from then on, and can read the rest.
    engine.watchRoom('/', 'r', rule);
    await append(engine, rule, 'r', 3);
    await cluster.until(() => entries.at(-1)?.message.data === 3);
    expect(valuesOf(await engine.read('/', 'r', rule, { since: placeOf(entries[0] as Entry) }))).toEqual([2, 3]);
  });

  test('rooms with hard names have logs of their own', async (cluster) => {
    const { engine, entries } = await cluster.node();
    const rule = ruleOf();
    const rooms = ODD_NAMES.flatMap((odd) => [`/ ${odd}`, `/x ${odd}`].map((path) => [path.split(' ')[0] ?? '', odd]));
    const before: Position[] = [];
    for (const [namespace = '', room = ''] of rooms) {
      engine.watchRoom(namespace, room, rule);
      before.push(await placeIn(engine, rule, room, namespace));
      await append(engine, rule, room, `${namespace} ${JSON.stringify(room)}`, namespace);
    }
    const said = rooms.map(([namespace, room]) => `${namespace} ${JSON.stringify(room)}`);
    await cluster.until(() => entries.length === rooms.length);
    expect(entries.map((entry) => entry.message.data)).toEqual(said);
    for (const [at, [namespace = '', room = '']] of rooms.entries()) {
      const read = await engine.read(namespace, room, rule, { since: before[at] });
      expect([valuesOf(read), read.position]).toEqual([[said[at]], placeOf(entries[at] as Entry)]);
    }
  });

  test('who waits no longer is told so, and an engine that is closed says that it is down', async (cluster) => {
    const { engine } = await cluster.node();
    const rule = ruleOf();
    await append(engine, rule, 'r', 1);
    const { signal } = stopped();
    const one = message({ rooms: ['r'] });
    expect(await codeOf(engine.append(one, rule, { signal }))).toBe('ERR_ABORTED');
    expect(await codeOf(engine.read('/', 'r', rule, { signal }))).toBe('ERR_ABORTED');
    expect(
      await codeOf(
        engine.append(
          message({ rooms: ['r'] }, () => 1),
          rule,
        ),
      ),
    ).toBe('ERR_UNENCODABLE');
    await engine.close();
    expect(await codeOf(engine.append(one, rule))).toBe('ERR_ENGINE_DOWN');
    expect(await codeOf(engine.read('/', 'r', rule))).toBe('ERR_ENGINE_DOWN');
  });

  if (!(options.keepsLonger ?? false)) {
    test('what is too old is no longer said', async (cluster) => {
      const { engine } = await cluster.node();
      const rule = ruleOf({ age: 300 });
      const before = await append(engine, rule, 'r', 1);
      const old = await append(engine, rule, 'r', 2);
      const after = async (since: Position): Promise<unknown> => valuesOf(await engine.read('/', 'r', rule, { since }));
      expect(await after(before)).toEqual([2]);
      await cluster.until(async () => (await after(before)) === 'expired');
      expect(await after(old)).toEqual([]);
      await append(engine, rule, 'r', 3);
      expect([await after(before), await after(old)]).toEqual(['expired', [3]]);
    });
  }

  const { entryBytes } = options;
  if (entryBytes === undefined) return;
  test('an entry that is too long is refused, and the next one is not', async (cluster) => {
    const { engine } = await cluster.node();
    const rule = ruleOf();
    const tooLong = message({ rooms: ['r'] }, new Uint8Array(entryBytes));
    expect(await codeOf(engine.append(tooLong, rule))).toBe('ERR_MESSAGE_TOO_LARGE');
    expect((await append(engine, rule, 'r', 1)).offset).toBeGreaterThan(0);
  });
}

/** Rooms with history, of several nodes. */
export function sharedLogCases(options: EngineSuiteOptions): void {
  const { expect } = options.api;
  const test = testIn(options);

  test('all nodes hear one order, whoever publishes, each entry once', async (cluster) => {
    const nodes = await cluster.joined(3);
    const rule = ruleOf({ size: 1000 });
    for (const { engine } of nodes) engine.watchRoom('/', 'r', rule);
    await heardByAll(cluster, nodes, rule);
    const each = 50;
    await Promise.all(
      nodes.map(async ({ engine }, at) => {
        for (let i = 0; i < each; i++) await append(engine, rule, 'r', `${at} ${i}`);
      }),
    );
    const said = (node: SuiteNode): Entry[] => node.entries.filter((entry) => entry.message.data !== 'begin');
    await cluster.until(() => nodes.every((node) => said(node).length >= each * nodes.length));
    const [first, ...others] = nodes.map(said);
    for (const other of others) expect(other).toEqual(first);
    const data = first?.map((entry) => entry.message.data as string) ?? [];
    for (const at of nodes.keys()) {
      const own = data.filter((one) => one.startsWith(`${at} `));
      expect(own).toEqual(Array.from({ length: each }, (_, i) => `${at} ${i}`));
    }
    expect(first?.slice(1).map(({ previous }) => previous)).toEqual(first?.slice(0, -1).map(({ offset }) => offset));
  });

  test('a node that comes later reads what it missed', async (cluster) => {
    const here = await cluster.node();
    const rule = ruleOf();
    const before = await append(here.engine, rule, 'r', 0);
    for (let i = 1; i <= 3; i++) await append(here.engine, rule, 'r', i);
    const there = await cluster.node();
    expect(valuesOf(await there.engine.read('/', 'r', rule, { since: before }))).toEqual([1, 2, 3]);
    await here.engine.close();
    expect(valuesOf(await there.engine.read('/', 'r', rule, { since: before }))).toEqual([1, 2, 3]);
    expect((await append(there.engine, rule, 'r', 4)).epoch).toBe(before.epoch);
  });

  test('the same id is added once, also from another node', async (cluster) => {
    const [here, there] = await cluster.joined(2);
    const rule = ruleOf();
    const one = { ...message({ rooms: ['r'] }, 1), id: 'one' };
    const first = await here.engine.append(one, rule);
    expect(await there.engine.append(one, rule)).toEqual({ ...first, isDuplicate: true });
    const both = await Promise.all([here, there].map(({ engine }) => engine.append({ ...one, id: 'two' }, rule)));
    expect(both.filter(({ isDuplicate }) => isDuplicate).length).toBe(1);
    expect(both[0]?.offset).toBe(both[1]?.offset);
  });

  test('a node that does not watch hears no entries', async (cluster) => {
    const [here, there, other] = await cluster.joined(3);
    const rule = ruleOf();
    there.engine.watchRoom('/', 'r', rule);
    other.engine.watchRoom('/', 'q', rule);
    await heardByAll(cluster, [there], rule);
    await heardByAll(cluster, [other], rule, 'q');
    await append(here.engine, rule, 'r', 'end');
    await cluster.until(() => there.entries.at(-1)?.message.data === 'end');
    const isForeign = (entry: Entry): boolean => entry.message.target.rooms[0] !== 'q';
    expect([here.entries.length, other.entries.filter(isForeign).length]).toEqual([0, 0]);
  });
}

/** Waits until all of them hear what comes to a room. */
async function heardByAll(
  cluster: { until(condition: () => Promise<boolean>): Promise<void> },
  nodes: readonly SuiteNode[],
  rule: HistoryRule,
  room = 'r',
): Promise<void> {
  const [first] = nodes;
  await cluster.until(async () => {
    await append((first as SuiteNode).engine, rule, room, 'begin');
    return nodes.every(({ entries }) => entries.some((entry) => entry.message.target.rooms[0] === room));
  });
}

async function append(
  engine: Engine,
  rule: HistoryRule,
  room: string,
  data: unknown,
  namespace = '/',
): Promise<Position> {
  return placeOf(await engine.append(message({ namespace, rooms: [room] }, data), rule));
}

async function appendAll(engine: Engine, rule: HistoryRule, all: readonly Entry['message'][]): Promise<Position[]> {
  const places: Position[] = [];
  for (const one of all) places.push(placeOf(await engine.append(one, rule)));
  return places;
}

/** Where a log stands. */
async function placeIn(engine: Engine, rule: HistoryRule, room: string, namespace = '/'): Promise<Position> {
  return (await engine.read(namespace, room, rule)).position;
}

function placeOf({ offset, epoch }: Position): Position {
  return { offset, epoch };
}

function entriesOf(read: Reading): unknown {
  return read.isWhole ? read.entries : read.reason;
}

function valuesOf(read: Reading): unknown {
  return read.isWhole ? read.entries.map((entry) => entry.message.data) : read.reason;
}

function stopped(): AbortController {
  const controller = new AbortController();
  controller.abort();
  return controller;
}

async function codeOf(failing: Promise<unknown>): Promise<unknown> {
  try {
    await failing;
    return undefined;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}
