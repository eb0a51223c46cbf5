import { connect as dial } from 'node:net';
import { connect as secure } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Authority } from '../../test/support/certificates.ts';
import { createServer, type Server, type ServerOptions, type ServerSocket } from './index.ts';
import { trustOf } from './trust.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

describe('who is trusted', () => {
  const trusts = trustOf(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', 'loopback', 'unix']);

  test.each([
    ['10.255.0.1', true],
    ['11.0.0.1', false],
    ['192.0.2.7', true],
    ['192.0.2.8', false],
    ['2001:db8:ffff::1', true],
    ['2001:db9::1', false],
    ['127.8.8.8', true],
    ['::1', true],
    ['', true],
    ['unknown', false],
    ['_hidden', false],
  ])('%j: %o', (address, is) => {
    expect(trusts?.(address)).toBe(is);
  });

  test('is nobody unless said', () => {
    expect(trustOf([])).toBeUndefined();
    expect(trustOf(['10.0.0.1'])?.('')).toBe(false);
  });

  test.each(['', 'localhost', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::1/129', '*', '10.0.0'])(
    'can not be %j',
    (text) => {
      expect(() => createServer({ trustProxy: [text] })).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
    },
  );
});

interface Scene {
  readonly server: Server;
  readonly url: string;
  readonly reported: unknown[];
  /** The next socket that is let in. */
  next(): Promise<ServerSocket>;
}

async function scene(scheme: 'ws' | 'tcp', options: ServerOptions): Promise<Scene> {
  const reported: unknown[] = [];
  const server = createServer({ onError: (error) => reported.push(error), times: { closeWait: 100 }, ...options });
  open.push(server);
  const [url = ''] = await server.listen(`${scheme}://127.0.0.1:0`);
  const next = (): Promise<ServerSocket> => new Promise((resolve) => server.on('connection', resolve));
  return { server, url, reported, next };
}

/** The status of an upgrade with these headers: 101 when it was granted. */
function upgrade(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { headers });
    open.push({ [Symbol.asyncDispose]: async () => socket.terminate() });
    socket.on('open', () => resolve(101));
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
    socket.on('error', reject);
  });
}

describe('headers of a proxy', () => {
  test('that is trusted say where the peer is', async () => {
    const { url, next } = await scene('ws', { trustProxy: ['loopback'], insecure: true });
    for (const headers of [
      { 'X-Forwarded-For': '6.6.6.6, 203.0.113.9' },
      { Forwarded: 'for=203.0.113.9;proto=https' },
    ]) {
      const arrived = next();
      expect(await upgrade(url, headers)).toBe(101);
      expect((await arrived).handshake).toMatchObject({ remote: '203.0.113.9', local: false });
    }
  });

  test('that can not be read, or contradict each other, are refused', async () => {
    const { url } = await scene('ws', { trustProxy: ['loopback'], insecure: true });
    expect(await upgrade(url, { Forwarded: 'for="' })).toBe(400);
    expect(await upgrade(url, { Forwarded: 'for=1.1.1.1', 'X-Forwarded-For': '2.2.2.2' })).toBe(400);
  });

  test('let nobody in from elsewhere where anybody is let in from this machine', async () => {
    const { url } = await scene('ws', { trustProxy: ['loopback'] });
    expect(await upgrade(url, { 'X-Forwarded-For': '203.0.113.9' })).toBe(403);
    expect(await upgrade(url, { 'X-Forwarded-For': '127.0.0.1' })).toBe(101);
    expect(await upgrade(url, {})).toBe(101);
  });

  test('that is not trusted make a peer of this machine one from elsewhere, and are told of once', async () => {
    const { url, reported, next } = await scene('ws', {});
    expect(await upgrade(url, { 'X-Forwarded-For': '127.0.0.1' })).toBe(403);
    expect(await upgrade(url, { Forwarded: 'for=127.0.0.1' })).toBe(403);
    for (const name of ['X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Real-IP'])
      expect(await upgrade(url, { [name]: 'x' })).toBe(403);
    expect(reported).toEqual([expect.objectContaining({ message: expect.stringContaining('trustProxy') })]);
    const arrived = next();
    expect(await upgrade(url, {})).toBe(101);
    expect((await arrived).handshake.local).toBe(true);
  });

  test('count for the limit per address', async () => {
    const { url } = await scene('ws', {
      trustProxy: ['loopback'],
      insecure: true,
      limits: { socketsPerAddress: 2 },
    });
    const from = (address: string): Promise<number> => upgrade(url, { 'X-Forwarded-For': address });
    expect([await from('1.1.1.1'), await from('1.1.1.1'), await from('1.1.1.1')]).toEqual([101, 101, 429]);
    expect(await from('::ffff:1.1.1.1')).toBe(429);
    expect(await from('2.2.2.2')).toBe(101);
  });

  test('say which host a page is of', async () => {
    const { url } = await scene('ws', { trustProxy: ['loopback'], insecure: true });
    const page = { 'X-Forwarded-For': '1.1.1.1', Origin: 'https://app.example' };
    expect(await upgrade(url, { ...page, Host: 'app.example' })).toBe(101);
    expect(await upgrade(url, { ...page, 'X-Forwarded-Host': 'app.example' })).toBe(101);
    expect(await upgrade(url, { ...page, 'X-Forwarded-Host': 'other.example' })).toBe(403);
    // Without a proxy, a name that points here is an attack (DNS rebinding).
    expect(await upgrade(url, { Host: 'app.example', Origin: 'https://app.example' })).toBe(403);
  });
});

