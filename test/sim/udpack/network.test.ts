import { expect, test } from 'vitest';
import type { Address } from '../../../src/udpack/index.ts';
import { Chance } from './chance.ts';
import { KIND, type Manner, mutated, Network, Pipe } from './network.ts';
import { type Machine, Process } from './process.ts';
import { Scheduler } from './scheduler.ts';

const HERE: Address = { address: '10.0.0.1', port: 1000 };
const THERE: Address = { address: '10.0.0.2', port: 2000 };

/** Says what it is told to say, and keeps what it hears. */
class Toy implements Machine {
  readonly heard: { readonly at: number; readonly bytes: Uint8Array; readonly from: Address }[] = [];
  readonly ticks: number[] = [];
  deadline: number | undefined;
  destination: Address = THERE;
  say: Uint8Array[] = [];

  receive(bytes: Uint8Array, from: Address, at: number): void {
    this.heard.push({ at, bytes, from });
  }

  tick(now: number): void {
    this.ticks.push(now);
    this.deadline = undefined;
  }

  transmit(out: Uint8Array): number {
    const next = this.say.shift();
    if (next !== undefined) out.set(next);
    return next?.length ?? 0;
  }
}

class World {
  readonly scheduler = new Scheduler();
  readonly network: Network = new Network(this.scheduler);
  readonly here: Toy = new Toy();
  readonly there: Toy = new Toy();
  readonly one: Process;
  readonly other: Process;
  readonly pipe: Pipe;

  constructor(manner: Partial<Manner> = {}) {
    this.one = this.#process('here', HERE, this.here);
    this.other = this.#process('there', THERE, this.there);
    this.pipe = new Pipe(this.scheduler, new Chance(1), { ...KIND, ...manner });
    const back = new Pipe(this.scheduler, new Chance(2), { ...KIND });
    this.network.connect(this.one, this.other, { there: this.pipe, back });
  }

  /** Sends datagrams of these sizes at once; their first bytes count them. */
  send(...sizes: readonly number[]): void {
    this.here.say.push(...sizes.map((size, at) => new Uint8Array(size).fill(at & 255)));
    this.one.wake();
  }

  #process(name: string, address: Address, machine: Machine): Process {
    return new Process(this.network, name, address, machine, {
      late: 0,
      inbox: 10_000_000,
      chance: new Chance(3),
      events: () => false,
      fail: (what) => {
        throw new Error(what);
      },
    });
  }
}

test('things happen in the order of their times, and of their asking', () => {
  const scheduler = new Scheduler();
  const happened: number[] = [];
  const chance = new Chance(5);
  const times = Array.from({ length: 300 }, () => chance.below(20));
  for (const [turn, time] of times.entries()) scheduler.at(time, () => happened.push(time * 1000 + turn));
  scheduler.run(19);
  expect(happened).toEqual(times.map((time, turn) => time * 1000 + turn).toSorted((a, b) => a - b));
  expect(scheduler.now).toBe(19);
  expect(scheduler.step()).toBe(false);
});

test('a datagram takes the delay of its path and tells where it came from', () => {
  const world = new World({ delay: 25 });
  world.send(100);
  world.scheduler.run(24.9);
  expect(world.there.heard).toEqual([]);
  world.scheduler.run(25);
  expect(world.there.heard).toEqual([{ at: 25, bytes: new Uint8Array(100), from: HERE }]);
});

test('what is longer than the path allows vanishes', () => {
  const world = new World({ mtu: 1400 });
  world.send(1401, 1400);
  world.scheduler.run(1000);
  expect(world.there.heard.map(({ bytes }) => bytes.length)).toEqual([1400]);
});

test('the bottleneck spreads datagrams and drops the tail of its queue', () => {
  const world = new World({ delay: 0, bytesPerMs: 100, queueBytes: 3000 });
  world.send(1000, 1000, 1000, 1000, 500);
  world.scheduler.run(1000);
  expect(world.there.heard.map(({ at }) => at)).toEqual([10, 20, 30]);
  expect(world.pipe.lost).toBe(2);
  world.send(1000);
  world.scheduler.run(2000);
  expect(world.there.heard.at(-1)?.at).toBe(1010);
});

