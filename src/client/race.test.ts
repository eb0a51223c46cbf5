import { describe, expect, test } from 'vitest';
import { HawserError } from '../core/index.ts';
import { virtualWorld } from '../testing/index.ts';
import { race } from './race.ts';

/** How long an attempt takes, and what comes of it. */
type Runner = readonly [ms: number, result: string | HawserError];

function run(runners: readonly Runner[], signal: AbortSignal = new AbortController().signal) {
  const world = virtualWorld();
  const log: string[] = [];
  const discarded: string[] = [];
  const attempt = ([ms, result]: Runner, losing: AbortSignal): Promise<string> =>
    new Promise((resolve, reject) => {
      const name = typeof result === 'string' ? result : result.code;
      log.push(`${name} at ${world.now()}`);
      losing.addEventListener('abort', () => log.push(`${name} aborted`));
      world.timer(world.now() + ms, () => (typeof result === 'string' ? resolve(result) : reject(result)));
    });
  const prize = race(world, runners, signal, attempt, (loser) => discarded.push(loser), 10_000);
  return { world, log, discarded, prize: prize.catch((error: unknown) => error) };
}

const refused = (code = 'ERR_CONNECT_FAILED'): HawserError => new HawserError(code, 'no');

describe('a race of attempts', () => {
  test('the first has the field to itself when it is quick', async () => {
    const { world, log, prize } = run([
      [249, 'a'],
      [1, 'b'],
    ]);
    await world.advanceAsync(1000);
    expect(await prize).toBe('a');
    expect(log).toEqual(['a at 0', 'a aborted']);
  });

  test('the next starts after a pause, and the quicker one wins; the loser is aborted, and discarded if it comes', async () => {
    const { world, log, discarded, prize } = run([
      [400, 'slow'],
      [50, 'quick'],
      [1, 'never'],
    ]);
    await world.advanceAsync(1000);
    expect(await prize).toBe('quick');
    expect(log).toEqual(['slow at 0', 'quick at 250', 'slow aborted', 'quick aborted']);
    expect(discarded).toEqual(['slow']);
    expect(world.timers).toBe(0);
  });

  test('a failure starts the next at once, and the pause begins anew', async () => {
    const { world, log, prize } = run([
      [10, refused()],
      [500, 'b'],
      [500, 'c'],
    ]);
    await world.advanceAsync(1000);
    expect(await prize).toBe('b');
    expect(log.slice(0, 3)).toEqual(['ERR_CONNECT_FAILED at 0', 'b at 10', 'c at 260']);
  });

  test('when all have failed, it fails with the last', async () => {
    const { world, prize } = run([
      [300, refused('ERR_A')],
      [10, refused('ERR_B')],
    ]);
    await world.advanceAsync(1000);
    expect(await prize).toMatchObject({ code: 'ERR_A' });
    expect(world.timers).toBe(0);
  });

  test('a late failure of one does not end it while others are to come', async () => {
    const { world, prize } = run([
      [260, refused('ERR_A')],
      [400, 'b'],
    ]);
    await world.advanceAsync(1000);
    expect(await prize).toBe('b');
  });

  test('a signal that fired starts nothing; one that fires aborts all', async () => {
    const before = run([[1, 'a']], AbortSignal.abort('why'));
    expect(await before.prize).toMatchObject({ code: 'ERR_ABORTED', cause: 'why' });
    expect(before.log).toEqual([]);
    const controller = new AbortController();
    const during = run(
      [
        [400, 'a'],
        [400, 'b'],
      ],
      controller.signal,
    );
    await during.world.advanceAsync(300);
    controller.abort('why');
    expect(await during.prize).toMatchObject({ code: 'ERR_ABORTED', cause: 'why' });
    expect(during.log.slice(2)).toEqual(['a aborted', 'b aborted']);
    await during.world.advanceAsync(1000);
    expect(during.discarded).toEqual(['a', 'b']);
  });

  test('what takes too long is given up', async () => {
    const { world, discarded, prize } = run([
      [20_000, 'a'],
      [30_000, 'b'],
    ]);
    await world.advanceAsync(10_000);
    expect(await prize).toMatchObject({ code: 'ERR_TIMEOUT' });
    await world.advanceAsync(30_000);
    expect(discarded).toEqual(['a', 'b']);
    expect(world.timers).toBe(0);
  });
});
