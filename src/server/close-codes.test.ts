import { expect, test } from 'vitest';
import { House } from '../../test/support/house.ts';
import type { ServerSocket } from './index.ts';

const refused = expect.objectContaining({ code: 'ERR_ARGUMENT' });

test.each([0, 999, 1004, 1005, 1006, 1015, 2000, 5000, 4000.5, Number.NaN])(
  '%d is no code to close with',
  async (code) => {
    await using house = await House.open({}, 'ws');
    const arrived = new Promise<ServerSocket>((resolve) => house.server.on('connection', resolve));
    const client = await house.client('ws');
    const socket = await arrived;
    expect(() => socket.close(code)).toThrow(refused);
    expect(() => house.server.to('hall').disconnect(code)).toThrow(refused);
    expect(await client.request('echo', code)).toEqual(code);
    expect(socket.state).toBe('up');
  },
);

test.each([
  [1000, undefined],
  [1008, 'ERR_NOT_ALLOWED'],
  [4501, 'ERR_AUTH_FAILED'],
  [4510, 'ERR_ALREADY_LOGGED_IN'],
  [4507, 'ERR_CLOSED'],
])('a client that is closed with %d hears %s', async (code, error) => {
  await using house = await House.open({}, 'ws');
  const arrived = new Promise<ServerSocket>((resolve) => house.server.on('connection', resolve));
  const client = await house.client('ws');
  const closed = new Promise<unknown[]>((resolve) => client.on('close', (...args) => resolve(args)));
  const stream = client.events('n');
  (await arrived).close(code, 'so be it');
  const [reason, why] = await closed;
  expect(reason).toEqual({ code, reason: 'so be it' });
  expect((why as { code?: string } | undefined)?.code).toBe(error);
  const end = await stream.next().catch((thrown: { code: string }) => thrown.code);
  expect(end).toEqual(error ?? { value: undefined, done: true });
});
