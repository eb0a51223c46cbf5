/** socat at both ends of plain sockets: TCP and Unix sockets as other programs speak them. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { createServer, type ListenTarget, type Server } from '../../src/server/index.ts';
import { Terminal } from '../support/example.ts';
import { until } from '../support/until.ts';

const open: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

const socat = (...addresses: string[]): Terminal => keep(new Terminal(`socat ${addresses.join(' ')}`));

async function serve(target: ListenTarget): Promise<{ server: Server; url: string; told: string[] }> {
  const server = keep(createServer({ times: { closeWait: 200 } }));
  const told: string[] = [];
  server.on('connection', (socket) => {
    told.push('connected');
    socket.on('message', (data) => {
      const text = typeof data === 'string' ? data : Buffer.from(data as Uint8Array).toString();
      told.push(text);
      socket.send('message', `confirmed: ${text}`);
    });
    socket.on('end', () => {
      told.push('end');
      socket.end();
    });
    socket.on('close', ({ code }) => told.push(`closed ${code}`));
  });
  const [url = ''] = await server.listen(target);
  return { server, url, told };
}

const portOf = (url: string): string => new URL(url).port;

describe('over TCP', () => {
  test('what socat says is confirmed, and its end is heard', async () => {
    const { url, told } = await serve({ url: 'tcp://127.0.0.1:0?dialect=raw', halfOpen: true });
    const client = socat('-t 5', '-', `tcp:127.0.0.1:${portOf(url)}`);
    client.type('hello');
    await client.shows('confirmed: hello');
    client.type('再见');
    await client.shows('confirmed: 再见');
    client.end();
    expect(await client.exit()).toBe(0);
    await until(() => told.includes('closed 1005'), 'the server hears of the end');
    expect(told).toEqual(['connected', 'hello\n', '再见\n', 'end', 'closed 1005']);
  });

  test('a server that takes two and no more serves them on, and refuses the third', async () => {
    const { server, url, told } = await serve({ url: 'tcp://127.0.0.1:0?dialect=line' });
    const address = `tcp:127.0.0.1:${portOf(url)}`;
    const two = [socat('-', address), socat('-', address)];
    await until(() => told.length === 2, 'two are there');
    await server.listeners[0]?.close();
    const third = socat('-', address);
    await third.shows('Connection refused');
    expect(await third.exit()).toBe(1);
    for (const [i, one] of two.entries()) {
      one.type(`client ${i}`);
      await one.shows(`confirmed: client ${i}`);
    }
  });

  test('a socat that is killed, and resets its connection, is told apart from one that ends', async () => {
    const { url, told } = await serve({ url: 'tcp://127.0.0.1:0?dialect=line' });
    const client = socat('-', `tcp:127.0.0.1:${portOf(url)},linger=0`);
    client.type('hello');
    await client.shows('confirmed: hello');
    client.signal('SIGKILL');
    await until(() => told.some((one) => one.startsWith('closed')), 'the server hears of it');
    expect(told.at(-1)).toBe('closed 1006');
  });

  test('a server of others is dialled: socat echoes what a client of plain lines says', async () => {
    const server = socat('-d -d', 'tcp-listen:0,bind=127.0.0.1', 'exec:cat');
    const [, port = ''] = await server.shows(/listening on .*:(\d+)/);
    const client = keep(await connect(`tcp://127.0.0.1:${port}?dialect=line`));
    const heard: unknown[] = [];
    client.on('message', (data) => heard.push(data));
    client.send('message', 'there');
    client.send('message', 'and back');
    await until(() => heard.length === 2, 'both come back');
    expect(heard).toEqual(['there', 'and back']);
  });
});

describe('over a Unix socket', () => {
  const path = join(tmpdir(), `hawser-socat-${process.pid}.sock`);

  test('what socat says is confirmed, and the file goes with its server', async () => {
    const { server, told } = await serve({ url: `ipc://${path}?dialect=line` });
    const client = socat('-', `unix-connect:${path}`);
    client.type('hello');
    await client.shows('confirmed: hello');
    expect(told).toEqual(['connected', 'hello']);
    await server.close({ drain: 0 });
    expect([existsSync(path), await client.exit()]).toEqual([false, 0]);
  });

  test('socat meets a client of Hawser in a room, by lines of JSON', async () => {
    const server = keep(createServer({ authenticate: ({ user }) => ({ user: user ?? null }) }));
    server.on('connection', (socket) => {
      void socket.join('hall');
      socket.on('say', (data) => socket.to('hall').send('say', data));
    });
    const [url = ''] = await server.listen(`ipc://${path}`);
    const client = keep(await connect(url, { user: 'ada' }));
    const heard = new Promise((resolve) => client.on('say', (data, { from }) => resolve([from?.user, data])));
    const other = socat('-', `unix-connect:${path}`);
    other.type('{"event":"hello","user":"bob"}');
    await other.shows('"event":"welcome"');
    other.type('{"event":"say","data":"hi"}');
    expect(await heard).toEqual(['bob', 'hi']);
    client.send('say', 'hi bob');
    await other.shows('"data":"hi bob"');
  });
});
