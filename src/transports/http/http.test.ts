import { once } from 'node:events';
import { type IncomingMessage, get as plainGet, type RequestListener } from 'node:http';
import { get as secureGet } from 'node:https';
import type { Socket } from 'node:net';
import { afterAll, describe, expect, test } from 'vitest';
import { Authority } from '../../../test/support/certificates.ts';
import { realWorld } from '../../runtime/index.ts';
import { Bench } from '../../testing/link-bench.ts';
import { type LinkSuiteOptions, linkSuite } from '../../testing/link-suite.ts';
import type { Listener, ListenOptions } from '../../transport/index.ts';
import { websocketTransport } from '../websocket/index.ts';
import type { WebSocketListener } from '../websocket/listener.ts';
import { httpTransport } from './index.ts';

const authority = new Authority();
const { ca } = authority;
const { cert, key } = authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1');
afterAll(() => authority[Symbol.dispose]());

const sockets: Socket[] = [];

/** An endpoint of `http:` or `https:`, dialled as `ws:` or `wss:`. */
function suiteOf(scheme: 'http' | 'https'): LinkSuiteOptions {
  const secure = scheme === 'https';
  const dialled = secure ? 'wss' : 'ws';
  return {
    api: { describe, test, expect },
    transport: {
      schemes: [dialled],
      dial: (endpoint, options) =>
        websocketTransport.dial(endpoint, { ...options, ...(secure && { net: { tls: { ca } } }) }),
      async listen(endpoint, options): Promise<Listener> {
        const net = { ...options.net, ...(secure && { tls: { cert, key } }) };
        const listener = (await httpTransport.listen?.(
          { ...endpoint, scheme },
          { ...options, net },
        )) as WebSocketListener;
        listener.server.on('connection', (socket) => sockets.push(socket));
        const close = (): Promise<void> => listener.close();
        return { endpoint: listener.endpoint.replace(scheme, dialled), close, [Symbol.asyncDispose]: close };
      },
    },
    world: realWorld(),
    listenUrl: () => `${dialled}://127.0.0.1:0`,
    deadUrl: () => `${dialled}://127.0.0.1:1`,
    cut: () => sockets.at(-1)?.destroy(),
  };
}

linkSuite('http, upgraded', suiteOf('http'));
linkSuite('https, upgraded', suiteOf('https'));

async function bodyOf(url: string): Promise<string> {
  const request = url.startsWith('https:') ? secureGet(url, { ca, agent: false }) : plainGet(url, { agent: false });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response) body += chunk;
  return body;
}

const echoTarget: RequestListener = (request, response) => {
  response.end(`you asked for ${request.url}`);
};

describe.each(['http', 'https'] as const)('an endpoint of %s:', (scheme) => {
  const open = (change?: Partial<ListenOptions>): Promise<Bench> => Bench.open(suiteOf(scheme), change);

  test('has links that are called what they are', async () => {
    await using bench = await open();
    const { server } = await bench.pair();
    expect(server.link.transport).toBe(scheme === 'https' ? 'wss' : 'ws');
  });

  test('answers requests', async () => {
    await using bench = await open({ onRequest: echoTarget });
    expect(await bodyOf(`${bench.url.replace(/^ws/, 'http')}/a?b`)).toBe('you asked for /a?b');
  });
});
