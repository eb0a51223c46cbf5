import { HawserError } from '../../core/index.ts';
import {
  type Endpoint,
  isLoopbackAddress,
  type Listener,
  type ListenOptions,
  type NetListenOptions,
} from '../../transport/index.ts';
import type { Session } from '../../udpack/index.ts';
import { readPrivateKey } from '../../udpack-endpoint/parts.ts';
import { checkUdpack, portOf } from '../settings.ts';
import { UdpHubs } from '../udp-hubs.ts';
import { UdpListener } from '../udp-listener.ts';
import { type Host, Hub, type HubOptions, type SessionUser } from './hub.ts';
import { hubOptionsOf, keyTextOf, type UdpackSettings } from './options.ts';
import { Visitor } from './visitor.ts';

const LOOPBACK = '127.0.0.1';
/** Handshakes of one address. */
const NO_RATE = { handshakeRate: Number.MAX_SAFE_INTEGER, handshakeBurst: Number.MAX_SAFE_INTEGER };
/** How long sessions that have ended may repeat their last words before the port is given back, ms. */
const LAST_WORDS = 500;

const HUBS: UdpHubs<Host, Hub> = new UdpHubs();

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
  const opened: HubOptions = { ...hubOptions, limits };
  return await HUBS.listen({
    host,
    port,
    like: likenessOf(opened),
    open: () => Hub.open(host, port, opened),
    listener: (hub) => new UdpackListener(hub, options, net),
  });
}

/** What must be the same for a socket to serve the next listener too. */
function likenessOf({ limits, times, congestion, key, workers }: HubOptions): string {
  return JSON.stringify([limits, times, congestion, [...(key?.publicKey ?? [])], workers === undefined]);
}

class UdpackListener extends UdpListener<Visitor> implements Host {
  readonly #hub: Hub;

  constructor(hub: Hub, options: ListenOptions, net: NetListenOptions) {
    super('udpack', hub, options, net);
    this.#hub = hub;
  }

  newcomer(session: Session): SessionUser {
    return new Visitor(this, this.#hub, session);
  }

  protected override async lastWords(): Promise<void> {
    const { world } = this.group;
    const { closed } = this.#hub;
    await new Promise<void>((resolve) => {
      const late = world.timer(world.now() + LAST_WORDS, resolve);
      void closed.then(() => late.cancel()).then(resolve);
    });
  }
}
