import type { Socket } from 'node:dgram';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Docks } from '../../test/support/udpack.ts';
import { UdpPort } from './udp-port.ts';

let docks: Docks;
let sockets: Socket[];

function onSocket(message: unknown): void {
  sockets.push((message as { socket: Socket }).socket);
}

beforeEach(() => {
  docks = new Docks();
  sockets = [];
  subscribe('udp.socket', onSocket);
});

afterEach(async () => {
  unsubscribe('udp.socket', onSocket);
  await docks[Symbol.asyncDispose]();
});

/** A SEALED datagram for nobody, which is answered by RESET. */
const STRAY = Buffer.alloc(60, 0x40);

test('what was forged to come from port 0 is not answered, which would throw', async () => {
  const server = await docks.server();
  const { address } = server.endpoint ?? { address: '' };
  sockets[0]?.emit('message', Buffer.from(STRAY), { address, port: 0, family: 'IPv4', size: STRAY.length });
  sockets[0]?.emit('message', Buffer.from(STRAY), { address, port: 9, family: 'IPv4', size: STRAY.length });
  await expect.poll(() => server.stats().datagramsSent).toBe(1);
  await docks.join(server, await docks.client());
});

test('a destination that can not be is told as any that refuses, not thrown', async () => {
  const port = await UdpPort.bind('127.0.0.1', 0);
  const sending = new Promise<Error | null>((done) =>
    port.send(STRAY, STRAY.length, { address: '127.0.0.1', port: 0 }, done),
  );
  expect(await sending).toMatchObject({ code: 'ERR_SOCKET_BAD_PORT' });
  await port.close();
});
