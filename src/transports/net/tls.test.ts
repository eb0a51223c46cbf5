import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { Authority } from '../../../test/support/certificates.ts';
import { realWorld } from '../../runtime/index.ts';
import { Bench, codeOf, End, numbered, numberOf, text } from '../../testing/link-bench.ts';
import { type LinkSuiteOptions, linkSuite } from '../../testing/link-suite.ts';
import {
  type Listener,
  type ListenOptions,
  parseEndpoint,
  type TlsDialOptions,
  type TlsListenOptions,
  type TlsOptions,
  type Transport,
} from '../../transport/index.ts';
import { tcpTransport, tlsTransport } from './index.ts';
import type { NetListener } from './listener.ts';

const authority = new Authority();
const local = authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1');
const ada = authority.issue('ada', 'DNS:ada.example');
afterAll(() => authority[Symbol.dispose]());

const sockets: Socket[] = [];

/** tls with these options beside the URLs of both sides. */
function transportWith(listen: TlsListenOptions, dial: TlsDialOptions): Transport {
  return {
    schemes: ['tls'],
    dial: (endpoint, options) => tlsTransport.dial(endpoint, { ...options, net: { tls: dial } }),
    async listen(endpoint, options): Promise<Listener> {
      const listener = (await tlsTransport.listen?.(endpoint, { ...options, net: { tls: listen } })) as NetListener;
      listener.server.on('connection', (socket) => sockets.push(socket));
      return listener;
    },
  };
}

const { cert, key } = local;
const { ca } = authority;

function suiteWith(listen: TlsListenOptions = {}, dial: TlsDialOptions = {}): LinkSuiteOptions {
  return {
    api: { describe, test, expect },
    transport: transportWith({ cert, key, ...listen }, { ca, ...dial }),
    world: realWorld(),
    listenUrl: () => 'tls://127.0.0.1:0',
    deadUrl: () => 'tls://127.0.0.1:1',
    cut: () => sockets.at(-1)?.destroy(),
  };
}

linkSuite('tls', suiteWith());

const open = (change?: Partial<ListenOptions>, suite: LinkSuiteOptions = suiteWith()): Promise<Bench> =>
  Bench.open(suite, change);
const guests = (bench: Bench): number => (bench.listener as NetListener).guests;
const portOf = (bench: Bench): number => parseEndpoint(bench.url).port ?? 0;

async function failureOf(attempt: Promise<unknown>): Promise<Record<string, unknown>> {
  return (await attempt.then(
    () => ({ code: 'none' }),
    (error: unknown) => error,
  )) as Record<string, unknown>;
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

/** What Node's client says first. */
async function helloOf(): Promise<Buffer> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const socket = connectTls({ port: (listener.address() as { port: number }).port, host: '127.0.0.1', ca });
  socket.on('error', () => undefined);
  const [near] = (await once(listener, 'connection')) as [Socket];
  const [hello] = (await once(near, 'data')) as [Buffer];
  near.destroy();
  socket.destroy();
  listener.close();
  return hello;
}

