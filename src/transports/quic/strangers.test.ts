import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Papers, QuicPeer, QuicStranger } from '../../../test/support/quic-peer.ts';
import { ROOT } from '../../../test/support/tree.ts';
import { type ClientSocket, type ConnectOptions, connect, type HawserError } from '../../client/index.ts';
import { createServer, type Server, type ServerOptions } from '../../server/index.ts';
import { parseEndpoint } from '../../transport/index.ts';
import { hawserCodec } from '../../wire/index.ts';
import { createQuicTransport } from './index.ts';
import { loadQuiche } from './quiche.ts';

const papers = new Papers();
afterAll(() => papers[Symbol.dispose]());

const open: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** Who gets no answer knows it soon. */
const QUICK: ConnectOptions = { transports: [createQuicTransport({ handshakeWait: 400 })] };

const errorOf = (waiting: Promise<unknown>): Promise<HawserError> =>
  waiting.then(
    () => expect.fail('no error'),
    (error: HawserError) => error,
  );

interface Scene {
  readonly server: Server;
  readonly url: string;
  readonly port: number;
  readonly reported: unknown[];
  client(): Promise<ClientSocket>;
}

async function scene(options: ServerOptions = {}, more: object = {}): Promise<Scene> {
  const reported: unknown[] = [];
  const server = keep(createServer({ onError: (error) => reported.push(error), ...options }));
  server.on('connection', (socket) => socket.handle('echo', (data) => data));
  const [url = ''] = await server.listen({ url: papers.at(), ...more });
  const client = async (): Promise<ClientSocket> => keep(await connect(papers.to(url)));
  return { server, url, port: parseEndpoint(url).port ?? 0, reported, client };
}

/** A plain UDP socket, and what came to it. */
async function udp(): Promise<{ readonly socket: Socket; readonly heard: Buffer[] }> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  keep({ [Symbol.asyncDispose]: async () => void socket.close() });
  await once(socket, 'listening');
  const heard: Buffer[] = [];
  socket.on('message', (bytes) => heard.push(bytes));
  return { socket, heard };
}

/** The first datagram of somebody who dials. */
async function initialOf(): Promise<Buffer> {
  const { socket } = await udp();
  const peer = keep(await QuicPeer.dial(socket.address().port));
  const [bytes] = (await once(socket, 'message')) as [Buffer];
  await peer[Symbol.asyncDispose]();
  return bytes;
}

const send = (socket: Socket, bytes: Uint8Array, port: number): Promise<unknown> =>
  new Promise((sent) => socket.send(bytes, port, '127.0.0.1', sent));

const preface = (names: string, length = names.length): Buffer =>
  Buffer.concat([Buffer.of(length >> 8, length & 0xff), Buffer.from(names)]);

