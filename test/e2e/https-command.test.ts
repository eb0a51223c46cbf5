import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { Authority, type Pair } from '../support/certificates.ts';
import { openSession } from '../support/http2-dial.ts';
import { Served } from './served.ts';

const authority = new Authority();
const { ca } = authority;
const [first, second] = ['first', 'second'].map((name) => authority.issue(name, 'DNS:localhost,IP:127.0.0.1')) as [
  Pair,
  Pair,
];
const folder = mkdtempSync(join(tmpdir(), 'hawser-https-'));
const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
const url = `https://127.0.0.1:0?cert=${certFile}&key=${keyFile}`;
afterAll(() => {
  authority[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

function put(pair: Pair): void {
  copyFileSync(pair.certFile, certFile);
  copyFileSync(pair.keyFile, keyFile);
}

async function older(address: string): Promise<string> {
  const [response] = (await once(get(address, { ca, agent: false }), 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return `${response.httpVersion} ${response.statusCode} ${body}`;
}

async function newer(session: ClientHttp2Session, path: string): Promise<string> {
  const stream = session.request({ ':path': path });
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  let body = '';
  for await (const chunk of stream.setEncoding('utf8')) body += String(chunk);
  return `2 ${String(headers[':status'])} ${body}`;
}

async function shownBy(address: string): Promise<unknown> {
  const socket = connectTls({ port: Number(new URL(address).port), host: '127.0.0.1', ca });
  await once(socket, 'secureConnect');
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return CN;
}

describe.each([
  ['in one process', []],
  ['with two workers', ['--workers', '2']],
] as const)('hawser serve --listen https://…, %s', (_, more) => {
  let served: Served;
  let address: string;

  beforeAll(async () => {
    put(first);
    served = await Served.start([url], more);
    [address = ''] = served.endpoints;
  });

  afterAll(async () => {
    served?.signal('SIGTERM');
    await served?.ended();
  });

  test('has page, health and WebSocket on one port, by both versions of HTTP', async () => {
    expect(await older(`${address}/healthz`)).toBe('1.1 200 ok\n');
    expect(await older(`${address}/readyz`)).toBe('1.1 200 ok\n');
    expect(await older(`${address}/`)).toMatch(/^1\.1 200 <!doctype html>/i);
    const session = await openSession(address, ca);
    expect(await newer(session, '/healthz')).toBe('2 200 ok\n');
    expect(await newer(session, '/readyz')).toBe('2 200 ok\n');
    expect(await newer(session, '/')).toMatch(/^2 200 <!doctype html>/i);
    session.destroy();
    const socket = await connect({ url: address.replace('https', 'wss'), tls: { ca } }, { user: 'ada' });
    expect(socket.state).toBe('up');
    await socket.close();
  });

  test('shows a new certificate after SIGHUP', async () => {
    const isOne = more.length === 0;
    expect(await shownBy(address)).toBe('first');
    if (isOne) {
      writeFileSync(certFile, 'no certificate');
      served.signal('SIGHUP');
      await served.until(({ event }) => event === 'reload-failed');
      expect(await shownBy(address)).toBe('first');
    }
    put(second);
    served.signal('SIGHUP');
    await served.until(({ event }) => event === (isOne ? 'reloaded' : 'restarted'));
    expect(await shownBy(address)).toBe('second');
  });
});
