import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { createServer as createNetServer, type Server as NetServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Authority } from '../../test/support/certificates.ts';
import { endAll } from '../../test/support/children.ts';
import { ROOT } from '../../test/support/tree.ts';
import { type ClientSocket, connect, type DialTarget } from '../client/index.ts';
import type { Traffic } from '../transport/index.ts';
import { createServer, type ListenTarget, type Server, type ServerOptions } from './index.ts';

const authority = new Authority();
const { cert, key, certFile, keyFile } = authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1');
const ada = authority.issue('ada', 'DNS:ada.example');
const { ca } = authority;
afterAll(() => authority[Symbol.dispose]());

const open: AsyncDisposable[] = [];
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  await endAll(children);
});

async function serve(
  options: ServerOptions,
  ...targets: (string | ListenTarget)[]
): Promise<{ readonly server: Server; readonly urls: readonly string[] }> {
  const server = createServer({ times: { closeWait: 200 }, ...options });
  open.push(server);
  return { server, urls: await server.listen(...targets) };
}

interface Api {
  toServer: { requests: { who: () => number; over: () => string } };
}

async function dial(target: string | DialTarget): Promise<ClientSocket<Api>> {
  const socket = await connect<Api>(target);
  open.push(socket);
  return socket;
}

/** A server in another process, with these descriptors beside its standard ones, and what it said first. */
async function serverProgram(
  args: readonly string[],
  fds: readonly number[] = [],
  shell = 'exec "$@"',
): Promise<{ readonly child: ChildProcess; readonly said: Record<string, unknown> }> {
  const program = [process.execPath, '--import', 'tsx', join(ROOT, 'test/support/server-program.ts'), ...args];
  const ipc = fds.length > 0 ? fds : [];
  const child = spawn('sh', ['-c', shell, 'sh', ...program], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit', ...ipc, 'ipc'],
  });
  children.push(child);
  const [said] = (await once(child, 'message')) as [Record<string, unknown>];
  return { child, said };
}

async function listening(
  host: string,
): Promise<{ readonly net: NetServer; readonly fd: number; readonly port: number }> {
  const net = createNetServer().listen(0, host);
  await once(net, 'listening');
  return { net, fd: fdOf(net), port: (net.address() as { port: number }).port };
}

/** Node tells of it by this name alone. */
function fdOf(net: NetServer): number {
  return (net as unknown as Record<'_handle', { fd: number }>)['_handle'].fd;
}

describe('targets', () => {
  test('URLs and objects may be mixed, on both sides', async () => {
    const tls = { cert, key };
    const { server, urls } = await serve(
      {},
      'tcp://127.0.0.1:0',
      { url: 'tls://127.0.0.1:0', tls, backlog: 5 },
      {
        url: 'wss://127.0.0.1:0',
        tls,
      },
    );
    expect(urls.map((url) => url.split(':')[0])).toEqual(['tcp', 'tls', 'wss']);
    const sockets: { readonly traffic: Traffic }[] = [];
    server.on('connection', (socket) => {
      sockets.push(socket);
      socket.handle('over', () => socket.handshake.transport);
    });
    for (const url of urls) {
      const target = url.startsWith('tcp') ? { url, noDelay: false } : { url, tls: { ca } };
      const socket = await dial(target);
      expect(await socket.request('over')).toBe(url.split(':')[0]);
      sockets.push(socket);
    }
    expect(server.listeners.map((one) => one.stats?.connections)).toEqual([1, 1, 1]);
    for (const one of server.listeners) {
      expect(one.address?.()).toEqual({
        address: '127.0.0.1',
        family: 'IPv4',
        port: Number(new URL(one.endpoint).port),
      });
    }
    for (const one of sockets) {
      const { bytesRead, bytesWritten } = one.traffic;
      expect([bytesRead > 20, bytesWritten > 20, one.traffic.queued]).toEqual([true, true, 0]);
    }
    expect(server.stats).toMatchObject({ connections: 3, queued: 0 });
    expect(server.stats.bytesRead).toBeGreaterThan(1000);
    expect(server.stats.bytesWritten).toBeGreaterThan(1000);
  });

  test('a certificate of the peer reaches authenticate, and only then', async () => {
    const options: ServerOptions = {
      authenticate: ({ certificate }) => ({ user: String(certificate?.subject['CN'] ?? 'nobody') }),
    };
    const tls = { cert, key, ca, requestCert: 'optional' } as const;
    const { urls } = await serve(options, { url: 'tls://127.0.0.1:0', tls }, { url: 'wss://127.0.0.1:0', tls });
    for (const url of urls) {
      const shown = { url, tls: { ca, cert: ada.cert, key: ada.key } };
      expect([(await dial(shown)).user, (await dial({ url, tls: { ca } })).user]).toEqual(['ada', 'nobody']);
    }
  });

  test('files by the URL; a client stays away from a server that is not safe', async () => {
    const { urls } = await serve({}, `wss://127.0.0.1:0?cert=${certFile}&key=${keyFile}`);
    const socket = await dial(`${urls[0]}?ca=${authority.caFile}`);
    expect([socket.state, socket.transport]).toEqual(['up', 'wss']);
    await expect(connect(urls[0] ?? '', { persistent: true })).rejects.toMatchObject({ code: 'ERR_TLS' });
  });

  test.each([
    [{ url: 5 as never }, 'ERR_OPTION'],
    [{ url: 'tcp://127.0.0.1:0', halfOpen: 1 as never }, 'ERR_OPTION'],
    [{ url: 'tcp://127.0.0.1:0', nonsense: 1 } as ListenTarget, 'ERR_OPTION'],
    [{ url: 'inproc:options', backlog: 5 }, 'ERR_OPTION'],
    [{ url: 'tls://127.0.0.1:0' }, 'ERR_OPTION'],
    [{ url: 'tls://0.0.0.0:0', tls: { cert, key } }, 'ERR_NOT_ALLOWED'],
    [{ url: 'wss://0.0.0.0:0', tls: { cert, key } }, 'ERR_NOT_ALLOWED'],
  ])('%o: %s', async (target, code) => {
    const server = createServer();
    open.push(server);
    await expect(server.listen(target)).rejects.toMatchObject({ code });
    expect(server.endpoints).toEqual([]);
  });
});

