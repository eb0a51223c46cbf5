import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededRandom, virtualWorld } from './world.ts';

test('the clock stands still until it is told to move', () => {
  const world = virtualWorld();
  let ran = 0;
  world.timer(world.now() + 10, () => ran++);
  world.settle();
  world.advance(9);
  expect([world.now(), ran, world.nextTimer]).toEqual([9, 0, 10]);
  world.advance(1);
  expect([world.now(), ran, world.nextTimer]).toEqual([10, 1, undefined]);
});

test('timers run in order of their time, equal ones in the order they were armed', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50), { maxLength: 60 }), fc.infiniteStream(fc.boolean()), (times, cancels) => {
      const world = virtualWorld();
      const heard: number[][] = [];
      const expected: number[][] = [];
      times.forEach((at, index) => {
        const timer = world.timer(at, () => heard.push([world.now(), index]));
        if (cancels.next().value) timer.cancel();
        else expected.push([at, index]);
      });
      expect(world.timers).toBe(expected.length);
      world.advance(100);
      expect(heard).toEqual(expected.toSorted((a, b) => (a[0] ?? 0) - (b[0] ?? 0) || (a[1] ?? 0) - (b[1] ?? 0)));
      expect(world.timers).toBe(0);
    }),
  );
});

test('what is asked for soon runs after the call, and before the clock moves', () => {
  const world = virtualWorld();
  const heard: string[] = [];
  world.timer(5, () => {
    world.soon(() => heard.push(`soon at ${world.now()}`));
    heard.push('timer');
  });
  world.timer(6, () => heard.push('next timer'));
  world.advance(10);
  expect(heard).toEqual(['timer', 'soon at 5', 'next timer']);
});

test('advanceAsync lets promises settle between timers', async () => {
  const world = virtualWorld();
  const heard: string[] = [];
  const wait = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      world.timer(world.now() + ms, resolve);
    });
  const work = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) {
      await wait(10);
      heard.push(`at ${world.now()}`);
    }
  };
  const done = work();
  await world.advanceAsync(30);
  await done;
  expect(heard).toEqual(['at 10', 'at 20', 'at 30']);
});

test('the same seed gives the same chance, another seed another', () => {
  const draw = (seed: number): number[] => Array.from(seededRandom(seed).bytes(16));
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
  const unit = seededRandom(7).unit();
  expect(unit).toBeGreaterThanOrEqual(0);
  expect(unit).toBeLessThan(1);
});

test('a world that never rests is told apart from a slow one', () => {
  const world = virtualWorld();
  const again = (): void => world.soon(again);
  again();
  expect(() => world.settle()).toThrow('seed 1');
});
