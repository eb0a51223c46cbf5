import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Authority } from '../../test/support/certificates.ts';
import { extendedConnect, openSession } from '../../test/support/http2-dial.ts';
import { connect } from '../client/index.ts';
import { createApi, createServer, type ListenTarget, type Server, type ServerOptions } from './index.ts';

const authority = new Authority();
const { ca } = authority;
const { cert, key } = authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1');
const ada = authority.issue('ada', 'DNS:ada.example');
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});
afterAll(() => authority[Symbol.dispose]());

interface House {
  readonly server: Server;
  readonly url: string;
  readonly port: number;
}

async function serve(options: ServerOptions = {}, target: Partial<ListenTarget> = {}): Promise<House> {
  const server = createServer({
    onRequest: (request, response) => response.end(`${request.httpVersion} ${request.method} ${request.url}`),
    ...options,
  });
  server.on('connection', (socket) => socket.handle('echo', (data) => data));
  open.push(() => server.close({ drain: 0 }));
  const [url = ''] = await server.listen({ url: 'http://127.0.0.1:0', ...target });
  return { server, url, port: Number(new URL(url).port) };
}

async function visit(url: string, ...more: readonly (string | undefined)[]): Promise<ClientHttp2Session> {
  const session = await openSession(url, more[0]);
  open.push(() => session.destroy());
  return session;
}

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body = ''): Promise<Answer> {
  const stream = session.request(headers, { endStream: body === '' });
  if (body !== '') stream.end(body);
  const [answered] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  let said = '';
  for await (const chunk of stream.setEncoding('utf8')) said += String(chunk);
  return { headers: answered, body: said };
}

const statusOf = ({ headers }: { readonly headers: IncomingHttpHeaders }): number => Number(headers[':status']);

