import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp, open as openFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { Pair } from '../../../test/support/certificates.ts';
import { Authority } from '../../../test/support/certificates.ts';
import { Papers, QuicPeer, QuicStranger } from '../../../test/support/quic-peer.ts';
import { UdpRelay } from '../../../test/support/udp-relay.ts';
import { type ClientSocket, connect, type HawserError } from '../../client/index.ts';
import { createServer, type ListenTarget, type Server } from '../../server/index.ts';
import { parseEndpoint, type TlsDialOptions } from '../../transport/index.ts';
import { createQuicTransport } from './index.ts';

/** A machine with other work takes its time. */
const PATIENT = { timeout: 15_000 };

const papers = new Papers();
const { authority, local } = papers;
const strangers = new Authority('Another Authority');
afterAll(() => {
  papers[Symbol.dispose]();
  strangers[Symbol.dispose]();
});

const open: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

const errorOf = (waiting: Promise<unknown>): Promise<HawserError> =>
  waiting.then(
    () => expect.fail('no error'),
    (error: HawserError) => error,
  );

async function serve(pair: Pair, more: Partial<ListenTarget & object> = {}): Promise<{ server: Server; url: string }> {
  const server = keep(
    createServer({ authenticate: ({ certificate }) => ({ user: (certificate?.subject['CN'] as string) ?? null }) }),
  );
  const [url = ''] = await server.listen({
    url: `quic://127.0.0.1:0?cert=${pair.certFile}&key=${pair.keyFile}`,
    ...more,
  });
  return { server, url };
}

const { ca, caFile } = authority;
const byName = (url: string): string => url.replace('127.0.0.1', 'localhost');

/** A folder with the certificate and the key of a pair, and a way to put another one there. */
function folderWith(pair: Pair): { readonly at: string; put(next: Pair): void } {
  const folder = mkdtempSync(join(tmpdir(), 'hawser-quic-'));
  open.push({ [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true }) });
  const put = (next: Pair): void => {
    copyFileSync(next.certFile, join(folder, 'cert.pem'));
    copyFileSync(next.keyFile, join(folder, 'key.pem'));
  };
  put(pair);
  return { at: `quic://127.0.0.1:0?cert=${folder}/cert.pem&key=${folder}/key.pem`, put };
}

describe('new certificates without a restart', () => {
  const [first, second] = ['first', 'second'].map((name) => authority.selfSigned(name, 'IP:127.0.0.1')) as [Pair, Pair];
  const takes = async (url: string, { cert }: Pair): Promise<boolean> =>
    await connect({ url, tls: { ca: cert } }).then(
      async (client) => {
        await client.close();
        return true;
      },
      () => false,
    );

  test('are shown to who comes when they were asked for; who is there stays', async () => {
    const files = folderWith(first);
    const server = keep(createServer({ nameOneself: true }));
    server.on('connection', (socket) => socket.handle('echo', (data) => data));
    const [url = ''] = await server.listen(files.at);
    const client = keep(await connect({ url, tls: { ca: first.cert } }));
    files.put(second);
    expect(await takes(url, second)).toBe(false);
    await server.reloadCertificates();
    expect([await takes(url, second), await takes(url, first)]).toEqual([true, false]);
    expect(await client.request('echo', 1)).toBe(1);
    files.put({ ...first, certFile: first.keyFile });
    await expect(server.reloadCertificates()).rejects.toMatchObject({ code: 'ERR_OPTION' });
    expect(await takes(url, second)).toBe(true);
  });

  test('are read by themselves when their files change, if that was asked for', async () => {
    const files = folderWith(first);
    const server = keep(createServer({ nameOneself: true }));
    const [url = ''] = await server.listen({ url: files.at, tls: { watch: true } });
    expect(await takes(url, first)).toBe(true);
    files.put(second);
    await expect.poll(() => takes(url, second), { timeout: 15_000 }).toBe(true);
  });

  test('that can not be watched: the listener gives back the port that it had, and links before it go on', async () => {
    const { server, url } = await serve(first);
    server.on('connection', (socket) => socket.handle('echo', (data) => data));
    const early = keep(await connect({ url, tls: { ca: first.cert } }));
    await server.listeners[0]?.close();
    const folder = await mkdtemp(join(tmpdir(), 'hawser-quic-'));
    const certFile = join(folder, 'cert.pem');
    execFileSync('mkfifo', [certFile]);
    const next = keep(createServer());
    const unwatched = next.listen({ url: `${url}?cert=${certFile}`, tls: { key: first.key, watch: true } });
    // It is read from a pipe, whose folder is gone by the time that all is read.
    const pipe = await openFile(certFile, 'w');
    await pipe.writeFile(first.cert);
    await rm(folder, { recursive: true });
    await pipe.close();
    await expect(unwatched).rejects.toMatchObject({ code: 'ERR_OPTION', message: expect.stringContaining('watched') });
    expect(await early.request('echo', 1)).toBe(1);
    await next.listen({ url, tls: { cert: first.cert, key: first.key } });
    expect(await takes(url, first)).toBe(true);
  });
});

