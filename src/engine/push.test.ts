import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readPush, takePush } from './push.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('what another program pushes', () => {
  test('is read as it is written', () => {
    const push = { namespace: '/a', room: 'r', event: 'say', data: [1], id: 'x' };
    expect(readPush(push)).toEqual(push);
    expect(readPush({ event: 'say' })).toEqual({ event: 'say' });
  });

  test.each([
    [[], 'a push is an object'],
    [null, 'a push is an object'],
    [{ room: 'r' }, 'a push needs an event'],
    [{ event: '' }, 'event is not a text'],
    [{ event: 'e', room: 1 }, 'room is not a text'],
    [{ event: 'e', romo: 'r' }, 'a push has no "romo"'],
    [{ event: 'e', room: 'r', user: 'u' }, 'a push is for a room or for a user'],
    [{ event: 'e', id: 'x'.repeat(257) }, 'id is over 256 characters'],
  ])('%j is refused: %s', (value, message) => {
    expect(() => readPush(value)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT', message }));
  });

  test('is published, and who pushed hears how it went', async () => {
    const reported: unknown[] = [];
    const take = (text: string, publish?: () => Promise<{ offset: number; epoch: string } | undefined>): unknown =>
      takePush(bytesOf(text), publish, (error) => reported.push(error));
    const push = '{"event":"say"}';
    expect(await take(push, async () => undefined)).toEqual({ ok: true });
    expect(await take(push, async () => ({ offset: 3, epoch: 'e' }))).toEqual({
      ok: true,
      position: { offset: 3, epoch: 'e' },
    });
    expect(reported).toEqual([]);
    const refused = await Promise.all([
      take('{', async () => undefined),
      take('{}', async () => undefined),
      take(push, () => Promise.reject(new Error('secret'))),
      take(push),
    ]);
    expect(refused).toMatchObject(
      ['ERR_MESSAGE_MALFORMED', 'ERR_ARGUMENT', 'ERR_INTERNAL', 'ERR_UNSUPPORTED'].map((code) => ({ error: { code } })),
    );
    expect(JSON.stringify(refused)).not.toContain('secret');
    expect(reported).toHaveLength(4);
  });

  test('is answered whatever it is', async () => {
    const answers = fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), async (bytes) => {
      const answer = await takePush(
        bytes,
        async () => undefined,
        () => {},
      );
      return 'ok' in answer || answer.error.code.startsWith('ERR_');
    });
    await expect(fc.assert(answers)).resolves.toBeUndefined();
  });
});
