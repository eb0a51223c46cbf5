import { isIP, type ListenOptions as NodeListenOptions, type ServerOpts, type Socket } from 'node:net';
import { HawserError } from '../core/index.ts';
import { describeEndpoint, type Endpoint, type NetDialOptions, type NetListenOptions } from '../transport/index.ts';
import { inheritedFd } from './inherited.ts';
import { known } from './tls.ts';

type Rule = readonly [is: (value: unknown) => boolean, what: string];

const BOOLEAN: Rule = [(value) => typeof value === 'boolean', 'true or false'];
/** The longest that a timer of Node's can be told, ms. */
const MOST_MS = 2 ** 31 - 1;
const MS: Rule = [(value) => isNumber(value) && value <= MOST_MS, 'ms from 0'];
const FUNCTION: Rule = [(value) => typeof value === 'function', 'a function'];
const OBJECT: Rule = [(value) => typeof value === 'object' && value !== null, 'an object'];
const FALLBACK: Rule = [
  (value) => value === false || (typeof value === 'object' && value !== null),
  'false or an object',
];
const COUNT: Rule = [(value) => Number.isInteger(value) && isNumber(value) && value > 0, 'a whole number from 1'];
const BYTES: Rule = [(value) => typeof value === 'string' || value instanceof Uint8Array, 'text or bytes'];
const TEXT: Rule = [(value) => typeof value === 'string', 'text'];
const VERSION: Rule = [(value) => /^TLSv1(\.[123])?$/.test(String(value)), 'TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3'];

const LOCAL_ADDRESS: Rule = [(value) => isIP(String(value)) > 0, 'an address'];
const LOCAL_PORT: Rule = [(value) => Number.isInteger(value) && isNumber(value) && value < 65_536, 'a port'];
const FAMILY: Rule = [(value) => value === 0 || value === 4 || value === 6, '0, 4 or 6'];

/** What sockets of any kind can be told, then what those of TCP can besides. */
const SOCKET = { idleTimeout: MS } as const;
const TCP = { ...SOCKET, noDelay: BOOLEAN, keepAlive: BOOLEAN, keepAliveDelay: MS } as const;

const LISTEN = {
  ...SOCKET,
  backlog: COUNT,
  exclusive: BOOLEAN,
  maxConnections: COUNT,
  onSocket: FUNCTION,
  pauseOnConnect: BOOLEAN,
  fd: [(value) => Number.isInteger(value) && isNumber(value), 'a descriptor'],
  handle: OBJECT,
  unref: BOOLEAN,
} satisfies Record<string, Rule>;
const LISTEN_TCP: Readonly<Record<string, Rule>> = { ...LISTEN, ...TCP, ipv6Only: BOOLEAN };
const DIAL_TCP: Readonly<Record<string, Rule>> = {
  ...TCP,
  localAddress: LOCAL_ADDRESS,
  localPort: LOCAL_PORT,
  family: FAMILY,
  lookup: FUNCTION,
  autoSelectFamily: BOOLEAN,
  autoSelectFamilyAttemptTimeout: [(value) => isNumber(value) && value >= 10, 'ms from 10'],
};
const TLS: Readonly<Record<string, Rule>> = {
  cert: BYTES,
  key: BYTES,
  pfx: [(value) => value instanceof Uint8Array, 'bytes'],
  passphrase: TEXT,
  ca: BYTES,
  minVersion: VERSION,
  maxVersion: VERSION,
  ciphers: TEXT,
  alpn: [(value) => Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== ''), 'names'],
};
const TLS_LISTEN: Readonly<Record<string, Rule>> = {
  ...TLS,
  watch: BOOLEAN,
  requestCert: [(value) => typeof value === 'boolean' || value === 'optional', "true, false or 'optional'"],
};
const TLS_DIAL: Readonly<Record<string, Rule>> = { ...TLS, servername: TEXT, rejectUnauthorized: BOOLEAN };

const UDPACK: Readonly<Record<string, Rule>> = {
  key: BYTES,
  workers: OBJECT,
  congestion: [(value) => ['bbr', 'cubic', 'newreno'].includes(String(value)), 'bbr, cubic or newreno'],
};
const UDPACK_LISTEN: Readonly<Record<string, Rule>> = { maxConnections: COUNT, unref: BOOLEAN, udpack: OBJECT };
const UDPACK_DIAL: Readonly<Record<string, Rule>> = {
  localAddress: LOCAL_ADDRESS,
  localPort: LOCAL_PORT,
  family: FAMILY,
  udpack: OBJECT,
};

const QUIC_LISTEN: Readonly<Record<string, Rule>> = { maxConnections: COUNT, unref: BOOLEAN, tls: OBJECT };
const QUIC_DIAL: Readonly<Record<string, Rule>> = {
  localAddress: LOCAL_ADDRESS,
  localPort: LOCAL_PORT,
  family: FAMILY,
  tls: OBJECT,
};

/** @throws HawserError ERR_OPTION for a name that quic doesn't know, or a value that can't be. */
export function checkQuic<T extends NetListenOptions | NetDialOptions>(side: 'listen' | 'dial', options: T): T {
  check('quic', options, side === 'listen' ? QUIC_LISTEN : QUIC_DIAL);
  check('quic: tls', options.tls ?? {}, side === 'listen' ? TLS_LISTEN : TLS_DIAL);
  return options;
}

