import type { AnyApi, ApiShape } from '../core/index.ts';
import { resolveServerOptions, type ServerOptions } from './options.ts';
import { Server } from './server.ts';

/** Makes a server; it does nothing until `listen`. @throws HawserError ERR_OPTION. */
export function createServer<A extends ApiShape = AnyApi>(options: ServerOptions = {}): Server<A> {
  return new Server<A>(resolveServerOptions(options));
}

export { type ApiOptions, type ApiServer, createApi } from './api.ts';
export type { CloseOptions } from './drain.ts';
export type { EventMessage, EventMiddleware } from './gate.ts';
export type { Handshake } from './handshake.ts';
export type { AttachOptions, ListenTarget } from './listening.ts';
export type { Arrival, ConnectionMiddleware } from './middleware.ts';
export type { ListOptions, RoomMembers, ServerNamespace, ServerNamespaceEvents } from './namespace.ts';
export type { Authenticate, Credentials, Identity, ServerOptions } from './options.ts';
export type { NamespaceAt, NamespacePattern, NamespacePatternEvents } from './pattern.ts';
export type { Push, PushAnswer, PushError, Pushed, PushOptions } from './push.ts';
export type { NodeOptions } from './registration.ts';
export type { Server, ServerStats } from './server.ts';
export type { NamespaceOptions, SecondLogin } from './setup.ts';
export type { ServerSocket, ServerSocketEvents } from './socket.ts';