describe('datagrams of nobody', () => {
  test('that are no QUIC are dropped, and whoever is there goes on', async () => {
    const { port, client, server, reported } = await scene();
    const one = await client();
    const { socket, heard } = await udp();
    const initial = await initialOf();
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 1500 }),
          fc
            .uint8Array({ minLength: 6, maxLength: 1400 })
            .map((bytes) => Uint8Array.from([0xc3, 0, 0, 0, 1, 20, ...bytes])),
          fc.nat(initial.length).map((length) => initial.subarray(0, length)),
          fc.tuple(fc.nat(60), fc.nat(255)).map(([at, byte]) => initial.map((old, i) => (i === at ? byte : old))),
        ),
        async (bytes) => void (await send(socket, bytes, port)),
      ),
      { numRuns: 500 },
    );
    expect(await one.request('echo', 1)).toBe(1);
    expect(server.stats.sockets).toBe(1);
    expect(reported).toEqual([]);
    // Whatever was answered is shorter than what it answers.
    for (const answer of heard) expect(answer.length).toBeLessThan(400);
  });

  test('of an unknown version are told the versions, if they are long enough', async () => {
    const { port } = await scene();
    const { socket, heard } = await udp();
    const other = await initialOf();
    other.writeUInt32BE(0x5a5a5a5a, 1);
    await send(socket, other.subarray(0, 1199), port);
    await send(socket, other, port);
    await expect.poll(() => heard.length).toBe(1);
    expect(heard[0]?.readUInt32BE(1)).toBe(0);
    expect(heard[0]?.length).toBeLessThan(100);
  });

  test('nothing is kept of who has not shown its address: a flood from one port leaves no visitors', async () => {
    const { port, server, client } = await scene();
    const { socket, heard } = await udp();
    const initial = await initialOf();
    for (let i = 0; i < 2000; i++) {
      randomBytes(8).copy(initial, 6);
      await send(socket, initial, port);
    }
    const one = await client();
    expect(await one.request('echo', 1)).toBe(1);
    expect(server.listeners[0]?.stats?.connections).toBe(1);
    // Each got a Retry, or nothing.
    expect(heard.length).toBeGreaterThan(0);
    for (const answer of heard) expect((answer[0] ?? 0) & 0xf0).toBe(0xf0);
  });

  test('a token is good for the address that it was sent to, and for no other', async () => {
    const { port, server } = await scene();
    const front = await udp();
    const back = await udp();
    const peer = keep(await QuicPeer.dial(front.socket.address().port));
    const passed: Buffer[] = [];
    let home = 0;
    front.socket.on('message', (bytes, from) => {
      home = from.port;
      // The first goes out by one port, what follows the Retry by another.
      passed.push(bytes);
      const by = passed.length === 1 ? back.socket : front.socket;
      by.send(bytes, port, '127.0.0.1');
    });
    back.socket.on('message', (bytes) => front.socket.send(bytes, home, '127.0.0.1'));
    await expect.poll(() => passed.length).toBeGreaterThan(2);
    expect(back.heard.length).toBe(1);
    expect(server.listeners[0]?.stats?.connections).toBe(0);
    await peer[Symbol.asyncDispose]();
  });
});

describe('handshakes', () => {
  test('that are never finished make room after loginWait', async () => {
    const { port, server } = await scene({ times: { loginWait: 300 } });
    const { socket } = await udp();
    const relayed = keep(await QuicPeer.dial(socket.address().port));
    const back = await udp();
    let passed = 0;
    let home = 0;
    // Two datagrams go up: the one that asks, and the one that has the token.
    socket.on('message', (bytes, from) => {
      home = from.port;
      if (passed++ < 2) back.socket.send(bytes, port, '127.0.0.1');
    });
    back.socket.on('message', (bytes) => {
      if (passed < 2) socket.send(bytes, home, '127.0.0.1');
    });
    await expect.poll(() => server.listeners[0]?.stats?.connections).toBe(1);
    await expect.poll(() => server.listeners[0]?.stats?.connections).toBe(0);
    await relayed[Symbol.asyncDispose]();
  });

  test('beyond the bound wait until one that was begun is over', async () => {
    const transport = createQuicTransport({ handshakes: 2 });
    const { port, server } = await scene({ transports: [transport], times: { loginWait: 700 } });
    // They are let in, and say nothing.
    const silent = [keep(await QuicPeer.dial(port)), keep(await QuicPeer.dial(port))];
    await Promise.all(silent.map((peer) => peer.established));
    const third = keep(await QuicPeer.dial(port));
    const order: string[] = [];
    void silent[0]?.ended.then(() => order.push('silent'));
    void third.established.then(() => order.push('third'));
    await expect.poll(() => order).toEqual(['silent', 'third']);
    expect(server.listeners[0]?.stats?.connections).toBe(1);
  });

  test('given up by the dialler leave nothing behind', async () => {
    const { url, server } = await scene();
    for (let i = 0; i < 10; i++) {
      const controller = new AbortController();
      const dialled = errorOf(connect(papers.to(url), { signal: controller.signal }));
      setImmediate(() => controller.abort(new Error('changed my mind')));
      expect(await dialled).toMatchObject({ code: 'ERR_ABORTED' });
    }
    await expect.poll(() => server.listeners[0]?.stats?.connections).toBe(0);
    expect(server.stats.sockets).toBe(0);
  });

  test('over maxConnections are refused, and counted', async () => {
    const { url, server } = await scene({}, { maxConnections: 1 });
    const only = keep(await connect(papers.to(url)));
    const refused = await errorOf(connect(papers.to(url)));
    expect(refused).toMatchObject({ code: 'ERR_HANDSHAKE_REFUSED', data: { code: 'ERR_TOO_MANY_SOCKETS' } });
    const [listener] = server.listeners;
    expect(listener?.stats).toMatchObject({ connections: 1, accepted: 1, refused: 1 });
    expect(listener?.stats?.bytesRead).toBeGreaterThan(2400);
    expect(listener?.address?.()).toMatchObject({ address: '127.0.0.1', family: 'IPv4' });
    await only.close();
    await expect.poll(() => listener?.stats?.connections).toBe(0);
    keep(await connect(papers.to(url)));
  });

  test('with nobody, with no port, with no such name, with no way', async () => {
    const { socket } = await udp();
    const silent = papers.to(`quic://127.0.0.1:${socket.address().port}`);
    expect(await errorOf(connect(silent, QUICK))).toMatchObject({ code: 'ERR_CONNECT_FAILED' });
    expect(await errorOf(connect(papers.to('quic://127.0.0.1')))).toMatchObject({ code: 'ERR_URL' });
    expect(await errorOf(connect(papers.to('quic://no-such-host.invalid:1')))).toMatchObject({
      code: 'ERR_CONNECT_FAILED',
    });
    const nowhere = await errorOf(connect(papers.to('quic://255.255.255.255:9')));
    expect(nowhere).toMatchObject({ code: 'ERR_CONNECT_FAILED' });
    expect(nowhere.message).toContain('EACCES');
  });
});

