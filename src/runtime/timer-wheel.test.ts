import fc from 'fast-check';
import { expect, test } from 'vitest';
import { virtualWorld } from '../testing/index.ts';
import { Deadline, TimerWheel } from './timer-wheel.ts';

const TICK = 100;

test('a deadline comes no earlier than asked for, and within a tick', () => {
  const world = virtualWorld();
  const wheel = new TimerWheel(world);
  const heard: number[] = [];
  wheel.schedule(new Deadline({ onDeadline: (now) => heard.push(now) }), 250);
  world.advance(249);
  expect(heard).toEqual([]);
  world.advance(TICK);
  expect(heard).toEqual([300]);
});

test('an empty wheel holds no timer', () => {
  const world = virtualWorld();
  const wheel = new TimerWheel(world);
  const deadline = new Deadline({ onDeadline: () => undefined });
  wheel.schedule(deadline, 1000);
  expect(world.timers).toBe(1);
  wheel.cancel(deadline);
  wheel.cancel(deadline);
  expect([world.timers, wheel.size]).toEqual([0, 0]);
  wheel.schedule(deadline, 1000);
  world.advance(1000);
  expect([world.timers, wheel.size]).toEqual([0, 0]);
});

test('one timer serves all, and sleeps until there is something to do', () => {
  const world = virtualWorld();
  const wheel = new TimerWheel(world);
  for (let i = 0; i < 1000; i++) wheel.schedule(new Deadline({ onDeadline: () => undefined }), 20_000 + i);
  expect(world.timers).toBe(1);
  expect(world.nextTimer).toBe(20_000);
});

test('an owner may cancel, move and schedule deadlines when its own comes', () => {
  const world = virtualWorld();
  const wheel = new TimerWheel(world);
  const heard: string[] = [];
  const make = (name: string, also: () => void): Deadline =>
    new Deadline({
      onDeadline: (now) => {
        heard.push(`${name} ${now}`);
        also();
      },
    });
  const cancelled = make('cancelled', () => undefined);
  const moved = make('moved', () => undefined);
  let rounds = 3;
  const again = make('again', () => {
    wheel.cancel(cancelled);
    wheel.schedule(moved, 1000);
    if (--rounds > 0) wheel.schedule(again, world.now());
  });
  for (const one of [moved, cancelled, again]) wheel.schedule(one, 100);
  world.advance(2000);
  expect(heard).toEqual(['again 100', 'again 200', 'again 300', 'moved 1000']);
});

test('an owner that throws is reported, and the others still hear', () => {
  const world = virtualWorld();
  const wheel = new TimerWheel(world);
  let heard = 0;
  const bug = new Error('bug');
  const hear = (): number => heard++;
  const fail = (): never => {
    throw bug;
  };
  for (const onDeadline of [hear, fail, hear]) wheel.schedule(new Deadline({ onDeadline }), 100);
  world.advance(100);
  expect([heard, world.reported]).toEqual([2, [bug]]);
});

const step = fc.record({
  wait: fc.oneof(fc.nat(300), fc.nat(70_000)),
  which: fc.nat(5),
  delay: fc.option(fc.oneof(fc.nat(2_000), fc.nat(200_000)), { nil: undefined }),
});

test('whatever is scheduled, moved and cancelled, each deadline comes once, at its tick', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const world = virtualWorld();
      const wheel = new TimerWheel(world);
      const expected = new Map<number, number>();
      const deadlines = Array.from({ length: 6 }, (_, which) => {
        const onDeadline = (now: number): void => {
          const at = expected.get(which) ?? Number.NaN;
          expect(now).toBeGreaterThanOrEqual(at);
          expect(now).toBeLessThanOrEqual(at + 2 * TICK);
          expected.delete(which);
        };
        return new Deadline({ onDeadline });
      });
      for (const { wait, which, delay } of steps) {
        world.advance(wait);
        const deadline = deadlines[which] as Deadline;
        wheel.cancel(deadline);
        expected.delete(which);
        if (delay === undefined) continue;
        expected.set(which, world.now() + delay);
        wheel.schedule(deadline, world.now() + delay);
      }
      expect(wheel.size).toBe(expected.size);
      world.advance(300_000);
      expect([expected.size, wheel.size, world.timers, world.reported]).toEqual([0, 0, 0, []]);
    }),
  );
});
