import type { ConnectionOptions } from 'node:tls';
import { HawserError } from '../../core/index.ts';
import type { Address } from './addresses.ts';

export interface RedisEngineOptions {
  /** `redis://[user:password@]host[:port]`, or `rediss://` for TLS. A server of a Redis Cluster leads to all of it. Default `redis://127.0.0.1:6379`. */
  readonly url?: string;
  /** Some servers of a Redis Cluster, as URLs; the others are found. Instead of `url`. */
  readonly cluster?: readonly string[];
  /** Tells clusters of Hawser on one Redis apart: letters, digits, `.`, `_`, `-`, up to 64. Default `hawser`. */
  readonly name?: string;
  /** Before what the URL says. */
  readonly username?: string;
  readonly password?: string;
  /** As for `tls.connect` of Node; `true` for its defaults. Default: as the URL says. */
  readonly tls?: boolean | ConnectionOptions;
  /** ms for the first connection, and for each attempt after it. Default 5000. */
  readonly connectWait?: number;
  /** ms between pings; a server that leaves three of them without an answer is taken for gone. Default 1500. */
  readonly heartbeat?: number;
  /** The most bytes of one message between nodes; longer ones are cut up, but in rooms with history refused. Default 1 MiB and 64 KiB. */
  readonly payloadBytes?: number;
  /** Whether to take what other programs push by Redis (docs/guides/redis.md). Default true. */
  readonly push?: boolean;
}

export interface RedisSettings {
  readonly seeds: readonly Address[];
  /** Several servers were named, as those of a cluster. */
  readonly isCluster: boolean;
  readonly name: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: ConnectionOptions | undefined;
  readonly connectWait: number;
  readonly heartbeat: number;
  readonly payloadBytes: number;
  readonly push: boolean;
}

export const PAYLOAD_BYTES = 1_114_112;
const PAYLOAD_MOST = 67_108_864;
const NAMES: readonly (keyof RedisEngineOptions)[] = [
  'url',
  'cluster',
  'name',
  'username',
  'password',
  'tls',
  'connectWait',
  'heartbeat',
  'payloadBytes',
  'push',
];

/** @throws HawserError ERR_OPTION, ERR_URL. Neither repeats a URL: it may hold a password. */
export function resolveRedisOptions(options: RedisEngineOptions = {}): RedisSettings {
  const unknown = Object.keys(options).find((name) => !NAMES.includes(name as keyof RedisEngineOptions));
  if (unknown !== undefined) throw new HawserError('ERR_OPTION', `redisEngine has no option \`${unknown}\``);
  const { url, cluster, name = 'hawser', tls, push = true } = options;
  if (url !== undefined && cluster !== undefined) throw new HawserError('ERR_OPTION', 'either `url` or `cluster`');
  if (!/^[\w.-]{1,64}$/.test(name)) throw new HawserError('ERR_OPTION', '`name` has letters, digits, `.`, `_` and `-`');
  if (cluster?.length === 0) throw new HawserError('ERR_OPTION', '`cluster` names no server');
  const urls = (cluster ?? [url ?? 'redis://127.0.0.1:6379']).map(parseUrl);
  const [first] = urls;
  const isSecure = tls !== undefined && tls !== false ? true : tls === undefined && first?.protocol === 'rediss:';
  return {
    seeds: urls.map(({ hostname, port }) => ({
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: port === '' ? 6379 : Number(port),
    })),
    isCluster: cluster !== undefined,
    name,
    username: options.username ?? partOf(first?.username),
    password: options.password ?? partOf(first?.password),
    tls: isSecure ? (typeof tls === 'object' ? tls : {}) : undefined,
    connectWait: amount(options.connectWait, 'connectWait', 5000, 1, 600_000),
    heartbeat: amount(options.heartbeat, 'heartbeat', 1500, 10, 60_000),
    payloadBytes: amount(options.payloadBytes, 'payloadBytes', PAYLOAD_BYTES, 1024, PAYLOAD_MOST),
    push,
  };
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '') {
    throw new HawserError('ERR_URL', 'a URL of Redis is redis://host:port or rediss://host:port');
  }
  if (url.pathname.length > 1)
    throw new HawserError('ERR_URL', 'channels belong to no database of Redis: leave it out');
  return url;
}

function partOf(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new HawserError('ERR_URL', 'user or password in the URL is badly escaped');
  }
}

function amount(value: unknown, name: string, fallback: number, least: number, most: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !(value >= least && value <= most)) {
    throw new HawserError('ERR_OPTION', `\`${name}\` is a number from ${least} to ${most}`);
  }
  return value;
}
