import { HawserError } from '../../core/index.ts';
import {
  type DialOptions,
  describeEndpoint,
  type Endpoint,
  type Link,
  type Listener,
  type ListenOptions,
  type Peer,
  type Transport,
} from '../../transport/index.ts';
import { InprocLink } from './link.ts';

/** Those who listen in this process, by name. */
const LISTENERS = new Map<string, ListenOptions>();

const HERE: Peer = { address: '', port: 0, local: true, path: undefined, query: {}, headers: {} };

/** `inproc:name`: links between parts of one process, for tests and for servers that talk to themselves. */
export const inprocTransport: Transport = { schemes: ['inproc'], dial, listen };

async function dial(endpoint: Endpoint, options: DialOptions): Promise<Link> {
  const where = describeEndpoint(endpoint);
  refuseOptions(options.net);
  await new Promise<void>((resolve) => options.world.soon(resolve));
  if (options.signal.aborted) {
    throw new HawserError('ERR_ABORTED', `${where} was given up`, { cause: options.signal.reason });
  }
  const listening = LISTENERS.get(endpoint.path);
  if (listening === undefined) throw new HawserError('ERR_CONNECT_FAILED', `nobody listens on ${where}`);
  const refusal = listening.admit(HERE);
  if (refusal !== undefined) {
    throw new HawserError('ERR_HANDSHAKE_REFUSED', `${where} refused the connection: ${refusal.reason.reason}`, {
      data: { status: refusal.status },
    });
  }
  const protocol = options.protocols.find((one) => listening.protocols.includes(one));
  if (protocol === undefined) {
    throw new HawserError('ERR_HANDSHAKE_REFUSED', `${where} speaks none of ${options.protocols.join(', ')}`, {
      data: { status: 400 },
    });
  }
  const [ours, theirs] = InprocLink.pair(protocol, options, listening);
  options.world.soon(() => listening.onLink(theirs));
  return ours;
}

async function listen(endpoint: Endpoint, options: ListenOptions): Promise<Listener> {
  refuseOptions(options.net);
  const name = endpoint.path;
  const where = `inproc:${name}`;
  if (name === '') throw new HawserError('ERR_URL', 'inproc: names nothing');
  if (LISTENERS.has(name)) throw new HawserError('ERR_ADDRESS_IN_USE', `${where} is in use`);
  LISTENERS.set(name, options);
  const close = async (): Promise<void> => {
    if (LISTENERS.get(name) === options) LISTENERS.delete(name);
  };
  return { endpoint: where, close, [Symbol.asyncDispose]: close };
}

function refuseOptions(net: object = {}): void {
  const [name] = Object.keys(net);
  if (name !== undefined) throw new HawserError('ERR_OPTION', `inproc: '${name}' is no option here`);
}
