import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Authority, type Pair } from '../../test/support/certificates.ts';
import { connect } from '../client/index.ts';
import type { TlsListenOptions } from '../transport/index.ts';
import { createServer, type Server, type ServerOptions } from './index.ts';

const authority = new Authority();
const { ca } = authority;
const [first, second] = ['first', 'second'].map((name) => authority.issue(name, 'DNS:localhost,IP:127.0.0.1')) as [
  Pair,
  Pair,
];
const folder = mkdtempSync(join(tmpdir(), 'hawser-reload-'));
const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});
afterAll(() => {
  authority[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

function put(pair: Pair): void {
  copyFileSync(pair.certFile, certFile);
  copyFileSync(pair.keyFile, keyFile);
}

async function serve(
  scheme: string,
  tls: TlsListenOptions,
  options: ServerOptions = {},
): Promise<{ readonly server: Server; readonly url: string; readonly port: number }> {
  const server = createServer({ ...options, onRequest: (_, response) => response.end('ok') });
  open.push(server);
  const files = tls.cert === undefined ? `?cert=${certFile}&key=${keyFile}` : '';
  const [url = ''] = await server.listen({ url: `${scheme}://127.0.0.1:0${files}`, tls });
  server.on('connection', (socket) => socket.handle('echo', (data) => data));
  return { server, url, port: Number(new URL(url).port) };
}

/** The name in the certificate that a new connection is shown. */
async function shownBy(port: number): Promise<string | undefined> {
  const socket = connectTls({ port, host: '127.0.0.1', ca });
  await once(socket, 'secureConnect');
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return CN as string | undefined;
}

async function until(reached: () => Promise<boolean>): Promise<void> {
  while (!(await reached())) await new Promise((resolve) => setTimeout(resolve, 50));
}

describe.each(['https', 'wss', 'tls'])('certificates of %s:', (scheme) => {
  test('are read anew when asked: who comes is shown the new one, who is there stays', async () => {
    put(first);
    const { server, url, port } = await serve(scheme, {});
    const socket = await connect({ url: url.replace('https', 'wss'), tls: { ca } });
    open.push(socket);
    expect(await shownBy(port)).toBe('first');
    put(second);
    expect(await shownBy(port)).toBe('first');
    await server.reloadCertificates();
    expect(await shownBy(port)).toBe('second');
    expect(await socket.request('echo', 1)).toBe(1);
  });

  test('stay as they were when the new ones are broken, and that is told', async () => {
    put(first);
    const { server, port } = await serve(scheme, {});
    writeFileSync(certFile, 'no certificate');
    await expect(server.reloadCertificates()).rejects.toMatchObject({ code: 'ERR_OPTION' });
    expect(await shownBy(port)).toBe('first');
    copyFileSync(second.certFile, certFile);
    // The key is the old one's still.
    await expect(server.reloadCertificates()).rejects.toMatchObject({ code: 'ERR_OPTION' });
    expect(await shownBy(port)).toBe('first');
  });

  test('are read anew by themselves when their files change, if that was asked for', async () => {
    put(first);
    const failures: string[] = [];
    const onError = (error: unknown, during: string): void => void failures.push(`${during}: ${String(error)}`);
    const { port } = await serve(scheme, { watch: true }, { onError });
    writeFileSync(keyFile, 'no key');
    await until(async () => failures.length > 0);
    expect(failures[0]).toMatch(/^the reload of certificates: HawserError: .*can't be used/);
    expect(await shownBy(port)).toBe('first');
    put(second);
    await until(async () => (await shownBy(port)) === 'second');
    expect(failures).toHaveLength(1);
  });

  test('that were given as text are replaced by text', async () => {
    const { server, port } = await serve(scheme, { cert: first.cert, key: first.key });
    await server.reloadCertificates({ cert: second.cert, key: second.key });
    expect(await shownBy(port)).toBe('second');
  });

  test('are kept when something else is given at the same time', async () => {
    const { server, port } = await serve(scheme, { cert: first.cert, key: first.key });
    const broken = server.reloadCertificates({ key: 'no key' });
    await Promise.all([
      expect(broken).rejects.toMatchObject({ code: 'ERR_OPTION' }),
      server.reloadCertificates({ cert: second.cert, key: second.key }),
      server.reloadCertificates({ ca }),
    ]);
    expect(await shownBy(port)).toBe('second');
  });
});
