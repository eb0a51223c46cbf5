import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { connect, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { realWorld } from '../../runtime/index.ts';
import { Bench, End } from '../../testing/link-bench.ts';
import type { LinkSuiteOptions } from '../../testing/link-suite.ts';
import { type ListenOptions, parseEndpoint } from '../../transport/index.ts';
import { websocketTransport } from './index.ts';

const suite: LinkSuiteOptions = {
  api: { describe, test, expect },
  transport: websocketTransport,
  world: realWorld(),
  listenUrl: () => 'ws://127.0.0.1:0',
  deadUrl: () => 'ws://127.0.0.1:1',
};

const open = (change?: Partial<ListenOptions>): Promise<Bench> => Bench.open(suite, change);
const connections = (bench: Bench): number => bench.listener.stats?.connections ?? Number.NaN;

function visit(bench: Bench): Socket {
  const socket = connect({ port: parseEndpoint(bench.url).port ?? 0, host: '127.0.0.1' });
  return socket.on('error', () => undefined);
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const OTHER = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n';
const UPGRADE =
  'GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

/** Far more than all the buffers between two sockets hold. */
const large: RequestListener = (...[, response]) => response.end(Buffer.alloc(30_000_000));
const small: RequestListener = (...[, response]) => response.end('small');

describe('a connection of HTTP', () => {
  test.each([
    ['a request', GET, { writeWait: 200 }],
    ['an upgrade to another protocol', OTHER, { writeWait: 200 }],
    ['a request, by idleTimeout', GET, { net: { idleTimeout: 200 } }],
    ['an upgrade to another protocol, by idleTimeout', OTHER, { net: { idleTimeout: 200 } }],
  ])('is cut when nobody reads the answer to %s', async (_, request, options) => {
    await using bench = await open({ onRequest: large, ...options });
    const socket = visit(bench).pause();
    socket.write(request);
    await bench.until(() => connections(bench) === 1);
    await bench.until(() => connections(bench) === 0);
    expect(bench.listener.stats?.accepted).toBe(1);
    socket.destroy();
  });

  test('may wait for an answer that takes its time', async () => {
    // No wait for luck: an answer that takes five times `writeWait` is what is tried.
    const late: RequestListener = (...[, response]) => void setTimeout(() => response.end('late'), 500);
    await using bench = await open({ onRequest: late, writeWait: 100 });
    const socket = visit(bench);
    socket.write(GET);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toContain('late');
    socket.destroy();
  });

  test('that is idle for idleTimeout is cut, after whatever number of requests', async () => {
    await using bench = await open({ onRequest: small, net: { idleTimeout: 200 } });
    const socket = visit(bench);
    for (let i = 0; i < 3; i++) {
      socket.write(GET);
      await once(socket, 'data');
    }
    await once(socket, 'close');
    expect(bench.listener.stats?.accepted).toBe(1);
    await bench.until(() => connections(bench) === 0);
  });

  test('that becomes a WebSocket keeps its idleTimeout', async () => {
    await using bench = await open({ onRequest: small, net: { idleTimeout: 200 } });
    const socket = visit(bench);
    socket.write(GET);
    await once(socket, 'data');
    socket.write(UPGRADE);
    const server = new End(await bench.accepted());
    expect((await server.link.closed).code).toBe(4000);
  });
});

describe('an onRequest', () => {
  const throws: RequestListener = () => {
    throw new Error('a mistake');
  };
  const rejects = async (): Promise<void> => {
    throw new Error('a mistake');
  };
  const late: RequestListener = (...[, response]) => {
    response.write('begun');
    throw new Error('a mistake');
  };

  test.each([
    ['that throws', throws, 'HTTP/1.1 500 '],
    ['that rejects', rejects, 'HTTP/1.1 500 '],
    ['that throws in mid-answer', late, ''],
  ])('%s costs that connection alone, and is told', async (_, onRequest, answer) => {
    const told: unknown[] = [];
    await using bench = await open({ onRequest, report: (error, during) => told.push([String(error), during]) });
    for (const request of [GET, OTHER]) {
      const socket = visit(bench);
      let said = '';
      socket.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
      socket.write(request);
      await once(socket, 'close');
      expect(said.startsWith(answer)).toBe(true);
    }
    expect(told).toEqual([1, 2].map(() => ['Error: a mistake', 'onRequest']));
  });
});

test.each([Infinity, 1500.5, 2 ** 40])(
  'times that Node can not be told as they are, are no error: %d ms',
  async (ms) => {
    await using bench = await open({ onRequest: small, loginWait: ms, writeWait: ms });
    const socket = visit(bench);
    socket.write(GET);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toContain('small');
    socket.destroy();
  },
);