/** What a stream that begins so is answered. */
function say(url: string, ...chunks: (string | Uint8Array)[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = dial(Number(new URL(url).port), '127.0.0.1');
    let heard = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      heard += text;
      if (heard.includes('\n')) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(heard));
    for (const chunk of chunks) socket.write(chunk);
  });
}

const HELLO = '{"event":"hello"}\n';
const PROXY = 'PROXY TCP4 203.0.113.9 10.0.0.1 5000 80\r\n';

describe('the PROXY protocol', () => {
  test('of a proxy that is trusted says where the peer is, however it is cut', async () => {
    const { url, next } = await scene('tcp', { trustProxy: ['127.0.0.1'], insecure: true });
    for (const chunks of [[PROXY + HELLO], [PROXY.slice(0, 9), PROXY.slice(9), HELLO]]) {
      const arrived = next();
      expect(await say(url, ...chunks)).toContain('welcome');
      expect((await arrived).handshake).toMatchObject({ remote: '203.0.113.9', local: false });
    }
  });

  test('is not needed, and a connection without it counts as itself', async () => {
    const { url, next } = await scene('tcp', { trustProxy: ['127.0.0.1'] });
    const arrived = next();
    expect(await say(url, HELLO)).toContain('welcome');
    expect((await arrived).handshake).toMatchObject({ remote: '127.0.0.1', local: true });
  });

  test('lets nobody in from elsewhere where anybody is let in from this machine', async () => {
    const { url } = await scene('tcp', { trustProxy: ['127.0.0.1'] });
    expect(await say(url, PROXY + HELLO)).toContain('ERR_NOT_ALLOWED');
  });

  test('that is broken costs the connection', async () => {
    const { url } = await scene('tcp', { trustProxy: ['127.0.0.1'], insecure: true });
    expect(await say(url, `PROXY TCP4 nonsense\r\n${HELLO}`)).toBe('');
  });

  test('of anybody else is nothing that is spoken here', async () => {
    const { url } = await scene('tcp', { trustProxy: ['10.0.0.1'], insecure: true });
    expect(await say(url, PROXY + HELLO)).toContain('ERR_PROTOCOL');
  });

  test('comes before an upgrade too', async () => {
    const { url, next } = await scene('ws', { trustProxy: ['127.0.0.1'], insecure: true });
    const head = 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n';
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
    const arrived = next();
    expect(await say(url, PROXY, head + key)).toContain('101');
    expect((await arrived).handshake.remote).toBe('203.0.113.9');
  });

  test.each([
    ['X-Forwarded-For: 127.0.0.1'],
    ['Forwarded: for=127.0.0.1'],
    ['X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Host: a'],
  ])('of a proxy of TCP does not vouch for headers that its peer writes: %s', async (header) => {
    const head = `GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${header}\r\n`;
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
    const closed = await scene('ws', { trustProxy: ['127.0.0.1'] });
    expect(await say(closed.url, PROXY, head + key)).toContain('403');
    const opened = await scene('ws', { trustProxy: ['127.0.0.1'], insecure: true });
    const arrived = opened.next();
    expect(await say(opened.url, PROXY, head + key)).toContain('101');
    expect((await arrived).handshake).toMatchObject({ remote: '203.0.113.9', local: false });
  });

  test('of a proxy of TCP before a proxy of HTTP: both are believed', async () => {
    const { url, next } = await scene('ws', { trustProxy: ['127.0.0.1', '10.9.9.9'], insecure: true });
    const first = 'PROXY TCP4 10.9.9.9 10.0.0.1 5000 80\r\n';
    const head =
      'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Forwarded-For: 203.0.113.7\r\n';
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
    const arrived = next();
    expect(await say(url, first, head + key)).toContain('101');
    expect((await arrived).handshake.remote).toBe('203.0.113.7');
  });

  test.each(['tls', 'wss'])('comes before the handshake of %s', async (scheme) => {
    using authority = new Authority();
    const { cert, key: privateKey } = authority.issue('localhost', 'DNS:localhost');
    const server = createServer({ trustProxy: ['127.0.0.1'], insecure: true, times: { closeWait: 100 } });
    open.push(server);
    const [url = ''] = await server.listen({ url: `${scheme}://127.0.0.1:0`, tls: { cert, key: privateKey } });
    const arrived = new Promise<ServerSocket>((resolve) => server.on('connection', resolve));
    const plain = dial(Number(new URL(url).port), '127.0.0.1');
    plain.write(PROXY);
    const safe = secure({ socket: plain, ca: authority.ca, servername: 'localhost' });
    open.push({ [Symbol.asyncDispose]: async () => void safe.destroy() });
    const head = 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n';
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
    safe.write(scheme === 'tls' ? HELLO : head + key);
    expect((await arrived).handshake).toMatchObject({ remote: '203.0.113.9', transport: scheme });
  });

  test('that stops half-way is waited for no longer than a hello', async () => {
    const { url } = await scene('tcp', { trustProxy: ['127.0.0.1'], insecure: true, times: { loginWait: 200 } });
    expect(await say(url, 'PROXY TCP4 ')).toBe('');
  });
});
