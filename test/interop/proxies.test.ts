import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connect } from '../../src/client/index.ts';
import { createServer, type Server, type ServerSocket } from '../../src/index.ts';
import { startHaproxy as beginHaproxy, startNginx as beginNginx } from '../support/proxy-programs.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

const startNginx = (server: string, change?: (config: string) => string): Promise<number> =>
  beginNginx(open, server, change);
const startHaproxy = (server: string, change?: (config: string) => string): Promise<number> =>
  beginHaproxy(open, server, change);

interface Behind {
  readonly server: Server;
  /** Where the proxy finds it. */
  readonly at: string;
  next(): Promise<ServerSocket>;
}

/** A server that takes 127.0.0.1 for a proxy and 127.0.0.2 for a peer. */
async function behind(scheme: 'ws' | 'tcp'): Promise<Behind> {
  const server = createServer({ trustProxy: ['127.0.0.1'], insecure: true, times: { closeWait: 200 } });
  server.on('connection', (socket) => socket.handle('echo', (data) => data));
  open.push(() => server.close({ drain: 0 }));
  const [url = ''] = await server.listen(`${scheme}://127.0.0.1:0`);
  const next = (): Promise<ServerSocket> => new Promise((resolve) => server.on('connection', resolve));
  return { server, at: new URL(url).host, next };
}

const PEER = '127.0.0.2';

describe('nginx', () => {
  test('tells where a WebSocket comes from, and lets all of the conversation through', async () => {
    const { at, next } = await behind('ws');
    const port = await startNginx(at);
    const arrived = next();
    const client = await connect({ url: `ws://127.0.0.1:${port}`, localAddress: PEER });
    open.push(() => client.close());
    expect((await arrived).handshake.remote).toBe(PEER);
    expect(await client.request('echo', 'x'.repeat(100_000))).toHaveLength(100_000);
  });

  test('with what the client wrote itself changes nothing', async () => {
    const { at, next } = await behind('ws');
    const port = await startNginx(at);
    const arrived = next();
    const headers = { 'X-Forwarded-For': '6.6.6.6', Forwarded: 'for=7.7.7.7', 'X-Forwarded-Host': 'evil.example' };
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { headers, localAddress: PEER });
    open.push(async () => socket.terminate());
    await once(socket, 'open');
    expect((await arrived).handshake.remote).toBe(PEER);
  });

  test('that appends to the client’s own list is read from the right', async () => {
    const { at, next } = await behind('ws');
    const port = await startNginx(at, (config) => config.replace('$remote_addr', '$proxy_add_x_forwarded_for'));
    const arrived = next();
    const headers = { 'X-Forwarded-For': '6.6.6.6' };
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { headers, localAddress: PEER });
    open.push(async () => socket.terminate());
    await once(socket, 'open');
    expect((await arrived).handshake.remote).toBe(PEER);
  });

  test('that writes Forwarded is understood too', async () => {
    const { at, next } = await behind('ws');
    const standard = 'proxy_set_header Forwarded "for=$remote_addr;host=$host;proto=http"';
    const port = await startNginx(at, (config) =>
      config
        .replace('proxy_set_header Forwarded ""', standard)
        .replace('X-Forwarded-For $remote_addr', 'X-Forwarded-For ""'),
    );
    const arrived = next();
    const client = await connect({ url: `ws://127.0.0.1:${port}`, localAddress: PEER });
    open.push(() => client.close());
    expect((await arrived).handshake.remote).toBe(PEER);
  });
});

describe.each([
  ['version 2', (config: string) => config],
  ['version 1', (config: string) => config.replace('send-proxy-v2', 'send-proxy')],
])('haproxy with the PROXY protocol, %s', (_, change) => {
  test('tells where a connection over tcp comes from', async () => {
    const { at, next } = await behind('tcp');
    const port = await startHaproxy(at, change);
    const arrived = next();
    const client = await connect({ url: `tcp://127.0.0.1:${port}`, localAddress: PEER });
    open.push(() => client.close());
    expect((await arrived).handshake.remote).toBe(PEER);
    expect(await client.request('echo', 'x'.repeat(100_000))).toHaveLength(100_000);
  });

  test('and a WebSocket', async () => {
    const { at, next } = await behind('ws');
    const port = await startHaproxy(at, change);
    const arrived = next();
    const client = await connect({ url: `ws://127.0.0.1:${port}`, localAddress: PEER });
    open.push(() => client.close());
    expect((await arrived).handshake.remote).toBe(PEER);
  });
});
