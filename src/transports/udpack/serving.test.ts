import { afterEach, describe, expect, test } from 'vitest';
import { House } from '../../../test/support/house.ts';
import { UdpRelay } from '../../../test/support/udp-relay.ts';
import { keyFiles } from '../../../test/support/udpack-keys.ts';
import { type ConnectOptions, connect, type HawserError } from '../../client/index.ts';
import { createServer, type ServerSocket } from '../../server/index.ts';
import { parseEndpoint } from '../../transport/index.ts';
import { createUdpackTransport } from './index.ts';

const open: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

const { privateFile, publicFile } = keyFiles();

describe('what a server knows of a peer over udpack', () => {
  test('the token of HELLO, the address, the namespace and the query; the key is nobody else’s', async () => {
    const seen: unknown[] = [];
    const server = keep(
      createServer({
        authenticate: ({ token, remote, transport, query, namespace }) => {
          seen.push([token, remote, transport, query, namespace]);
          if (token !== 'good') throw new Error('no');
          return { user: 'ada' };
        },
      }),
    );
    server.of('/room');
    const [url = ''] = await server.listen(`udpack://127.0.0.1:0?key=${privateFile}`);
    const target = `${url}/room?key=${publicFile}&colour=red`;
    const refused = connect(target, { token: 'bad' }).then(
      () => expect.fail('let in'),
      (error: HawserError) => error.code,
    );
    expect(await refused).toBe('ERR_AUTH_FAILED');
    const client = keep(await connect(target, { token: 'good' }));
    expect(client.user).toBe('ada');
    const told = ['127.0.0.1', 'udpack', { colour: 'red' }, '/room'];
    expect(seen).toEqual([
      ['bad', ...told],
      ['good', ...told],
    ]);
  });

  test.each(['::1', '127.0.0.1'])('over %s', async (host) => {
    const shown = host.includes(':') ? `[${host}]` : host;
    const server = keep(createServer());
    server.on('connection', (socket) => socket.handle('where', () => socket.handshake.remote));
    const [url = ''] = await server.listen(`udpack://${shown}:0?key=${privateFile}`);
    const client = keep(await connect(`${url}?key=${publicFile}`));
    expect(await client.request('where')).toBe(host);
  });

  test('IPv4 on a socket of both kinds is IPv4', async () => {
    const server = keep(createServer({ insecure: true }));
    server.on('connection', (socket) => socket.handle('where', () => socket.handshake.remote));
    const [url = ''] = await server.listen(`udpack://[::]:0?key=${privateFile}`);
    const client = keep(await connect(`udpack://127.0.0.1:${parseEndpoint(url).port}?key=${publicFile}`));
    expect(await client.request('where')).toBe('127.0.0.1');
  });
});

describe('plain dialects over udpack', () => {
  test('raw: messages keep their bounds, both ways', async () => {
    const server = keep(createServer());
    server.on('connection', (socket) => socket.on('message', (data) => socket.send('message', data)));
    const [url = ''] = await server.listen(`udpack://127.0.0.1:0?dialect=raw&key=${privateFile}`);
    const client = keep(await connect(`${url}?dialect=raw&key=${publicFile}`));
    const heard: unknown[] = [];
    client.on('message', (data) => heard.push(data));
    client.send('message', new Uint8Array([1, 2, 3]));
    client.send('message', new Uint8Array(100_000));
    await expect.poll(() => heard.length).toBe(2);
    expect(heard).toEqual(
      [Uint8Array.of(1, 2, 3), new Uint8Array(100_000)].map((bytes) =>
        expect.objectContaining({ length: bytes.length }),
      ),
    );
  });

  test('raw: a peer that only answers pings is measured each time, and stays', async () => {
    const server = keep(createServer({ times: { heartbeat: 100, readWait: 1000 } }));
    const entered = new Promise<ServerSocket>((resolve) => server.on('connection', resolve));
    const [url = ''] = await server.listen(`udpack://127.0.0.1:0?dialect=raw&key=${privateFile}`);
    keep(await connect(`${url}?dialect=raw&key=${publicFile}`));
    const socket = await entered;
    const measured = new Set<number>();
    const times = (): number => {
      if (socket.rtt !== undefined) measured.add(socket.rtt);
      return measured.size;
    };
    await expect.poll(times).toBeGreaterThan(3);
    expect(Math.min(...measured)).toBeGreaterThanOrEqual(0);
    expect(socket.state).toBe('up');
  });
});

describe('a way that goes silent', () => {
  test('ends a link that says nothing after the idle time, and the client comes back when it can', async () => {
    const house = keep(await House.open({}, 'udpack'));
    const relay = keep(
      await UdpRelay.open({ address: '127.0.0.1', port: parseEndpoint(house.url('udpack')).port ?? 0 }),
    );
    const options: ConnectOptions = {
      transports: [
        createUdpackTransport({ times: { idle: 1500, keepalive: 200, handshakeWait: 1000 }, answerWait: 0 }),
      ],
      reconnect: { first: 1, most: 20 },
    };
    const client = keep(await connect(`udpack://127.0.0.1:${relay.port}?key=${publicFile}`, options));
    // Signs of life keep it.
    await expect.poll(() => relay.came.up).toBeGreaterThan(20);
    expect(client.state).toBe('up');
    const down = new Promise((resolve) => client.on('down', resolve));
    const up = new Promise((resolve) => client.on('up', resolve));
    relay.passes = () => false;
    expect(await down).toMatchObject({ code: 1006 });
    relay.passes = () => true;
    expect(await up).toMatchObject({ recovered: true });
  });
});