describe('listening', () => {
  test('off loopback without authentication is refused; on a port that is taken: ERR_ADDRESS_IN_USE', async () => {
    const server = keep(createServer());
    expect(await errorOf(server.listen(papers.at('quic://0.0.0.0:0')))).toMatchObject({ code: 'ERR_NOT_ALLOWED' });
    const { socket } = await udp();
    const taken = papers.at(`quic://127.0.0.1:${socket.address().port}`);
    expect(await errorOf(server.listen(taken))).toMatchObject({ code: 'ERR_ADDRESS_IN_USE' });
  });

  test('a server that has closed has given its port back, and nothing of its peers is left', async () => {
    const { server, url, port } = await scene();
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect(papers.to(url))));
    for (const client of clients) keep(client);
    await Promise.all(clients.slice(0, 10).map((client) => client.close()));
    const [listener] = server.listeners;
    await expect.poll(() => listener?.stats?.connections).toBe(10);
    await server.close();
    expect(listener?.stats?.connections).toBe(0);
    const next = createSocket('udp4');
    keep({ [Symbol.asyncDispose]: async () => void next.close() });
    next.bind({ port, address: '127.0.0.1', exclusive: true });
    await once(next, 'listening');
  });
});

describe('a peer that does not know how links begin', () => {
  test('and says nothing is sent away with 4002', async () => {
    const { port } = await scene({ times: { loginWait: 1000 } });
    const peer = keep(await QuicPeer.dial(port));
    expect(await peer.ended).toMatchObject({ by: 'peer', application: true, code: 4002 });
  });

  test.each<[string, (peer: QuicPeer) => void]>([
    ['begins with other bytes', (peer) => peer.say(0, Buffer.from('GET / HTTP/1.1'))],
    ['says too much', (peer) => peer.say(0, preface('hawser.v1', 1025))],
    ['says what is no UTF-8', (peer) => peer.say(0, Buffer.of(0, 1, 0xff))],
    ['speaks nothing that is known', (peer) => peer.say(0, preface('x.v9'))],
    ['offers nothing', (peer) => peer.say(0, preface(''))],
    ['ends before it has said all', (peer) => peer.say(0, preface('hawser', 9), true)],
  ])('and %s is sent away with 4506', async (_, begin) => {
    const { port, server, client } = await scene();
    const other = await client();
    const peer = keep(await QuicPeer.dial(port));
    begin(peer);
    expect(await peer.ended).toMatchObject({ by: 'peer', application: true, code: 4506 });
    expect(await other.request('echo', 1)).toBe(1);
    expect(server.stats.sockets).toBe(1);
  });

  const frame = (bytes: Uint8Array, kind = 0): Buffer => Buffer.from([bytes.length * 4 + kind, ...bytes]);

  test.each<[string, number, (peer: QuicPeer) => void]>([
    ['a frame of an unknown kind', 4506, (peer) => peer.say(0, Buffer.of(3))],
    ['a goodbye on the main stream', 4506, (peer) => peer.say(0, Buffer.of(2))],
    ['an unknown kind by a lane', 4506, (peer) => peer.say(2, Buffer.of(3))],
    ['a frame that is too long by a lane', 4503, (peer) => peer.say(2, Buffer.of(0xbf, 0xff, 0xff, 0xfc))],
    ['a datagram of no known kind', 4506, (peer) => peer.connection.sendDatagram(Buffer.of(9, 1))],
    ['an empty datagram', 4506, (peer) => peer.connection.sendDatagram(Buffer.alloc(0))],
  ])('and then sends %s hears a goodbye with %d', async (_, code, spoil) => {
    const { port, client } = await scene({ times: { closeWait: 200 } });
    const other = await client();
    const peer = keep(await QuicPeer.dial(port));
    peer.say(0, preface('hawser.v1'));
    await expect.poll(() => peer.heard.get(0)?.subarray(0, 11)).toEqual(preface('hawser.v1'));
    peer.say(0, frame(hawserCodec.hello({ version: 1 }).bytes));
    await expect.poll(() => peer.heard.get(0)?.length).toBeGreaterThan(12);
    spoil(peer);
    // The goodbye is a frame of its own, on a stream of its own.
    const goodbye = (): Buffer | undefined => [...peer.heard].find(([stream]) => stream % 4 === 3)?.[1];
    await expect.poll(goodbye).toBeDefined();
    // Its length, times four and two for a goodbye, as a varint of two bytes; then the code.
    expect((goodbye()?.readUInt16BE(0) ?? 0) % 4).toBe(2);
    expect(goodbye()?.readUInt16BE(2)).toBe(code);
    await peer.ended;
    expect(await other.request('echo', 1)).toBe(1);
  });

  test('a server that is none of ours: what it says is no answer', async () => {
    const stranger = keep(
      await QuicStranger.open(papers.local, {}, (peer) => {
        const answer = async (): Promise<void> => {
          // Not before its peer has opened the stream.
          await expect.poll(() => peer.heard.has(0)).toBe(true);
          peer.say(0, Buffer.from('\0\x03abc'));
        };
        void answer();
      }),
    );
    const error = await errorOf(connect(papers.to('quic://127.0.0.1:1', stranger.port)));
    expect(error).toMatchObject({ code: 'ERR_HANDSHAKE_REFUSED' });
    expect(error.message).toContain('does not speak');
  });

  test('a server that lets nobody open a stream: the dial fails in its time', async () => {
    const stranger = keep(await QuicStranger.open(papers.local, { streams: 0 }));
    const error = await errorOf(connect(papers.to('quic://127.0.0.1:1', stranger.port), QUICK));
    expect(error).toMatchObject({ code: 'ERR_CONNECT_FAILED' });
  });
});