/** The status of the answer to a wish for a WebSocket. */
async function asked(
  session: ClientHttp2Session,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<number> {
  const { stream, answer } = await extendedConnect(session, path, headers);
  stream.close(8);
  return statusOf({ headers: answer });
}

describe('requests by HTTP/2', () => {
  test('are answered by onRequest, many at a time on one connection', async () => {
    const { server, url } = await serve();
    const session = await visit(url);
    const paths = Array.from({ length: 50 }, (_, i) => `/${i}`);
    const answers = await Promise.all(paths.map((path) => ask(session, { ':path': path })));
    expect(answers.map(({ body }) => body)).toEqual(paths.map((path) => `2.0 GET ${path}`));
    expect(server.stats.connections).toBe(1);
  });

  test('get 404 where there is nothing but WebSocket, and no word of upgrades', async () => {
    const { url } = await serve({ onRequest: undefined } as unknown as ServerOptions);
    const { headers } = await ask(await visit(url), { ':path': '/' });
    expect([headers[':status'], headers.upgrade]).toEqual([404, undefined]);
  });

  test('that the application fails at get 500, and cost nobody else anything', async () => {
    const failures: unknown[] = [];
    const { url } = await serve({
      onRequest: ({ url: path }, response) => {
        if (path === '/') throw new Error('broken');
        response.end('ok');
      },
      onError: (error) => failures.push(error),
    });
    const session = await visit(url);
    expect(statusOf(await ask(session, { ':path': '/' }))).toBe(500);
    expect((await ask(session, { ':path': '/a' })).body).toBe('ok');
    expect(failures).toHaveLength(1);
  });

  test('that expect 100-continue are told to go on, and others that they expect too much', async () => {
    const { url } = await serve({ onRequest: (request, response) => void request.pipe(response) });
    const session = await visit(url);
    expect((await ask(session, { ':method': 'POST', expect: '100-continue' }, 'body')).body).toBe('body');
    expect(statusOf(await ask(session, { ':method': 'POST', expect: 'wonders' }, 'body'))).toBe(417);
  });

  test('reach the API and the health of the server', async () => {
    let api = createApi({ push: async () => [], readiness: () => undefined });
    const { server, url } = await serve({ onRequest: (...args) => api(...args) });
    api = createApi(server, { keys: ['k'.repeat(16)] });
    const session = await visit(url);
    expect((await ask(session, { ':path': '/healthz' })).body).toBe('ok\n');
    expect((await ask(session, { ':path': '/readyz' })).body).toBe('ok\n');
    expect(await ask(session, { ':path': '/healthz', ':method': 'HEAD' })).toMatchObject({ body: '' });
    const post = { ':path': '/api/publish', ':method': 'POST', 'content-type': 'application/json' };
    const message = JSON.stringify({ room: 'r', event: 'e' });
    expect((await ask(session, { ...post, 'x-api-key': 'k'.repeat(16) }, message)).body).toBe('{"ok":true}\n');
    expect(statusOf(await ask(session, post, message))).toBe(401);
  });

  test('by a CONNECT to elsewhere, or to another protocol, are not served', async () => {
    const { url } = await serve();
    const session = await visit(url);
    expect(await asked(session, '/', { ':protocol': 'connect-udp' })).toBe(501);
    const tunnel = session.request({ ':method': 'CONNECT', ':authority': 'elsewhere.example:443' });
    expect(statusOf({ headers: ((await once(tunnel, 'response')) as [IncomingHttpHeaders])[0] })).toBe(501);
  });
});

describe('WebSocket by HTTP/2', () => {
  test('shares a connection with others and with requests; breaking one off harms none', async () => {
    const { server, url } = await serve();
    const session = await visit(url);
    const sockets = await Promise.all(Array.from({ length: 10 }, () => extendedConnect(session, '/')));
    expect(sockets.map(({ answer }) => answer[':status'])).toEqual(sockets.map(() => 200));
    expect(server.stats.connections).toBe(1);
    sockets[0]?.stream.close(8);
    sockets[1]?.stream.destroy();
    expect((await ask(session, { ':path': '/' })).body).toBe('2.0 GET /');
    expect(sockets[2]?.stream.closed).toBe(false);
  });

  test('is admitted as by HTTP/1.1: host, origin, path, subprotocol', async () => {
    const { server, url } = await serve({ origins: ['https://app.example'] });
    server.of('/chat');
    const session = await visit(url);
    const own = url.replace('http://', '');
    expect(await asked(session, '/')).toBe(200);
    expect(await asked(session, '/chat?a=b')).toBe(200);
    expect(await asked(session, '/', { origin: url })).toBe(200);
    expect(await asked(session, '/', { origin: 'https://app.example' })).toBe(200);
    expect(await asked(session, '/', { origin: 'https://other.example' })).toBe(403);
    expect(await asked(session, '/', { ':authority': 'rebound.example' })).toBe(403);
    expect(await asked(session, '/', { ':authority': own, host: 'other.example' })).toBe(400);
    expect(await asked(session, '/%2f')).toBe(400);
    expect(await asked(session, '/', { 'sec-websocket-protocol': 'nobody.knows' })).toBe(400);
    expect(await asked(session, '/', { 'sec-websocket-version': '8' })).toBe(400);
  });

  test('counts against the sockets of an address, each by itself', async () => {
    const { url } = await serve({ insecure: true, trustProxy: ['loopback'], limits: { socketsPerAddress: 2 } });
    const session = await visit(url);
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) {
      const { answer } = await extendedConnect(session, '/', { 'x-forwarded-for': '203.0.113.9' });
      statuses.push(statusOf({ headers: answer }));
    }
    expect(statuses).toEqual([200, 200, 429]);
  });

  test('comes from where a proxy that is believed says, by its header or by the PROXY protocol', async () => {
    const { server, url, port } = await serve({ insecure: true, trustProxy: ['loopback'] });
    const joined: string[] = [];
    server.on('connection', ({ handshake }) => joined.push(`${handshake.remote} ${handshake.headers['cookie']}`));
    const session = await visit(url);
    await greet(session, { 'x-forwarded-for': '203.0.113.9', cookie: 'a=1' });
    const socket = connectTcp({ port, host: '127.0.0.1' });
    socket.write('PROXY TCP4 203.0.113.10 10.0.0.1 5000 80\r\n');
    const behind = connectHttp2(url, { createConnection: () => socket });
    open.push(() => behind.destroy());
    await once(behind, 'remoteSettings');
    await greet(behind, { cookie: 'b=2' });
    expect(joined).toEqual(['203.0.113.9 a=1', '203.0.113.10 b=2']);
  });

  test('shows the certificate of the client', async () => {
    const names: unknown[] = [];
    const authenticate: ServerOptions['authenticate'] = ({ certificate }) => {
      names.push(certificate?.subject['CN']);
      return { user: null };
    };
    const tls = { cert, key, ca, requestCert: true };
    const { url } = await serve({ authenticate }, { url: 'https://127.0.0.1:0', tls });
    const session = connectHttp2(url, { ca, cert: ada.cert, key: ada.key });
    open.push(() => session.destroy());
    await once(session, 'remoteSettings');
    await greet(session);
    expect(new Set(names)).toEqual(new Set(['ada']));
  });

  test('is cut with 4000 when it is idle for idleTimeout, and its connection with it', async () => {
    const { server, url } = await serve({}, { idleTimeout: 200 });
    const session = await visit(url);
    const { stream } = await extendedConnect(session, '/');
    const [close] = (await once(stream, 'data')) as [Buffer];
    expect([close[0], close.readUInt16BE(2)]).toEqual([0x88, 4000]);
    stream.end(Buffer.concat([Buffer.from([0x88, 0x82, 0, 0, 0, 0]), close.subarray(2, 4)]));
    await once(session, 'close');
    expect(server.stats.sockets).toBe(0);
  });
});

/** Logs in as nobody, and waits for the welcome. */
async function greet(session: ClientHttp2Session, headers: Readonly<Record<string, string>> = {}): Promise<void> {
  const { stream } = await extendedConnect(session, '/', headers);
  const hello = Buffer.from('{"event":"hello"}');
  // Masked by a key of zeros.
  stream.write(Buffer.concat([Buffer.from([0x81, 0x80 + hello.length, 0, 0, 0, 0]), hello]));
  await once(stream, 'data');
}

