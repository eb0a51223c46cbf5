import { HawserError, ON_PAGE } from '../core/index.ts';

/** Parameters of an endpoint's URL that are this side's own business and never sent. docs/PROTOCOL.md has the table. */
export const RESERVED_PARAMETERS = ['key', 'cert', 'ca', 'servername', 'dialect', 'namespace', 'mode', 'fd'] as const;
export type ReservedParameter = (typeof RESERVED_PARAMETERS)[number];

/** A URL that a server listens on or a client dials, taken apart. */
export interface Endpoint {
  /** Such as `tcp`, without the colon. */
  readonly scheme: string;
  /** Host name or address without brackets; '' where the scheme has none. */
  readonly host: string;
  /** The port, or undefined when the URL names none. */
  readonly port: number | undefined;
  /** For ipc the socket's file, for inproc its name; otherwise the URL's path. */
  readonly path: string;
  /** `/` unless the URL names another: its path, or `?namespace=` where the path means something else. */
  readonly namespace: string;
  readonly reserved: Readonly<Partial<Record<ReservedParameter, string>>>;
  /** All other parameters: they reach the server as `socket.handshake.query`. */
  readonly query: Readonly<Record<string, string>>;
}

const RESERVED: ReadonlySet<string> = new Set(RESERVED_PARAMETERS);
const PATH_IS_ADDRESS: ReadonlySet<string> = new Set(['ipc', 'worker', 'inproc', 'lan']);

/** @throws HawserError ERR_URL when `text` is no URL that an endpoint can have; it may hold secrets, and is not repeated. */
export function parseEndpoint(text: string): Endpoint {
  let url: URL;
  let path: string;
  try {
    // A named pipe of Windows, as its own programs write it.
    url = new URL(!ON_PAGE && text.startsWith('\\\\') ? `ipc:${text}` : text);
    path = decodeURIComponent(url.pathname);
  } catch (cause) {
    throw new HawserError(
      'ERR_URL',
      ON_PAGE ? undefined : 'not a URL: one has a scheme, and a port up to 65535, as tcp://127.0.0.1:3001',
      { cause },
    );
  }
  // Credentials in a URL end up in logs.
  if (url.username + url.password !== '') throw new HawserError('ERR_URL', 'no credentials in URLs: pass `token`');
  const scheme = url.protocol.slice(0, -1);
  const reserved: Partial<Record<ReservedParameter, string>> = {};
  const query: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of url.searchParams) {
    if (RESERVED.has(name)) reserved[name as ReservedParameter] = value;
    else query[name] = value;
  }
  const addressed = !ON_PAGE && PATH_IS_ADDRESS.has(scheme);
  return {
    scheme,
    host: addressed ? '' : url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? undefined : Number(url.port),
    path: addressed ? url.hostname + path : path,
    namespace: reserved.namespace ?? (addressed || path === '' ? '/' : path),
    reserved,
    query,
  };
}

/** The endpoint as it may be logged: no parameters, hence no secrets. */
export function describeEndpoint(endpoint: Endpoint): string {
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  const port = endpoint.port === undefined ? '' : `:${endpoint.port}`;
  return `${endpoint.scheme}://${host}${port}${endpoint.path === '/' ? '' : endpoint.path}`;
}
