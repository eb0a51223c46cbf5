import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Engine, type HistoryRule, JoinedEngine, type Subject } from '../../src/engine/index.ts';
import { NatsBus } from '../../src/engines/nats/index.ts';
import { realWorld } from '../../src/runtime/index.ts';
import { engineSuite, MortalBus } from '../../src/testing/index.ts';
import { type Nats, startNats } from '../support/nats-server.ts';
import { until } from '../support/until.ts';
import { bytes, text } from '../support/words.ts';
import { HeardBus } from './nats-bus.ts';

let nats: Nats;
let clusters = 0;
const buses = new Map<Engine, MortalBus>();
/** A cluster that no other test has. */
const fresh = (): { servers: string; name: string } => ({ servers: nats.url, name: `t${++clusters}` });

beforeAll(async () => {
  nats = await startNats({ jetstream: true });
});
afterAll(() => nats[Symbol.asyncDispose]());

engineSuite('nats', {
  api: { describe, test, expect },
  world: realWorld(),
  makeEngine: (cluster, times) => {
    const world = realWorld();
    const bus = new MortalBus(new NatsBus({ servers: nats.url, name: `${cluster}-${process.pid}` }, world));
    const engine = new JoinedEngine(bus, { world, times });
    buses.set(engine, bus);
    return engine;
  },
  kill: (engine) => buses.get(engine)?.kill(),
  joins: true,
  logs: true,
  // A minute more, for the marks that its logs need.
  keepsLonger: true,
});

const ROOM: Subject = { kind: 'room', namespace: '/', room: 'r' };
const RULE: HistoryRule = { name: '/ r*', size: 5, age: 60_000 };
/** Names that are hard to carry. */
const ODD_NAMES = [
  '',
  '*',
  '>',
  'a.b',
  'a b',
  '~',
  '$JS',
  'ä',
  '🚀',
  '\ud800',
  '\n',
  '\0',
  'x'.repeat(256),
  '🚀'.repeat(128),
];

describe('subjects of NATS', () => {
  test('carry to all who have subscribed, the publisher too, in its order, and to nobody else', async () => {
    const options = fresh();
    await using here = await HeardBus.start(options);
    await using there = await HeardBus.start(options);
    await using far = await HeardBus.start(fresh());
    for (const { bus } of [here, there, far]) bus.subscribe(ROOM);
    const sent = Array.from({ length: 500 }, (_, i) => `m${i}`);
    await until(() => {
      here.bus.publish(ROOM, bytes('?'));
      return there.heard.length > 0;
    }, 'they hear each other');
    for (const one of sent) here.bus.publish(ROOM, bytes(one));
    await until(() => [here, there].every(({ heard }) => heard.at(-1) === 'm499'), 'all came');
    for (const { heard } of [here, there]) expect(heard.filter((one) => one !== '?')).toEqual(sent);
    expect(far.heard).toEqual([]);
    there.bus.unsubscribe(ROOM);
    there.bus.subscribe({ kind: 'all' });
    here.bus.publish(ROOM, bytes('not for you'));
    await until(() => {
      here.bus.publish({ kind: 'all' }, bytes('all'));
      return there.heard.at(-1) === 'all';
    }, 'the other subject is heard');
    expect(there.heard).not.toContain('not for you');
  });

  test.each(['room', 'user', 'node'] as const)('hard names of a %s are names like any other', async (kind) => {
    const options = fresh();
    await using bus = await HeardBus.start(options);
    const subjects = ODD_NAMES.map((name): Subject => {
      if (kind === 'node') return { kind, node: name };
      return kind === 'room' ? { kind, namespace: `/${name}`, room: name } : { kind, namespace: '/', user: name };
    });
    for (const subject of subjects) bus.bus.subscribe(subject);
    for (const [i, subject] of subjects.entries()) bus.bus.publish(subject, bytes(`${i}`));
    await until(() => bus.heard.length >= subjects.length, 'all came');
    expect(bus.heard).toEqual(subjects.map((_, i) => `${i}`));
    expect(bus.reported).toEqual([]);
  });

  test('what is pushed comes to exactly one node, and is answered', async () => {
    const options = fresh();
    await using here = await HeardBus.start(options);
    await using there = await HeardBus.start(options);
    const { connect } = await import('@nats-io/transport-node');
    await using pusher = await connect({ servers: nats.url });
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, i) =>
        (await pusher.request(`hawser.${options.name}.push`, `{"n":${i}}`)).string(),
      ),
    );
    expect(answers).toEqual(Array.from({ length: 20 }, (_, i) => `answer to {"n":${i}}`));
    expect(here.pushes.length + there.pushes.length).toBe(20);
  });
});

