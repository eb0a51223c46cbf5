import { afterEach, describe, expect, test } from 'vitest';
import { type ClientSocket, connect } from '../../src/client/index.ts';
import { createServer, type ServerSocket } from '../../src/index.ts';
import { HttpRelay } from '../support/http-relay.ts';
import { startNginx } from '../support/proxy-programs.ts';
import { until } from '../support/until.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

interface Talk {
  readonly client: ClientSocket;
  readonly server: ServerSocket;
  /** Stands before nginx, and tells what passes. */
  readonly relay: HttpRelay;
}

/** nginx as the guide has it, but that it refuses upgrades and has `lines` besides. */
async function throughNginx(lines: string, query = ''): Promise<Talk> {
  const server = createServer({ trustProxy: ['127.0.0.1'], insecure: true, times: { closeWait: 200 } });
  open.push(() => server.close({ drain: 0 }));
  const [url = ''] = await server.listen('http://127.0.0.1:0');
  const arrived = new Promise<ServerSocket>((resolve) => server.on('connection', resolve));
  const port = await startNginx(open, new URL(url).host, (config) =>
    config
      .replace('proxy_set_header Upgrade $http_upgrade;', '')
      .replace('proxy_set_header Connection upgrade;', lines)
      .replace(lines.includes('proxy_read_timeout') ? 'proxy_read_timeout 1h;' : '', '')
      .replace(lines.includes('proxy_http_version') ? 'proxy_http_version 1.1;' : '', ''),
  );
  const relay = await HttpRelay.open({ target: port, upgrades: true });
  open.push(() => relay[Symbol.asyncDispose]());
  const client = await connect(`${relay.url}/${query}`);
  open.push(() => client.close());
  return { client, server: await arrived, relay };
}

/** Numbers both ways, so many ms apart, arrive once and in order and in one session. */
async function talk({ client, server }: Talk, count: number, apart: number): Promise<void> {
  const heard: { up: unknown[]; down: unknown[] } = { up: [], down: [] };
  const losses: unknown[] = [];
  server.on('number', (data) => heard.up.push(data));
  client.on('number', (data) => heard.down.push(data));
  client.on('down', (reason) => losses.push(reason));
  for (let number = 0; number < count; number++) {
    client.send('number', number);
    server.send('number', number);
    await new Promise((resolve) => setTimeout(resolve, apart));
  }
  await until(() => heard.up.length >= count && heard.down.length >= count, 'all is heard');
  const all = Array.from({ length: count }, (_, number) => number);
  expect({ ...heard, losses }).toEqual({ up: all, down: all, losses: [] });
}

describe('links by requests through nginx', () => {
  test('as it is: streams, for it heeds X-Accel-Buffering', async () => {
    const pair = await throughNginx('');
    expect(pair.client.transport).toBe('http');
    await talk(pair, 20, 5);
    expect(pair.relay.modes).toEqual(['stream']);
  });

  test('that buffers answers: found out, and polled', async () => {
    // Of chunks it passes on each as it comes, and HTTP/1.0 has none.
    const lines = 'proxy_http_version 1.0; proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;';
    const pair = await throughNginx(lines);
    await talk(pair, 20, 5);
    expect(pair.relay.modes.at(-1)).toBe('poll');
  });

  test('that cuts what is quiet for a second: the link goes on', async () => {
    const pair = await throughNginx('proxy_read_timeout 1s;');
    const losses: unknown[] = [];
    pair.client.on('down', (reason) => losses.push(reason));
    const fetched = (): number => pair.relay.passed.filter(({ method }) => method === 'GET').length;
    await until(() => fetched() > 2, 'the stream is cut twice');
    await talk(pair, 20, 5);
    expect(losses).toEqual([]);
  });

  test('that speaks HTTP/1.0, and so has no chunks', async () => {
    const pair = await throughNginx('proxy_http_version 1.0;');
    await talk(pair, 20, 5);
    expect(pair.relay.modes).toEqual(['stream']);
  });

  test('that tries again on another connection what broke', async () => {
    const pair = await throughNginx('proxy_next_upstream error timeout non_idempotent; client_body_buffer_size 1m;');
    const echo = 'x'.repeat(100_000);
    pair.server.handle('echo', (data) => data);
    expect(await pair.client.request('echo', echo)).toBe(echo);
    await talk(pair, 20, 5);
  });
});
