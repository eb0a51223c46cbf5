import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Endpoint, ListenOptions } from '../../transport/index.ts';
import { type Annex, hear, type Lobby, senderOf, WebSocketListener } from '../websocket/parts.ts';
import { askedBy, socketOf } from './asked.ts';
import type { Fallback } from './contract.ts';
import { makeFallback } from './fallback.ts';

/** A port that speaks HTTP, and WebSocket to who asks for it. @throws HawserError ERR_OPTION. */
export function makeListener(endpoint: Endpoint, options: ListenOptions): WebSocketListener {
  return new WebSocketListener(endpoint, options, (lobby) => new HttpAnnex(endpoint.scheme, lobby));
}

/** What an HTTP port has that one for WebSocket has not. */
class HttpAnnex implements Annex {
  readonly #fallback: Fallback;

  constructor(scheme: string, lobby: Lobby) {
    this.#fallback = makeFallback({
      scheme,
      lobby,
      hear: (request) => hear(lobby, socketOf(request), askedBy(request)),
      addressOf: (request) => senderOf(lobby, socketOf(request), askedBy(request)),
    });
  }

  welcome(): boolean {
    return false;
  }

  take(request: IncomingMessage, response: ServerResponse): boolean {
    return this.#fallback.take(request, response);
  }

  keeps(socket: Socket): boolean {
    return this.#fallback.keeps(socket);
  }

  close(): Promise<void> | undefined {
    return this.#fallback.close();
  }
}
