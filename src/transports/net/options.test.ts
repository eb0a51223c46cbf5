import { connect, type LookupFunction, Socket } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import { Outbound } from '../../core/index.ts';
import { realWorld } from '../../runtime/index.ts';
import { Bench, codeOf, End, numbered, text } from '../../testing/link-bench.ts';
import type { LinkSuiteOptions } from '../../testing/link-suite.ts';
import {
  type ListenOptions,
  type NetDialOptions,
  type NetListenOptions,
  parseEndpoint,
  type Transport,
} from '../../transport/index.ts';
import { ipcTransport, tcpTransport, tlsTransport } from './index.ts';
import type { NetListener } from './listener.ts';

const suite: LinkSuiteOptions = {
  api: { describe, test, expect },
  transport: tcpTransport,
  world: realWorld(),
  listenUrl: () => 'tcp://127.0.0.1:0',
  deadUrl: () => 'tcp://127.0.0.1:1',
};

const open = (net: NetListenOptions, change: Partial<ListenOptions> = {}, url?: string): Promise<Bench> =>
  Bench.open(url === undefined ? suite : { ...suite, listenUrl: () => url }, { net, ...change });
const listenerOf = (bench: Bench): NetListener => bench.listener as NetListener;
const portOf = (bench: Bench): number => parseEndpoint(bench.url).port ?? 0;

/** All that the other side says until it ends the stream. */
function read(socket: Socket): Promise<string> {
  let said = '';
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    said += chunk.toString('latin1');
  });
  return new Promise((resolve) => socket.on('close', () => resolve(said)));
}

describe('options that can not be', () => {
  const wrong: readonly [Transport, string, object][] = [
    [tcpTransport, 'tcp://127.0.0.1:0', { backlogs: 5 }],
    [tcpTransport, 'tcp://127.0.0.1:0', { toString: 5 }],
    [tcpTransport, 'tcp://127.0.0.1:0', { backlog: 0 }],
    [tcpTransport, 'tcp://127.0.0.1:0', { backlog: '5' }],
    [tcpTransport, 'tcp://127.0.0.1:0', { noDelay: 1 }],
    [tcpTransport, 'tcp://127.0.0.1:0', { keepAliveDelay: -1 }],
    [tcpTransport, 'tcp://127.0.0.1:0', { idleTimeout: 2 ** 31 }],
    [tcpTransport, 'tcp://127.0.0.1:0', { idleTimeout: Number.NaN }],
    [tcpTransport, 'tcp://127.0.0.1:0', { maxConnections: 1.5 }],
    [tcpTransport, 'tcp://127.0.0.1:0', { onSocket: true }],
    [tcpTransport, 'tcp://127.0.0.1:0', { fd: -1 }],
    [tcpTransport, 'tcp://127.0.0.1:0', { fd: 3, handle: {} }],
    [tcpTransport, 'tcp://127.0.0.1:0', { tls: {} }],
    [tlsTransport, 'tls://127.0.0.1:0', { tls: { secret: 'x' } }],
    [tlsTransport, 'tls://127.0.0.1:0', { tls: { minVersion: 'SSLv3' } }],
    [tlsTransport, 'tls://127.0.0.1:0', { tls: { requestCert: 'maybe' } }],
    [tlsTransport, 'tls://127.0.0.1:0', { tls: { alpn: ['', 'a'] } }],
    [ipcTransport, 'ipc:///tmp/never.sock', { ipv6Only: true }],
    [ipcTransport, 'ipc:///tmp/never.sock', { noDelay: true }],
  ];
  test.each(wrong)('of a listener, case %#', async (transport, url, net) => {
    expect(await codeOf(Bench.open({ ...suite, transport, listenUrl: () => url }, { net }))).toBe('ERR_OPTION');
  });

  test.each([
    { localPort: 70_000 },
    { localAddress: 'here' },
    { family: 5 },
    { lookup: 'dns' },
    { autoSelectFamilyAttemptTimeout: 5 },
    { backlog: 5 },
    { idleTimeout: '5' },
    { tls: {} },
  ])('of a dial: %o', async (net) => {
    await using bench = await open({});
    expect(await codeOf(bench.dialTo(bench.url, { net: net as NetDialOptions }))).toBe('ERR_OPTION');
  });
});