describe('logs of rooms in JetStream', () => {
  test('an entry is heard once by all who watch, with the one before it, and is answered with its place', async () => {
    const options = fresh();
    await using here = await HeardBus.start(options);
    await using there = await HeardBus.start(options);
    for (const { bus } of [here, there]) bus.watchLog('/', 'r1', RULE);
    here.bus.watchLog('/', 'r2', RULE);
    const at = (await here.bus.read('/', 'r1', RULE, {})).position;
    await there.bus.read('/', 'r1', RULE, {});
    const places = await Promise.all(
      Array.from({ length: 20 }, (_, i) => here.bus.append('/', i % 2 === 0 ? 'r1' : 'r2', RULE, bytes(`e${i}`), {})),
    );
    await until(() => there.entries.length === 10 && here.entries.length === 20, 'all came');
    const ofR1 = places.filter((_, i) => i % 2 === 0);
    expect(there.entries.map(({ offset }) => offset)).toEqual(ofR1.map(({ offset }) => offset));
    expect(there.entries.map(({ previous }) => previous)).toEqual([
      at.offset,
      ...ofR1.slice(0, -1).map(({ offset }) => offset),
    ]);
    expect(here.entries.map((entry) => entry.text)).toEqual(places.map((_, i) => `e${i}`));
    expect(
      new Set([...places.map(({ epoch }) => epoch), at.epoch, ...there.entries.map(({ epoch }) => epoch)]).size,
    ).toBe(1);
    const read = await there.bus.read('/', 'r1', RULE, { since: ofR1[4] });
    expect(read).toMatchObject({ isWhole: true, position: { offset: ofR1[9]?.offset } });
    expect(read.isWhole && read.entries.map((entry) => text(entry.bytes))).toEqual(['e10', 'e12', 'e14', 'e16', 'e18']);
    expect([...here.reported, ...there.reported]).toEqual([]);
  });

  test('nodes that begin at the same time have one log, and each entry once', async () => {
    const options = fresh();
    const nodes = await Promise.all(Array.from({ length: 8 }, () => HeardBus.start(options)));
    try {
      for (const { bus } of nodes) bus.watchLog('/', 'r', RULE);
      const places = await Promise.all(nodes.map(({ bus }, i) => bus.append('/', 'r', RULE, bytes(`e${i}`), {})));
      expect(new Set(places.map(({ epoch }) => epoch)).size).toBe(1);
      const offsets = places.map(({ offset }) => offset).toSorted((a, b) => a - b);
      await until(() => nodes.every(({ entries }) => entries.length >= 8), 'all came');
      await until(
        async () => (await nodes[0]?.bus.read('/', 'r', RULE, {}))?.position.offset === offsets.at(-1),
        'it stands',
      );
      for (const { entries } of nodes) expect(entries.map(({ offset }) => offset)).toEqual(offsets);
    } finally {
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
    }
  });

  test('what can not be said whole is refused, with the reason', async () => {
    await using bus = await HeardBus.start(fresh());
    const start = (await bus.bus.read('/', 'r', RULE, {})).position;
    const places = [];
    for (let i = 0; i < 7; i++) places.push(await bus.bus.append('/', 'r', RULE, bytes(`e${i}`), {}));
    const [first, second] = places;
    const why = async (since: { offset: number; epoch: string } | undefined, most?: number): Promise<unknown> => {
      const read = await bus.bus.read('/', 'r', RULE, { since, most });
      return read.isWhole ? read.entries.length : read.reason;
    };
    const { epoch } = start;
    expect(await Promise.all([why(start), why(first), why(second), why(second, 4), why(places[6])])).toEqual([
      'expired',
      'expired',
      5,
      'too-many',
      0,
    ]);
    expect(await Promise.all([why({ offset: 10_000, epoch }), why({ offset: 8, epoch: 'other' })])).toEqual([
      'unknown',
      'epoch',
    ]);
  });

  test('by an id that it had nothing is added, in its room', async () => {
    await using bus = await HeardBus.start(fresh());
    bus.bus.watchLog('/', 'r1', RULE);
    for (const id of ['a', 'a b', 'ä'.repeat(256), 'x'.repeat(256), ' ']) {
      const first = await bus.bus.append('/', 'r1', RULE, bytes('1'), { id });
      const second = await bus.bus.append('/', 'r1', RULE, bytes('2'), { id });
      const other = await bus.bus.append('/', 'r2', RULE, bytes('3'), { id });
      expect([first.isDuplicate, second, other.isDuplicate]).toEqual([false, { ...first, isDuplicate: true }, false]);
    }
    await bus.bus.append('/', 'r1', RULE, bytes('end'), {});
    await until(() => bus.texts.at(-1) === 'end', 'all came');
    expect(bus.texts).toEqual(['1', '1', '1', '1', '1', 'end']);
  });
});