describe('a handshake that is under way when certificates are read anew', () => {
  const [ada, bob] = ['ada', 'bob'].map((name) => authority.issue(name, `DNS:${name}.example`)) as [Pair, Pair];
  const mallory = strangers.issue('mallory', 'DNS:m.example');
  const transports = [createQuicTransport({ handshakeWait: PATIENT.timeout })];

  /** As whom somebody is let in, or why not. */
  const outcomeOf = (url: string, { cert, key }: Pair): Promise<string | null> =>
    connect({ url, tls: { ca, cert, key } }, { transports }).then(
      (client: ClientSocket) => keep(client).user,
      ({ code, data }: HawserError) => (data as { code?: string })?.code ?? code,
    );

  test.each<[string, string, string, Pair, string, string]>([
    ['one certificate, then an authority: Bob, whom it vouches for,', ada.cert, ca, bob, 'ERR_AUTH_FAILED', 'bob'],
    ['one certificate, then an authority: a stranger', ada.cert, ca, mallory, 'ERR_AUTH_FAILED', 'ERR_TLS'],
    ['an authority, then the certificate of a stranger: he', ca, mallory.cert, mallory, 'ERR_TLS', 'mallory'],
    ['an authority, then one certificate: another of hers', ca, bob.cert, ada, 'ada', 'ERR_AUTH_FAILED'],
    ['one certificate, then another one: the first', ada.cert, bob.cert, ada, 'ada', 'ERR_AUTH_FAILED'],
  ])('%s is judged as when it began, and anew when it comes again', async (_, before, after, who, began, again) => {
    const { server, url } = await serve(local, { tls: { ca: before, requestCert: true } });
    const { port = 0 } = parseEndpoint(url);
    const relay = keep(await UdpRelay.open({ address: '127.0.0.1', port }));
    let isHeld = true;
    const visitors = (): number | undefined => server.listeners[0]?.stats?.connections;
    // Whoever has a place at the listener has still to show its certificate.
    relay.passes = (_bytes, way) => way === 'down' || !isHeld || visitors() === 0;
    const outcome = outcomeOf(`quic://127.0.0.1:${relay.port}`, who);
    await expect.poll(visitors, PATIENT).toBe(1);
    await expect.poll(() => relay.lost.up, PATIENT).toBeGreaterThan(0);
    await server.reloadCertificates({ ca: after });
    isHeld = false;
    expect(await outcome).toBe(began);
    expect(await outcomeOf(url, who)).toBe(again);
  });
});

