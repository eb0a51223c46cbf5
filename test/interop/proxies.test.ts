import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createNetServer, connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connect } from '../../src/client/index.ts';
import { createServer, type Server, type ServerSocket } from '../../src/index.ts';
import { haproxy, nginx } from '../support/programs.ts';
import { textOf } from '../support/tree.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

/** The configuration that the guide shows, with other ports. */
function configOf(language: string, ports: Readonly<Record<string, string>>): string {
  const [, block = ''] = new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(textOf('docs/guides/proxies.md')) ?? [];
  return Object.entries(ports).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the guide doesn't say ${from}`);
    return text.replaceAll(from, to);
  }, block);
}

async function freePort(): Promise<number> {
  const server = createNetServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

/** Waits until somebody listens. */
async function listens(port: number, program: ChildProcess): Promise<void> {
  while (program.exitCode === null) {
    const socket = dial(port, '127.0.0.1');
    const isUp = await new Promise<boolean>((resolve) => {
      socket.on('connect', () => resolve(true));
      socket.on('error', () => resolve(false));
    });
    socket.destroy();
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`the proxy ended with ${program.exitCode}`);
}

/** Runs a proxy in the foreground until the test is over. */
async function run(program: string, port: number, config: string, args: (path: string) => string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-proxy-'));
  const path = join(folder, 'config');
  writeFileSync(path, config);
  const child = spawn(program, args(path), { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(child, 'exit');
  open.push(async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true });
  });
  await listens(port, child).catch((error: unknown) => {
    throw new Error(said, { cause: error });
  });
}

async function startNginx(server: string, change = (config: string): string => config): Promise<number> {
  const port = await freePort();
  const block = change(configOf('nginx', { '127.0.0.1:8080': `127.0.0.1:${port}`, '127.0.0.1:3000': server }));
  const temps = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name};`);
  const config = `daemon off; pid nginx.pid; error_log stderr;
    events {}
    http { access_log off; ${temps.join(' ')} ${block} }`;
  await run(nginx(), port, config, (path) => ['-p', join(path, '..'), '-c', path, '-e', 'stderr']);
  return port;
}

async function startHaproxy(server: string, change = (config: string): string => config): Promise<number> {
  const port = await freePort();
  const block = change(configOf('haproxy', { '127.0.0.1:8081': `127.0.0.1:${port}`, '127.0.0.1:3001': server }));
  const config = `defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\n${block}`;
  await run(haproxy(), port, config, (path) => ['-db', '-f', path]);
  return port;
}

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
