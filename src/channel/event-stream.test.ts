import { expect, test } from 'vitest';
import { HawserError } from '../core/index.ts';
import { EventStream, type EventsOptions } from './event-stream.ts';

/** Where a stream listens: `push` is undefined while nobody does. */
class Source {
  push: ((data: unknown, info: object) => void) | undefined;
  finish: ((error?: HawserError) => void) | undefined;

  open(options: EventsOptions = {}): EventStream<unknown> {
    return new EventStream<unknown>(options, {
      add: (push, finish) => Object.assign(this, { push, finish }),
      remove: () => Object.assign(this, { push: undefined, finish: undefined }),
    });
  }

  say(...items: unknown[]): void {
    for (const item of items) this.push?.(item, { room: `of ${String(item)}` });
  }
}

/** All that is still to come, and the code of the error that ended it. */
async function rest(stream: EventStream<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  try {
    for await (const item of stream) all.push(item);
  } catch (error) {
    all.push((error as HawserError).code);
  }
  return all;
}

test('hands out in order what came before and what comes later, with what came beside it', async () => {
  const source = new Source();
  const stream = source.open();
  source.say(1, 2);
  expect(await stream.next()).toEqual({ value: 1, done: false });
  expect(stream.info).toEqual({ room: 'of 1' });
  await stream.next();
  const [third, fourth] = [stream.next(), stream.next()];
  source.say(3, 4, 5);
  expect([(await third).value, (await fourth).value]).toEqual([3, 4]);
  expect(await stream.next()).toEqual({ value: 5, done: false });
  expect(stream.info).toEqual({ room: 'of 5' });
});

test('undefined is data like any other', async () => {
  const source = new Source();
  const stream = source.open();
  source.say(undefined);
  expect(await stream.next()).toEqual({ value: undefined, done: false });
});

test.each([
  ['error', [1, 2, 'ERR_BACKLOG_FULL'], 0],
  [undefined, [1, 2, 'ERR_BACKLOG_FULL'], 0],
  ['drop', [1, 2], 2],
  ['latest', [3, 4], 2],
] as const)('over the limit: %s', async (overflow, heard, dropped) => {
  const source = new Source();
  const stream = source.open({ limit: 2, ...(overflow && { overflow }) });
  source.say(1, 2, 3, 4);
  expect(source.push === undefined).toBe(heard.length === 3);
  source.finish?.();
  expect(await rest(stream)).toEqual(heard);
  expect(stream.dropped).toBe(dropped);
});

test('the limit is what waits, not what went through', async () => {
  const source = new Source();
  const stream = source.open({ limit: 1 });
  for (let i = 0; i < 10; i++) {
    source.say(i);
    expect((await stream.next()).value).toBe(i);
  }
});

test('by default a thousand may wait', async () => {
  const source = new Source();
  const stream = source.open();
  for (let i = 0; i <= 1000; i++) source.say(i);
  expect((await rest(stream)).slice(998)).toEqual([998, 999, 'ERR_BACKLOG_FULL']);
});

test.each([0, -1, Number.NaN])('a limit of %d is none', (limit) => {
  expect(() => new Source().open({ limit })).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
});

test('an end lets what waits be taken, then is done, or throws once', async () => {
  const source = new Source();
  const [planned, broken] = [new Source(), source].map((one) => {
    const stream = one.open();
    one.say(1);
    one.finish?.(one === source ? new HawserError('ERR_KICKED', 'out') : undefined);
    expect(one.push).toBe(undefined);
    return stream;
  }) as [EventStream<unknown>, EventStream<unknown>];
  expect(await rest(planned)).toEqual([1]);
  expect(await rest(broken)).toEqual([1, 'ERR_KICKED']);
  expect(await broken.next()).toEqual({ value: undefined, done: true });
});

test('an end wakes all that wait: the first hears why', async () => {
  const source = new Source();
  const stream = source.open();
  const waiting = [stream.next(), stream.next()];
  source.finish?.(new HawserError('ERR_CLOSED', 'over'));
  expect(await Promise.allSettled(waiting)).toMatchObject([
    { status: 'rejected', reason: { code: 'ERR_CLOSED' } },
    { status: 'fulfilled', value: { done: true } },
  ]);
});

test('a break stops listening', async () => {
  const source = new Source();
  const stream = source.open();
  source.say(1, 2, 3);
  for await (const item of stream) if (item === 2) break;
  expect(source.push).toBe(undefined);
  expect(await stream.next()).toEqual({ value: undefined, done: true });
});

test('is disposed of like anything that is open', async () => {
  const source = new Source();
  {
    await using stream = source.open();
    expect(stream.dropped).toBe(0);
  }
  expect(source.push).toBe(undefined);
});

test('a signal ends it at once, before what waits, and is listened to no longer', async () => {
  const source = new Source();
  const stop = new AbortController();
  const stream = source.open({ signal: stop.signal });
  source.say(1);
  stop.abort(new Error('enough'));
  expect(source.push).toBe(undefined);
  await expect(stream.next()).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: { message: 'enough' } });
  expect(await stream.next()).toEqual({ value: undefined, done: true });
});

test('a signal that has fired before leaves no listener behind', async () => {
  const source = new Source();
  const stream = source.open({ signal: AbortSignal.abort() });
  expect(source.push).toBe(undefined);
  expect(await rest(stream)).toEqual(['ERR_ABORTED']);
});

test('whatever ends it, the signal is left alone', async () => {
  const { signal } = new AbortController();
  let listening = 0;
  const { addEventListener, removeEventListener } = signal;
  Object.assign(signal, {
    addEventListener: (...args: Parameters<typeof addEventListener>) => {
      listening += 1;
      addEventListener.apply(signal, args);
    },
    removeEventListener: (...args: Parameters<typeof removeEventListener>) => {
      listening -= 1;
      removeEventListener.apply(signal, args);
    },
  });
  await new Source().open({ signal }).return();
  const source = new Source();
  source.open({ signal, limit: 1 });
  source.say(1, 2);
  const other = new Source();
  other.open({ signal });
  other.finish?.();
  expect(listening).toBe(0);
});
