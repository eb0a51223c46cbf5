import type { Server as HttpServer, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Server as TlsServer } from 'node:tls';
import { Deadline, type DeadlineOwner } from '../../runtime/index.ts';
import type { Listener, ListenOptions } from '../../transport/index.ts';
import { refuse } from '../../websocket/index.ts';
import { receptionOf } from '../doorway.ts';
import { boundEndpoint } from '../sockets.ts';
import { resolveCompression } from './compression.ts';
import { sendAway } from './grant.ts';
import { onUpgrade } from './http.ts';
import { type Lobby, pathOf, type Route, Routes } from './routes.ts';

/** Which upgrades of an HTTP server are taken. */
export interface AttachPlace {
  /** This path and all below it. Default `/`. */
  readonly path?: string | undefined;
  /** Whether something is served at a path: what isn't is left to other listeners of 'upgrade', where there are any. */
  readonly serves?: ((path: string) => boolean) | undefined;
}

/**
 * Takes WebSocket upgrades from an HTTP server that the application runs. All else stays the application's, also upgrades to other
 * protocols and to paths that nobody attached here serves, as long as another listener of 'upgrade' is there to take them.
 * @throws HawserError ERR_ADDRESS_IN_USE when the path is taken, ERR_OPTION.
 */
export function attachWebSocket(server: HttpServer, options: ListenOptions, place: AttachPlace = {}): Listener {
  resolveCompression(options.compression);
  const { path = '/', serves } = place;
  // An HTTPS server is one of TLS too.
  const scheme = server instanceof TlsServer ? 'wss' : 'ws';
  const reception = receptionOf(scheme, options);
  const board = BOARDS.get(server) ?? new Switchboard(server, { ...reception, routes: new Routes() });
  board.lobby.routes.add(path, { reception, serves });
  const close = async (): Promise<void> => {
    board.lobby.routes.remove(path, reception);
    board.leaveIfEmpty();
    for (const guest of reception.guests) guest.leave();
  };
  return {
    get endpoint(): string {
      return server.listening ? boundEndpoint(server, scheme, path === '/' ? '' : path) : `${scheme}:`;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Takes the upgrades that it is handed one by one: where the application looks at each before. */
export class UpgradeTaker {
  readonly #lobby: Lobby;

  /** @throws HawserError ERR_OPTION. */
  constructor(scheme: string, options: ListenOptions) {
    resolveCompression(options.compression);
    const reception = receptionOf(scheme, options);
    this.#lobby = { ...reception, routes: new Routes() };
    this.#lobby.routes.add('/', { reception });
  }

  take(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    onUpgrade(this.#lobby, undefined, request, socket, head);
  }

  close(): void {
    for (const guest of this.#lobby.guests) guest.leave();
  }
}

const BOARDS = new WeakMap<HttpServer, Switchboard>();

/** The one listener of 'upgrade' for all that are attached to an HTTP server. */
class Switchboard {
  readonly lobby: Lobby;
  readonly #server: HttpServer;

  constructor(server: HttpServer, lobby: Lobby) {
    this.#server = server;
    this.lobby = lobby;
    BOARDS.set(server, this);
    // First, so as to see what others do with what is left to them.
    server.prependListener('upgrade', this.#onUpgrade);
  }

  leaveIfEmpty(): void {
    if (this.lobby.routes.size > 0) return;
    this.#server.off('upgrade', this.#onUpgrade);
    BOARDS.delete(this.#server);
    for (const guest of this.lobby.guests) guest.leave();
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
    const alone = this.#server.listenerCount('upgrade') === 1;
    if (alone || this.#isOurs(request)) onUpgrade(this.lobby, this.#server, request, socket, head);
    else new Unclaimed(this.lobby, socket as Socket).watch();
  };

  #isOurs(request: IncomingMessage): boolean {
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') return false;
    const path = pathOf(request.url ?? '');
    const route: Route | undefined = this.lobby.routes.find(path);
    return route !== undefined && (route.serves?.(path) ?? true);
  }
}

/** An upgrade that was left to others: if none of them reads or writes in time, it is refused, so that nobody waits for ever. */
class Unclaimed implements DeadlineOwner {
  readonly #lobby: Lobby;
  readonly #socket: Socket;
  readonly #written: number;

  constructor(lobby: Lobby, socket: Socket) {
    this.#lobby = lobby;
    this.#socket = socket;
    this.#written = socket.bytesWritten;
  }

  watch(): void {
    const { group, options } = this.#lobby;
    group.wheel.schedule(new Deadline(this), group.world.now() + options.loginWait);
  }

  onDeadline(): void {
    const { destroyed, writableEnded, bytesWritten } = this.#socket;
    const isRead = this.#socket.listenerCount('data') + this.#socket.listenerCount('readable') > 0;
    if (destroyed || writableEnded || isRead || bytesWritten !== this.#written) return;
    sendAway(this.#lobby, this.#socket, refuse(404, 'nobody serves this path'));
  }
}
