import { describe, expect, test } from 'vitest';
import { virtualWorld } from '../../testing/index.ts';
import { Acks, readAck } from './acks.ts';
import { RareReports } from './failures.ts';

const ADDED = { kind: 'added', stream: 'S', offset: 1, isDuplicate: false } as const;

describe('who waits for the answer to an entry', () => {
  test('gets the one to its own', async () => {
    const acks = new Acks(virtualWorld());
    const tokens: string[] = [];
    const waiting = [10, 20].map((bytes) => acks.wait(bytes, { timeout: 100 }, (token) => tokens.push(token)));
    expect(acks.bytes).toBe(30);
    acks.answer(tokens[1] ?? '', { ...ADDED, offset: 2 });
    acks.answer(tokens[0] ?? '', ADDED);
    acks.answer('nobody', ADDED);
    expect(await Promise.all(waiting)).toEqual([ADDED, { ...ADDED, offset: 2 }]);
    expect(acks.bytes).toBe(0);
  });

  test('waits no longer than it wants to, and not for a connection that broke', async () => {
    const world = virtualWorld();
    const acks = new Acks(world);
    const unknown = { code: 'ERR_ENGINE_DOWN', delivered: 'unknown' };
    const late = acks.wait(1, { timeout: 100 }, () => {});
    const patient = acks.wait(1, { timeout: 0 }, () => {});
    const abort = new AbortController();
    const aborted = acks.wait(1, { timeout: 0, signal: abort.signal }, () => {});
    world.advance(100);
    await expect(late).rejects.toMatchObject(unknown);
    abort.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED', delivered: 'unknown' });
    acks.lose(new Error('gone'));
    await expect(patient).rejects.toMatchObject(unknown);
    await expect(acks.wait(1, { timeout: 0, signal: abort.signal }, () => {})).rejects.toMatchObject({
      code: 'ERR_ABORTED',
      delivered: 'no',
    });
    const sending = acks.wait(1, { timeout: 0 }, () => {
      throw new Error('no');
    });
    await expect(sending).rejects.toThrow('no');
    expect(acks.bytes).toBe(0);
  });

  test.each([
    [503, '', { kind: 'nobody' }],
    [0, '{"stream":"S","seq":1}', ADDED],
    [0, '{"stream":"S","seq":1,"duplicate":true}', { ...ADDED, isDuplicate: true }],
    [
      0,
      '{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 7"}}',
      { kind: 'refused', code: 10_071, message: 'wrong last sequence: 7' },
    ],
    [0, '{"stream":"S","seq":"1"}', { kind: 'refused', code: 0, message: 'an answer that is none of JetStream' }],
    [0, 'null', { kind: 'refused', code: 0, message: 'an answer that is none of JetStream' }],
    [0, '{', { kind: 'refused', code: 0, message: 'an answer that is none of JetStream' }],
  ])('status %i and %s are read as %j', (status, text, ack) => {
    expect(readAck(status, () => JSON.parse(text))).toEqual(ack);
  });
});

test('reports that come again and again are told once a second, with how many were left out', () => {
  const told: string[] = [];
  let now = 0;
  const reports = new RareReports(
    () => now,
    (error, during) => told.push(`${String(error)} during ${during}`),
  );
  for (const word of ['a', 'b', 'c']) reports.tell(word, 'push');
  reports.tell('d', 'publish');
  now = 1000;
  reports.tell('e', 'push');
  now = 2000;
  reports.tell('f', 'push');
  expect(told).toEqual(['a during push', 'd during publish', 'e during push (and 2 more before)', 'f during push']);
});
