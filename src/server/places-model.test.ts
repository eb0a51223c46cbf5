import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Seat } from '../room/index.ts';
import { TimerWheel } from '../runtime/index.ts';
import { type VirtualWorld, virtualWorld } from '../testing/index.ts';
import { resolveServerOptions } from './options.ts';
import type { NamespacePattern } from './pattern.ts';
import { type Place, Places } from './places.ts';

const LIMIT = 3;
const GRACE = 1000;
const PATHS = ['/a', '/b', '/c', '/d', '/fixed'];

/** What must be there: who is where, and since when nobody is. */
interface Model {
  readonly sockets: Map<string, Seat[]>;
  readonly emptySince: Map<string, number>;
}

interface Real {
  readonly world: VirtualWorld;
  readonly places: Places;
  readonly told: string[];
  ids: number;
}

/** A deadline of the wheel may come a little late: what is due then may be there or not. */
const LATE = 200;

/** The model drops what is overdue; what may or may not be gone is taken from what is there. */
function settle(model: Model, { world, places }: Real): void {
  for (const [path, since] of model.emptySince) {
    const age = world.now() - since;
    if (age >= GRACE + LATE || (age >= GRACE && places.rooms(path) === undefined)) model.emptySince.delete(path);
  }
}

function check(model: Model, real: Real): void {
  settle(model, real);
  const expected = [...model.sockets.keys(), ...model.emptySince.keys()].filter((path) => path !== '/fixed');
  const there = PATHS.filter((path) => path !== '/fixed' && real.places.rooms(path) !== undefined);
  expect(there).toEqual(expected.toSorted());
  expect(there.length).toBeLessThanOrEqual(LIMIT);
  const open = there.filter((path) => real.told.filter((one) => one.endsWith(path)).at(-1) === `open ${path}`);
  expect(open).toEqual(there);
}

function expectFull({ places }: Real, path: string): void {
  expect(places.look(path).kind).toBe('full');
  expect(() => places.open(path)).toThrow(expect.objectContaining({ code: 'ERR_TOO_MANY_NAMESPACES' }));
}

function expectOpen({ places }: Real, path: string): void {
  expect(places.look(`${path}/`).kind).toBe('open');
}

interface Command extends fc.Command<Model, Real> {
  check(model: Readonly<Model>): boolean;
  run(model: Model, real: Real): void;
}

/** A peer asks for a path, and may then be let in. */
class Come implements Command {
  readonly path: string;
  readonly stays: boolean;

  constructor(path: string, stays: boolean) {
    this.path = path;
    this.stays = stays;
  }

  check = (): boolean => true;

  run(model: Model, real: Real): void {
    settle(model, real);
    const there = this.path === '/fixed' || model.sockets.has(this.path) || model.emptySince.has(this.path);
    const passing = [...model.sockets.keys()].filter((path) => path !== '/fixed').length;
    if (!there && passing >= LIMIT) {
      expectFull(real, this.path);
      return;
    }
    expectOpen(real, this.path);
    if (!there && passing + model.emptySince.size >= LIMIT) {
      const [longest] = [...model.emptySince].toSorted(([, a], [, b]) => a - b)[0] ?? [];
      model.emptySince.delete(longest ?? '');
    }
    const place = real.places.open(this.path) as Place;
    if (!this.stays) {
      if (!there) model.emptySince.set(this.path, real.world.now());
      return;
    }
    real.ids += 1;
    const seat = { id: `${real.ids}`, user: null } as unknown as Seat;
    place.rooms.add(seat);
    real.places.enter(place);
    model.emptySince.delete(this.path);
    model.sockets.set(this.path, [...(model.sockets.get(this.path) ?? []), seat]);
  }

  toString = (): string => `${this.stays ? 'enter' : 'ask for'} ${this.path}`;
}

class Go implements Command {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  check = (model: Model): boolean => model.sockets.has(this.path);

  run(model: Model, real: Real): void {
    const [seat, ...others] = model.sockets.get(this.path) ?? [];
    const rooms = real.places.rooms(this.path);
    if (seat === undefined || rooms === undefined) expect.fail(`${this.path} is gone with a socket in it`);
    rooms.remove(seat);
    real.places.left(rooms);
    if (others.length > 0) {
      model.sockets.set(this.path, others);
    } else {
      model.sockets.delete(this.path);
      if (this.path !== '/fixed') model.emptySince.set(this.path, real.world.now());
    }
  }

  toString = (): string => `leave ${this.path}`;
}

class Wait implements Command {
  readonly ms: number;

  constructor(ms: number) {
    this.ms = ms;
  }

  check = (): boolean => true;

  run(_: Model, real: Real): void {
    real.world.advance(this.ms);
  }

  toString = (): string => `wait ${this.ms} ms`;
}

/** Looks after each step whether what is there is what must be. */
class Checked implements Command {
  readonly step: Command;

  constructor(step: Command) {
    this.step = step;
  }

  check = (model: Readonly<Model>): boolean => this.step.check(model);

  run(model: Model, real: Real): void {
    this.step.run(model, real);
    check(model, real);
  }

  toString = (): string => this.step.toString();
}

test('namespaces of a pattern come and go as a plain model says, in any order of things', () => {
  const path = fc.constantFrom(...PATHS);
  const commands = [
    fc.tuple(path, fc.boolean()).map(([one, stays]) => new Checked(new Come(one, stays))),
    path.map((one) => new Checked(new Go(one))),
    fc.integer({ min: 1, max: GRACE * 2 }).map((ms) => new Checked(new Wait(ms))),
  ];
  let runs = 0;
  const setup = (): { model: Model; real: Real } => {
    runs += 1;
    const world = virtualWorld(1);
    const options = {
      ...resolveServerOptions({ limits: { namespaces: LIMIT }, times: { namespaceGrace: GRACE } }),
      world,
    };
    const places = new Places(options, new TimerWheel(world));
    const told: string[] = [];
    places.of('/fixed');
    const pattern = places.of('/:any') as NamespacePattern;
    pattern.on('open', ({ name }) => told.push(`open ${name}`)).on('close', ({ name }) => told.push(`close ${name}`));
    return { model: { sockets: new Map(), emptySince: new Map() }, real: { world, places, told, ids: 0 } };
  };
  fc.assert(
    fc.property(fc.commands(commands, { size: '+1' }), (steps) => fc.modelRun(setup, steps)),
    { numRuns: 200 },
  );
  expect(runs).toBeGreaterThanOrEqual(200);
});
