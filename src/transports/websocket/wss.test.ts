import { once } from 'node:events';
import { createServer, get } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, describe, expect, test } from 'vitest';
import { Authority } from '../../../test/support/certificates.ts';
import { realWorld } from '../../runtime/index.ts';
import { Bench, End, numbered, numberOf } from '../../testing/link-bench.ts';
import { type LinkSuiteOptions, linkSuite } from '../../testing/link-suite.ts';
import {
  type DialOptions,
  type Link,
  type Listener,
  type ListenOptions,
  type NetListenOptions,
  parseEndpoint,
  type TlsDialOptions,
  type TlsListenOptions,
} from '../../transport/index.ts';
import { attachWebSocket, websocketTransport } from './index.ts';
import type { WebSocketListener } from './listener.ts';

const authority = new Authority();
const { ca } = authority;
const { cert, key } = authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1');
const ada = authority.issue('ada', 'DNS:ada.example');
afterAll(() => authority[Symbol.dispose]());

const sockets: Socket[] = [];

function suiteWith(
  listen: TlsListenOptions = {},
  dial: TlsDialOptions = {},
  net: NetListenOptions = {},
): LinkSuiteOptions {
  const tls = { cert, key, ...listen };
  return {
    api: { describe, test, expect },
    transport: {
      schemes: ['wss'],
      dial: (endpoint, options) => websocketTransport.dial(endpoint, { ...options, net: { tls: { ca, ...dial } } }),
      async listen(endpoint, options): Promise<Listener> {
        const listener = await websocketTransport.listen?.(endpoint, { ...options, net: { tls, ...net } });
        (listener as WebSocketListener).server.on('connection', (socket) => sockets.push(socket));
        return listener as Listener;
      },
    },
    world: realWorld(),
    listenUrl: () => 'wss://127.0.0.1:0',
    deadUrl: () => 'wss://127.0.0.1:1',
    cut: () => sockets.at(-1)?.destroy(),
  };
}

linkSuite('wss', suiteWith());

const open = (suite: LinkSuiteOptions, change?: Partial<ListenOptions>): Promise<Bench> => Bench.open(suite, change);
const portOf = (bench: Bench): number => parseEndpoint(bench.url).port ?? 0;
const guests = (bench: Bench): number => (bench.listener as WebSocketListener).guests;

function dialOn(bench: Bench, url: string, tls: TlsDialOptions | undefined): Promise<Link> {
  const options: DialOptions = { ...bench.listenOptions(), signal: new AbortController().signal };
  return websocketTransport.dial(parseEndpoint(url), tls === undefined ? options : { ...options, net: { tls } });
}

/** All that the other side says until it ends the stream. */
function read(socket: Socket): Promise<string> {
  let said = '';
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    said += chunk.toString('latin1');
  });
  return new Promise((resolve) => socket.on('close', () => resolve(said)));
}

async function bodyOf(port: number, path: string): Promise<[number | undefined, string]> {
  const request = get({ port, host: '127.0.0.1', path, ca });
  const [response] = await once(request, 'response');
  let body = '';
  for await (const chunk of response) body += chunk;
  return [response.statusCode, body];
}

