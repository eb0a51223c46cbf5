import { CLOSE, HawserError } from '../../core/index.ts';
import { LinkGroup } from '../../runtime/index.ts';
import {
  describeEndpoint,
  type Endpoint,
  isLoopbackAddress,
  type ListenAddress,
  type Listener,
  type ListenerStats,
  type ListenOptions,
  type NetListenOptions,
  type Peer,
  type Refusal,
} from '../../transport/index.ts';
import type { Session } from '../../udpack/index.ts';
import { addressText, readPrivateKey } from '../../udpack-endpoint/parts.ts';
import { checkUdpack } from '../settings.ts';
import { type Host, Hub, type HubOptions, type SessionUser } from './hub.ts';
import type { UdpackLink } from './link.ts';
import { hubOptionsOf, keyTextOf, portOf, type UdpackSettings } from './options.ts';
import { type Lobby, Visitor } from './visitor.ts';

const LOOPBACK = '127.0.0.1';
/** Handshakes of one address. */
const NO_RATE = { handshakeRate: Number.MAX_SAFE_INTEGER, handshakeBurst: Number.MAX_SAFE_INTEGER };
/** How long sessions that have ended may repeat their last words before the port is given back, ms. */
const LAST_WORDS = 500;
const FULL: Refusal = { reason: { code: CLOSE.tooManySockets, reason: 'too many connections' }, status: 503 };

/**
 * Sockets of this process by address, port and what they were opened with. UDP has one socket for a listener and all its links, and links outlive
 * their listener: who listens on the port again goes on with that socket.
 */
const HUBS: Map<string, { readonly hub: Hub; readonly like: string }> = new Map();

/** @throws HawserError as `Transport.listen` does; ERR_KEY. */
export async function listenUdpack(
  endpoint: Endpoint,
  options: ListenOptions,
  settings: UdpackSettings,
): Promise<Listener> {
  const net = checkUdpack('listen', options.net ?? {});
  const { udpack = {} } = net;
  if (endpoint.reserved.fd !== undefined)
    throw new HawserError('ERR_OPTION', 'udpack: what is inherited can not be taken over');
  const port = portOf(endpoint);
  const key = readPrivateKey(await keyTextOf(endpoint, udpack.key, 'its private key'));
  const host = endpoint.host || LOOPBACK;
  const hubOptions = { ...hubOptionsOf('listen', options, udpack, settings), key, workers: udpack.workers };
  // On loopback all peers have one address.
  const limits = isLoopbackAddress(host) ? { ...hubOptions.limits, ...NO_RATE } : hubOptions.limits;
  const hub = await openHub(host, port, { ...hubOptions, limits });
  return new UdpackListener(hub, options, net);
}

/** A socket on the port: one that was left by its listener and still has links, or a new one. */
async function openHub(host: string, port: number, options: HubOptions): Promise<Hub> {
  const { limits, times, congestion, key, workers } = options;
  const like = JSON.stringify([limits, times, congestion, [...(key?.publicKey ?? [])], workers === undefined]);
  const left = HUBS.get(addressText({ address: host === 'localhost' ? LOOPBACK : host, port }));
  if (left?.hub.stopping) await left.hub.closed;
  else if (left !== undefined && left.hub.host === undefined) {
    if (left.like === like) return left.hub;
    if (left.hub.links > 0) {
      throw new HawserError(
        'ERR_ADDRESS_IN_USE',
        `links of a listener before, with another key or limits, are on UDP port ${port}`,
      );
    }
    await left.hub.stop();
  }
  const hub = await Hub.open(host, port, options);
  const name = addressText(hub.address);
  HUBS.set(name, { hub, like });
  void hub.closed.then(() => HUBS.get(name)?.hub === hub && HUBS.delete(name));
  return hub;
}

class UdpackListener implements Listener, Host, Lobby {
  readonly endpoint: string;
  readonly group: LinkGroup;
  readonly options: ListenOptions;
  readonly visitors: Set<Visitor> = new Set();
  readonly #hub: Hub;
  readonly #most: number;
  #links = 0;
  #accepted = 0;
  #refused = 0;
  #held = false;
  #closed = false;

  constructor(
    hub: Hub,
    options: ListenOptions,
    { maxConnections = Number.POSITIVE_INFINITY, unref }: NetListenOptions,
  ) {
    this.#hub = hub;
    this.options = options;
    this.#most = maxConnections;
    this.group = new LinkGroup({ ...options, transport: 'udpack' });
    const { address, port } = hub.address;
    this.endpoint = describeEndpoint({
      scheme: 'udpack',
      host: address,
      port,
      path: '/',
      namespace: '/',
      reserved: {},
      query: {},
    });
    hub.host = this;
    if (unref !== true) this.ref();
  }

  get stats(): ListenerStats {
    const { bytesRead, bytesWritten } = this.#hub;
    const connections = this.#links + this.visitors.size;
    return { connections, accepted: this.#accepted, refused: this.#refused, bytesRead, bytesWritten };
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

  newcomer(session: Session): SessionUser {
    return new Visitor(this, this.#hub, session);
  }

  admit(peer: Peer): Refusal | undefined {
    const refusal = this.#links + this.visitors.size > this.#most ? FULL : this.options.admit(peer);
    if (refusal === FULL) this.#refused++;
    return refusal;
  }

  onLink(link: UdpackLink): void {
    this.#accepted++;
    this.#links++;
    void link.closed.then(() => this.#links--);
    this.options.onLink(link);
  }

  /** Resolves at once while links live, and otherwise, also when it is called again, when the port is free. */
  async close(): Promise<void> {
    if (!this.#closed) this.#leave();
    if (!this.#hub.isLeft) return;
    const { world } = this.group;
    const { closed } = this.#hub;
    await new Promise<void>((resolve) => {
      const late = world.timer(world.now() + LAST_WORDS, resolve);
      void closed.then(() => late.cancel()).then(resolve);
    });
    if (this.#hub.isLeft) await this.#hub.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #leave(): void {
    this.#closed = true;
    if (this.#held) this.#hub.release();
    for (const visitor of [...this.visitors])
      visitor.refuse({ code: CLOSE.serverClosing, reason: 'the server is closing' });
    this.#hub.host = undefined;
  }
}
