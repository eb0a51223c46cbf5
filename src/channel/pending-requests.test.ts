import { expect, test } from 'vitest';
import { HawserError } from '../core/index.ts';
import { virtualWorld } from '../testing/index.ts';
import { PendingRequests } from './pending-requests.ts';

const errorOf = (waiting: Promise<unknown>): Promise<unknown> => waiting.catch((error: unknown) => error);

test('a signal that fired before sends nothing; one that fires later rejects, and the answer is forgotten', async () => {
  const world = virtualWorld();
  const pending = new PendingRequests(world, 10);
  const sent: number[] = [];
  const fired = AbortSignal.abort('why');
  const never = pending.open('a', { timeout: 5, signal: fired }, (id) => sent.push(id));
  expect(await errorOf(never)).toMatchObject({ code: 'ERR_ABORTED', delivered: 'no', cause: 'why' });
  const controller = new AbortController();
  const waiting = errorOf(pending.open('a', { timeout: 5, signal: controller.signal }, (id) => sent.push(id)));
  controller.abort('later');
  expect(await waiting).toMatchObject({ code: 'ERR_ABORTED', delivered: 'unknown', cause: 'later' });
  pending.answer(1, 'late');
  expect([sent, pending.size, world.timers]).toEqual([[1], 0, 0]);
});

test('nothing is left on the signal or in the clock, however a request ends', async () => {
  const world = virtualWorld();
  const pending = new PendingRequests(world, 10);
  const controller = new AbortController();
  let listeners = 0;
  const { signal } = controller;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners += 1;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners -= 1;
    remove(...args);
  };
  const ends = [
    () => pending.answer(1, 'x'),
    () => pending.fail(2, new HawserError('ERR_MINE', '')),
    () => world.advance(5),
    () => pending.failAll(() => new HawserError('ERR_ALL', '')),
  ];
  const results: unknown[] = [];
  for (const end of ends) {
    const waiting = errorOf(pending.open('a', { timeout: 5, signal }, () => {}));
    expect([listeners, world.timers, pending.size]).toEqual([1, 1, 1]);
    end();
    results.push(await waiting);
    expect([listeners, world.timers, pending.size]).toEqual([0, 0, 0]);
  }
  expect(results).toMatchObject(['x', { code: 'ERR_MINE' }, { code: 'ERR_TIMEOUT' }, { code: 'ERR_ALL' }]);
});

test('over the limit nothing is sent, and an answer makes room', async () => {
  const pending = new PendingRequests(virtualWorld(), 2);
  const sent: number[] = [];
  const open = (): Promise<unknown> => errorOf(pending.open('a', { timeout: 0 }, (id) => sent.push(id)));
  const first = open();
  void open();
  expect(await open()).toMatchObject({ code: 'ERR_TOO_MANY_REQUESTS', delivered: 'no' });
  pending.answer(1, 'x');
  expect(await first).toBe('x');
  void open();
  expect(sent).toEqual([1, 2, 3]);
});

test('a request that can not be sent rejects with why, and takes no place', async () => {
  const world = virtualWorld();
  const pending = new PendingRequests(world, 1);
  const signal = new AbortController().signal;
  const refuse = (): never => {
    throw new HawserError('ERR_UNENCODABLE', 'no');
  };
  expect(await errorOf(pending.open('a', { timeout: 5, signal }, refuse))).toMatchObject({ code: 'ERR_UNENCODABLE' });
  expect([pending.size, world.timers]).toEqual([0, 0]);
});

test('a request that is answered while it is being sent leaves no timer', async () => {
  const world = virtualWorld();
  const pending = new PendingRequests(world, 1);
  const asked = pending.open('a', { timeout: 5 }, (id) => pending.answer(id, 'at once'));
  expect(await asked).toBe('at once');
  expect([pending.size, world.timers]).toEqual([0, 0]);
});

test('a request that fails in failAll may be asked anew at once', async () => {
  const pending = new PendingRequests(virtualWorld(), 5);
  const again: Promise<unknown>[] = [];
  const first = pending.open('a', { timeout: 0 }, () => {});
  pending.failAll(() => {
    again.push(errorOf(pending.open('a', { timeout: 0 }, () => {})));
    return new HawserError('ERR_ALL', '');
  });
  expect(await errorOf(first)).toMatchObject({ code: 'ERR_ALL' });
  expect(pending.size).toBe(1);
});