describe('wss', () => {
  test('a page is served over https on the same port', async () => {
    const onRequest = (_: unknown, response: { end(text: string): void }): void => response.end('the page');
    await using bench = await open(suiteWith(), { onRequest });
    expect(await bodyOf(portOf(bench), '/')).toEqual([200, 'the page']);
    const { client, server } = await bench.pair();
    client.link.send(numbered(3, 30));
    expect(numberOf(await server.bytes())).toBe(3);
  });

  test('a plain request is told in HTTP that TLS is spoken here', async () => {
    await using bench = await open(suiteWith());
    const socket = connect(portOf(bench), '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const said = await read(socket);
    expect(said).toContain('400 Bad Request');
    expect(said).toContain('TLS is spoken here');
    await expect(dialOn(bench, bench.url.replace('wss', 'ws'), undefined)).rejects.toMatchObject({
      code: 'ERR_HANDSHAKE_REFUSED',
      data: { status: 400 },
    });
    await bench.until(() => guests(bench) === 0);
  });

  test('a safe dial to a plain port: ERR_TLS, it does not speak TLS', async () => {
    await using bench = await Bench.open({
      ...suiteWith(),
      transport: websocketTransport,
      listenUrl: () => 'ws://127.0.0.1:0',
    });
    await expect(dialOn(bench, bench.url.replace('ws', 'wss'), { ca })).rejects.toMatchObject({
      code: 'ERR_TLS',
      message: expect.stringContaining('does not speak TLS'),
    });
  });

  test('a server whose certificate is for another name: ERR_TLS', async () => {
    await using bench = await open(suiteWith({ cert: ada.cert, key: ada.key }));
    await expect(bench.dialTo(bench.url)).rejects.toMatchObject({
      code: 'ERR_TLS',
      data: { reason: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    });
  });

  test('who must show a certificate and shows none gets 401, who shows a wrong one 403', async () => {
    await using bench = await open(suiteWith({ ca, requestCert: true }));
    const eve = authority.selfSigned('eve', 'DNS:eve');
    await expect(dialOn(bench, bench.url, { ca })).rejects.toMatchObject({ data: { status: 401 } });
    await expect(dialOn(bench, bench.url, { ca, cert: eve.cert, key: eve.key })).rejects.toMatchObject({
      data: { status: 403 },
    });
    const link = await dialOn(bench, bench.url, { ca, cert: ada.cert, key: ada.key });
    expect((await bench.accepted()).peer.certificate?.subject).toEqual({ CN: 'ada' });
    link.abort(new Error('done'));
  });

  test('one connection too many is cut: words would cost a handshake; on ws it gets 503', async () => {
    await using bench = await open(suiteWith({}, {}, { maxConnections: 1 }));
    await bench.pair();
    await expect(bench.dialTo(bench.url)).rejects.toMatchObject({ code: 'ERR_CONNECT_FAILED' });
    expect(bench.listener.stats).toMatchObject({ accepted: 2, refused: 1 });
    const plain = { ...suiteWith(), transport: websocketTransport, listenUrl: () => 'ws://127.0.0.1:0' };
    await using other = await Bench.open(plain, { net: { maxConnections: 1 } });
    await other.pair();
    await expect(other.dialTo(other.url)).rejects.toMatchObject({ data: { status: 503 } });
  });

  test.each(['ws', 'wss'])('%s: idleTimeout ends a silent link with 4000', async (scheme) => {
    const safe = suiteWith({}, {}, { idleTimeout: 80 });
    const plain = { ...safe, transport: websocketTransport, listenUrl: () => 'ws://127.0.0.1:0' };
    await using bench = await Bench.open(scheme === 'ws' ? plain : safe, { net: { idleTimeout: 80 } });
    const { client, server } = await bench.pair();
    expect([(await client.end).code, (await server.end).code]).toEqual([4000, 4000]);
  });

  test('one who says nothing has loginWait and no more', async () => {
    await using bench = await open(suiteWith(), { loginWait: 60 });
    expect(await read(connect(portOf(bench), '127.0.0.1'))).toBe('');
    await bench.until(() => guests(bench) === 0);
  });
});

describe('an HTTPS server of the application', () => {
  test('has its upgrades taken, and the certificate of the peer is known', async () => {
    await using bench = await open(suiteWith());
    const https = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false }, (_, response) =>
      response.end('its own'),
    );
    const listener = attachWebSocket(https, bench.listenOptions());
    https.listen(0, '127.0.0.1');
    await once(https, 'listening');
    const { port } = https.address() as AddressInfo;
    expect(listener.endpoint).toBe(`wss://127.0.0.1:${port}`);
    const link = await dialOn(bench, listener.endpoint, { ca, cert: ada.cert, key: ada.key });
    const accepted = await bench.accepted();
    expect([accepted.transport, accepted.peer.certificate?.subject]).toEqual(['wss', { CN: 'ada' }]);
    link.send(numbered(8, 80));
    expect(numberOf(await new End(accepted).bytes())).toBe(8);
    expect(await bodyOf(port, '/')).toEqual([200, 'its own']);
    link.abort(new Error('done'));
    await listener.close();
    https.closeAllConnections();
    https.close();
  });
});

describe('what ws has, over TLS', () => {
  test('messages are compressed', async () => {
    const compression = { threshold: 0, serverContextTakeover: true };
    await using bench = await open(suiteWith(), { compression });
    const { client, server } = await bench.pair({ compression });
    for (let i = 0; i < 20; i++) {
      client.link.send(numbered(i, 40_000));
      server.link.send(numbered(i, 40_000));
      expect([numberOf(await server.bytes()), numberOf(await client.bytes())]).toEqual([i, i]);
    }
    const { stats } = bench.listener;
    expect((stats?.bytesRead ?? 0) + (stats?.bytesWritten ?? 0)).toBeLessThan(40_000);
  });

  test('a port is shared by paths, with one certificate', async () => {
    await using bench = await open(suiteWith());
    const port = portOf(bench);
    const tls = { cert, key };
    const net = { tls };
    const listen = async (path: string, one: NetListenOptions): Promise<Listener> =>
      (await websocketTransport.listen?.(parseEndpoint(`wss://127.0.0.1:${port}${path}`), {
        ...bench.listenOptions(),
        net: one,
      })) as Listener;
    await expect(listen('/other', net)).rejects.toMatchObject({ code: 'ERR_ADDRESS_IN_USE' });
    await bench.listener.close();
    await using first = await listen('/first', net);
    await using second = await listen('/second', { tls });
    await expect(listen('/third', { tls: { ...tls } })).rejects.toMatchObject({ code: 'ERR_ADDRESS_IN_USE' });
    expect([first.endpoint, second.endpoint]).toEqual([
      `wss://127.0.0.1:${port}/first`,
      `wss://127.0.0.1:${port}/second`,
    ]);
    await first.close();
    const link = await bench.dialTo(second.endpoint);
    expect(link.transport).toBe('wss');
    await expect(bench.dialTo(first.endpoint)).rejects.toMatchObject({ data: { status: 404 } });
  });
});
