import { HawserError } from '../../core/index.ts';
import { describeEndpoint, type Endpoint, type Transport } from '../../transport/index.ts';
import { boundEndpoint, startListening } from '../sockets.ts';
import { dialSocket } from './dial.ts';
import { NetListener } from './listener.ts';

const LOOPBACK = '127.0.0.1';

/** `tcp://host:port`: small writes go out at once, and silent peers are probed. Port 0 listens on any that is free. */
export const tcpTransport: Transport = {
  schemes: ['tcp'],
  async dial(endpoint, options) {
    const where = { host: endpoint.host || LOOPBACK, port: portOf(endpoint), noDelay: true, keepAlive: true };
    return await dialSocket(where, endpoint, options);
  },
  async listen(endpoint, options) {
    const listener = new NetListener('tcp', options);
    const where = { host: endpoint.host || LOOPBACK, port: portOf(endpoint) };
    await startListening(listener.server, where, describeEndpoint(endpoint));
    return listener.opened(boundEndpoint(listener.server, 'tcp'));
  },
};

function portOf(endpoint: Endpoint): number {
  if (endpoint.port !== undefined) return endpoint.port;
  throw new HawserError('ERR_URL', `${describeEndpoint(endpoint)} names no port`);
}