describe('the certificate of the server', () => {
  test.each<[string, (url: string) => string, TlsDialOptions]>([
    ['for the address, by a file', (url) => `${url}?ca=${caFile}`, {}],
    ['for the address, by an option', (url) => url, { ca }],
    ['for the name', byName, { ca }],
    ['for another name that was asked for', (url) => url, { ca, servername: 'localhost' }],
    ['that nobody looks at', (url) => url, { rejectUnauthorized: false }],
  ])('%s is taken', async (_, urlOf, tls) => {
    const { url } = await serve(local);
    const client = keep(await connect({ url: urlOf(url), tls, family: 4 }));
    expect(client.transport).toBe('quic');
  });

  test('that vouches for itself is taken by who has it', async () => {
    const self = authority.selfSigned('self', 'IP:127.0.0.1');
    const { url } = await serve(self);
    expect(keep(await connect({ url, tls: { ca: self.cert } })).transport).toBe('quic');
  });

  test('that is known by itself is taken without an authority, and no other of its authority', async () => {
    const known = authority.issue('known', 'IP:127.0.0.1');
    const { url } = await serve(known);
    expect(keep(await connect({ url, tls: { ca: known.cert } })).transport).toBe('quic');
    const other = await serve(local);
    const error = await errorOf(connect({ url: other.url, tls: { ca: known.cert } }));
    expect(error).toMatchObject({ code: 'ERR_TLS', data: { reason: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' } });
    const named = authority.issue('named', 'DNS:a.example');
    const elsewhere = await serve(named);
    const wrong = await errorOf(connect({ url: elsewhere.url, tls: { ca: named.cert } }));
    expect(wrong).toMatchObject({ code: 'ERR_TLS', data: { reason: 'ERR_TLS_CERT_ALTNAME_INVALID' } });
  });

  test.each<[string, () => Pair, TlsDialOptions, string, string]>([
    [
      'of another authority',
      () => strangers.issue('x', 'IP:127.0.0.1'),
      { ca },
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'authority',
    ],
    ['of an authority that nobody named', () => local, {}, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'authority'],
    [
      'of its own',
      () => authority.selfSigned('s', 'IP:127.0.0.1'),
      { ca },
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'self-signed',
    ],
    [
      'for another address',
      () => authority.issue('a', 'IP:127.0.0.2'),
      { ca },
      'ERR_TLS_CERT_ALTNAME_INVALID',
      'other names',
    ],
    [
      'for a name alone',
      () => authority.issue('127.0.0.1', 'DNS:a.example'),
      { ca },
      'ERR_TLS_CERT_ALTNAME_INVALID',
      'other names',
    ],
    ['for another name', () => local, { ca, servername: 'a.example' }, 'ERR_TLS_CERT_ALTNAME_INVALID', 'other names'],
    [
      'that has expired',
      () => authority.issue('old', 'IP:127.0.0.1', { days: -1 }),
      { ca },
      'CERT_HAS_EXPIRED',
      'expired',
    ],
  ])('%s is refused', async (_, issue, tls, reason, words) => {
    const { server, url } = await serve(issue());
    const error = await errorOf(connect({ url, tls }));
    expect(error).toMatchObject({ code: 'ERR_TLS', data: { reason } });
    expect(error.message).toContain(words);
    expect(server.stats.sockets).toBe(0);
  });
});

describe('the certificate of the client', () => {
  test('that the authority vouches for reaches authenticate', async () => {
    const ada = authority.issue('ada', 'DNS:ada.example');
    const { url } = await serve(local, { tls: { ca, requestCert: true } });
    const client = keep(await connect({ url, tls: { ca, cert: ada.cert, key: ada.key } }));
    expect(client.user).toBe('ada');
    const locked = { ca, cert: ada.cert, key: authority.locked(ada, 'sesame'), passphrase: 'sesame' };
    keep(await connect({ url, tls: locked }));
  });

  test('that is known by itself is let in, and no other of its authority', async () => {
    const ada = authority.issue('ada', 'DNS:ada.example');
    const bob = authority.issue('bob', 'DNS:bob.example');
    const { url } = await serve(local, { tls: { ca: ada.cert, requestCert: true } });
    const client = keep(await connect({ url, tls: { ca, cert: ada.cert, key: ada.key } }));
    expect(client.user).toBe('ada');
    const refused = await errorOf(connect({ url, tls: { ca, cert: bob.cert, key: bob.key } }));
    expect(refused).toMatchObject({ code: 'ERR_HANDSHAKE_REFUSED', data: { code: 'ERR_AUTH_FAILED' } });
    const missing = await errorOf(connect({ url, tls: { ca } }));
    expect(missing).toMatchObject({ code: 'ERR_TLS' });
  });

  test('that nobody asked for is not looked at', async () => {
    const { server, url } = await serve(local);
    const mallory = strangers.issue('mallory', 'DNS:m.example');
    let user: string | null | undefined = 'unset';
    server.on('connection', (socket) => {
      user = socket.user;
    });
    keep(await connect({ url, tls: { ca, cert: mallory.cert, key: mallory.key } }));
    expect(user).toBeNull();
  });

  test('that is missing, or of another authority, lets nobody in', async () => {
    const { server, url } = await serve(local, { tls: { ca, requestCert: true } });
    const missing = await errorOf(connect({ url, tls: { ca } }));
    expect(missing).toMatchObject({ code: 'ERR_TLS' });
    expect(missing.message).toContain('a certificate is needed');
    const mallory = strangers.issue('mallory', 'DNS:m.example');
    const other = await errorOf(connect({ url, tls: { ca, cert: mallory.cert, key: mallory.key } }));
    expect(other).toMatchObject({ code: 'ERR_TLS' });
    expect(other.message).toContain('authority');
    expect(server.stats.sockets).toBe(0);
  });
});

describe('other protocols by ALPN', () => {
  test('of a client are refused by TLS itself', async () => {
    const { server, url } = await serve(local);
    const peer = keep(await QuicPeer.dial(parseEndpoint(url).port ?? 0, { alpn: 'h3' }));
    expect(await peer.ended).toMatchObject({ by: 'peer', application: false, code: 0x178 });
    expect(server.stats.sockets).toBe(0);
  });

  test('of a server: ERR_TLS', async () => {
    const stranger = keep(await QuicStranger.open(local, { alpn: 'h3' }));
    const error = await errorOf(connect({ url: `quic://127.0.0.1:${stranger.port}`, tls: { ca } }));
    expect(error).toMatchObject({ code: 'ERR_TLS' });
    expect(error.message).toContain('ALPN');
  });
});

describe('options', () => {
  test.each<[string, string, object]>([
    ['no certificate', '', {}],
    ['no key', `?cert=${local.certFile}`, {}],
    ['a file that is not there', `?cert=/nowhere/c.pem&key=${local.keyFile}`, {}],
    ['a file that is no certificate', `?cert=${local.keyFile}&key=${local.keyFile}`, {}],
    ["another's key", `?cert=${local.certFile}&key=${authority.issue('o', 'DNS:o').keyFile}`, {}],
    ['a certificate that may be left out', papers.at(''), { tls: { requestCert: 'optional' } }],
    ['an fd', `${papers.at('')}&fd=3`, {}],
    ['options of TCP', papers.at(''), { backlog: 5 }],
    ['a version of TLS', papers.at(''), { tls: { minVersion: 'TLSv1.2' } }],
    ['a protocol by ALPN', papers.at(''), { tls: { alpn: ['x'] } }],
  ])('a listener with %s: ERR_OPTION', async (_, query, more) => {
    const server = keep(createServer());
    const target = { url: `quic://127.0.0.1:0${query}`, ...more } as ListenTarget;
    expect(await errorOf(server.listen(target))).toMatchObject({ code: 'ERR_OPTION' });
  });

  test.each<[string, string, object]>([
    ['an address as a name', '?servername=127.0.0.1', {}],
    ['a name that is too long', `?servername=${'x'.repeat(300)}`, {}],
    ['a certificate without its key', '', { tls: { cert: local.cert } }],
    ['options of TCP', '', { noDelay: true }],
    ['ciphers', '', { tls: { ciphers: 'AES' } }],
  ])('a dial with %s: ERR_OPTION', async (_, query, more) => {
    const target = { url: `quic://127.0.0.1:1${query}`, ...more };
    expect(await errorOf(connect(target as never))).toMatchObject({ code: 'ERR_OPTION' });
  });
});