describe('who the server is', () => {
  test.each([
    [
      'self-signed',
      () => authority.selfSigned('localhost', 'IP:127.0.0.1'),
      {},
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'self-signed',
    ],
    ['expired', () => authority.issue('old', 'IP:127.0.0.1', { days: -1 }), {}, 'CERT_HAS_EXPIRED', 'expired'],
    ['for another name', () => ada, {}, 'ERR_TLS_CERT_ALTNAME_INVALID', 'other names'],
    ['not of the servername', () => local, { servername: 'b.example' }, 'ERR_TLS_CERT_ALTNAME_INVALID', 'other names'],
    ['of an unknown authority', () => local, { ca: ada.cert }, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'authority'],
  ])('a certificate that is %s: ERR_TLS, and no link', async (_, pair, dial, reason, words) => {
    const own = pair();
    await using bench = await open({}, suiteWith({ cert: own.cert, key: own.key }, dial));
    const error = await failureOf(bench.dialTo(bench.url));
    expect(error).toMatchObject({ code: 'ERR_TLS', data: { reason } });
    expect(error['message']).toContain(words);
    expect(error['message']).not.toContain('PRIVATE');
    await bench.until(() => guests(bench) === 0);
    expect(bench.links).toEqual([]);
  });

  test('a self-signed one is trusted when it is passed as `ca`, or when nobody is asked for more', async () => {
    const own = authority.selfSigned('localhost', 'IP:127.0.0.1');
    for (const dial of [{ ca: own.cert }, { rejectUnauthorized: false }]) {
      await using bench = await open({}, suiteWith({ cert: own.cert, key: own.key }, dial));
      expect((await bench.pair()).client.link.transport).toBe('tls');
    }
  });

  test('files of the URL, and the name that is expected', async () => {
    await using bench = await Bench.open({
      ...suiteWith(),
      transport: tlsTransport,
      listenUrl: () => `tls://127.0.0.1:0?cert=${ada.certFile}&key=${ada.keyFile}`,
    });
    const accepted = bench.accepted();
    const link = await bench.dialTo(`${bench.url}?ca=${authority.caFile}&servername=ada.example`);
    expect([link.transport, (await accepted).transport]).toEqual(['tls', 'tls']);
  });

  test.each<[string, () => TlsOptions]>([
    ['in one, pfx', () => ({ pfx: authority.packed(ada, 'open'), passphrase: 'open' })],
    [
      'with a key that is encrypted',
      () => ({ cert: ada.cert, key: authority.locked(ada, 'open'), passphrase: 'open' }),
    ],
  ])('certificates %s, of both sides', async (_, own) => {
    const dial = { ca, servername: 'ada.example' };
    const transport = transportWith({ ...own(), ca, requestCert: true }, { ...own(), ...dial });
    await using bench = await open({}, { ...suiteWith(), transport });
    const { server } = await bench.pair();
    expect(server.link.peer.certificate?.subject).toEqual({ CN: 'ada' });
    const wrong = transportWith({ ...own(), passphrase: 'shut' }, {});
    const error = await failureOf(open({}, { ...suiteWith(), transport: wrong }));
    expect(error).toMatchObject({ code: 'ERR_OPTION' });
    expect(error['message']).not.toContain('shut');
  });

  test.each([
    ['no certificate', {}, 'cert'],
    ['a key of another', { cert, key: ada.key }, 'mismatch'],
    ['no PEM', { cert: 'nonsense', key }, 'PEM'],
  ])('a listener with %s: ERR_OPTION, no secret in its words', async (_, tls, words) => {
    const listening = failureOf(Bench.open({ ...suiteWith(), transport: transportWith(tls, {}) }, {}));
    const error = await listening;
    expect(error).toMatchObject({ code: 'ERR_OPTION' });
    expect(error['message']).toContain(words);
    expect(error['message']).not.toContain('PRIVATE KEY');
  });

  test('a file that is missing, a servername that is an address: ERR_OPTION', async () => {
    await using bench = await open();
    expect(await codeOf(bench.listenOn('tls://127.0.0.1:0?cert=/nowhere/a.pem'))).toBe('ERR_OPTION');
    expect(await codeOf(bench.dialTo(`${bench.url}?ca=/nowhere/a.pem`))).toBe('ERR_OPTION');
    expect(await codeOf(bench.dialTo(`${bench.url}?servername=127.0.0.1`))).toBe('ERR_OPTION');
  });
});

