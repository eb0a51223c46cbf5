import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Outbound } from '../../core/index.ts';
import { realWorld } from '../../runtime/index.ts';
import { Bench, codeOf, End, numbered, numberOf } from '../../testing/link-bench.ts';
import type { LinkSuiteOptions } from '../../testing/link-suite.ts';
import { type ListenOptions, MAGIC, parseEndpoint } from '../../transport/index.ts';
import { tcpTransport } from './index.ts';
import type { NetListener } from './listener.ts';

const suite: LinkSuiteOptions = {
  api: { describe, test, expect },
  transport: tcpTransport,
  world: realWorld(),
  listenUrl: () => 'tcp://127.0.0.1:0',
  deadUrl: () => 'tcp://127.0.0.1:1',
};

const open = (change?: Partial<ListenOptions>): Promise<Bench> => Bench.open(suite, change);
const guests = (bench: Bench): number => (bench.listener as NetListener).guests;
const connections = (bench: Bench): Promise<number> =>
  new Promise((resolve) => {
    (bench.listener as NetListener).server.getConnections((_, count) => resolve(count));
  });

function visit(bench: Bench): Socket {
  return connect({ port: parseEndpoint(bench.url).port ?? 0, host: '127.0.0.1' });
}

/** All that the server says until it ends the stream. */
function read(socket: Socket): Promise<string> {
  let said = '';
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    said += chunk.toString('latin1');
  });
  return new Promise((resolve) => socket.on('close', () => resolve(said)));
}

