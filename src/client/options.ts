import {
  DEFAULT_LIMITS,
  DEFAULT_TIMES,
  fillNumbers,
  HawserError,
  type Limits,
  ON_PAGE,
  type Times,
  type World,
} from '../core/index.ts';
import {
  type CompressionOptions,
  type Endpoint,
  type NetDialOptions,
  type PlainProtocol,
  parseEndpoint,
  type Transport,
} from '../transport/index.ts';
import type { Codec, Dialect } from '../wire/index.ts';
import type { ClientSocket } from './socket.ts';

/** Waits between attempts: a random one between 0 and a bound that doubles from `first` to `most` (full jitter). */
export interface ReconnectOptions {
  /** ms, default 500 */
  readonly first?: number;
  /** ms, default 10,000 */
  readonly most?: number;
  /** Attempts in a row before the socket gives up; default: no bound. */
  readonly attempts?: number;
}

export interface ConnectOptions {
  /** Proves who this peer is; a function is asked anew for each attempt. Never logged, never in a URL. */
  readonly token?: string | (() => string | Promise<string>);
  /** A name for oneself, where the server lets peers choose. */
  readonly user?: string;
  /** The public key of servers over udpack whose URLs name none, as `udpack.key` of a target; Node only. */
  readonly serverKey?: string | Uint8Array;
  /**
   * Called with the socket before its first link: listeners that are added here, or in the turn in which `connect` resolves, miss nothing.
   */
  readonly prepare?: (socket: ClientSocket<never>) => void;
  /** Gives up connecting, and ends the socket later. */
  readonly signal?: AbortSignal;
  /** For the first connection, ms; default 20,000, 0 for no bound. */
  readonly timeout?: number;
  /** Whether to go on trying when the first attempt fails. Default false. */
  readonly persistent?: boolean;
  /** `false` ends the socket with its first link. */
  readonly reconnect?: ReconnectOptions | false;
  /**
   * Whether a server that goes may send this client, with its token, to an address that is not among the URLs. A function is asked for each, which is
   * a URL without path or parameters. The scheme stays. Default false: only the order of the URLs changes. Node only.
   */
  readonly followRedirects?: boolean | ((url: string) => boolean);
  readonly limits?: Partial<Limits>;
  /** ms */
  readonly times?: Partial<Times>;
  /** Headers of the WebSocket upgrade; only where the platform allows it (Node). */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether and how messages over WebSocket are compressed, with servers that do it too; Node only: a browser decides by itself. Default false. */
  readonly compression?: boolean | CompressionOptions;
  /** Hears what listeners threw. Default: console.error. */
  readonly onError?: (error: unknown, during: string) => void;
  /** Dialects of the application's own by name, for `?dialect=NAME` in URLs; Node only. */
  readonly dialects?: Readonly<Record<string, Dialect>>;
  /** Further transports, tried before the built-in ones of the same scheme. */
  readonly transports?: readonly Transport[];
}

/** What differs between Node and a browser. */
export interface Platform {
  readonly world: World;
  readonly codec: Codec;
  readonly transports: readonly Transport[];
  /**
   * Tells when it is worth looking whether the server is still there: the page is looked at again, the network is another; `isOnline` is
   * false when there is none. Until `signal` fires.
   */
  readonly watch?: (hear: (isOnline: boolean) => void, signal: AbortSignal) => void;
  /** The dialect of this name, where the platform has plain ones. @throws HawserError ERR_OPTION for one that is unknown. */
  plain?(name: string, options: ConnectOptions): PlainDialect;
}

/** A dialect without hello, and how it is carried. */
export interface PlainDialect extends PlainProtocol {
  readonly codec: Codec;
}

