import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { House } from '../../test/support/house.ts';
import { connect } from '../client/index.ts';
import { HawserError } from '../core/index.ts';
import { createServer, type Server, type ServerOptions } from './index.ts';

interface Api {
  toServer: {
    events: { say: { text: string } };
    requests: { sum: (n: number[]) => number; nothing: () => void; fail: (how: 'own' | 'plain') => never };
  };
  toClient: { events: { say: { text: string } }; requests: { name: () => string } };
}

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function serve(
  options: ServerOptions = {},
  url = 'tcp://127.0.0.1:0',
): Promise<{ server: Server<Api>; url: string }> {
  const server = createServer<Api>(options);
  open.push(server);
  const [endpoint = ''] = await server.listen(url);
  return { server, url: endpoint };
}

async function dial(url: string, options: Parameters<typeof connect>[1] = {}) {
  const socket = await connect<Api>(url, options);
  open.push(socket);
  return socket;
}

const URLS = ['tcp://127.0.0.1:0', 'ws://127.0.0.1:0', `inproc://server-test-${process.pid}`];

test.each(URLS)('events and requests cross both ways over %s', async (where) => {
  const { server, url } = await serve({}, where);
  const named = new Promise<string>((resolve) => {
    server.on('connection', (socket) => {
      socket.handle('sum', (numbers) => numbers.reduce((a, b) => a + b, 0));
      socket.handle('nothing', () => {});
      socket.on('say', ({ text }) => socket.send('say', { text: text.toUpperCase() }));
      socket.request('name').then(resolve, resolve);
    });
  });
  const socket = await dial(url);
  socket.handle('name', () => 'ada');
  const heard = new Promise((resolve) => socket.on('say', (data) => resolve(data.text)));
  socket.send('say', { text: 'hi' });
  expect(await socket.request('sum', [1, 2, 3])).toBe(6);
  expect(await socket.request('nothing')).toBeUndefined();
  expect(await heard).toBe('HI');
  expect(await named).toBe('ada');
});

test('a handler that fails tells its own errors by code, and of others only that it failed', async () => {
  const reported: unknown[] = [];
  const { server, url } = await serve({ onError: (error) => reported.push(error) });
  server.on('connection', (socket) => {
    socket.handle('fail', (how) => {
      if (how === 'own') {
        const error = new Error('no seat') as Error & { code: string };
        error.name = 'HawserError';
        error.code = 'ERR_NO_SEAT';
        throw error;
      }
      throw new Error('secret');
    });
  });
  const socket = await dial(url);
  await expect(socket.request('fail', 'own')).rejects.toMatchObject({ code: 'ERR_NO_SEAT', message: 'no seat' });
  const plain = (await socket.request('fail', 'plain').catch((error: unknown) => error)) as HawserError;
  expect(plain.code).toBe('ERR_HANDLER_FAILED');
  expect(plain.message).not.toContain('secret');
  expect(reported).toHaveLength(1);
});

test('a room reaches its members but the sender, and says from whom', async () => {
  const { server, url } = await serve({ authenticate: ({ user }) => ({ user: user ?? null }) });
  server.on('connection', (socket) => {
    socket.join('lobby');
    socket.on('say', (data) => socket.to('lobby').send('say', data));
  });
  const ada = await dial(url, { user: 'ada' });
  const bob = await dial(url, { user: 'bob' });
  const heard: unknown[] = [];
  ada.on('say', (data, info) => heard.push(['ada', data, info]));
  const got = new Promise((resolve) => bob.on('say', (data, info) => resolve([data, info])));
  ada.send('say', { text: 'hi' });
  expect(await got).toEqual([{ text: 'hi' }, { room: 'lobby', from: { id: ada.id, user: 'ada' } }]);
  expect(heard).toEqual([]);
});

test('who is refused hears the code, and does not come back', async () => {
  const { url } = await serve({
    authenticate: ({ token }) => {
      if (token !== 'good') throw new Error('no');
      return { user: 'ada' };
    },
  });
  await expect(dial(url, { token: 'bad' })).rejects.toMatchObject({ code: 'ERR_AUTH_FAILED' });
  const socket = await dial(url, { token: 'good' });
  expect(socket.user).toBe('ada');
});

test('off loopback nobody is let in without authentication, unless that is asked for by name', async () => {
  const server = createServer();
  open.push(server);
  await expect(server.listen('tcp://0.0.0.0:0')).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' });
});

test('a namespace that nobody made is refused', async () => {
  const { url } = await serve();
  await expect(dial(`${url}?namespace=/nowhere`)).rejects.toMatchObject({ code: 'ERR_NO_SUCH_NAMESPACE' });
});

test('an HTTP server that the application has keeps its own requests and lends its upgrades', async () => {
  const httpServer = createHttpServer((_request, response) => response.end('its own'));
  await new Promise<void>((resolve) => httpServer.listen(0, '127.0.0.1', resolve));
  const { port } = httpServer.address() as AddressInfo;
  const server = createServer<Api>();
  open.push({ [Symbol.asyncDispose]: async () => void httpServer.close() }, server);
  server.on('connection', (socket) => socket.handle('sum', (numbers) => numbers.length));
  await server.attach(httpServer);
  const socket = await dial(`ws://127.0.0.1:${port}`);
  expect(await socket.request('sum', [1, 2])).toBe(2);
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('its own');
});

test('a WELCOME that the client has not read keeps its place before what follows it', async () => {
  const { server, url } = await serve();
  server.on('connection', (socket) => {
    for (let n = 0; n < 50; n++) socket.send('say', { text: String(n) });
  });
  const socket = await dial(url);
  const heard: string[] = [];
  await new Promise<void>((resolve) => {
    socket.on('say', ({ text }) => {
      if (heard.push(text) === 50) resolve();
    });
  });
  expect(heard).toEqual(Array.from({ length: 50 }, (_, n) => String(n)));
});

test('limits and times that are infinite, or no whole numbers, let clients in', async () => {
  const limits = { channels: Infinity, channelBytes: Infinity, messageBytes: Infinity, messageRate: Infinity };
  const times = { heartbeat: Infinity, readWait: Infinity, resumeWindow: 1000.5 };
  await using house = await House.open({ limits, times }, 'tcp');
  const client = await house.client('tcp', { limits: { channels: Infinity, channelBytes: 1e6 + 0.5 } });
  expect(await client.request('echo', 'in')).toBe('in');
});

test('who is refused on a line is told once', async () => {
  const refuse = (): never => {
    throw new HawserError('ERR_AUTH_FAILED', 'no');
  };
  await using house = await House.open({ authenticate: refuse }, 'tcp');
  const peer = await house.peer('tcp', 'json');
  peer.say({ event: 'hello', token: 'x' });
  await peer.end();
  expect(peer.errors).toEqual(['ERR_AUTH_FAILED']);
});
