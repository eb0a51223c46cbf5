import type { Server as HttpServer } from 'node:http';
import type { Server, Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import {
  describeEndpoint,
  type Endpoint,
  type ListenAddress,
  type Listener,
  type ListenerStats,
  type ListenOptions,
  type Receiver,
} from '../../transport/index.ts';
import { encodeRefusal, refuse } from '../../websocket/index.ts';
import { Doorway, receptionOf } from '../doorway.ts';
import { boundEndpoint } from '../sockets.ts';
import { resolveCompression } from './compression.ts';
import { hiddenHttpServer, onUpgrade } from './http.ts';
import { Visitor } from './visitor.ts';

const LOOPBACK = '127.0.0.1';

/** The port of a URL that names none. */
export function portOf(scheme: string): number {
  return scheme === 'wss' ? 443 : 80;
}

/** A port that speaks WebSocket, and HTTP to whoever doesn't ask for it. */
export class WebSocketListener implements Receiver {
  readonly #scheme: string;
  readonly #doorway: Doorway;
  readonly #http: HttpServer;
  /** Connections that speak HTTP. */
  readonly #served = new Set<Socket>();
  #endpoint = '';

  /** @throws HawserError ERR_OPTION. */
  constructor(scheme: string, options: ListenOptions) {
    resolveCompression(options.compression);
    this.#scheme = scheme;
    this.#doorway = new Doorway(scheme, options, (reception) => ({
      welcome: ({ socket, by }) => new Visitor(reception, http, socket).enter(by),
      words: ({ status, reason }) => encodeRefusal(refuse(status, reason.reason)),
    }));
    const http = hiddenHttpServer(this.#doorway.reception);
    this.#http = http;
    http.on('connection', (socket: Socket) => {
      this.#served.add(socket);
      socket.once('close', () => this.#served.delete(socket));
    });
  }

  get server(): Server {
    return this.#doorway.server;
  }

  get endpoint(): string {
    return this.#endpoint;
  }

  get stats(): ListenerStats {
    return this.#doorway.stats;
  }

  /** Connections that have no link yet. */
  get guests(): number {
    return this.#doorway.reception.guests.size;
  }

  address(): ListenAddress | string | null {
    return this.#doorway.address();
  }

  ref(): void {
    this.server.ref();
  }

  unref(): void {
    this.server.unref();
  }

  async listen(endpoint: Endpoint): Promise<this> {
    const where = { host: endpoint.host || LOOPBACK, port: endpoint.port ?? portOf(this.#scheme) };
    try {
      await this.#doorway.prepare(endpoint);
      await this.#doorway.listen(endpoint, where);
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#endpoint = boundEndpoint(this.server, this.#scheme, endpoint.path === '/' ? '' : endpoint.path);
    return this;
  }

  /** Gets ready for connections that others have accepted. @throws HawserError ERR_OPTION. */
  async prepare(endpoint: Endpoint): Promise<this> {
    await this.#doorway.prepare(endpoint);
    this.#endpoint = describeEndpoint(endpoint);
    return this;
  }

  /** Goes on with a connection that another has accepted. */
  take(socket: Socket): void {
    this.#doorway.take(socket);
  }

  async close(): Promise<void> {
    const { world, closeWait } = this.#doorway.reception.options;
    this.#doorway.close();
    this.#http.close();
    // What is being answered gets the time of a polite close, and no more.
    if (this.#served.size > 0) world.timer(world.now() + closeWait, () => this.#cutServed());
  }

  #cutServed(): void {
    for (const socket of this.#served) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Takes WebSocket upgrades from an HTTP server that the application runs; all else stays the application's, also
 * upgrades to other protocols as long as another listener of 'upgrade' is there to take them.
 */
export function attachWebSocket(server: HttpServer, options: ListenOptions): Listener {
  // An HTTPS server is one of TLS too.
  const scheme = server instanceof TlsServer ? 'wss' : 'ws';
  resolveCompression(options.compression);
  const reception = receptionOf(scheme, options);
  const listener = (...[request, socket, head]: UpgradeArguments): void => {
    const others = server.listenerCount('upgrade') > 1;
    if (others && request.headers.upgrade?.toLowerCase() !== 'websocket') return;
    onUpgrade(reception, server, request, socket, head);
  };
  server.on('upgrade', listener);
  const close = async (): Promise<void> => {
    server.off('upgrade', listener);
    for (const guest of reception.guests) guest.leave();
  };
  return {
    get endpoint(): string {
      return server.listening ? boundEndpoint(server, scheme) : `${scheme}:`;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

type UpgradeArguments = Parameters<typeof onUpgrade> extends [unknown, unknown, ...infer Rest] ? Rest : never;
