import { CLOSE, HawserError } from '../../core/index.ts';
import { LinkGroup } from '../../runtime/index.ts';
import {
  describeEndpoint,
  type Endpoint,
  type ListenAddress,
  type Listener,
  type ListenerStats,
  type ListenOptions,
  type NetListenOptions,
  type Peer,
  type Refusal,
  type TlsListenOptions,
  type TlsOptions,
} from '../../transport/index.ts';
import { addressText, isLoopback } from '../../udpack-endpoint/parts.ts';
import { type CertificateWatch, reloadOnChange } from '../certificate-watch.ts';
import { checkQuic } from '../settings.ts';
import type { Connection, ConnectionUser, HostPort } from './connection.ts';
import { type Host, Hub, type HubOptions } from './hub.ts';
import type { QuicLink } from './link.ts';
import { datagramBytesOf, portOf, type QuicSettings, setLimits } from './options.ts';
import { loadQuiche, type MachineConfig } from './quiche.ts';
import { listenSecurity, type Security } from './security.ts';
import { type Lobby, Visitor } from './visitor.ts';

const LOOPBACK = '127.0.0.1';
const HANDSHAKES = 1000;
const HANDSHAKES_PER_ADDRESS = 50;
const FULL: Refusal = { reason: { code: CLOSE.tooManySockets, reason: 'too many connections' }, status: 503 };

/**
 * Sockets of this process by address and port. UDP has one socket for a listener and all its links, and links outlive their listener: who listens on the
 * port again goes on with that socket.
 */
const HUBS: Map<string, Hub> = new Map();

/** @throws HawserError as `Transport.listen` does; ERR_UNSUPPORTED where the package is not installed. */
export async function listenQuic(
  endpoint: Endpoint,
  options: ListenOptions,
  settings: QuicSettings,
): Promise<Listener> {
  const net = checkQuic('listen', options.net ?? {});
  if (endpoint.reserved.fd !== undefined)
    throw new HawserError('ERR_OPTION', 'quic: what is inherited can not be taken over');
  const port = portOf(endpoint);
  const quiche = await loadQuiche();
  const host = endpoint.host || LOOPBACK;
  const datagramBytes = datagramBytesOf(settings, isLoopback(host) || host === 'localhost');
  const secure = async (tls: TlsListenOptions): Promise<Security> => {
    const security = await listenSecurity(quiche, endpoint, tls);
    setLimits(security.config, 'listen', options, settings);
    security.config.setMaxSendUdpPayloadSize(datagramBytes);
    return security;
  };
  const security = await secure(net.tls ?? {});
  const hub = await openHub(host, port, { quiche, world: options.world, datagramBytes });
  const listener = new QuicListener(hub, security, { options, net, settings, secure });
  if (net.tls?.watch === true) await listener.watch(endpoint);
  return listener;
}

/** A socket on the port: one that was left by its listener and still has links, or a new one. */
async function openHub(host: string, port: number, options: HubOptions): Promise<Hub> {
  const left = HUBS.get(addressText({ address: host === 'localhost' ? LOOPBACK : host, port }));
  if (left?.stopping) await left.closed;
  else if (left !== undefined && left.host === undefined) return left;
  const hub = await Hub.open(host, port, options);
  const name = addressText({ address: hub.local.host, port: hub.local.port });
  HUBS.set(name, hub);
  void hub.closed.then(() => HUBS.get(name) === hub && HUBS.delete(name));
  return hub;
}

interface ListenerParts {
  readonly options: ListenOptions;
  readonly net: NetListenOptions;
  readonly settings: QuicSettings;
  /** Reads certificates, keys and authorities. @throws HawserError ERR_OPTION. */
  readonly secure: (tls: TlsListenOptions) => Promise<Security>;
}

