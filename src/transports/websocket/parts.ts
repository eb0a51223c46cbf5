/** What `transports/http` builds on. */
export { type Asking, type Door, grant, type Hearing, hear, senderOf } from './grant.ts';
export { answer } from './http.ts';
export { WebSocketListener } from './listener.ts';
export type { Annex, Lobby } from './routes.ts';
export { listenWebSocket } from './shared-ports.ts';
