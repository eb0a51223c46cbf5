import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { realWorld } from '../../runtime/index.ts';
import { type LinkSuiteOptions, linkSuite } from '../../testing/link-suite.ts';
import type { CompressionOptions, Listener, Transport } from '../../transport/index.ts';
import { browserWebSocketTransport } from './browser.ts';
import { websocketTransport } from './index.ts';
import type { WebSocketListener } from './listener.ts';

const sockets: Socket[] = [];

const transport: Transport = {
  ...websocketTransport,
  async listen(endpoint, options): Promise<Listener> {
    const listener = (await websocketTransport.listen?.(endpoint, options)) as WebSocketListener;
    listener.server.on('connection', (socket) => sockets.push(socket));
    return listener;
  },
};

const suite: LinkSuiteOptions = {
  api: { describe, test, expect },
  transport,
  world: realWorld(),
  listenUrl: () => 'ws://127.0.0.1:0',
  deadUrl: () => 'ws://127.0.0.1:1',
  cut: () => sockets.at(-1)?.destroy(),
};

linkSuite('ws', suite);

const everything: CompressionOptions = { threshold: 0, serverContextTakeover: true, clientContextTakeover: true };
for (const [name, compression] of [
  ['with nothing taken over', { threshold: 0 }],
  ['with contexts taken over', everything],
  ['with the smallest windows', { ...everything, serverMaxWindowBits: 8, clientMaxWindowBits: 8 }],
] as const) {
  linkSuite(`ws, compressed, ${name}`, {
    ...suite,
    transport: {
      ...transport,
      dial: (endpoint, options) => transport.dial(endpoint, { ...options, compression }),
      listen: async (endpoint, options) =>
        (await transport.listen?.(endpoint, { ...options, compression })) as Listener,
    },
  });
}

Object.assign(globalThis, { WebSocket });
linkSuite("ws, dialled with a browser's WebSocket", {
  ...suite,
  abortCode: 4000,
  refusedCode: 'ERR_CONNECT_FAILED',
  transport: { ...transport, dial: (endpoint, options) => browserWebSocketTransport.dial(endpoint, options) },
});