describe('who the client is', () => {
  const shows = { cert: ada.cert, key: ada.key };

  test('a certificate that was asked for is known by its subject and its fingerprint', async () => {
    await using bench = await open({}, suiteWith({ ca, requestCert: true }, shows));
    const { client, server } = await bench.pair();
    expect(server.link.peer.certificate).toMatchObject({
      subject: { CN: 'ada' },
      issuer: { CN: 'Test Authority' },
      subjectAltName: 'DNS:ada.example',
      fingerprint256: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/),
    });
    expect(client.link.peer.certificate?.subject).toEqual({ CN: 'localhost' });
  });

  test.each([
    ['none', {}, 'ERR_AUTH_REQUIRED'],
    ['one that nobody vouches for', authority.selfSigned('eve', 'DNS:eve'), 'ERR_AUTH_FAILED'],
  ])('who shows %s is told so', async (_, shown: { cert?: string; key?: string }, code) => {
    const dial = shown.cert === undefined || shown.key === undefined ? {} : { cert: shown.cert, key: shown.key };
    await using bench = await open({}, suiteWith({ ca, requestCert: true }, dial));
    expect(await failureOf(bench.dialTo(bench.url))).toMatchObject({ code: 'ERR_HANDSHAKE_REFUSED', data: { code } });
    await bench.until(() => guests(bench) === 0);
  });

  test("'optional' lets in who shows none, and nobody who shows a wrong one", async () => {
    await using bench = await open({}, suiteWith({ ca, requestCert: 'optional' }));
    const { server } = await bench.pair();
    expect(server.link.peer.certificate).toBeUndefined();
    const eve = authority.selfSigned('eve', 'DNS:eve');
    const dialled = tlsTransport.dial(bench.endpoint, {
      ...bench.listenOptions(),
      signal: new AbortController().signal,
      net: { tls: { ca, cert: eve.cert, key: eve.key } },
    });
    expect(await failureOf(dialled)).toMatchObject({ data: { code: 'ERR_AUTH_FAILED' } });
  });

  test('one that was not asked for says nothing', async () => {
    await using bench = await open({}, suiteWith({}, shows));
    expect((await bench.pair()).server.link.peer.certificate).toBeUndefined();
  });
});

