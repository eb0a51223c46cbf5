import { readFileSync } from 'node:fs';
import { HawserError } from '../../core/index.ts';

/** How to reach NATS by TLS. Texts are PEM. */
export interface NatsTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** TLS before the server says a word; the server must be set up for it. */
  readonly handshakeFirst?: boolean;
}

export interface NatsHistory {
  /** Where streams are kept. Default `file`. */
  readonly storage?: 'file' | 'memory';
  /** How many servers of a cluster of NATS have each stream: 1, 3 or 5. Default 1. */
  readonly replicas?: number;
  /** Bytes of each stream; the oldest entries go when there are more. Default no bound. */
  readonly maxBytes?: number;
}

export interface NatsEngineOptions {
  /** `nats://host:4222` or `tls://host:4222`, with `user:pass@` or `token@` where needed; one is enough to find the others of a cluster. */
  readonly servers: string | readonly string[];
  /** Tells clusters of Hawser apart on one NATS: letters, digits, `-` and `_`, up to 32. Default `hawser`. */
  readonly name?: string;
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  /** The path of a file with a JWT and an nkey. Read again at each reconnect. */
  readonly credentials?: string;
  /** The seed of an nkey: `SU…`. */
  readonly nkey?: string;
  readonly tls?: NatsTls;
  readonly history?: NatsHistory;
  /** ms to be connected in, at start. Default 5000. */
  readonly connectWait?: number;
  /** ms between attempts to reconnect, and up to half as much again by chance. They never end. Default 500. */
  readonly reconnectWait?: number;
  /** ms between pings; after two without an answer the server counts as gone. Default 3000. */
  readonly pingInterval?: number;
  /** ms that JetStream may take to add or read, where the caller doesn't say. Default 5000. */
  readonly answerWait?: number;
}

/** Nothing below looks at an optional field, but for what may be absent. */
export interface ResolvedNatsOptions {
  /** `host:port` each: no secret is in them. */
  readonly servers: readonly string[];
  readonly name: string;
  readonly login:
    | { readonly kind: 'none' }
    | { readonly kind: 'user'; readonly user: string; readonly pass: string }
    | { readonly kind: 'token'; readonly token: string }
    | { readonly kind: 'credentials'; readonly path: string }
    | { readonly kind: 'nkey'; readonly seed: string };
  readonly tls: NatsTls | undefined;
  readonly history: { readonly storage: 'file' | 'memory'; readonly replicas: number; readonly maxBytes: number };
  readonly connectWait: number;
  readonly reconnectWait: number;
  readonly pingInterval: number;
  readonly answerWait: number;
}

const KNOWN: ReadonlySet<string> = new Set([
  ...['servers', 'name', 'user', 'pass', 'token', 'credentials', 'nkey', 'tls', 'history'],
  ...['connectWait', 'reconnectWait', 'pingInterval', 'answerWait'],
]);
const NAME = /^[\w-]{1,32}$/;
const DEFAULT_PORT = 4222;

/** @throws HawserError ERR_OPTION, ERR_URL; neither has a secret in its message. */
export function resolveNatsOptions(options: NatsEngineOptions): ResolvedNatsOptions {
  const unknown = Object.keys(options).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) throw wrong(`there is no option ${unknown}`);
  const given = typeof options.servers === 'string' ? options.servers.split(',') : (options.servers ?? []);
  if (given.length === 0) throw wrong('servers is empty');
  const urls = given.map(readServer);
  const name = options.name ?? 'hawser';
  if (!NAME.test(name)) throw wrong('name is letters, digits, - and _, up to 32');
  return {
    servers: urls.map(({ listen }) => listen),
    name,
    login: loginOf(options, urls),
    tls: options.tls ?? (urls.some(({ isTls }) => isTls) ? {} : undefined),
    history: historyOf(options.history ?? {}),
    connectWait: msOf('connectWait', options.connectWait ?? 5000),
    reconnectWait: msOf('reconnectWait', options.reconnectWait ?? 500),
    pingInterval: msOf('pingInterval', options.pingInterval ?? 3000),
    answerWait: msOf('answerWait', options.answerWait ?? 5000),
  };
}

interface ServerUrl {
  readonly listen: string;
  readonly isTls: boolean;
  readonly user: string;
  readonly pass: string;
}

function readServer(text: string): ServerUrl {
  const trimmed = text.trim();
  // Without a scheme, `host:port` would be read as one.
  const written = trimmed.includes('://') ? trimmed : `nats://${trimmed}`;
  const url = URL.canParse(written) ? new URL(written) : undefined;
  // What can't be read may have a secret in it, and is not shown.
  if (url === undefined || url.hostname === '')
    throw new HawserError('ERR_URL', 'a server of NATS is nats://host:port');
  if (url.protocol !== 'nats:' && url.protocol !== 'tls:') {
    throw new HawserError('ERR_URL', `a server of NATS is nats://host:port, and not ${url.protocol}`);
  }
  return {
    listen: `${url.hostname}:${url.port || DEFAULT_PORT}`,
    isTls: url.protocol === 'tls:',
    user: unescaped(url.username),
    pass: unescaped(url.password),
  };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new HawserError('ERR_URL', 'user or password in a URL of NATS is badly escaped');
  }
}

function loginOf(options: NatsEngineOptions, urls: readonly ServerUrl[]): ResolvedNatsOptions['login'] {
  const { user, pass, token, credentials, nkey } = options;
  const ways = [user, token, credentials, nkey].filter((way) => way !== undefined);
  if (ways.length > 1) throw wrong('one of user, token, credentials and nkey');
  if (user !== undefined) return { kind: 'user', user, pass: pass ?? '' };
  if (token !== undefined) return { kind: 'token', token };
  if (nkey !== undefined) return { kind: 'nkey', seed: nkey };
  if (credentials !== undefined) return { kind: 'credentials', path: readable(credentials) };
  const found = urls.find((url) => url.user !== '');
  if (found === undefined) return { kind: 'none' };
  return found.pass === ''
    ? { kind: 'token', token: found.user }
    : { kind: 'user', user: found.user, pass: found.pass };
}

function readable(path: string): string {
  try {
    readFileSync(path);
    return path;
  } catch (error) {
    throw new HawserError('ERR_OPTION', `credentials: ${(error as Error).message}`, { cause: error });
  }
}

function historyOf({ storage = 'file', replicas = 1, maxBytes = -1 }: NatsHistory): ResolvedNatsOptions['history'] {
  if (storage !== 'file' && storage !== 'memory') throw wrong('history.storage is file or memory');
  if (![1, 3, 5].includes(replicas)) throw wrong('history.replicas is 1, 3 or 5');
  if (!Number.isSafeInteger(maxBytes) || maxBytes === 0) throw wrong('history.maxBytes is a number of bytes');
  return { storage, replicas, maxBytes };
}

function msOf(name: string, value: number): number {
  if (!Number.isFinite(value) || value < 1 || value > 2 ** 31 - 1) throw wrong(`${name} is a number of ms`);
  return value;
}

const wrong = (message: string): HawserError => new HawserError('ERR_OPTION', `engine nats: ${message}`);
