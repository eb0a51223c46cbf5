import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { virtualWorld } from '../testing/index.ts';
import { within } from './within.ts';

const NEVER = new Promise<never>(() => {});
const what = 'answer';

describe('who waits within a time', () => {
  test('has what the work comes to, and leaves nothing behind', async () => {
    const world = virtualWorld();
    const { signal } = new AbortController();
    expect(await within(Promise.resolve(1), world, { signal, timeout: 100, what })).toBe(1);
    const failed = new Error('failed');
    await expect(within(Promise.reject(failed), world, { signal, timeout: 100, what })).rejects.toBe(failed);
    expect([world.timers, getEventListeners(signal, 'abort').length]).toEqual([0, 0]);
  });

  test('hears that the time is over, by the code that it asked for, and leaves nothing behind', async () => {
    const world = virtualWorld();
    const { signal } = new AbortController();
    const late = within(NEVER, world, { signal, timeout: 100, what });
    const down = within(NEVER, world, { timeout: 100, what, code: 'ERR_ENGINE_DOWN', delivered: 'unknown' });
    world.advance(99);
    expect(world.timers).toBe(2);
    world.advance(1);
    await expect(late).rejects.toMatchObject({ code: 'ERR_TIMEOUT', message: 'no answer in 100 ms' });
    await expect(down).rejects.toMatchObject({ code: 'ERR_ENGINE_DOWN', delivered: 'unknown' });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('hears why it was given up, before and while it waits', async () => {
    const world = virtualWorld();
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = within(NEVER, world, { signal, timeout: 100, what, delivered: 'unknown' });
    const why = new Error('enough');
    controller.abort(why);
    const given = { code: 'ERR_ABORTED', delivered: 'unknown', cause: why };
    await expect(waiting).rejects.toMatchObject(given);
    await expect(within(Promise.resolve(1), world, { signal, what })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect([world.timers, getEventListeners(signal, 'abort').length]).toEqual([0, 0]);
  });

  test('for ever waits without a timer; what fails after it was given up is nobody else’s to hear', async () => {
    const world = virtualWorld();
    const unheard: unknown[] = [];
    const hear = (error: unknown): void => void unheard.push(error);
    process.on('unhandledRejection', hear);
    const controller = new AbortController();
    let fail: (error: Error) => void = () => {};
    const work = new Promise<never>((_, reject) => {
      fail = reject;
    });
    const waiting = within(work, world, { signal: controller.signal, what });
    expect(world.timers).toBe(0);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    fail(new Error('too late'));
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    process.off('unhandledRejection', hear);
    expect(unheard).toEqual([]);
  });
});