describe('options of a dial', () => {
  test('localAddress and localPort say where the call comes from', async () => {
    await using bench = await open({});
    await using other = await open({});
    const localPort = portOf(other);
    await other.listener.close();
    const accepted = bench.accepted();
    await bench.dialTo(bench.url, { net: { localAddress: '127.0.0.2', localPort } });
    expect((await accepted).peer).toMatchObject({ address: '127.0.0.2', port: localPort });
  });

  test('lookup finds the addresses, family chooses among them, autoSelectFamily tries them all', async () => {
    await using bench = await open({});
    const asked: unknown[] = [];
    const lookup: LookupFunction = (name, options, done) => {
      asked.push([name, options.family, options.all]);
      if (options.all === true) {
        done(null, [
          { address: '::1', family: 6 },
          { address: '127.0.0.1', family: 4 },
        ]);
      } else {
        done(null, '127.0.0.1', 4);
      }
    };
    const url = `tcp://nowhere.example:${portOf(bench)}`;
    await bench.dialTo(url, { net: { lookup, family: 4, autoSelectFamily: false } });
    await bench.dialTo(url, { net: { lookup, autoSelectFamily: true, autoSelectFamilyAttemptTimeout: 20 } });
    expect(asked).toEqual([
      ['nowhere.example', 4, undefined],
      ['nowhere.example', undefined, true],
    ]);
  });

  test('noDelay, keepAlive and its delay reach the socket', async () => {
    await using bench = await open({});
    const noDelay = vi.spyOn(Socket.prototype, 'setNoDelay');
    const keepAlive = vi.spyOn(Socket.prototype, 'setKeepAlive');
    await bench.dialTo(bench.url);
    expect([noDelay.mock.lastCall, keepAlive.mock.lastCall]).toEqual([[true], [true, 0]]);
    await bench.dialTo(bench.url, { net: { noDelay: false, keepAlive: false, keepAliveDelay: 5000 } });
    expect([noDelay.mock.lastCall, keepAlive.mock.lastCall]).toEqual([[false], [false, 5000]]);
    vi.restoreAllMocks();
  });

  test('a link of a dial ends when nothing moved for idleTimeout', async () => {
    await using bench = await open({});
    const { client, server } = await bench.pair({ net: { idleTimeout: 60 } });
    expect([(await client.end).code, (await server.end).code]).toEqual([4000, 4000]);
  });
});

