import type { DialOptions, Endpoint, Link, Listener, ListenOptions, Transport } from '../../transport/index.ts';
import { isInherited, portOf } from '../settings.ts';
import { dialSocket } from './dial.ts';
import { NetListener, receiveSockets } from './listener.ts';

const LOOPBACK = '127.0.0.1';

/** `tcp://host:port`: small writes go out at once, and silent peers are probed. Port 0 listens on any that is free. */
export const tcpTransport: Transport = { schemes: ['tcp'], dial, listen, receive: receiveSockets };

/** `tls://host:port`: the same, encrypted, and the server is who its name says. */
export const tlsTransport: Transport = { schemes: ['tls'], dial, listen, receive: receiveSockets };

async function dial(endpoint: Endpoint, options: DialOptions): Promise<Link> {
  return await dialSocket({ host: endpoint.host || LOOPBACK, port: portOf(endpoint) }, endpoint, options);
}

async function listen(endpoint: Endpoint, options: ListenOptions): Promise<Listener> {
  const listener = new NetListener(endpoint.scheme, options);
  const port = isInherited(endpoint, options.net) ? 0 : portOf(endpoint);
  return await listener.listen(endpoint, { host: endpoint.host || LOOPBACK, port });
}