describe('other processes', () => {
  test('a descriptor that was inherited is listened on', async () => {
    const { net, fd, port } = await listening('127.0.0.1');
    const { child, said } = await serverProgram(['listen', 'tcp://localhost?fd=3'], [fd]);
    net.close();
    expect(said).toEqual({ endpoints: [`tcp://127.0.0.1:${port}`] });
    expect(await (await dial(`tcp://127.0.0.1:${port}`)).request('who')).toBe(child.pid);
  });

  test('also one of a Unix socket', async () => {
    const path = join(authority.folder, 'passed.sock');
    const net = createNetServer().listen(path);
    await once(net, 'listening');
    const { child, said } = await serverProgram(['listen', 'ipc:?fd=3'], [fdOf(net)]);
    expect(said).toEqual({ endpoints: ['ipc://'] });
    // A server that closes removes what is at its path.
    renameSync(path, `${path}-kept`);
    net.close();
    expect(await (await dial(`ipc://${path}-kept`)).request('who')).toBe(child.pid);
  });

  test("systemd's too, by its name", async () => {
    const { net, fd, port } = await listening('127.0.0.1');
    const shell = 'export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=other:web; exec "$@"';
    const { child, said } = await serverProgram(['listen', 'ws://localhost?fd=systemd:web'], [fd, fd], shell);
    net.close();
    expect(said).toEqual({ endpoints: [`ws://127.0.0.1:${port}`] });
    expect(await (await dial(`ws://127.0.0.1:${port}`)).request('who')).toBe(child.pid);
  });

  test('a descriptor that strangers can reach is not served without authentication, whatever the URL says', async () => {
    const { net, fd } = await listening('0.0.0.0');
    const { said } = await serverProgram(['listen', 'tcp://localhost?fd=3'], [fd]);
    net.close();
    expect(said).toEqual({ code: 'ERR_NOT_ALLOWED' });
  });

  test('a connection is handed over before it is read, and served there', async () => {
    const { child, said } = await serverProgram(['receive', 'tcp://127.0.0.1']);
    expect(said).toEqual({ ready: true });
    const { urls, server } = await serve(
      {},
      {
        url: 'tcp://127.0.0.1:0',
        onSocket: (socket) => {
          child.send('socket', socket);
          return true;
        },
      },
    );
    const sockets = [await dial(urls[0] ?? ''), await dial(urls[0] ?? '')];
    for (const socket of sockets) expect(await socket.request('who')).toBe(child.pid);
    expect(server.stats).toMatchObject({ sockets: 0, connections: 0 });
  });

  const everywhere: readonly (readonly [string, () => string])[] = [
    ['tcp', () => 'tcp://127.0.0.1:0'],
    ['ws', () => 'ws://127.0.0.1:0'],
    ['tls', () => `tls://127.0.0.1:0?cert=${certFile}&key=${keyFile}`],
    ['wss', () => `wss://127.0.0.1:0?cert=${certFile}&key=${keyFile}`],
    ['ipc', () => `ipc://${join(authority.folder, 'free.sock')}`],
  ];

  test.each(everywhere)('a listener of %s that is unref-ed keeps no process alive', async (_, url) => {
    const { child, said } = await serverProgram(['unref', url()]);
    expect(said['endpoints']).toHaveLength(1);
    if (child.exitCode === null) await once(child, 'exit');
    expect(child.exitCode).toBe(0);
  });

  test.each(everywhere)('a listener of %s that was unref-ed and is ref-ed again does', async (scheme, url) => {
    const { child, said } = await serverProgram(['ref', url()]);
    if (child.connected) await once(child, 'disconnect');
    const [endpoint = ''] = said['endpoints'] as string[];
    const target = scheme === 'tls' || scheme === 'wss' ? { url: endpoint, tls: { ca } } : endpoint;
    expect(await (await dial(target)).request('who')).toBe(child.pid);
  });
});