describe('a tcp listener and its strangers', () => {
  test.each([
    ['HTTP', 'GET / HTTP/1.1\r\n\r\n'],
    ['a TLS hello', '\x16\x03\x01\x02\x00'],
    ['half a magic, then text', '\x89HWhello'],
    ['an empty line first', '\n{}\n'],
  ])('%s gets one error line and the end', async (_, bytes) => {
    await using bench = await open();
    const socket = visit(bench);
    socket.write(bytes, 'latin1');
    expect(JSON.parse(await read(socket))).toMatchObject({ event: 'error', code: 'ERR_PROTOCOL' });
    await bench.until(() => guests(bench) === 0);
    expect(bench.links).toEqual([]);
  });

  test.each([
    ['nothing', ''],
    ['a part of the magic', '\x89HWS'],
  ])('one who says %s has loginWait and no more', async (_, bytes) => {
    await using bench = await open({ loginWait: 50 });
    const socket = visit(bench);
    socket.write(bytes, 'latin1');
    expect(JSON.parse(await read(socket))).toMatchObject({ event: 'error', code: 'ERR_LOGIN_TIMEOUT' });
    await bench.until(() => guests(bench) === 0);
  });

  test('one who was refused and keeps talking is cut after closeWait', async () => {
    await using bench = await open({
      admit: () => ({ reason: { code: 4004, reason: 'full' }, status: 429 }),
      closeWait: 50,
    });
    const socket = connect({ port: parseEndpoint(bench.url).port ?? 0, host: '127.0.0.1', allowHalfOpen: true });
    const said = read(socket);
    for (; !socket.destroyed; await bench.turns(5)) socket.write('more');
    expect(JSON.parse(await said)).toMatchObject({ code: 'ERR_TOO_MANY_SOCKETS', message: 'full' });
    await bench.until(() => guests(bench) === 0);
  });

  test('both dialects live on one port', async () => {
    await using bench = await open();
    const { client, server } = await bench.pair();
    const socket = visit(bench);
    socket.write('{"event":"say"}\r\n{"ev');
    const lines = new End(await bench.accepted());
    expect(await lines.message()).toBe('{"event":"say"}');
    socket.write('ent":"more"}\n');
    expect(await lines.message()).toBe('{"event":"more"}');
    expect([lines.link.protocol, server.link.protocol]).toEqual(['hawser.v1.json', 'hawser.v1']);
    client.link.send(numbered(1, 10));
    expect(numberOf(await server.bytes())).toBe(1);
    const said = read(socket);
    await lines.link.close({ code: 4507, reason: 'out' });
    expect(await said).toBe('{"event":"error","code":"ERR_CLOSED","message":"out"}\n');
  });

  test('a peer that sends lines and ends its stream has them answered', async () => {
    await using bench = await open();
    const socket = connect({ port: parseEndpoint(bench.url).port ?? 0, host: '127.0.0.1', allowHalfOpen: true });
    socket.end('{"event":"a"}\n{"event":"b"}\n');
    const said = read(socket);
    const link = await bench.accepted();
    const lines = new End(link);
    lines.react = (bytes, isText) => void link.send(new Outbound(new Uint8Array(bytes), isText));
    expect((await lines.end).code).toBe(1005);
    expect(await said).toBe('{"event":"a"}\n{"event":"b"}\n');
  });

  test('a listener that does not know a dialect refuses it', async () => {
    await using bench = await open({ protocols: ['hawser.v1'] });
    const socket = visit(bench);
    socket.write('{"event":"a"}\n');
    expect(JSON.parse(await read(socket))).toMatchObject({ code: 'ERR_PROTOCOL' });
  });

  test.each([
    ['within a header', [0x80, 0x01]],
    ['within a message', [0x40, 0x90, 1, 2, 3]],
    ['between messages', [0x04, 0xff]],
  ])('a stream that is cut %s ends its link with 1006', async (_, bytes) => {
    await using bench = await open();
    const socket = visit(bench);
    socket.write(Uint8Array.of(...MAGIC, ...bytes));
    const server = new End(await bench.accepted());
    socket.end();
    expect((await server.end).code).toBe(1006);
  });

  test('a stream of garbage after the magic is told why, and closed', async () => {
    await using bench = await open();
    const socket = visit(bench);
    socket.write(Uint8Array.of(...MAGIC, 0x03, 0x42, 0x42));
    const server = new End(await bench.accepted());
    expect((await read(socket)).slice(MAGIC.length)).toContain('unknown kind of frame');
    expect((await server.end).code).toBe(4506);
  });

  test('bytes may be cut anywhere', async () => {
    await using bench = await open();
    const socket = visit(bench).setNoDelay(true);
    for (const byte of [...MAGIC, 0x04, 0xff, 0x41, 0x01, ...Buffer.from('x'.repeat(64)), 0x04, 0xfe]) {
      socket.write(Uint8Array.of(byte));
      await new Promise(setImmediate);
    }
    const server = new End(await bench.accepted());
    expect([await server.message(), await server.message(), await server.message()]).toEqual([
      [0xff],
      'x'.repeat(64),
      [0xfe],
    ]);
    socket.destroy();
    await server.end;
  });

  test('dialling something that is no Hawser: ERR_HANDSHAKE_REFUSED', async () => {
    await using bench = await open();
    const other = createServer((socket) => socket.end('220 mail.example ESMTP\r\n')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    expect(await codeOf(bench.dialTo(`tcp://127.0.0.1:${port}`))).toBe('ERR_HANDSHAKE_REFUSED');
    other.close();
  });

  test('what the server said when it refused is in the error', async () => {
    await using bench = await open({ admit: () => ({ reason: { code: 4004, reason: 'full' }, status: 429 }) });
    await expect(bench.dialTo(bench.url)).rejects.toMatchObject({
      code: 'ERR_HANDSHAKE_REFUSED',
      data: { code: 'ERR_TOO_MANY_SOCKETS' },
    });
  });

  test('a thousand who come and go leave nothing behind', async () => {
    const ends: End[] = [];
    await using bench = await open({ onLink: (link) => ends.push(new End(link)) });
    for (let round = 0; round < 20; round++) {
      const visits = Array.from({ length: 50 }, async (_, i) => {
        const socket = visit(bench);
        socket.on('error', () => undefined);
        await once(socket, 'connect');
        if (i % 3 === 1) socket.write(MAGIC);
        if (i % 3 === 2) socket.write('{"event":"a"}\n');
        if (i % 2 === 0) socket.end();
        else socket.resetAndDestroy();
        socket.resume();
        await once(socket, 'close');
      });
      await Promise.all(visits);
    }
    for (const end of ends) await end.end;
    await bench.until(() => guests(bench) === 0);
    for (let left = 1; left > 0; left = await connections(bench)) await bench.turns(1);
    expect(bench.reported).toEqual([]);
    expect(ends.length).toBeGreaterThan(100);
  });
});

describe('tcp endpoints', () => {
  test('a port is needed', async () => {
    await using bench = await open();
    expect(await codeOf(bench.dialTo('tcp://127.0.0.1'))).toBe('ERR_URL');
    expect(await codeOf(bench.listenOn('tcp://127.0.0.1'))).toBe('ERR_URL');
  });

  test('an address of another machine: ERR_URL', async () => {
    await using bench = await open();
    expect(await codeOf(bench.listenOn('tcp://192.0.2.1:0'))).toBe('ERR_URL');
  });

  test('peers know each other, addresses of IPv6 stand in brackets', async () => {
    await using bench = await Bench.open({ ...suite, listenUrl: () => 'tcp://[::1]:0' });
    expect(bench.url).toMatch(/^tcp:\/\/\[::1\]:\d+$/);
    const { client, server } = await bench.pair();
    expect(client.link.peer).toMatchObject({ address: '::1', port: bench.endpoint.port, local: true });
    expect(server.link.peer).toMatchObject({ address: '::1', local: true, path: undefined });
  });

  test('IPv4 on a dual-stack listener is written as such', async () => {
    await using bench = await Bench.open({ ...suite, listenUrl: () => 'tcp://[::]:0' });
    const client = await bench.dialTo(`tcp://127.0.0.1:${bench.endpoint.port}`);
    expect(client.peer.address).toBe('127.0.0.1');
    expect((await bench.accepted()).peer).toMatchObject({ address: '127.0.0.1', local: true });
  });
});
