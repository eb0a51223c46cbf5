import type { IncomingMessage, ServerResponse } from 'node:http';
import { performServerHandshake, type ServerOptions } from 'node:http2';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Endpoint, ListenOptions } from '../../transport/index.ts';
import { encodeRefusal, refuse } from '../../websocket/index.ts';
import type { Arrival } from '../guest.ts';
import { Parting } from '../sockets.ts';
import { type Annex, hear, type Lobby, senderOf, WebSocketListener } from '../websocket/parts.ts';
import { askedBy, socketOf } from './asked.ts';
import { Http2Connection, type Http2House } from './connection.ts';
import type { Fallback } from './contract.ts';
import { makeFallback } from './fallback/index.ts';
import { CONNECTION_WINDOW, nodeOptions, resolveLimits } from './limits.ts';
import { Preface } from './preface.ts';

/** A port that speaks HTTP, and WebSocket to who asks for it. @throws HawserError ERR_OPTION. */
export function makeListener(endpoint: Endpoint, options: ListenOptions): WebSocketListener {
  return new WebSocketListener(endpoint, options, (lobby) => new HttpAnnex(endpoint.scheme, lobby));
}

const ONLY_NEWER: Uint8Array = encodeRefusal(refuse(505, 'HTTP/2 alone is spoken here'));

/** What an HTTP port has that one for WebSocket has not: HTTP/2 and the fallback. */
class HttpAnnex implements Annex {
  readonly #lobby: Lobby;
  readonly #house: Http2House;
  readonly #nodeOptions: ServerOptions;
  readonly #allowsOlder: boolean;
  readonly #fallback: Fallback;

  /** @throws HawserError ERR_OPTION. */
  constructor(scheme: string, lobby: Lobby) {
    const { allowHTTP1 = true, http2 } = lobby.options.net ?? {};
    const limits = resolveLimits(http2);
    this.#lobby = lobby;
    this.#house = { lobby, limits, connections: new Set() };
    this.#nodeOptions = nodeOptions(limits);
    this.#allowsOlder = allowHTTP1;
    this.#fallback = makeFallback({
      scheme,
      lobby,
      hear: (request) => hear(lobby, socketOf(request), askedBy(request)),
      socketOf,
      addressOf: (request) => senderOf(lobby, socketOf(request), askedBy(request)),
    });
  }

  /** On TLS both sides have agreed on what is spoken; elsewhere the first bytes tell. */
  welcome(arrival: Arrival, older: (arrival: Arrival) => void): void {
    const { socket } = arrival;
    const allowed = this.#allowsOlder ? older : (one: Arrival) => this.#turnAway(one);
    if (!(socket instanceof TLSSocket)) new Preface(this.#lobby, arrival, (one) => this.#serve(one), allowed).begin();
    else if (socket.alpnProtocol === 'h2') this.#serve(arrival);
    else allowed(arrival);
  }

  take(request: IncomingMessage, response: ServerResponse): boolean {
    return this.#fallback.take(request, response);
  }

  keeps(socket: Socket): boolean {
    return this.#fallback.keeps(socket);
  }

  close(): Promise<void> | undefined {
    const linksEnded = this.#fallback.close();
    for (const connection of this.#house.connections) if (!this.keeps(connection.socket)) connection.close();
    void linksEnded?.then(() => this.#shutLinkless());
    return linksEnded;
  }

  /** The last of the links has ended that lived on requests. */
  #shutLinkless(): void {
    for (const connection of this.#house.connections) connection.close();
  }

  #serve({ socket }: Arrival): void {
    // Who hung up meanwhile has no handle that could be served.
    if (socket.destroyed) return;
    // From here on the session watches it, and ends it with its peer.
    socket.setTimeout(0);
    socket.allowHalfOpen = false;
    const session = performServerHandshake(socket, this.#nodeOptions);
    session.setLocalWindowSize(CONNECTION_WINDOW);
    new Http2Connection(this.#house, socket, session).begin();
  }

  #turnAway({ socket }: Arrival): void {
    new Parting(this.#lobby, socket).begin(ONLY_NEWER);
  }
}
