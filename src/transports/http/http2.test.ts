import type { Socket } from 'node:net';
import { afterAll, describe, expect, test } from 'vitest';
import { Authority } from '../../../test/support/certificates.ts';
import { dialByHttp2 } from '../../../test/support/http2-dial.ts';
import { realWorld } from '../../runtime/index.ts';
import { type LinkSuiteOptions, linkSuite } from '../../testing/link-suite.ts';
import type { CompressionOptions, Listener } from '../../transport/index.ts';
import type { WebSocketListener } from '../websocket/listener.ts';
import { httpTransport } from './index.ts';

const authority = new Authority();
const { ca } = authority;
const { cert, key } = authority.issue('localhost', 'DNS:localhost,IP:127.0.0.1');
afterAll(() => authority[Symbol.dispose]());

const sockets: Socket[] = [];

/** An endpoint of `http:` or `https:`, dialled by HTTP/2 alone. */
function suiteOf(scheme: 'http' | 'https', compression?: CompressionOptions): LinkSuiteOptions {
  const secure = scheme === 'https';
  const dialled = secure ? 'wss' : 'ws';
  return {
    api: { describe, test, expect },
    transport: {
      schemes: [dialled],
      dial: (endpoint, options) => dialByHttp2(endpoint, { ...options, compression }, secure ? ca : undefined),
      async listen(endpoint, options): Promise<Listener> {
        const net = { ...options.net, allowHTTP1: false, ...(secure && { tls: { cert, key } }) };
        const listening = httpTransport.listen?.({ ...endpoint, scheme }, { ...options, net, compression });
        const listener = (await listening) as WebSocketListener;
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

linkSuite('http, by HTTP/2', suiteOf('http'));
linkSuite('https, by HTTP/2', suiteOf('https'));
linkSuite(
  'http, by HTTP/2, compressed',
  suiteOf('http', { threshold: 0, serverContextTakeover: true, clientContextTakeover: true }),
);
