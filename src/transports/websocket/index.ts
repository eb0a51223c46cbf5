import type { Transport } from '../../transport/index.ts';
import { dialWebSocket } from './dial.ts';
import { WebSocketListener } from './listener.ts';
import { listenWebSocket } from './shared-ports.ts';

export { attachWebSocket, UpgradeTaker } from './attach.ts';

export { resolveCompression } from './compression.ts';

/** `ws://host:port/path`: RFC 6455, and HTTP on the same port for what is no upgrade. `wss:` is the same over TLS. */
export const websocketTransport: Transport = {
  schemes: ['ws', 'wss'],
  dial: dialWebSocket,
  listen: listenWebSocket,
  receive: async (endpoint, options) => await new WebSocketListener(endpoint, options).prepare(),
};
