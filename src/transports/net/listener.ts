import type { ListenOptions as NodeListenOptions, Server, Socket } from 'node:net';
import {
  describeEndpoint,
  type Endpoint,
  errorLine,
  type ListenAddress,
  type ListenerStats,
  type ListenOptions,
  type Receiver,
  type TlsOptions,
} from '../../transport/index.ts';
import { Doorway } from '../doorway.ts';
import { boundEndpoint, stopListening } from '../sockets.ts';
import { Visitor } from './visitor.ts';

/** A server of node:net whose connections become links once they have shown what they speak. */
export class NetListener implements Receiver {
  readonly #scheme: string;
  readonly #doorway: Doorway;
  #endpoint = '';
  #closed: Promise<void> | undefined;
  #release: () => Promise<void> = async () => {};

  /** @throws HawserError ERR_OPTION. */
  constructor(scheme: string, options: ListenOptions) {
    this.#scheme = scheme;
    this.#doorway = new Doorway(scheme, options, (reception) => ({
      welcome: ({ socket, by }) => new Visitor(reception, socket).enter(by),
      // The dialect is unknown yet: a line of JSON is what most peers, and people, can read.
      words: ({ reason }) => errorLine(reason),
    }));
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

  /** @throws HawserError as `Transport.listen` does. */
  async listen(endpoint: Endpoint, where: NodeListenOptions): Promise<this> {
    await this.#doorway.prepare(endpoint);
    await this.#doorway.listen(endpoint, where);
    return this.opened(boundEndpoint(this.server, this.#scheme));
  }

  /** Gets ready for connections that others have accepted. @throws HawserError ERR_OPTION. */
  async prepare(endpoint: Endpoint): Promise<this> {
    await this.#doorway.prepare(endpoint);
    this.#doorway.watch();
    return this.opened(describeEndpoint(endpoint));
  }

  /** It listens, on this; `release` gives back what else it holds when it closes. */
  opened(endpoint: string, release?: () => Promise<void>): this {
    this.#endpoint = endpoint;
    if (release !== undefined) this.#release = release;
    return this;
  }

  reload(tls?: TlsOptions): Promise<void> {
    return this.#doorway.reload(tls);
  }

  /** Goes on with a connection that another has accepted. */
  take(socket: Socket): void {
    this.#doorway.take(socket);
  }

  stop(): void {
    stopListening(this.server);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#doorway.close();
    await this.#release();
  }
}

/** Makes links of sockets that another process has accepted. @throws HawserError ERR_OPTION. */
export async function receiveSockets(endpoint: Endpoint, options: ListenOptions): Promise<Receiver> {
  return await new NetListener(endpoint.scheme, options).prepare(endpoint);
}
