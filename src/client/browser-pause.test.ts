import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { House } from '../../test/support/house.ts';
import { realWorld } from '../runtime/index.ts';
import type { ServerSocket } from '../server/index.ts';
import { browserWebSocketTransport } from '../transports/websocket/browser.ts';
import { clientCodec } from '../wire/index.ts';
import { createConnect } from './connect.ts';

const SOON = { timeout: 10_000, interval: 10 };
const MESSAGE_BYTES = 16 * 1024;

Object.assign(globalThis, { WebSocket });

test('a paused page holds so much and no more: then it leaves the link, and nothing that counts is lost', async () => {
  await using house = await House.open({}, 'ws');
  const arrived = new Promise<ServerSocket>((resolve) => house.server.on('connection', resolve));
  const connect = createConnect({ world: realWorld(), codec: clientCodec, transports: [browserWebSocketTransport] });
  await using client = await connect(house.url('ws'), {
    limits: { messageBytes: MESSAGE_BYTES },
    reconnect: { first: 1, most: 5 },
  });
  const socket = await arrived;
  const heard: unknown[] = [];
  const downs: number[] = [];
  client.on('n', (n) => heard.push(n));
  client.on('down', ({ code }) => downs.push(code));
  await client.request('echo', 1);

  client.pause();
  const numbers = Array.from({ length: 20 }, (_, n) => n);
  for (const n of numbers) socket.send('n', n);
  const pad = new Uint8Array(MESSAGE_BYTES / 2);
  // Under the bound all waits.
  for (let i = 0; i < 6; i++) socket.send('noise', pad, { volatile: true });
  await house.bystanders().then((others) => others.check());
  expect([heard, downs]).toEqual([[], []]);
  while (downs.length === 0) {
    socket.send('noise', pad, { volatile: true });
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(downs).toEqual([4001]);

  client.resume();
  await expect.poll(() => heard.length, SOON).toBe(numbers.length);
  expect(heard).toEqual(numbers);
  expect(await client.request('echo', 2)).toBe(2);
});
