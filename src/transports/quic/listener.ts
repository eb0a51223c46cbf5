import { HawserError } from '../../core/index.ts';
import type {
  Endpoint,
  Listener,
  ListenOptions,
  NetListenOptions,
  TlsListenOptions,
  TlsOptions,
} from '../../transport/index.ts';
import { isLoopback } from '../../udpack-endpoint/parts.ts';
import { type CertificateWatch, reloadOnChange } from '../certificate-watch.ts';
import { Reloads } from '../reloads.ts';
import { checkQuic, portOf } from '../settings.ts';
import { UdpHubs } from '../udp-hubs.ts';
import { UdpListener } from '../udp-listener.ts';
import type { Connection, ConnectionUser, HostPort } from './connection.ts';
import { type Host, Hub } from './hub.ts';
import { datagramBytesOf, type QuicSettings, setLimits } from './options.ts';
import { loadQuiche, type MachineConfig } from './quiche.ts';
import { listenSecurity, type Security } from './security.ts';
import { type Lobby, Visitor } from './visitor.ts';

const LOOPBACK = '127.0.0.1';
const HANDSHAKES = 1000;
const HANDSHAKES_PER_ADDRESS = 50;

const HUBS: UdpHubs<Host, Hub> = new UdpHubs();

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
  const listener = await HUBS.listen({
    host,
    port,
    open: () => Hub.open(host, port, { quiche, world: options.world, datagramBytes }),
    listener: (hub) => new QuicListener(hub, security, { options, net, settings, secure }),
  });
  if (net.tls?.watch === true) await listener.watch(endpoint);
  return listener;
}

interface ListenerParts {
  readonly options: ListenOptions;
  readonly net: NetListenOptions;
  readonly settings: QuicSettings;
  /** Reads certificates, keys and authorities. @throws HawserError ERR_OPTION. */
  readonly secure: (tls: TlsListenOptions) => Promise<Security>;
}

class QuicListener extends UdpListener<Visitor> implements Host, Lobby {
  readonly #hub: Hub;
  readonly #settings: QuicSettings;
  readonly #secure: ListenerParts['secure'];
  readonly #reloads: Reloads = new Reloads();
  #security: Security;
  #tls: TlsListenOptions;
  #watch: CertificateWatch | undefined;

  constructor(hub: Hub, security: Security, { options, net, settings, secure }: ListenerParts) {
    super('quic', hub, options, net);
    this.#hub = hub;
    this.#security = security;
    this.#secure = secure;
    this.#tls = net.tls ?? {};
    this.#settings = settings;
  }

  /** What who comes is shown, and who of them is trusted. */
  get config(): MachineConfig {
    return this.#security.config;
  }

  get security(): Security {
    return this.#security;
  }

  /** As `Listener.reload`. */
  reload(given: TlsOptions = {}): Promise<void> {
    return this.#reloads.inTurn(async () => {
      const tls = { ...this.#tls, ...given };
      this.#security = await this.#secure(tls);
      this.#tls = tls;
    });
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

  override async close(): Promise<void> {
    this.#watch?.[Symbol.dispose]();
    await super.close();
  }
}