/** @throws HawserError ERR_OPTION for a name that udpack doesn't know, or a value that can't be. */
export function checkUdpack<T extends NetListenOptions | NetDialOptions>(side: 'listen' | 'dial', options: T): T {
  check('udpack', options, side === 'listen' ? UDPACK_LISTEN : UDPACK_DIAL);
  const { workers: _, ...dialling } = UDPACK;
  check('udpack: udpack', options.udpack ?? {}, side === 'listen' ? UDPACK : dialling);
  return options;
}

/** @throws HawserError ERR_OPTION for a name that this scheme doesn't know, or a value that can't be. */
export function checkListening(scheme: string, options: NetListenOptions = {}): NetListenOptions {
  const secure = isSecure(scheme);
  const plain = scheme === 'ipc' ? LISTEN : LISTEN_TCP;
  const rules = isHttp(scheme) ? { ...plain, allowHTTP1: BOOLEAN, http2: OBJECT, fallback: FALLBACK } : plain;
  check(scheme, options, secure ? { ...rules, tls: OBJECT } : rules);
  if (secure) check(`${scheme}: tls`, options.tls ?? {}, TLS_LISTEN);
  if (options.fd !== undefined && options.handle !== undefined) {
    throw new HawserError('ERR_OPTION', `${scheme}: a listener has an fd or a handle, not both`);
  }
  return options;
}

/** @throws HawserError ERR_OPTION for a name that this scheme doesn't know, or a value that can't be. */
export function checkDialling(scheme: string, options: NetDialOptions = {}): NetDialOptions {
  const secure = isSecure(scheme);
  const rules = scheme === 'ipc' ? SOCKET : DIAL_TCP;
  check(scheme, options, secure ? { ...rules, tls: OBJECT } : rules);
  if (secure) check(`${scheme}: tls`, options.tls ?? {}, TLS_DIAL);
  return options;
}

export function isSecure(scheme: string): boolean {
  return scheme === 'tls' || scheme === 'wss' || scheme === 'https';
}

function isHttp(scheme: string): boolean {
  return scheme === 'http' || scheme === 'https';
}

/** The protocols that a listener agrees on by ALPN, best first. */
export function alpnOf(scheme: string, { tls = {}, allowHTTP1 = true }: NetListenOptions): readonly string[] {
  if (tls.alpn !== undefined) return tls.alpn;
  if (scheme === 'wss') return ['http/1.1'];
  if (scheme !== 'https') return [];
  return allowHTTP1 ? ['h2', 'http/1.1'] : ['h2'];
}

function check(where: string, options: object, rules: Readonly<Record<string, Rule>>): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (rule === undefined) throw new HawserError('ERR_OPTION', `${where}: '${name}' is no option here`);
    if (!rule[0](value)) throw new HawserError('ERR_OPTION', `${where}: '${name}' must be ${rule[1]}`);
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && value >= 0;
}

/** A time as Node takes it, which has bounds and no fractions where ours have none. */
export function wholeMs(ms: number): number {
  return Math.min(Math.ceil(ms), MOST_MS);
}

/** How node:net makes the connections of a server. */
export function servedAs(scheme: string, options: NetListenOptions): ServerOpts {
  const { noDelay = true, keepAlive = true, keepAliveDelay = 0, pauseOnConnect = true } = options;
  const paused = { allowHalfOpen: true, pauseOnConnect: options.onSocket !== undefined && pauseOnConnect };
  return scheme === 'ipc' ? paused : { ...paused, noDelay, keepAlive, keepAliveInitialDelay: keepAliveDelay };
}

/** Where a server listens: on what it was given, or else at `where`. @throws HawserError ERR_OPTION. */
export function listenedAt(endpoint: Endpoint, where: NodeListenOptions, options: NetListenOptions): object {
  const { backlog, exclusive, ipv6Only, handle } = options;
  const fd = options.fd ?? inheritedFd(endpoint.reserved.fd);
  if (handle !== undefined) return handle;
  const how = known({ backlog, exclusive });
  return fd === undefined ? { ...where, ...how, ...known({ ipv6Only }) } : { fd, ...how };
}

/** The port of a URL that must name one. @throws HawserError ERR_URL. */
export function portOf(endpoint: Endpoint): number {
  if (endpoint.port !== undefined) return endpoint.port;
  throw new HawserError('ERR_URL', `${describeEndpoint(endpoint)} names no port`);
}

/** Whether it listens on what another process has opened, so that the URL doesn't say where. */
export function isInherited(endpoint: Endpoint, options: NetListenOptions = {}): boolean {
  return options.fd !== undefined || options.handle !== undefined || endpoint.reserved.fd !== undefined;
}

/** Sets on a connected socket what can be set only there. */
export function tune(socket: Socket, scheme: string, options: NetDialOptions): void {
  const { noDelay = true, keepAlive = true, keepAliveDelay = 0 } = options;
  if (scheme === 'ipc') return;
  socket.setNoDelay(noDelay);
  socket.setKeepAlive(keepAlive, keepAliveDelay);
}
