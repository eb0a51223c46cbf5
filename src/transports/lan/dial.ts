import { aborted, HawserError } from '../../core/index.ts';
import { discover } from '../../lan-endpoint/index.ts';
import {
  type DialOptions,
  type Endpoint,
  type Link,
  type NetDialOptions,
  parseEndpoint,
  type Transport,
} from '../../transport/index.ts';

/** How long servers are looked for, ms, unless it is said; and how long for others once one has answered. */
const LOOK = 2000;
const SETTLE = 50;
/** Addresses that are tried, and how long each one may take, ms. */
const TRIED_MOST = 8;
const TRY = 2000;

/** Those that are told about certificates. */
const SECURE: ReadonlySet<string> = new Set(['tls', 'wss', 'https', 'quic']);

interface Way {
  readonly endpoint: Endpoint;
  readonly transport: Transport;
}

/**
 * Looks for servers of the name, then dials their endpoints one after the other, those of the server with the least load first.
 * @throws HawserError ERR_CONNECT_FAILED when there is none, or what the last one refused with; ERR_URL, ERR_OPTION, ERR_ABORTED.
 */
export async function dialLan(
  endpoint: Endpoint,
  options: DialOptions,
  transports: readonly Transport[],
): Promise<Link> {
  const { path: name } = endpoint;
  const { lan = {} } = options.net ?? {};
  const { signal } = options;
  const found = await discover({ timeout: LOOK, settle: SETTLE, ...lan, name, signal });
  const urls = found.flatMap(({ endpoints }) => endpoints);
  const ways = urls.flatMap((url) => waysTo(url, endpoint, transports)).slice(0, TRIED_MOST);
  let error: unknown = new HawserError(
    'ERR_CONNECT_FAILED',
    found.length === 0 ? `no server called ${name} has answered` : `no endpoint of ${name} can be dialled here`,
  );
  for (const way of ways) {
    try {
      return await tryWay(way, options);
    } catch (cause) {
      if (signal.aborted) throw aborted(signal);
      error = isUnfit(cause) ? unfit(name, cause) : cause;
    }
  }
  throw error;
}

/** Whoever answers says what it likes: an endpoint that can't be one is no mistake of ours that would be there next time, too. */
function isUnfit(cause: unknown): cause is HawserError {
  return cause instanceof HawserError && (cause.code === 'ERR_URL' || cause.code === 'ERR_OPTION');
}

function unfit(name: string, cause: HawserError): HawserError {
  return new HawserError('ERR_CONNECT_FAILED', `an endpoint of ${name} can't be dialled here: ${cause.message}`, {
    cause,
  });
}

async function tryWay({ endpoint, transport }: Way, options: DialOptions): Promise<Link> {
  const late = AbortSignal.timeout(TRY);
  const signal = AbortSignal.any([options.signal, late]);
  const dialled = transport.dial(endpoint, { ...options, signal, net: netFor(endpoint.scheme, options.net ?? {}) });
  return await dialled.catch((cause: unknown) => {
    if (!late.aborted || options.signal.aborted) throw cause;
    throw new HawserError('ERR_CONNECT_FAILED', `${endpoint.scheme}://${endpoint.host} took longer than ${TRY} ms`, {
      cause,
    });
  });
}

/** What was found says where; what the application wrote says what it wants there. */
function waysTo(url: string, wanted: Endpoint, transports: readonly Transport[]): readonly Way[] {
  const found = endpointOf(url);
  const transport = transports.find(({ schemes }) => found !== undefined && schemes.includes(found.scheme));
  if (found === undefined || transport === undefined) return [];
  const isWeb = /^(?:ws|http)s?$/.test(found.scheme);
  const { namespace } = wanted.reserved;
  const path = isWeb && namespace !== undefined ? namespace : found.path;
  const reserved = { ...wanted.reserved, ...found.reserved };
  const endpoint = { ...found, path, namespace: namespace ?? found.namespace, reserved, query: wanted.query };
  return [{ endpoint, transport }];
}

/** Undefined for what is a URL and no endpoint's: a percent escape that is broken. */
function endpointOf(url: string): Endpoint | undefined {
  try {
    return parseEndpoint(url);
  } catch {
    return undefined;
  }
}

/** Options that a transport doesn't know would be refused. */
function netFor(scheme: string, { lan: _lan, tls, udpack, ...sockets }: NetDialOptions): NetDialOptions {
  if (scheme === 'udpack') return udpack === undefined ? {} : { udpack };
  return tls !== undefined && SECURE.has(scheme) ? { ...sockets, tls } : sockets;
}
