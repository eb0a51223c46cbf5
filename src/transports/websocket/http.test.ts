import { once } from 'node:events';
import { Agent, createServer, get, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Timer, World } from '../../core/index.ts';
import { realWorld } from '../../runtime/index.ts';
import { Bench, codeOf, End, numbered, numberOf, text } from '../../testing/link-bench.ts';
import type { LinkSuiteOptions } from '../../testing/link-suite.ts';
import { type ListenOptions, parseEndpoint } from '../../transport/index.ts';
import { attachWebSocket, websocketTransport } from './index.ts';
import type { WebSocketListener } from './listener.ts';

const suite: LinkSuiteOptions = {
  api: { describe, test, expect },
  transport: websocketTransport,
  world: realWorld(),
  listenUrl: () => 'ws://127.0.0.1:0',
  deadUrl: () => 'ws://127.0.0.1:1',
};

const open = (change?: Partial<ListenOptions>): Promise<Bench> => Bench.open(suite, change);
const guests = (bench: Bench): number => (bench.listener as WebSocketListener).guests;
const portOf = (bench: Bench): number => parseEndpoint(bench.url).port ?? 0;
const visit = (port: number): Socket => connect({ port, host: '127.0.0.1' });

const UPGRADE =
  'GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

const echoTarget: RequestListener = (request, response) => {
  response.end(`you asked for ${request.url}`);
};

/** All that comes until the server closes. */
function read(socket: Socket): Promise<string> {
  let said = '';
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    said += chunk.toString('latin1');
  });
  return new Promise((resolve) => socket.on('close', () => resolve(said)));
}

