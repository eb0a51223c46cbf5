import { expect, test } from 'vitest';
import { Inbox } from './inbox.ts';

async function all<T>(inbox: Inbox<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of inbox) found.push(item);
  return found;
}

test('hands out what came, in order, also to several who wait', async () => {
  let ends = 0;
  const inbox = new Inbox<number>({}, () => ends++);
  const waiting = [inbox.next(), inbox.next()];
  for (let i = 0; i < 500; i++) inbox.push(i);
  expect((await Promise.all(waiting)).map(({ value }) => value)).toEqual([0, 1]);
  inbox.finish();
  inbox.finish();
  inbox.push(1000);
  expect(await all(inbox)).toEqual(Array.from({ length: 498 }, (_, i) => i + 2));
  expect(ends).toBe(1);
});

test('ends with an error when it is full, after what waits', async () => {
  const inbox = new Inbox<number>({ limit: 2 }, () => {});
  for (const i of [1, 2, 3]) inbox.push(i);
  expect([(await inbox.next()).value, (await inbox.next()).value]).toEqual([1, 2]);
  await expect(inbox.next()).rejects.toMatchObject({ code: 'ERR_BACKLOG_FULL' });
  expect((await inbox.next()).done).toBe(true);
});

test.each([
  ['drop', [1, 2]],
  ['latest', [3, 4]],
] as const)('with %s goes on', async (overflow, left) => {
  const inbox = new Inbox<number>({ limit: 2, overflow }, () => {});
  for (const i of [1, 2, 3, 4]) inbox.push(i);
  inbox.finish();
  expect([inbox.dropped, await all(inbox)]).toEqual([2, left]);
});

test('is left by break, return and disposal', async () => {
  let ends = 0;
  const inbox = new Inbox<number>({}, () => ends++);
  inbox.push(1);
  inbox.push(2);
  for await (const item of inbox) {
    expect(item).toBe(1);
    break;
  }
  expect([ends, (await inbox.next()).done]).toEqual([1, true]);
  await inbox[Symbol.asyncDispose]();
});

test('ends by its signal at once, also when that has fired before', async () => {
  const stop = new AbortController();
  const inbox = new Inbox<number>({ signal: stop.signal }, () => {});
  const other = new Inbox<number>({ signal: stop.signal }, () => {});
  const waiting = other.next();
  inbox.push(1);
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  await expect(inbox.next()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  const ended: unknown[] = [];
  const late = new Inbox<number>({ signal: stop.signal }, (one) => ended.push(one));
  await expect(late.next()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  expect(ended).toEqual([late]);
});

test('has room for one at least', () => {
  expect(() => new Inbox({ limit: 0 }, () => {})).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
});