test.each<[string, Partial<Manner>, number, number]>([
  ['loss', { loss: 0.3 }, 650, 750],
  ['loss in bursts', { burst: { fall: 0.05, rise: 0.2, loss: 1 } }, 720, 880],
  ['duplication', { duplicate: 0.2 }, 1150, 1250],
  ['corruption', { corrupt: 0.5 }, 1000, 1000],
])('%s', (_, manner, least, most) => {
  const world = new World(manner);
  world.send(...Array.from({ length: 1000 }, () => 20));
  world.scheduler.run(1000);
  const { heard } = world.there;
  expect(heard.length).toBeGreaterThanOrEqual(least);
  expect(heard.length).toBeLessThanOrEqual(most);
  const spoilt = heard.filter(({ bytes }) => bytes.length < 20 || bytes.some((byte) => byte !== bytes[0])).length;
  expect(spoilt > 400).toBe('corrupt' in manner);
});

test('jitter keeps the order, reordering does not', () => {
  const sent = Array.from({ length: 200 }, (_, at) => at);
  const order = (manner: Partial<Manner>): (number | undefined)[] => {
    const world = new World(manner);
    world.send(...sent.map(() => 10));
    world.scheduler.run(1000);
    return world.there.heard.map(({ bytes }) => bytes[0]);
  };
  expect(order({ jitter: 50 })).toEqual(sent);
  const disordered = order({ reorder: 0.1, reorderBy: 30 });
  expect(disordered).not.toEqual(sent);
  expect(disordered.toSorted((a, b) => (a ?? 0) - (b ?? 0))).toEqual(sent);
});

test('nothing passes in the dark', () => {
  const world = new World();
  world.pipe.darkUntil = 100;
  world.send(10);
  world.scheduler.run(99);
  world.send(10);
  world.scheduler.run(100);
  world.send(10);
  world.scheduler.run(200);
  expect(world.there.heard.map(({ at }) => at)).toEqual([110]);
});

test('who moves is heard from the new address, and what goes to the old one is lost', () => {
  const world = new World();
  const elsewhere = { address: '10.9.9.9', port: 9 };
  world.there.destination = HERE;
  world.there.say.push(new Uint8Array(10));
  world.other.wake();
  world.scheduler.run(5);
  world.one.move(elsewhere);
  world.send(10);
  world.scheduler.run(100);
  expect(world.here.heard).toEqual([]);
  expect(world.there.heard[0]?.from).toEqual(elsewhere);
});

test('a process that is stopped takes in what waited when it goes on, late', () => {
  const world = new World();
  world.there.deadline = 50;
  world.other.wake();
  world.scheduler.run(1);
  world.other.stop(1000);
  world.send(10, 10);
  world.scheduler.run(1000);
  expect(world.there.heard).toEqual([]);
  world.scheduler.run(1001);
  expect(world.there.heard.map(({ at }) => at)).toEqual([1001, 1001]);
  expect(world.there.ticks).toEqual([1001]);
});

test('a clock that jumps makes timers due', () => {
  const world = new World();
  world.there.deadline = 5000;
  world.other.wake();
  world.scheduler.run(1);
  world.other.leap(10_000);
  world.scheduler.run(2);
  expect(world.there.ticks).toEqual([10_001]);
});

test('a machine whose deadline stays in the past is found out', () => {
  const world = new World();
  world.there.tick = () => {};
  world.there.deadline = 5;
  world.other.wake();
  expect(() => world.scheduler.run(100)).toThrow('timers without an end');
});

test('what is mutated is not what it was', () => {
  const chance = new Chance(11);
  const bytes = chance.bytes(30);
  const same = Array.from({ length: 200 }, () => mutated(bytes, chance)).filter(
    (copy) => Buffer.compare(copy, bytes) === 0,
  );
  // Two flips of one bit undo each other, seldom.
  expect(same.length).toBeLessThan(5);
});
