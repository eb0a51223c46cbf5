import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect as visit } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { connect } from '../client/index.ts';
import { MemoryEngine } from '../engine/index.ts';
import { realWorld } from '../runtime/index.ts';
import { createServer, type Server, type ServerOptions } from './index.ts';

const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

/** A service that answers `who` with its name, at these namespaces. */
function service(name: string, paths: readonly string[], options: ServerOptions = {}): Server {
  const server = createServer(options);
  for (const path of paths) server.of(path).on('connection', (socket) => socket.handle('who', () => name));
  open.push(() => server.close({ drain: 0 }));
  return server;
}

async function ask(url: string): Promise<unknown> {
  const socket = await connect(url, { reconnect: false });
  const answer = await socket.request('who', undefined);
  await socket.close();
  return answer;
}

async function httpServer(onRequest?: RequestListener): Promise<{ http: HttpServer; port: number; url: string }> {
  const http = createHttpServer(onRequest).listen(0, '127.0.0.1');
  await once(http, 'listening');
  open.push(() => {
    http.closeAllConnections();
    http.close();
  });
  const { port } = http.address() as AddressInfo;
  return { http, port, url: `ws://127.0.0.1:${port}` };
}

/** All that a raw upgrade of this path is told until the connection ends. */
function knock(port: number, path: string, protocol = 'websocket'): Promise<string> {
  const socket = visit(port, '127.0.0.1');
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: ${protocol}\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  let said = '';
  socket.on('data', (chunk) => {
    said += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  return new Promise((resolve) => socket.on('close', () => resolve(said)));
}

const portOf = (endpoint: string | undefined): number => Number(new URL(endpoint ?? '').port);

/** An engine that starts when it is told to. */
class SlowEngine extends MemoryEngine {
  go: () => void = () => {};

  override start(): Promise<void> {
    return new Promise((resolve) => {
      this.go = resolve;
    });
  }
}

test.each(['attach', 'receive', 'listen'] as const)(
  'a close while the engine starts leaves nothing of %s',
  async (how) => {
    const { http } = await httpServer();
    const engine = new SlowEngine(realWorld());
    const server = service('late', [], { engine });
    const waiting = how === 'attach' ? server.attach(http) : server[how]('tcp://127.0.0.1:0');
    const closed = server.close({ drain: 0 });
    engine.go();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await closed;
    expect([http.listenerCount('upgrade'), server.listeners.length]).toEqual([0, 0]);
  },
);

test('a close while a transport gets ready for what is handed over leaves nothing of it', async () => {
  let [asked, ready] = [(): void => {}, (): void => {}];
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  let isClosed = false;
  const close = async (): Promise<void> => {
    isClosed = true;
  };
  const receive = (): Promise<unknown> => {
    asked();
    return new Promise((resolve) => {
      ready = () => resolve({ endpoint: 'slow:', take: () => {}, close });
    });
  };
  const server = service('late', [], { transports: [{ schemes: ['slow'], receive }] as never });
  const waiting = server.receive('slow:x');
  await isAsked;
  await server.close({ drain: 0 });
  ready();
  await expect(waiting).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  expect([isClosed, server.listeners.length]).toEqual([true, 0]);
});

describe('several services on the HTTP server of an application', () => {
  test('each is found at its path and below it, and what nobody serves is 404 at once', async () => {
    const { http, port, url } = await httpServer((_, response) => response.end('a page'));
    await service('one', ['/room1', '/room1/side']).attach(http, { path: '/room1' });
    await service('two', ['/room2']).attach(http, { path: '/room2/' });
    await service('deeper', ['/room1/back/x']).attach(http, { path: '/room1/back' });
    expect(await ask(`${url}/room1`)).toBe('one');
    expect(await ask(`${url}/room1/side`)).toBe('one');
    expect(await ask(`${url}/room2`)).toBe('two');
    expect(await ask(`${url}/room1/back/x`)).toBe('deeper');
    for (const path of [
      '/',
      '/room3',
      '/room11',
      '/room1/none',
      '/ROOM1',
      '/room1/back',
      '//room1',
      '/room1/../room2',
    ]) {
      expect(await knock(port, path), path).toMatch(/^HTTP\/1\.1 404 /);
    }
    expect(await knock(port, '/room1%2fside')).toMatch(/^HTTP\/1\.1 400 /);
    expect(await (await fetch(url.replace('ws', 'http'))).text()).toBe('a page');
    expect(http.listenerCount('upgrade')).toBe(1);
  });

  test('one that closes leaves the others, and its path can be taken anew', async () => {
    const { http, port, url } = await httpServer();
    const first = service('first', ['/a']);
    await first.attach(http, { path: '/a' });
    await service('other', ['/b']).attach(http, { path: '/b' });
    const stays = await connect(`${url}/b`);
    const second = service('second', ['/a']);
    await expect(second.attach(http, { path: '/a' })).rejects.toMatchObject({ code: 'ERR_ADDRESS_IN_USE' });
    await first.close({ drain: 0 });
    expect(await knock(port, '/a')).toMatch(/^HTTP\/1\.1 404 /);
    expect(await stays.request('who', undefined)).toBe('other');
    await second.attach(http, { path: '/a' });
    expect(await ask(`${url}/a`)).toBe('second');
    await stays.close();
  });

  test('the last one that closes gives the upgrades back', async () => {
    const { http } = await httpServer();
    const only = service('only', ['/a']);
    await only.attach(http, { path: '/a' });
    await only.attach(http, { path: '/b' });
    await only.close({ drain: 0 });
    expect(http.listenerCount('upgrade')).toBe(0);
  });

  test('a path that is none is refused', async () => {
    const { http } = await httpServer();
    for (const path of ['chat', '', '/a//b', '/../a']) {
      await expect(service('x', []).attach(http, { path })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    }
    expect(http.listenerCount('upgrade')).toBe(0);
  });
});

describe('beside upgrades of others', () => {
  /** Another library's server at /theirs, as its documentation says to do it for several on one port. */
  function foreign(http: HttpServer, path = '/theirs'): WebSocketServer {
    const theirs = new WebSocketServer({ noServer: true });
    theirs.on('connection', (socket) => socket.send('from the other one'));
    http.on('upgrade', (request, socket, head) => {
      if (request.url === path) theirs.handleUpgrade(request, socket, head, (ws) => theirs.emit('connection', ws));
    });
    open.push(() => {
      for (const client of theirs.clients) client.terminate();
      theirs.close();
    });
    return theirs;
  }

  const theirWord = async (url: string): Promise<string> => {
    const socket = new WebSocket(`${url}/theirs`);
    const [data] = (await once(socket, 'message')) as [Buffer];
    socket.terminate();
    return data.toString();
  };

  test.each([
    ['they come first', true],
    ['they come last', false],
  ])('each keeps its own: %s', async (_, foreignFirst) => {
    const { http, url } = await httpServer();
    if (foreignFirst) foreign(http);
    await service('ours', ['/ours']).attach(http, { path: '/ours' });
    if (!foreignFirst) foreign(http);
    expect([await ask(`${url}/ours`), await theirWord(url)]).toEqual(['ours', 'from the other one']);
  });

  test('a server that is attached without a path takes the namespaces that it has', async () => {
    const { http, url } = await httpServer();
    foreign(http);
    await service('ours', ['/', '/room/:id']).attach(http);
    expect([await ask(url), await ask(`${url}/room/7`), await theirWord(url)]).toEqual([
      'ours',
      'ours',
      'from the other one',
    ]);
  });

  test('what nobody takes is refused in the end, and no connection hangs', async () => {
    const { http, port } = await httpServer();
    foreign(http);
    await service('ours', ['/ours'], { times: { loginWait: 100 } }).attach(http, { path: '/ours' });
    expect(await knock(port, '/nowhere')).toMatch(/^HTTP\/1\.1 404 /);
    expect(await knock(port, '/ours', 'morse')).toMatch(/^HTTP\/1\.1 404 /);
  });

  test('what others have taken is left alone, however long it lasts', async () => {
    const { http, url } = await httpServer();
    const theirs = foreign(http);
    await service('ours', ['/ours'], { times: { loginWait: 50 } }).attach(http, { path: '/ours' });
    const socket = new WebSocket(`${url}/theirs`);
    await once(socket, 'open');
    expect(await knock(portOf(url), '/nowhere')).toMatch(/^HTTP\/1\.1 404 /);
    const [client] = theirs.clients;
    const heard = once(socket, 'message');
    client?.send('still here');
    expect(String((await heard)[0])).toBe('still here');
    socket.terminate();
  });
});

describe('an upgrade that the application hands over', () => {
  test('is served whatever its path, where it has a namespace', async () => {
    const { http, port, url } = await httpServer();
    const [one, two] = [service('one', ['/room1']), service('two', ['/room2'])];
    http.on('upgrade', (request, socket, head) => {
      if (request.url?.startsWith('/room1')) one.handleUpgrade(request, socket, head);
      else if (request.url?.startsWith('/room2')) two.handleUpgrade(request, socket, head);
      else socket.destroy();
    });
    expect([await ask(`${url}/room1`), await ask(`${url}/room2`)]).toEqual(['one', 'two']);
    expect(await knock(port, '/room1/none')).toMatch(/^HTTP\/1\.1 404 /);
    expect(await knock(port, '/room2', 'morse')).toMatch(/^HTTP\/1\.1 426 /);
    expect(await knock(port, '/else')).toBe('');
    await one.close({ drain: 0 });
    expect(await knock(port, '/room1')).toBe('');
    expect(await ask(`${url}/room2`)).toBe('two');
  });
});

describe('several paths on one port', () => {
  test('of one server: only these, and what is below them', async () => {
    const server = service('ours', ['/', '/a', '/b', '/a/deep', '/c']);
    const [a] = await server.listen('ws://127.0.0.1:0/a');
    const port = portOf(a);
    expect(a).toBe(`ws://127.0.0.1:${port}/a`);
    expect(await server.listen(`ws://127.0.0.1:${port}/b`)).toEqual([`ws://127.0.0.1:${port}/b`]);
    for (const path of ['/a', '/b', '/a/deep']) expect(await ask(`ws://127.0.0.1:${port}${path}`)).toBe('ours');
    for (const path of ['/', '/c', '/ab']) expect(await knock(port, path), path).toMatch(/^HTTP\/1\.1 404 /);
  });

  test('of several servers; one that closes leaves the others, whichever opened the port', async () => {
    const first = service('first', ['/a']);
    const port = portOf((await first.listen('ws://127.0.0.1:0/a'))[0]);
    const url = `ws://127.0.0.1:${port}`;
    const second = service('second', ['/b']);
    const answer: RequestListener = (_, response) => response.end('third');
    const third = service('third', ['/', '/c'], {
      onRequest: answer,
    });
    await Promise.all([second.listen(`${url}/b`), third.listen(url)]);
    expect([await ask(`${url}/a`), await ask(`${url}/b`), await ask(url)]).toEqual(['first', 'second', 'third']);
    expect(await (await fetch(`http://127.0.0.1:${port}/a`)).text()).toBe('third');
    await first.close({ drain: 0 });
    expect(await knock(port, '/a')).toMatch(/^HTTP\/1\.1 404 /);
    expect([await ask(`${url}/b`), await ask(`${url}/c`)]).toEqual(['second', 'third']);
    await third.close({ drain: 0 });
    expect(await ask(`${url}/b`)).toBe('second');
    expect(await knock(port, '/')).toMatch(/^HTTP\/1\.1 404 /);
    expect((await fetch(`http://127.0.0.1:${port}/a`)).status).toBe(426);
    await second.close({ drain: 0 });
    await expect(ask(`${url}/b`)).rejects.toMatchObject({ code: 'ERR_CONNECT_FAILED' });
    const again = service('again', ['/a']);
    await again.listen(`${url}/a`);
    expect(await ask(`${url}/a`)).toBe('again');
  });

  test('asked for at once', async () => {
    const { http, port } = await httpServer();
    http.close();
    await once(http, 'close');
    const server = service('ours', ['/a', '/b', '/c']);
    const url = `ws://127.0.0.1:${port}`;
    await server.listen(`${url}/a`, `${url}/b`, `${url}/c`);
    expect(await Promise.all([ask(`${url}/a`), ask(`${url}/b`), ask(`${url}/c`)])).toEqual(['ours', 'ours', 'ours']);
    expect(server.stats.connections).toBeLessThanOrEqual(3);
  });

  test('the same path twice, and a port with other options, are in use', async () => {
    const first = service('first', ['/a']);
    const port = portOf((await first.listen('ws://127.0.0.1:0/a'))[0]);
    const second = service('second', ['/a', '/b']);
    for (const target of [
      `ws://127.0.0.1:${port}/a`,
      `ws://127.0.0.1:${port}/a/`,
      { url: `ws://127.0.0.1:${port}/b`, maxConnections: 5 },
      `tcp://127.0.0.1:${port}`,
    ]) {
      await expect(second.listen(target)).rejects.toMatchObject({ code: 'ERR_ADDRESS_IN_USE' });
    }
    await expect(second.listen(`ws://127.0.0.1:${port}/b`, `ws://127.0.0.1:${port}/a`)).rejects.toMatchObject({
      code: 'ERR_ADDRESS_IN_USE',
    });
    expect(await knock(port, '/b')).toMatch(/^HTTP\/1\.1 404 /);
    expect(await ask(`ws://127.0.0.1:${port}/a`)).toBe('first');
  });
});