test('what fails when a timer rings ends its connection, and nothing else', async () => {
  const { socket } = await udp();
  const peer = keep(await QuicPeer.dial(socket.address().port));
  await once(socket, 'message');
  await new Promise((resolve) => setImmediate(resolve));
  peer.onBatch = () => {
    peer.onBatch = () => {};
    throw new Error('a handler failed');
  };
  // Nobody answers: the next that happens is the timer of the first datagram.
  expect(await peer.ended).toMatchObject({ by: 'self', silent: false });
});

test('a program that dials, asks and closes ends by itself; so does one that only listened', async () => {
  const { url } = await scene();
  const program = `
    import { connect } from './src/client/index.ts';
    import { createServer } from './src/server/index.ts';
    const client = await connect(${JSON.stringify(papers.to(url))});
    console.log(await client.request('echo', 'over'));
    await client.close();
    const server = createServer();
    await server.listen(${JSON.stringify(papers.at())});
    await server.close();
    console.log('done');
  `;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], { cwd: ROOT });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += String(text)));
  const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const [code] = await once(child, 'close');
  clearTimeout(late);
  expect([said, code]).toEqual(['over\ndone\n', 0]);
}, 30_000);

test('without the package the error says what to install', async () => {
  const error = await errorOf(loadQuiche(() => Promise.reject(new Error("Cannot find package '@matrixai/quic'"))));
  expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED' });
  expect(error.message).toContain('npm install @matrixai/quic');
});