class QuicListener implements Listener, Host, Lobby {
  readonly endpoint: string;
  readonly group: LinkGroup;
  readonly options: ListenOptions;
  readonly requestCert: boolean;
  readonly visitors: Set<Visitor> = new Set();
  readonly #hub: Hub;
  readonly #most: number;
  readonly #settings: QuicSettings;
  readonly #secure: ListenerParts['secure'];
  #security: Security;
  #tls: TlsListenOptions;
  #watch: CertificateWatch | undefined;
  #links = 0;
  #accepted = 0;
  #refused = 0;
  #held = false;
  #closed = false;

  constructor(hub: Hub, security: Security, { options, net, settings, secure }: ListenerParts) {
    this.#hub = hub;
    this.#security = security;
    this.#secure = secure;
    this.#tls = net.tls ?? {};
    this.options = options;
    this.requestCert = net.tls?.requestCert === true;
    this.#most = net.maxConnections ?? Number.POSITIVE_INFINITY;
    this.#settings = settings;
    this.group = new LinkGroup({ ...options, transport: 'quic' });
    const { host, port } = hub.local;
    const here = { scheme: 'quic', host, port, path: '/', namespace: '/', reserved: {}, query: {} };
    this.endpoint = describeEndpoint(here);
    hub.host = this;
    if (net.unref !== true) this.ref();
  }

  /** What who comes is shown, and who of them is trusted. */
  get config(): MachineConfig {
    return this.#security.config;
  }

  get pins(): readonly Uint8Array[] | undefined {
    return this.#security.pins;
  }

  /** As `Listener.reload`. */
  async reload(given: TlsOptions = {}): Promise<void> {
    const tls = { ...this.#tls, ...given };
    this.#security = await this.#secure(tls);
    this.#tls = tls;
  }

  /** Reads the files anew whenever they change. @throws HawserError ERR_OPTION; it is closed then. */
  async watch(endpoint: Endpoint): Promise<void> {
    try {
      this.#watch = reloadOnChange(endpoint, this.options, () => this.reload());
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  get stats(): ListenerStats {
    const { bytesRead, bytesWritten } = this.#hub;
    const connections = this.#links + this.visitors.size;
    return { connections, accepted: this.#accepted, refused: this.#refused, bytesRead, bytesWritten };
  }

  get guests(): number {
    return this.visitors.size;
  }

  address(): ListenAddress {
    const { host, port } = this.#hub.local;
    return { address: host, port, family: host.includes(':') ? 'IPv6' : 'IPv4' };
  }

  ref(): void {
    if (!this.#held && !this.#closed) this.#hub.hold();
    this.#held = true;
  }

  unref(): void {
    if (this.#held && !this.#closed) this.#hub.release();
    this.#held = false;
  }

  admits({ host }: HostPort): boolean {
    const { handshakes = HANDSHAKES, handshakesPerAddress = HANDSHAKES_PER_ADDRESS } = this.#settings;
    if (this.visitors.size >= handshakes) return false;
    if (isLoopback(host) || this.visitors.size < handshakesPerAddress) return true;
    let same = 0;
    for (const { address } of this.visitors) if (address === host) same++;
    return same < handshakesPerAddress;
  }

  newcomer(connection: Connection): ConnectionUser {
    return new Visitor(this, this.#hub, connection);
  }

  admit(peer: Peer): Refusal | undefined {
    const refusal = this.#links + this.visitors.size > this.#most ? FULL : this.options.admit(peer);
    if (refusal === FULL) this.#refused++;
    return refusal;
  }

  onLink(link: QuicLink): void {
    this.#accepted++;
    this.#links++;
    void link.closed.then(() => this.#links--);
    this.options.onLink(link);
  }

  /** Resolves at once while links live, and otherwise, also when it is called again, when the port is free. */
  async close(): Promise<void> {
    if (!this.#closed) this.#leave();
    if (this.#hub.isLeft) await this.#hub.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #leave(): void {
    this.#closed = true;
    this.#watch?.[Symbol.dispose]();
    if (this.#held) this.#hub.release();
    for (const visitor of [...this.visitors])
      visitor.refuse({ code: CLOSE.serverClosing, reason: 'the server is closing' });
    this.#hub.host = undefined;
  }
}