describe('what is not TLS, or an old one', () => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;

  test('a client of TLS 1.1 gets no link, and knows why', async () => {
    await using bench = await open({}, suiteWith({ ciphers: 'DEFAULT:@SECLEVEL=0' }, old));
    const error = await failureOf(bench.dialTo(bench.url));
    expect(error).toMatchObject({ code: 'ERR_TLS', message: expect.stringContaining('no version of TLS in common') });
    await bench.until(() => guests(bench) === 0);
  });

  test('a server of TLS 1.1 is not spoken to', async () => {
    const other = createTlsServer({ cert, key, ...old }).listen(0, '127.0.0.1');
    await once(other, 'listening');
    await using bench = await open();
    const { port } = other.address() as { port: number };
    const error = await failureOf(bench.dialTo(`tls://127.0.0.1:${port}`));
    expect(error).toMatchObject({ code: 'ERR_TLS', message: expect.stringContaining('no version of TLS in common') });
    other.close();
  });

  test('a plain peer on a TLS port is told in words', async () => {
    await using bench = await open();
    const socket = connect(portOf(bench), '127.0.0.1');
    socket.write('{"event":"hello"}\n');
    expect(JSON.parse(await read(socket))).toMatchObject({ code: 'ERR_PROTOCOL', message: 'TLS is spoken here' });
    const dialled = tcpTransport.dial(parseEndpoint(`tcp://127.0.0.1:${portOf(bench)}`), {
      ...bench.listenOptions(),
      signal: new AbortController().signal,
    });
    expect(await failureOf(dialled)).toMatchObject({
      code: 'ERR_HANDSHAKE_REFUSED',
      message: expect.stringContaining('TLS is spoken here'),
    });
    await bench.until(() => guests(bench) === 0);
  });

  test('a TLS peer on a plain port: ERR_TLS, it does not speak TLS', async () => {
    await using bench = await Bench.open({
      ...suiteWith(),
      transport: tcpTransport,
      listenUrl: () => 'tcp://127.0.0.1:0',
    });
    const dialled = tlsTransport.dial(parseEndpoint(`tls://127.0.0.1:${portOf(bench)}`), {
      ...bench.listenOptions(),
      signal: new AbortController().signal,
      net: { tls: { ca } },
    });
    expect(await failureOf(dialled)).toMatchObject({
      code: 'ERR_TLS',
      message: expect.stringContaining('does not speak TLS'),
    });
  });

  test.each([
    ['nothing', []],
    ['half a hello', [0x16, 0x03, 0x01, 0x02, 0x00, 0x01]],
  ])('one who says %s has loginWait and no more', async (_, bytes) => {
    await using bench = await open({ loginWait: 60 });
    const socket = connect(portOf(bench), '127.0.0.1');
    socket.write(Uint8Array.from(bytes));
    expect(await read(socket)).toBe('');
    await bench.until(() => guests(bench) === 0);
  });

  test('one who is safe and then silent has what is left of loginWait', async () => {
    await using bench = await open({ loginWait: 1000 });
    const socket = connectTls({ port: portOf(bench), host: '127.0.0.1', ca });
    expect(JSON.parse(await read(socket))).toMatchObject({ code: 'ERR_LOGIN_TIMEOUT' });
    await bench.until(() => guests(bench) === 0);
  });

  test('garbage within a handshake ends it, and the listener lives', async () => {
    await using bench = await open();
    const socket = connect(portOf(bench), '127.0.0.1');
    socket.write(Uint8Array.from({ length: 600 }, (_, i) => (i === 0 ? 0x16 : i & 0xff)));
    await read(socket);
    await bench.until(() => guests(bench) === 0);
    const { client, server } = await bench.pair();
    client.link.send(numbered(5, 10));
    expect(numberOf(await server.bytes())).toBe(5);
    expect(bench.reported).toEqual([]);
  });

  test('hellos with bytes changed, left out and cut off harm nobody else', async () => {
    await using bench = await open();
    const { client, server } = await bench.pair();
    const hello = await helloOf();
    const change = fc.record({
      flips: fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { maxLength: 8 }),
      cut: fc.nat(hello.length),
      tail: fc.uint8Array({ maxLength: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(change, async ({ flips, cut, tail }) => {
        const bytes = Buffer.from(hello);
        for (const [at, byte] of flips) bytes[at] = byte;
        const socket = connect(portOf(bench), '127.0.0.1');
        const said = read(socket);
        socket.end(Buffer.concat([bytes.subarray(0, cut), tail]));
        await said;
      }),
      { numRuns: 150 },
    );
    await bench.until(() => guests(bench) === 0);
    client.link.send(numbered(7, 70));
    expect([numberOf(await server.bytes()), bench.links, bench.reported]).toEqual([7, [], []]);
  });

  test('a hello that comes byte by byte is as good as any', async () => {
    await using bench = await open();
    const relay = createServer((near) => {
      const far = connect({ port: portOf(bench), host: '127.0.0.1', noDelay: true });
      far.pipe(near);
      near.on('data', (chunk: Buffer) => {
        for (const byte of chunk) far.write(Uint8Array.of(byte));
      });
      for (const socket of [near, far]) socket.on('error', () => undefined);
      near.on('close', () => far.destroy());
    }).listen(0, '127.0.0.1');
    await once(relay, 'listening');
    const accepted = bench.accepted();
    const link = await bench.dialTo(`tls://127.0.0.1:${(relay.address() as { port: number }).port}`);
    link.send(numbered(9, 20));
    expect(numberOf(await new End(await accepted).bytes())).toBe(9);
    link.abort(new Error('done'));
    relay.close();
  });

  test('guests in mid-handshake are cut when the listener closes', async () => {
    await using bench = await open();
    const socket = connect(portOf(bench), '127.0.0.1');
    socket.write(Uint8Array.of(0x16, 0x03));
    await bench.until(() => guests(bench) === 1);
    const said = read(socket);
    await bench.listener.close();
    expect(await said).toBe('');
  });

  test('a peer that sends lines and ends its direction has them answered; a link of ours can not do that', async () => {
    await using bench = await open({ halfOpen: true });
    const how = { port: portOf(bench), host: '127.0.0.1', ca, allowHalfOpen: true };
    const socket = connectTls(how);
    const said = read(socket);
    socket.end('{"event":"a"}\n');
    const peer = new End(await bench.accepted());
    expect(await peer.message()).toBe('{"event":"a"}');
    await bench.until(() => peer.lasts === 1);
    for (let i = 0; i < 100; i++) peer.link.send(text(`{"i":"${'x'.repeat(5000)}"}`));
    expect(peer.link.end).toBeUndefined();
    await peer.link.close();
    expect((await said).split('\n')).toHaveLength(101);
    socket.destroy();
  });

  test('protocols agreed on by ALPN', async () => {
    await using bench = await open({}, suiteWith({ alpn: ['hawser', 'other'] }, { alpn: ['none'] }));
    expect(await failureOf(bench.dialTo(bench.url))).toMatchObject({ code: 'ERR_TLS' });
    const socket: TLSSocket = connectTls({ port: portOf(bench), host: '127.0.0.1', ca, ALPNProtocols: ['other'] });
    await once(socket, 'secureConnect');
    expect(socket.alpnProtocol).toBe('other');
    socket.destroy();
  });
});
