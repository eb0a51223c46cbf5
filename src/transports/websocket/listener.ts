import type { Server as HttpServer } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { Timer } from '../../core/index.ts';
import {
  describeEndpoint,
  type Endpoint,
  type ListenAddress,
  type Listener,
  type ListenerStats,
  type ListenOptions,
  type NetListenOptions,
  type Receiver,
  type TlsOptions,
} from '../../transport/index.ts';
import { encodeRefusal, refuse } from '../../websocket/index.ts';
import { Doorway, receptionOf } from '../doorway.ts';
import type { Arrival, Reception } from '../guest.ts';
import { isSecure } from '../settings.ts';
import { boundEndpoint, stopListening } from '../sockets.ts';
import { resolveCompression } from './compression.ts';
import { hiddenHttpServer } from './http.ts';
import { type Annex, type Lobby, Routes } from './routes.ts';
import { Visitor } from './visitor.ts';

export const LOOPBACK = '127.0.0.1';

/** The port of a URL that names none. */
export function portOf(scheme: string): number {
  return isSecure(scheme) ? 443 : 80;
}

/** A port that speaks WebSocket, and HTTP to whoever doesn't ask for it. Others may share it, at other paths. */
export class WebSocketListener implements Receiver {
  /** Told when the port is given back. */
  onShut: () => void = () => {};
  readonly #asked: Endpoint;
  readonly #net: NetListenOptions | undefined;
  readonly #doorway: Doorway;
  readonly #lobby: Lobby;
  readonly #http: HttpServer;
  /** Connections that speak HTTP. */
  readonly #served = new Set<Socket>();
  #endpoint = '';
  #isOpen = true;
  /** When what is still served is cut. */
  readonly #cuts: Timer[] = [];

  /**
   * @param makeAnnex What the port has beside.
   * @throws HawserError ERR_OPTION.
   */
  constructor(endpoint: Endpoint, options: ListenOptions, makeAnnex?: (lobby: Lobby) => Annex) {
    resolveCompression(options.compression);
    this.#asked = endpoint;
    this.#net = options.net;
    this.#doorway = new Doorway(endpoint.scheme, options, () => ({
      welcome: (arrival) => this.#welcome(arrival),
      words: ({ status, reason }) => encodeRefusal(refuse(status, reason.reason)),
    }));
    const { reception } = this.#doorway;
    const lobby: Lobby = { ...reception, routes: new Routes(), annex: undefined };
    lobby.annex = makeAnnex?.(lobby);
    lobby.routes.add(endpoint.path, { reception });
    const http = hiddenHttpServer(lobby);
    this.#lobby = lobby;
    this.#http = http;
    http.on('connection', (socket: Socket) => {
      this.#served.add(socket);
      socket.once('close', () => this.#leftServed(socket));
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

  /** False once the last who shares the port has closed. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  async listen(): Promise<this> {
    const { scheme, host, port, path } = this.#asked;
    try {
      await this.#doorway.prepare(this.#asked);
      await this.#doorway.listen(this.#asked, { host: host || LOOPBACK, port: port ?? portOf(scheme) });
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#endpoint = this.#boundAt(path);
    return this;
  }

  /** Gets ready for connections that others have accepted. @throws HawserError ERR_OPTION. */
  async prepare(): Promise<this> {
    await this.#doorway.prepare(this.#asked);
    this.#doorway.watch();
    this.#endpoint = describeEndpoint(this.#asked);
    return this;
  }

  reload(tls?: TlsOptions): Promise<void> {
    return this.#doorway.reload(tls);
  }

  /** Goes on with a connection that another has accepted. */
  take(socket: Socket): void {
    this.#doorway.take(socket);
  }

  /** Whether a port that is asked for in this way would be like this one. */
  sharesWith({ reserved }: Endpoint, net: NetListenOptions | undefined): boolean {
    return isAlike(reserved, this.#asked.reserved) && isAlike(net ?? {}, this.#net ?? {});
  }

  /** Lets another listen here, at another path. @throws HawserError ERR_ADDRESS_IN_USE, ERR_OPTION. */
  share({ scheme, path }: Endpoint, options: ListenOptions): Listener {
    resolveCompression(options.compression);
    const reception = receptionOf(scheme, options);
    this.#lobby.routes.add(path, { reception });
    const close = async (): Promise<void> => this.#leave(path, reception);
    return {
      endpoint: this.#boundAt(path),
      address: () => this.address(),
      ref: () => this.ref(),
      unref: () => this.unref(),
      reload: (tls) => this.reload(tls),
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  /** Unless others share the port. */
  stop(): void {
    if (this.#lobby.routes.size === 1) stopListening(this.server);
  }

  async close(): Promise<void> {
    this.#leave(this.#asked.path, this.#doorway.reception);
  }

  #welcome(arrival: Arrival): void {
    const { annex } = this.#lobby;
    if (annex === undefined) this.#enter(arrival);
    else annex.welcome(arrival, (one) => this.#enter(one));
  }

  #enter({ socket, by }: Arrival): void {
    new Visitor(this.#lobby, this.#http, socket).enter(by);
  }

  #boundAt(path: string): string {
    return boundEndpoint(this.server, this.#asked.scheme, path === '/' ? '' : path);
  }

  #leave(path: string, reception: Reception): void {
    const { routes } = this.#lobby;
    routes.remove(path, reception);
    if (routes.size === 0) this.#shut();
    else if (reception !== this.#doorway.reception) for (const guest of reception.guests) guest.leave();
  }

  #shut(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.onShut();
    this.#doorway.close();
    const linksEnded = this.#lobby.annex?.close();
    if (linksEnded === undefined) this.#http.close();
    else void linksEnded.then(() => this.#shutLinkless());
    this.#cutSoon();
  }

  /** The last of the links has ended that lived on connections of HTTP. */
  #shutLinkless(): void {
    this.#http.close();
    this.#cutSoon();
  }

  /** What is being answered gets the time of a polite close, and no more. */
  #cutSoon(): void {
    const { world, closeWait } = this.#lobby.options;
    if (this.#served.size > 0) this.#cuts.push(world.timer(world.now() + closeWait, () => this.#cutServed()));
  }

  /** A timer that nobody needs any more would keep the process for as long. */
  #leftServed(socket: Socket): void {
    this.#served.delete(socket);
    if (this.#served.size === 0) for (const cut of this.#cuts.splice(0)) cut.cancel();
  }

  #cutServed(): void {
    for (const socket of this.#served) if (this.#lobby.annex?.keeps(socket) !== true) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function isAlike(one: object, other: object): boolean {
  const [mine, theirs] = [Object.entries(one), new Map(Object.entries(other))];
  return mine.length === theirs.size && mine.every(([name, value]) => Object.is(value, theirs.get(name)));
}