async function fetchFrom(port: number, path: string, agent: Agent): Promise<[number | undefined, string]> {
  const [response] = (await once(get({ port, host: '127.0.0.1', path, agent }), 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response) body += chunk;
  return [response.statusCode, body];
}

describe('HTTP on the port of a WebSocket server', () => {
  test('an answer that never ends is cut when a closing listener has waited long enough', async () => {
    await using bench = await open({
      closeWait: 100,
      onRequest: ((_, response) => response.write('begun')) satisfies RequestListener,
    });
    const socket = visit(portOf(bench));
    const said = read(socket);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'data');
    await bench.listener.close();
    expect(await said).toContain('begun');
  });

  test('a connection that is kept for further requests keeps nothing when a listener closes', async () => {
    const closeWait = 60_000;
    const world = realWorld();
    const long = new Set<Timer>();
    const timer: World['timer'] = (at, run) => {
      const made = world.timer(at, run);
      const cancel = (): void => {
        long.delete(told);
        made.cancel();
      };
      const told: Timer = { cancel };
      if (at - world.now() > closeWait / 2) long.add(told);
      return told;
    };
    const { random } = world;
    const counted: World = { random, timer, now: () => world.now(), soon: (run) => world.soon(run) };
    await using bench = await open({ closeWait, world: counted, onRequest: echoTarget });
    const agent = new Agent({ keepAlive: true });
    agent.on('free', (socket: Socket) => kept.push(once(socket, 'close')));
    const kept: Promise<unknown>[] = [];
    await fetchFrom(portOf(bench), '/', agent);
    long.clear();
    await bench.listener.close();
    await kept[0];
    await bench.turns(5);
    expect([kept.length, long.size]).toEqual([1, 0]);
  });

  test('is answered by onRequest, request after request on one connection', async () => {
    await using bench = await open({ onRequest: echoTarget });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<unknown>();
    agent.on('free', (socket) => sockets.add(socket));
    for (const path of ['/a', '/b', '/c']) {
      expect(await fetchFrom(portOf(bench), path, agent)).toEqual([200, `you asked for ${path}`]);
    }
    expect(sockets.size).toBe(1);
    agent.destroy();
    expect(guests(bench)).toBe(0);
  });

  test.each([1, 7, 1000])('is pipelined, in pieces of %i bytes', async (size) => {
    await using bench = await open({ onRequest: echoTarget });
    const socket = visit(portOf(bench)).setNoDelay(true);
    const said = read(socket);
    const requests =
      'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc' +
      'GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
    for (let at = 0; at < requests.length; at += size) {
      socket.write(requests.slice(at, at + size));
      await new Promise(setImmediate);
    }
    expect((await said).match(/you asked for \/\d/g)).toEqual(
      ['/1', '/2', '/3'].map((path) => `you asked for ${path}`),
    );
  });

  test('a body of a megabyte behind the head arrives whole', async () => {
    let length = 0;
    const onRequest: RequestListener = (request, response) => {
      request.on('data', (chunk: Uint8Array) => {
        length += chunk.length;
      });
      request.on('end', () => response.end(String(length)));
    };
    await using bench = await open({ onRequest });
    const response = await fetch(`http://127.0.0.1:${portOf(bench)}/`, {
      method: 'POST',
      body: new Uint8Array(1 << 20),
    });
    expect(await response.text()).toBe(String(1 << 20));
  });

  test.each([1, 2])('that stands still for idleTimeout is cut, in request %i of a connection', async (nth) => {
    const onRequest: RequestListener = ({ url }, response) => {
      if (url === `/${nth}`) response.write('begun');
      else response.end('done');
    };
    await using bench = await open({ net: { idleTimeout: 80 }, onRequest });
    const socket = visit(portOf(bench));
    const said = read(socket);
    for (let i = 1; i <= nth; i++) {
      socket.write(`GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await once(socket, 'data');
    }
    expect(await said).toContain('begun');
    await bench.until(() => (bench.listener as WebSocketListener).stats.connections === 0);
  });

  test('and then an upgrade, on one connection: the link has the options of the listener', async () => {
    await using bench = await open({ net: { idleTimeout: 80 }, onRequest: echoTarget });
    const socket = visit(portOf(bench));
    const said = read(socket);
    socket.write('GET /first HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(socket, 'data');
    socket.write(`${UPGRADE}Sec-WebSocket-Protocol: ${bench.protocols[0]}\r\n\r\n`);
    const server = new End(await bench.accepted());
    expect((await server.end).code).toBe(4000);
    expect(await said).toContain('101 Switching Protocols');
  });

  test('is 426 without onRequest', async () => {
    await using bench = await open();
    const response = await fetch(`http://127.0.0.1:${portOf(bench)}/`);
    expect([response.status, response.headers.get('upgrade')]).toEqual([426, 'websocket']);
    await response.text();
  });

  test('that is no HTTP at all is 400', async () => {
    await using bench = await open();
    const socket = visit(portOf(bench));
    socket.write('\x16\x03\x01 what is this\r\n\r\n', 'latin1');
    expect(await read(socket)).toContain('400 Bad Request');
  });

  test.each([
    ['a GET', 'GET / HTTP/1.1\r\nHost:'],
    ['a POST', 'POST / HTTP/1.1\r\nHost:'],
    ['nothing', ''],
  ])('that comes too slowly is 408: %s', async (_, bytes) => {
    await using bench = await open({ loginWait: 100 });
    const socket = visit(portOf(bench));
    socket.write(bytes);
    expect(await read(socket)).toContain('408 Request Timeout');
    await bench.until(() => guests(bench) === 0);
  });

  test('whose head is too large is 431', async () => {
    await using bench = await open();
    const socket = visit(portOf(bench));
    socket.write(`GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(await read(socket)).toContain('431 ');
  });

  test.each([
    [
      'h2c',
      'GET /other HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n',
      'you asked for /other',
    ],
    [
      'an unknown one',
      'GET /other HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: morse\r\n\r\n',
      'you asked for /other',
    ],
    [
      'one with a body',
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi',
      '400 Bad Request',
    ],
  ])('that asks for another protocol never hangs: %s', async (_, request, answer) => {
    await using bench = await open({ onRequest: echoTarget });
    const socket = visit(portOf(bench));
    socket.write(request);
    expect(await read(socket)).toContain(answer);
  });

  test('an upgrade may follow other requests on one connection', async () => {
    await using bench = await open({ onRequest: echoTarget });
    const socket = visit(portOf(bench));
    const said = read(socket);
    socket.write(`GET /1 HTTP/1.1\r\nHost: a\r\n\r\n`);
    await once(socket, 'data');
    socket.write(`${UPGRADE}\r\n`);
    const server = new End(await bench.accepted());
    expect([server.link.protocol, server.link.peer.path]).toEqual(['hawser.v1.json', '/chat']);
    await server.link.close({ code: 1000, reason: '' });
    expect(await said).toContain('101 Switching Protocols');
  });

  test.each([
    ['h2c', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n'],
    ['a WebSocket', `${UPGRADE}\r\n`],
  ])('an upgrade to %s behind a request that has no answer yet is cut', async (_, upgrade) => {
    const first = 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n';
    await using slow = await open({
      onRequest: ((...[, response]) => void response.write('begun')) satisfies RequestListener,
    });
    await using plain = await open();
    for (const bench of [slow, plain]) {
      const socket = visit(portOf(bench));
      const said = read(socket);
      socket.write(first + upgrade);
      expect(await said).not.toContain('101 ');
      const next = await fetch(`http://127.0.0.1:${portOf(plain)}/`);
      expect(next.status).toBe(426);
      await next.text();
    }
  });

  test('closing the listener leaves no connection of HTTP open', async () => {
    await using bench = await open({ onRequest: echoTarget });
    const agent = new Agent({ keepAlive: true });
    await fetchFrom(portOf(bench), '/a', agent);
    const silent = visit(portOf(bench));
    await bench.until(() => guests(bench) === 1);
    await bench.listener.close();
    await once(silent, 'close');
    const { server } = bench.listener as WebSocketListener;
    for (let left = 1; left > 0; await bench.turns(1)) {
      left = await new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
    }
    expect(Object.values(agent.freeSockets)).toEqual([]);
  });
});

describe('an upgrade', () => {
  test('shows path, query and headers to admit and to the link', async () => {
    const seen: unknown[] = [];
    await using bench = await open({
      admit: ({ path, query, headers }) => {
        seen.push([path, { ...query }, headers['x-tag']]);
        return undefined;
      },
    });
    const url = `${bench.url}/r%C3%A4ume/a%20b?token=x%26y&key=mine`;
    await bench.dialTo(url, { headers: { 'x-tag': '1' } });
    const { peer } = await bench.accepted();
    expect(seen).toEqual([['/räume/a b', { token: 'x&y' }, '1']]);
    expect([peer.path, peer.local, peer.address]).toEqual(['/räume/a b', true, '127.0.0.1']);
    const { 'x-tag': tag, host } = peer.headers;
    expect([tag, host]).toEqual(['1', `127.0.0.1:${portOf(bench)}`]);
  });

  test('is refused with the status that admit gives', async () => {
    await using bench = await open({
      admit: () => ({ reason: { code: 4509, reason: 'not from there' }, status: 403 }),
    });
    await expect(bench.dialTo(bench.url)).rejects.toMatchObject({
      code: 'ERR_HANDSHAKE_REFUSED',
      message: expect.stringContaining('not from there'),
      data: { status: 403 },
    });
  });

  test('takes the first offered protocol that is known, and refuses when none is', async () => {
    await using bench = await open({ protocols: ['chat', 'hawser.v1'] });
    expect((await bench.dialTo(bench.url, { protocols: ['nope', 'hawser.v1', 'chat'] })).protocol).toBe('hawser.v1');
    await expect(bench.dialTo(bench.url, { protocols: ['nope'] })).rejects.toMatchObject({
      message: expect.stringContaining('chat, hawser.v1'),
      data: { status: 400 },
    });
  });

  test('without protocols speaks JSON', async () => {
    await using bench = await open();
    const socket = visit(portOf(bench));
    socket.write(`${UPGRADE}\r\n`);
    expect((await bench.accepted()).protocol).toBe('hawser.v1.json');
    socket.destroy();
  });

  test.each([
    ['a broken percent escape', UPGRADE.replace('/chat', '/%zz'), '400'],
    ['an old version', UPGRADE.replace(': 13', ': 8'), '426'],
    ['no key', UPGRADE.replace(/Sec-WebSocket-Key.*\r\n/, ''), '400'],
  ])('is refused for %s', async (_, head, status) => {
    await using bench = await open();
    const socket = visit(portOf(bench));
    socket.write(`${head}\r\n`);
    expect(await read(socket)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    await bench.until(() => guests(bench) === 0);
  });

  test('may come byte by byte, frames right behind it', async () => {
    await using bench = await open();
    const socket = visit(portOf(bench)).setNoDelay(true);
    const frame = Buffer.from([0x82, 0x81, 0, 0, 0, 0, 0x2a]);
    for (const byte of Buffer.concat([Buffer.from(`${UPGRADE}\r\n`), frame])) {
      socket.write(Uint8Array.of(byte));
      await new Promise(setImmediate);
    }
    expect(await new End(await bench.accepted()).message()).toEqual([0x2a]);
    socket.destroy();
  });

  test('pings are answered, and a link can ping', async () => {
    await using bench = await open();
    const { client, server } = await bench.pair();
    server.link.ping?.();
    client.link.ping?.();
    await bench.until(() => server.pongs === 1 && client.pongs === 1);
    expect([server.idles, client.idles].every((idles) => idles > 0)).toBe(true);
  });

  test('a thousand who come and go leave nothing behind', async () => {
    await using bench = await open({ onRequest: echoTarget });
    const { server } = bench.listener as WebSocketListener;
    const words = ['', 'GET /', `${UPGRADE}\r\n`, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', `${UPGRADE}Origin: a\r\n`];
    for (let round = 0; round < 20; round++) {
      const visits = Array.from({ length: 50 }, async (_, i) => {
        const socket = visit(portOf(bench));
        socket.on('error', () => undefined);
        await once(socket, 'connect');
        socket.write(words[i % words.length] as string);
        if (i % 2 === 0) socket.end();
        else socket.resetAndDestroy();
        socket.resume();
        await Promise.race([once(socket, 'close'), bench.turns(50)]);
        socket.destroy();
      });
      await Promise.all(visits);
    }
    const ends = bench.links.map((link) => new End(link));
    for (const end of ends) await end.end;
    await bench.until(() => guests(bench) === 0);
    for (let left = 1; left > 0; await bench.turns(1)) {
      left = await new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
    }
    expect(bench.reported).toEqual([]);
  });
});

describe("an application's own HTTP server", () => {
  async function attached(bench: Bench): Promise<{ server: Server; url: string; close(): Promise<void> }> {
    const server = createServer(echoTarget).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const listener = attachWebSocket(server, bench.listenOptions());
    return { server, url: listener.endpoint, close: () => listener.close() };
  }

  test('takes upgrades besides its requests', async () => {
    await using bench = await open();
    const { server, url } = await attached(bench);
    expect(url).toBe(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const client = new End(await bench.dialTo(`${url}/chat`));
    const end = new End(await bench.accepted());
    client.link.send(numbered(5, 70_000));
    end.link.send(text('hi'));
    expect([numberOf(await end.bytes()), await client.message()]).toEqual([5, 'hi']);
    const response = await fetch(`${url.replace('ws', 'http')}/page`);
    expect(await response.text()).toBe('you asked for /page');
    await client.link.close();
    await end.end;
    server.closeAllConnections();
    server.close();
  });

  test('keeps its other upgrades, and all of them once the listener is closed', async () => {
    await using bench = await open();
    const { server, url, close } = await attached(bench);
    const { port } = server.address() as AddressInfo;
    server.on('upgrade', (request, socket) => {
      if (request.headers.upgrade !== 'websocket' || closed) socket.end('HTTP/1.1 101 Mine\r\n\r\n');
    });
    let closed = false;
    const ask = (protocol: string): Promise<string> => {
      const socket = visit(port);
      socket.write(`GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
      return read(socket);
    };
    expect(await ask('morse')).toBe('HTTP/1.1 101 Mine\r\n\r\n');
    closed = true;
    await close();
    expect(await codeOf(bench.dialTo(url))).toBe('ERR_HANDSHAKE_REFUSED');
    server.close();
  });
});
