import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Hearing, Lobby } from '../websocket/parts.ts';

/** What carries links by plain requests, where WebSocket does not get through. Each port has one. */
export interface Fallback {
  /**
   * Asked for each request before the application is. True: it is one of the fallback's, which answers it, also with a refusal. On HTTP/2 these are
   * Node's compatible request and response.
   */
  take(request: IncomingMessage, response: ServerResponse): boolean;
  /** Whether requests of links that are up came by this connection. */
  keeps(socket: Socket): boolean;
  /** The port is given back: nobody new is let in, links that are up live on. Resolves when the last has ended, where there are any. */
  close(): Promise<void> | undefined;
}

export type MakeFallback = (host: FallbackHost) => Fallback;

/** What a port has for its fallback. */
export interface FallbackHost {
  /** `http` or `https`: the endpoint's, and of links that come by the fallback. */
  readonly scheme: string;
  /** Options, timer wheel and guests of the port. What belongs to the owner of a path is in `Hearing.reception`. */
  readonly lobby: Lobby;
  /**
   * Whose path is asked for, and by whom: everything that admits a WebSocket is looked at here too (routes, proxies that are believed, Host,
   * Origin, cookies, how many there are). For requests that are to open a link.
   */
  hear(request: IncomingMessage): Hearing;
  /** The connection that a request came by: on HTTP/2 `request.socket` is a stand-in, another one for each request. */
  socketOf(request: IncomingMessage): Socket;
  /** Who sends a request, as the port knows it: for requests of links that are open. Undefined when the words of proxies can't be read. */
  addressOf(request: IncomingMessage): string | undefined;
}