export interface ResolvedConnectOptions {
  readonly token: () => string | undefined | Promise<string>;
  readonly user?: string;
  readonly signal?: AbortSignal;
  readonly timeout: number;
  readonly persistent: boolean;
  readonly reconnect: Required<ReconnectOptions>;
  readonly followRedirects: boolean | ((url: string) => boolean);
  readonly limits: Limits;
  readonly times: Times;
  readonly headers: Readonly<Record<string, string>>;
  readonly serverKey?: string | Uint8Array;
  readonly compression?: boolean | CompressionOptions;
  readonly onError: (error: unknown, during: string) => void;
}

/** Where errors go that are nobody's. */
export function reporter({ onError }: ConnectOptions): (error: unknown, during: string) => void {
  return onError ?? ((error, during) => console.error(`hawser: ${during} failed:`, error));
}

/** @throws HawserError ERR_OPTION for a value that can't be. */
export function resolveConnectOptions(options: ConnectOptions): ResolvedConnectOptions {
  const { token, reconnect } = options;
  return {
    ...options,
    token: typeof token === 'function' ? token : () => token,
    timeout: fillNumbers({ timeout: 20_000 }, { timeout: options.timeout }, 'connect').timeout,
    persistent: options.persistent ?? false,
    reconnect: fillNumbers(
      { first: 500, most: 10_000, attempts: reconnect === false ? 0 : Infinity },
      reconnect || undefined,
      'reconnect',
    ),
    followRedirects: !ON_PAGE && (options.followRedirects ?? false),
    limits: fillNumbers(DEFAULT_LIMITS, options.limits, 'limits'),
    times: fillNumbers(DEFAULT_TIMES, options.times, 'times'),
    headers: options.headers ?? {},
    onError: reporter(options),
  };
}

/** What to dial, and how; a URL alone means `{ url }`. In Node only: a page's URLs have no options. */
export interface DialTarget extends NetDialOptions {
  readonly url: string;
}

/** One or several. */
export type Targets = string | DialTarget | readonly (string | DialTarget)[];

/** A URL that can be dialled here, with the transport that does it. */
export interface Route {
  readonly endpoint: Endpoint;
  readonly net: DialTarget | undefined;
  readonly transport: Transport;
}

/** What is said of a route beside its URL. */
export function netOf({ net }: Route): NetDialOptions {
  const { url: _, ...options } = net ?? { url: '' };
  return options;
}

/** The dialect that the URLs name, all the same; undefined for Hawser's own. @throws HawserError ERR_URL, ERR_OPTION. */
export function plainOf(
  routes: readonly Route[],
  platform: Platform,
  options: ConnectOptions,
): PlainDialect | undefined {
  const names = routes.map(({ endpoint }) => endpoint.reserved.dialect ?? 'hawser');
  const [name = 'hawser'] = names;
  if (names.every((one) => one === 'hawser')) return undefined;
  if (ON_PAGE || names.some((one) => one !== name) || !platform.plain)
    throw new HawserError('ERR_URL', ON_PAGE ? undefined : 'no such dialect here');
  return platform.plain(name, options);
}

/**
 * Where an HTTP URL is given WebSocket is tried first, on the same port; with `?mode=` it is not, and requests alone carry the link.
 * @throws HawserError ERR_URL for no URL at all, or one that no transport speaks.
 */
export function resolveRoutes(urls: Targets, transports: readonly Transport[]): readonly Route[] {
  const routes = [urls].flat().flatMap((target) => {
    const net = ON_PAGE || typeof target === 'string' ? undefined : target;
    const endpoint = parseEndpoint(net?.url ?? (target as string));
    const { scheme, reserved } = endpoint;
    return [...new Set([reserved.mode ? scheme : scheme.replace('http', 'ws'), scheme])].map((one) => {
      const transport = transports.find(({ schemes }) => schemes.includes(one));
      if (!transport) throw new HawserError('ERR_URL', `no transport for '${one}:'`);
      return { endpoint: { ...endpoint, scheme: one }, net, transport };
    });
  });
  if (routes.length === 0) throw new HawserError('ERR_URL', ON_PAGE ? undefined : 'no URL');
  return routes;
}
