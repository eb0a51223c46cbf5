import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FaultProxy } from './fault-proxy.ts';

let server: Server;
let proxy: FaultProxy;

beforeEach(async () => {
  // An echo.
  server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await FaultProxy.open((server.address() as AddressInfo).port);
});

afterEach(async () => {
  await proxy.close();
  server.close();
});

async function dial(): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

async function hear(socket: Socket, length: number): Promise<string> {
  let text = '';
  while (text.length < length) text += String(((await once(socket, 'data')) as [Buffer])[0]);
  return text;
}

test('passes bytes both ways, also many', async () => {
  const socket = await dial();
  const long = 'abcdefgh'.repeat(500_000);
  socket.write(long);
  expect((await hear(socket, long.length)) === long).toBe(true);
  socket.destroy();
});

test('what is held comes later, on lines that began before and meanwhile', async () => {
  const before = await dial();
  before.write('1');
  await hear(before, 1);
  proxy.hold();
  const meanwhile = await dial();
  before.write('2');
  meanwhile.write('3');
  let isEarly = true;
  before.once('data', () => expect(isEarly).toBe(false));
  setTimeout(() => {
    isEarly = false;
    proxy.release();
  }, 100);
  expect(await Promise.all([hear(before, 1), hear(meanwhile, 1)])).toEqual(['2', '3']);
  before.destroy();
  meanwhile.destroy();
});

test('while it holds, the server does not hear that a client is gone', async () => {
  const taken = once(server, 'connection');
  const socket = await dial();
  const [far] = (await taken) as [Socket];
  proxy.hold();
  socket.destroy();
  await once(socket, 'close');
  expect(proxy.connections).toBe(1);
  expect(far.destroyed).toBe(false);
  const gone = once(far, 'close');
  proxy.release();
  await gone;
  expect(proxy.connections).toBe(0);
});

test('a cut ends the line, and the next one finds the server where it is then', async () => {
  const socket = await dial();
  const gone = once(socket, 'close');
  proxy.cut();
  await gone;
  proxy.target = undefined;
  await new Promise((resolve) =>
    connect(proxy.port, '127.0.0.1')
      .on('error', () => {})
      .on('close', resolve),
  );
  proxy.target = (server.address() as AddressInfo).port;
  const again = await dial();
  again.write('x');
  expect(await hear(again, 1)).toBe('x');
  again.destroy();
});

test('a slow line takes its time, and keeps the order', async () => {
  const socket = await dial();
  proxy.slow({ delay: 50, rate: 100_000 });
  const from = performance.now();
  for (let at = 0; at < 10; at++) socket.write(String(at).repeat(500));
  const text = await hear(socket, 5000);
  // Two ways of 50 ms each, and 5 kB at 100 kB/s.
  expect(performance.now() - from).toBeGreaterThan(140);
  expect(text).toBe(Array.from({ length: 10 }, (_, at) => String(at).repeat(500)).join(''));
  socket.destroy();
});
