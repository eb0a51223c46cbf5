import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { realWorld } from '../../runtime/index.ts';
import { type LinkSuiteOptions, linkSuite } from '../../testing/link-suite.ts';
import type { Listener, Transport } from '../../transport/index.ts';
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

Object.assign(globalThis, { WebSocket });
linkSuite("ws, dialled with a browser's WebSocket", {
  ...suite,
  abortCode: 4000,
  refusedCode: 'ERR_CONNECT_FAILED',
  transport: { ...transport, dial: (endpoint, options) => browserWebSocketTransport.dial(endpoint, options) },
});
