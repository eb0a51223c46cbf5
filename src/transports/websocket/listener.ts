import type { Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { LinkGroup } from '../../runtime/index.ts';
import { describeEndpoint, type Endpoint, type Listener, type ListenOptions } from '../../transport/index.ts';
import { boundEndpoint, type Reception, startListening, stopListening } from '../sockets.ts';
import { resolveCompression } from './compression.ts';
import { hiddenHttpServer, onUpgrade } from './http.ts';
import { Visitor } from './visitor.ts';

const LOOPBACK = '127.0.0.1';
export const HTTP_PORT = 80;

/** A port that speaks WebSocket, and HTTP to whoever doesn't ask for it. */
export class WebSocketListener implements Listener {
  readonly server: Server;
  readonly #reception: Reception;
  readonly #http: HttpServer;
  /** Connections that speak HTTP. */
  readonly #served = new Set<Socket>();
  #endpoint = '';

  constructor(options: ListenOptions) {
    const reception = receptionOf(options);
    const http = hiddenHttpServer(reception);
    this.#reception = reception;
    this.#http = http;
    http.on('connection', (socket: Socket) => {
      this.#served.add(socket);
      socket.once('close', () => this.#served.delete(socket));
    });
    const served = { allowHalfOpen: true, noDelay: true, keepAlive: true };
    this.server = createServer(served, (socket) => void new Visitor(reception, http, socket));
  }

  get endpoint(): string {
    return this.#endpoint;
  }

  /** Connections that have no link yet. */
  get guests(): number {
    return this.#reception.guests.size;
  }

  async listen(endpoint: Endpoint): Promise<this> {
    const where = { host: endpoint.host || LOOPBACK, port: endpoint.port ?? HTTP_PORT };
    try {
      await startListening(this.server, where, describeEndpoint(endpoint));
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#endpoint = boundEndpoint(this.server, endpoint.scheme, endpoint.path === '/' ? '' : endpoint.path);
    return this;
  }

  async close(): Promise<void> {
    stopListening(this.server);
    for (const guest of this.#reception.guests) guest.leave();
    this.#http.close();
    const { world, closeWait } = this.#reception.options;
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
  const reception = receptionOf(options);
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
      return server.listening ? boundEndpoint(server, 'ws') : 'ws:';
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

type UpgradeArguments = Parameters<typeof onUpgrade> extends [unknown, unknown, ...infer Rest] ? Rest : never;

function receptionOf(options: ListenOptions): Reception {
  resolveCompression(options.compression);
  const allocate = (length: number): Uint8Array => Buffer.allocUnsafeSlow(length);
  return { group: new LinkGroup({ ...options, transport: 'ws', allocate }), options, guests: new Set() };
}
