import { CLOSE } from '../core/index.ts';
import { LinkGroup } from '../runtime/index.ts';
import {
  describeEndpoint,
  type Link,
  type ListenAddress,
  type Listener,
  type ListenerStats,
  type ListenOptions,
  type NetListenOptions,
  type Peer,
  type Refusal,
} from '../transport/index.ts';
import type { UdpHub } from './udp-hubs.ts';
import type { UdpLobby, UdpVisitor } from './udp-visitor.ts';

const FULL: Refusal = { reason: { code: CLOSE.tooManySockets, reason: 'too many connections' }, status: 503 };

/** A listener on a socket that all its links share. */
export abstract class UdpListener<Visitor extends UdpVisitor> implements Listener, UdpLobby {
  readonly endpoint: string;
  readonly group: LinkGroup;
  readonly options: ListenOptions;
  readonly visitors: Set<Visitor> = new Set();
  readonly #hub: UdpHub;
  readonly #most: number;
  #links = 0;
  #accepted = 0;
  #refused = 0;
  #held = false;
  #closed = false;

  constructor(
    scheme: string,
    hub: UdpHub,
    options: ListenOptions,
    { maxConnections = Number.POSITIVE_INFINITY, unref }: NetListenOptions,
  ) {
    this.#hub = hub;
    this.options = options;
    this.#most = maxConnections;
    this.group = new LinkGroup({ ...options, transport: scheme });
    const { address: host, port } = hub.address;
    this.endpoint = describeEndpoint({ scheme, host, port, path: '/', namespace: '/', reserved: {}, query: {} });
    if (unref !== true) this.ref();
  }

  get stats(): ListenerStats {
    const { bytesRead, bytesWritten } = this.#hub;
    return {
      connections: this.#connections,
      accepted: this.#accepted,
      refused: this.#refused,
      bytesRead,
      bytesWritten,
    };
  }

  get guests(): number {
    return this.visitors.size;
  }

  address(): ListenAddress {
    const { address, port } = this.#hub.address;
    return { address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' };
  }

  ref(): void {
    if (!this.#held && !this.#closed) this.#hub.hold();
    this.#held = true;
  }

  unref(): void {
    if (this.#held && !this.#closed) this.#hub.release();
    this.#held = false;
  }

  admit(peer: Peer): Refusal | undefined {
    const refusal = this.#connections > this.#most ? FULL : this.options.admit(peer);
    if (refusal === FULL) this.#refused++;
    return refusal;
  }

  onLink(link: Link): void {
    this.#accepted++;
    this.#links++;
    void link.closed.then(() => this.#links--);
    this.options.onLink(link);
  }

  /** Resolves at once while links live, and otherwise, also when it is called again, when the port is free. */
  async close(): Promise<void> {
    if (!this.#closed) this.#leave();
    if (this.#hub.isLeft) await this.lastWords();
    if (this.#hub.isLeft) await this.#hub.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Lets links that have ended say what they must before the port is given back. */
  protected async lastWords(): Promise<void> {}

  get #connections(): number {
    return this.#links + this.visitors.size;
  }

  #leave(): void {
    this.#closed = true;
    if (this.#held) this.#hub.release();
    for (const visitor of [...this.visitors])
      visitor.refuse({ code: CLOSE.serverClosing, reason: 'the server is closing' });
    this.#hub.host = undefined;
  }
}