describe('options of a listener', () => {
  test('ipv6Only leaves IPv4 out', async () => {
    await using bench = await open({ ipv6Only: true }, {}, 'tcp://[::]:0');
    expect(await codeOf(bench.dialTo(`tcp://127.0.0.1:${portOf(bench)}`))).toBe('ERR_CONNECT_FAILED');
    expect((await bench.dialTo(`tcp://[::1]:${portOf(bench)}`)).peer.address).toBe('::1');
  });

  test('backlog and exclusive reach the system, address() says where it is', async () => {
    await using bench = await open({ backlog: 1, exclusive: true });
    expect(listenerOf(bench).address()).toEqual({ address: '127.0.0.1', family: 'IPv4', port: portOf(bench) });
  });

  test('idleTimeout: what moves keeps a link, what is silent loses it, told so', async () => {
    await using bench = await open({ idleTimeout: 300 });
    const socket = connect(portOf(bench), '127.0.0.1');
    const said = read(socket);
    socket.write('{"n":0}\n');
    const server = new End(await bench.accepted());
    const began = bench.world.now();
    for (let i = 1; bench.world.now() - began < 600; i++) {
      await bench.turns(20);
      socket.write(`{"n":${i}}\n`);
    }
    expect(server.ends).toBe(0);
    expect((await server.end).code).toBe(4000);
    expect(JSON.parse(await said)).toMatchObject({ event: 'error', code: 'ERR_PEER_SILENT' });
  });

  test('maxConnections: one more is told why, and a free place is taken again', async () => {
    await using bench = await open({ maxConnections: 2 });
    const first = await bench.pair();
    await bench.pair();
    const socket = connect(portOf(bench), '127.0.0.1');
    expect(JSON.parse(await read(socket))).toMatchObject({ code: 'ERR_TOO_MANY_SOCKETS' });
    await bench.until(() => listenerOf(bench).stats.connections === 2);
    expect(listenerOf(bench).stats).toMatchObject({ accepted: 3, refused: 1 });
    await first.client.link.close();
    await bench.until(() => listenerOf(bench).stats.connections === 1);
    expect((await bench.pair()).server.link.transport).toBe('tcp');
  });

  test('far more than maxConnections are cut without a word', async () => {
    await using bench = await open({ maxConnections: 1 });
    await bench.pair();
    const sockets = Array.from({ length: 150 }, () =>
      connect({ port: portOf(bench), host: '127.0.0.1', allowHalfOpen: true }),
    );
    const said = sockets.map(read);
    await bench.until(() => listenerOf(bench).stats.refused === 150);
    await bench.until(() => listenerOf(bench).stats.connections <= 101);
    for (const socket of sockets) socket.destroy();
    const words = await Promise.all(said);
    expect(words.filter((one) => one === '').length).toBeGreaterThan(0);
  });

  test('bytes and connections are counted, also of links that are gone', async () => {
    await using bench = await open({});
    const { client, server } = await bench.pair();
    client.link.send(numbered(1, 100_000));
    await server.bytes();
    const { bytesRead = 0, bytesWritten = 0 } = server.link;
    expect([bytesRead, bytesWritten]).toEqual([client.link.bytesWritten, client.link.bytesRead]);
    expect(bytesRead).toBeGreaterThan(100_000);
    expect(listenerOf(bench).stats).toEqual({ connections: 1, accepted: 1, refused: 0, bytesRead, bytesWritten });
    client.link.abort(new Error('gone'));
    await server.end;
    await bench.until(() => listenerOf(bench).stats.connections === 0);
    expect(listenerOf(bench).stats).toMatchObject({ accepted: 1, bytesRead, bytesWritten });
  });

  test('onSocket takes connections away, unread, and a receiver goes on with them', async () => {
    const taken: Socket[] = [];
    const onSocket = (socket: unknown): boolean => taken.push(socket as Socket) % 2 === 1;
    await using bench = await open({ onSocket });
    await using receiver = await tcpTransport.receive?.(bench.endpoint, bench.listenOptions());
    const client = await bench.dial({ protocols: ['hawser.v1.json'] });
    client.link.send(text('{"first":1}'));
    await bench.until(() => taken.length === 1);
    await bench.turns(20);
    expect([taken[0]?.bytesRead, listenerOf(bench).stats.connections]).toEqual([0, 0]);
    receiver?.take(taken[0]);
    const server = new End(await bench.accepted());
    expect(await server.message()).toBe('{"first":1}');
    const { client: second } = await bench.pair();
    expect([taken.length, second.ends, receiver?.stats?.connections]).toEqual([2, 0, 1]);
  });

  test.each([true, false])('pauseOnConnect %s: so onSocket gets its sockets', async (pauseOnConnect) => {
    const taken: Socket[] = [];
    const onSocket = (socket: unknown): boolean => taken.push(socket as Socket) > 0;
    await using bench = await open({ pauseOnConnect, onSocket });
    const socket = connect(portOf(bench), '127.0.0.1');
    await bench.until(() => taken.length === 1);
    expect(taken[0]?.isPaused()).toBe(pauseOnConnect);
    taken[0]?.destroy();
    socket.destroy();
  });

  test('unref: neither the listener nor its links keep the process alive', async () => {
    const unref = vi.spyOn(Socket.prototype, 'unref');
    await using bench = await open({ unref: true });
    const { server } = await bench.pair();
    server.link.unref?.();
    expect(unref).toHaveBeenCalledTimes(1);
    const ref = vi.spyOn(Socket.prototype, 'ref');
    server.link.ref?.();
    expect(ref).toHaveBeenCalledTimes(1);
    vi.restoreAllMocks();
  });

  test('a handle that listens already', async () => {
    await using first = await open({});
    await using second = await Bench.open(suite, { net: { handle: listenerOf(first).server } });
    expect(portOf(second)).toBe(portOf(first));
  });
});

test('a link is piped from and to streams, at the pace of the slower side', async () => {
  await using bench = await Bench.open(suite);
  const { client, server } = await bench.pair();
  const total = 400;
  const source = Readable.from(Array.from({ length: total }, (_, i) => new Uint8Array(65_536).fill(i)));
  let most = 0;
  const taken: number[] = [];
  const sink = new Writable({
    highWaterMark: 65_536,
    write(chunk: Uint8Array, _, done): void {
      taken.push(chunk[0] ?? -1);
      setImmediate(done);
    },
  });
  server.react = (bytes) => {
    if (!sink.write(new Uint8Array(bytes))) server.link.pause();
    most = Math.max(most, sink.writableLength);
  };
  sink.on('drain', () => server.link.resume());
  for await (const chunk of source) {
    if (client.link.send(new Outbound(chunk as Uint8Array, false))) continue;
    const drains = client.drains;
    await bench.until(() => client.drains > drains);
  }
  await bench.until(() => taken.length === total);
  expect(taken).toEqual(Array.from({ length: total }, (_, i) => i & 0xff));
  expect(most).toBeLessThanOrEqual(4 * 65_536);
});