describe('an endpoint that speaks both versions', () => {
  test.each(['http', 'https'])('tells them apart on %s:, however the first bytes are cut', async (scheme) => {
    const tls = scheme === 'https' ? { tls: { cert, key } } : {};
    const { url, port } = await serve({}, { url: `${scheme}://127.0.0.1:0`, ...tls });
    const dial = (alpn: string): Socket => {
      if (scheme === 'http') return connectTcp({ port, host: '127.0.0.1' });
      return connectTls({ port, host: '127.0.0.1', ca, ALPNProtocols: [alpn] });
    };
    for (const letters of [1, 2, 3, 24]) {
      const older = await heardFrom(
        dial('http/1.1'),
        'PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
        letters,
      );
      expect(older).toContain('1.1 PUT /');
      const newer = await heardFrom(dial('h2'), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', letters, 9);
      // SETTINGS.
      expect(newer.charCodeAt(3)).toBe(4);
    }
    expect((await ask(await visit(url, ca), { ':path': '/' })).body).toBe('2.0 GET /');
  });

  test.each(['http', 'https'])('speaks HTTP/2 alone on %s: when told so', async (scheme) => {
    const tls = scheme === 'https' ? { tls: { cert, key } } : {};
    const { url, port } = await serve({}, { url: `${scheme}://127.0.0.1:0`, allowHTTP1: false, ...tls });
    const socket = tls.tls ? connectTls({ port, host: '127.0.0.1', ca }) : connectTcp({ port, host: '127.0.0.1' });
    expect(await heardFrom(socket, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 3)).toMatch(/^HTTP\/1\.1 505 /);
    expect((await ask(await visit(url, ca), { ':path': '/' })).body).toBe('2.0 GET /');
  });

  test('is shared by servers at different paths', async () => {
    const { port, url } = await serve({ name: 'one' });
    const { server } = await serve({ name: 'two' }, { url: `http://127.0.0.1:${port}/two` });
    server.of('/two');
    const session = await visit(url);
    await greet(session);
    const { stream } = await extendedConnect(session, '/two');
    expect(stream.closed).toBe(false);
    await server.close({ drain: 0 });
    expect((await ask(session, { ':path': '/' })).body).toBe('2.0 GET /');
  });

  test.each([
    { http2: { streams: -1 } },
    { http2: { nonsense: 1 } },
    { allowHTTP1: 'no' },
    { url: 'ws://127.0.0.1:0', http2: {} },
    { url: 'ws://127.0.0.1:0', allowHTTP1: true },
  ])('refuses options that can not be: %o', async (target) => {
    await expect(serve({}, target as Partial<ListenTarget>)).rejects.toMatchObject({ code: 'ERR_OPTION' });
  });
});

/** What a connection says, until it ends or has said so much; `text` goes out in two pieces. */
async function heardFrom(socket: Socket, text: string, firstPiece: number, enough = Infinity): Promise<string> {
  socket.setNoDelay(true).on('error', () => undefined);
  if ('encrypted' in socket) await once(socket, 'secureConnect');
  socket.write(text.slice(0, firstPiece), 'latin1', () =>
    setImmediate(() => socket.write(text.slice(firstPiece), 'latin1')),
  );
  let heard = '';
  socket.setEncoding('latin1');
  for await (const chunk of socket) {
    heard += String(chunk);
    if (heard.length >= enough) break;
  }
  return heard;
}

describe('a server that closes', () => {
  test('lets answers end, turns new streams away, and its connections are gone then', async () => {
    const waiting: (() => void)[] = [];
    const { server, url } = await serve({
      onRequest: (_, response) => {
        response.write('begun ');
        waiting.push(() => response.end('and ended'));
      },
    });
    const session = await visit(url);
    const goaway = once(session, 'goaway');
    const ended = once(session, 'close');
    const answer = ask(session, { ':path': '/' });
    while (waiting.length === 0) await new Promise(setImmediate);
    const closed = server.close({ drain: 2000 });
    expect((await goaway)[0]).toBe(0);
    waiting[0]?.();
    expect((await answer).body).toBe('begun and ended');
    await Promise.all([closed, ended]);
    expect(server.stats.connections).toBe(0);
  });

  test('cuts an answer that does not end within closeWait', async () => {
    const { server, url } = await serve({
      times: { closeWait: 200 },
      onRequest: (_, response) => void response.write('begun'),
    });
    const session = await visit(url);
    const stream = session.request({ ':path': '/' });
    await once(stream, 'response');
    const ended = once(session, 'close');
    await server.close({ drain: 0 });
    await ended;
    expect(stream.rstCode).toBe(8);
  });

  test('says so to its sockets, whose streams live on until they have gone', async () => {
    const { server, url } = await serve();
    const socket = await connect(url.replace('http', 'ws'), { reconnect: false });
    open.push(() => socket.close());
    const session = await visit(url);
    await greet(session);
    const ended = once(session, 'close');
    await server.close({ drain: 300 });
    await ended;
    expect(server.stats).toMatchObject({ connections: 0, sockets: 0 });
  });
});
