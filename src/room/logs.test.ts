import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { HawserError } from '../core/index.ts';
import { type EngineMessage, MemoryEngine, type Reading } from '../engine/index.ts';
import { virtualWorld } from '../testing/index.ts';
import { Logs } from './index.ts';
import { IDS_MOST, Repeats } from './repeats.ts';

const RULE = { name: '/ *', size: 10, age: 1000 };
const SETTINGS = { recovery: 7, appends: 2, appendWait: 1000 };

/** An engine whose log answers by hand, or never. */
class Held extends MemoryEngine {
  readonly reads: {
    room: string;
    most: number | undefined;
    resolve: (reading: Reading) => void;
    reject: (error: Error) => void;
  }[] = [];

  override read(...[, room, , options]: Parameters<MemoryEngine['read']>): Promise<Reading> {
    return new Promise((resolve, reject) => this.reads.push({ room, most: options?.most, resolve, reject }));
  }
}

const READING: Reading = { isWhole: true, entries: [], position: { offset: 1, epoch: 'e' } };

function prepare(): {
  world: ReturnType<typeof virtualWorld>;
  engine: Held;
  logs: Logs;
  reported: unknown[];
  read: (room: string, tries?: number) => { answers: Reading[]; stop: () => void };
} {
  const world = virtualWorld();
  const engine = new Held(world);
  const reported: unknown[] = [];
  const logs = new Logs(engine, world, SETTINGS, (error) => reported.push(error));
  const read = (room: string, tries = 0): { answers: Reading[]; stop: () => void } => {
    const answers: Reading[] = [];
    const stop = logs.read({ namespace: '/', room, rule: RULE }, undefined, tries, (reading) => answers.push(reading));
    return { answers, stop };
  };
  return { world, engine, logs, reported, read };
}

const down = (): HawserError => new HawserError('ERR_ENGINE_DOWN');

describe('a reading', () => {
  test('is tried until it succeeds, less and less often', async () => {
    const { world, engine, reported, read } = prepare();
    const { answers } = read('a');
    expect(engine.reads[0]?.most).toBe(7);
    const times: number[] = [];
    for (let tries = 0; tries < 12; tries++) {
      engine.reads.at(-1)?.reject(down());
      const before = engine.reads.length;
      const from = world.now();
      while (engine.reads.length === before) await world.advanceAsync(10);
      times.push(world.now() - from);
    }
    expect([times[0], times.at(-1)].map((time) => Math.floor((time ?? 0) / 60))).toEqual([0, expect.any(Number)]);
    expect(times.at(-1)).toBeGreaterThan(2400);
    expect(times.at(-1)).toBeLessThanOrEqual(5010);
    engine.reads.at(-1)?.resolve(READING);
    await world.advanceAsync(0);
    expect([answers, reported, world.timers]).toEqual([[READING], [], 0]);
  });

  test('that is not answered is begun again', async () => {
    const { world, engine, reported, read } = prepare();
    const { answers } = read('a');
    await world.advanceAsync(11_000);
    expect(engine.reads.length).toBe(2);
    expect(reported).toMatchObject([{ code: 'ERR_TIMEOUT' }]);
    engine.reads[1]?.resolve(READING);
    await world.advanceAsync(0);
    expect([answers, world.timers]).toEqual([[READING], 0]);
  });

  test('that nobody wants any more is given up', async () => {
    const { world, engine, read } = prepare();
    const [asked, failed, late] = [read('a'), read('b'), read('c', 3)];
    engine.reads[1]?.reject(down());
    await world.advanceAsync(0);
    for (const { stop } of [asked, failed, late]) stop();
    engine.reads[0]?.resolve(READING);
    await world.advanceAsync(100_000);
    expect([asked, failed, late].flatMap(({ answers }) => answers)).toEqual([]);
    expect([engine.reads.length, world.timers]).toEqual([2, 0]);
  });

  test('sixteen are under way at one time, the others wait', async () => {
    const { world, engine, read } = prepare();
    const all = Array.from({ length: 20 }, (_, at) => read(`${at}`));
    expect(engine.reads.length).toBe(16);
    all[17]?.stop();
    engine.reads[3]?.resolve(READING);
    await world.advanceAsync(0);
    engine.reads[4]?.resolve(READING);
    await world.advanceAsync(0);
    expect(engine.reads.slice(16).map(({ room }) => room)).toEqual(['16', '18']);
  });

  test('what is wrong with the log is reported once for each that is read', async () => {
    const { world, engine, reported, read } = prepare();
    read('a');
    for (let n = 0; n < 3; n++) {
      engine.reads.at(-1)?.reject(new Error('broken'));
      await world.advanceAsync(1000);
    }
    expect(reported).toMatchObject([{ message: 'broken' }]);
  });
});

describe('what is on its way into a log', () => {
  const message = {
    target: { namespace: '/', rooms: ['a'], users: [], exceptRooms: [], exceptSockets: [] },
    event: 'say',
    data: 1,
    meta: {},
    volatile: false,
  } satisfies EngineMessage;

  test('is bounded, and makes room when it is there, failed or given up', async () => {
    const { world, logs, engine } = prepare();
    const { signal } = new AbortController();
    const codes: string[] = [];
    const append = (): void =>
      void logs.append(message, RULE, { signal }).catch((error: HawserError) => codes.push(error.code));
    engine.append = () => new Promise(() => {});
    append();
    append();
    append();
    await world.advanceAsync(0);
    expect(codes).toEqual(['ERR_BACKLOG_FULL']);
    await world.advanceAsync(1000);
    expect(codes.slice(1)).toEqual(['ERR_TIMEOUT', 'ERR_TIMEOUT']);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    engine.append = async () => ({ offset: 1, epoch: 'e', isDuplicate: false });
    for (let n = 0; n < 5; n++) expect(await logs.append(message, RULE, {})).toMatchObject({ offset: 1 });
    expect(world.timers).toBe(0);
  });
});

describe('ids of what was published', () => {
  test('are known for two minutes, each namespace its own', () => {
    const repeats = new Repeats();
    const isNew = (namespace: string, id: string, now: number): boolean => repeats.isNew(namespace, id, now);
    expect([isNew('/', 'a', 0), isNew('/', 'a', 1), isNew('/b', 'a', 1), isNew('/', 'a', 120_000)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect([isNew('/', 'a', 120_001), isNew('/', 'a', 120_002)]).toEqual([true, false]);
  });

  test(`of more than ${IDS_MOST} the oldest are forgotten`, () => {
    const repeats = new Repeats();
    for (let n = 0; n < IDS_MOST; n++) repeats.isNew('/', `${n}`, 0);
    expect(repeats.isNew('/', '0', 1)).toBe(false);
    expect(repeats.isNew('/', 'one more', 1)).toBe(true);
    expect([repeats.isNew('/', '1', 1), repeats.isNew('/', '0', 1)]).toEqual([false, true]);
  });
});
