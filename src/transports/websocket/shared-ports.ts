import {
  type Endpoint,
  type Listener,
  type ListenOptions,
  type NetListenOptions,
  parseEndpoint,
} from '../../transport/index.ts';
import { LOOPBACK, portOf, WebSocketListener } from './listener.ts';

/** The ports of this process on which others may still listen, at other paths. */
const PORTS = new Map<string, Promise<WebSocketListener>>();

type MakeListener = (endpoint: Endpoint, options: ListenOptions) => WebSocketListener;

const makePlain: MakeListener = (endpoint, options) => new WebSocketListener(endpoint, options);

/**
 * Listens: on a port of its own, or at another path of one that this process has opened. Then the port, its certificate and the options
 * of its sockets are those of the first.
 */
export async function listenWebSocket(
  endpoint: Endpoint,
  options: ListenOptions,
  make: MakeListener = makePlain,
): Promise<Listener> {
  const known = isShareable(endpoint, options.net) ? PORTS.get(keyOf(endpoint)) : undefined;
  // Without an await where nobody has the port: those who ask for it at once must find each other.
  const port = known && (await known.catch(() => undefined));
  if (port?.isOpen && port.sharesWith(endpoint, options.net)) return port.share(endpoint, options);
  const listener = make(endpoint, options);
  const opening = listener.listen();
  if (!isShareable(endpoint, options.net)) return await opening;
  const key = keyOf(endpoint);
  if (endpoint.port !== 0 && !port?.isOpen) offer(key, listener, opening);
  await opening;
  if (endpoint.port === 0)
    offer(keyOf({ ...endpoint, port: parseEndpoint(listener.endpoint).port }), listener, opening);
  return listener;
}

function offer(key: string, listener: WebSocketListener, opening: Promise<WebSocketListener>): void {
  PORTS.set(key, opening);
  listener.onShut = () => {
    if (PORTS.get(key) === opening) PORTS.delete(key);
  };
}

function keyOf({ scheme, host, port }: Endpoint): string {
  return `${scheme}://${host || LOOPBACK}:${port ?? portOf(scheme)}`;
}

/** What is listened on by a descriptor of its own is nobody else's. */
function isShareable({ reserved }: Endpoint, net: NetListenOptions | undefined): boolean {
  return reserved.fd === undefined && net?.fd === undefined && net?.handle === undefined;
}
