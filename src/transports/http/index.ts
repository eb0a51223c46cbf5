import type { Transport } from '../../transport/index.ts';
import { listenWebSocket } from '../websocket/parts.ts';
import { dialFallback } from './fallback/index.ts';
import { makeListener } from './listener.ts';

/**
 * `http://host:port/path`: one port for HTTP and WebSocket, and links by plain requests for who can't have a WebSocket. `https:` is the same
 * over TLS.
 */
export const httpTransport: Transport = {
  schemes: ['http', 'https'],
  dial: dialFallback,
  listen: (endpoint, options) => listenWebSocket(endpoint, options, makeListener),
  receive: async (endpoint, options) => await makeListener(endpoint, options).prepare(),
};
