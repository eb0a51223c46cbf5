import { afterEach, describe, expect, test } from 'vitest';
import { createServer, type Server } from '../index.ts';
import { httpTransport } from '../transports/http/index.ts';
import { websocketTransport } from '../transports/websocket/index.ts';
import { connect } from './index.ts';
import { resolveRoutes } from './options.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

async function serve(): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer({ times: { closeWait: 200 } });
  server.on('connection', (socket) => socket.handle('echo', (data) => data));
  open.push(() => server.close({ drain: 0 }));
  const [url = ''] = await server.listen('http://127.0.0.1:0');
  return { server, url };
}

describe('an HTTP URL', () => {
  const routesOf = (urls: string | string[]): string[] =>
    resolveRoutes(urls, [websocketTransport, httpTransport]).map(({ endpoint }) => endpoint.scheme);

  test('is WebSocket first and requests beside it, or one of the two', () => {
    expect(routesOf('https://h/chat')).toEqual(['wss', 'https']);
    expect(routesOf('http://h/chat')).toEqual(['ws', 'http']);
    expect(routesOf('https://h/chat?mode=stream')).toEqual(['https']);
    expect(routesOf('wss://h/chat')).toEqual(['wss']);
    expect(routesOf(['wss://a', 'https://b'])).toEqual(['wss', 'wss', 'https']);
  });

  test('is a WebSocket where that comes through', async () => {
    const { url } = await serve();
    const socket = await connect(url);
    open.push(() => socket.close());
    expect(socket.transport).toBe('ws');
    expect(await socket.request('echo', 1)).toBe(1);
  });

  test.each(['stream', 'padded', 'poll'])('with ?mode=%s is carried by requests alone', async (mode) => {
    const { url } = await serve();
    const socket = await connect(`${url}/?mode=${mode}`);
    open.push(() => socket.close());
    expect(socket.transport).toBe('http');
    expect(await socket.request('echo', { bytes: new Uint8Array([1, 2]) })).toEqual({ bytes: new Uint8Array([1, 2]) });
    expect(await socket.request('echo', 'x'.repeat(300_000))).toHaveLength(300_000);
  });

  test('with a mode that there is not is refused', async () => {
    await expect(connect('http://127.0.0.1:1/?mode=carrier-pigeon')).rejects.toMatchObject({ code: 'ERR_URL' });
  });
});
