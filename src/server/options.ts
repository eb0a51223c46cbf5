import type { RequestListener } from 'node:http';
import {
  DEFAULT_LIMITS,
  DEFAULT_TIMES,
  fillNumbers,
  HawserError,
  SERVER_LIMITS,
  SERVER_TIMES,
  type ServerLimits,
  type ServerTimes,
  type World,
} from '../core/index.ts';
import { type Engine, MemoryEngine } from '../engine/index.ts';
import type { Params } from '../room/index.ts';
import { realWorld } from '../runtime/index.ts';
import type { CompressionOptions, PeerCertificate, Transport } from '../transport/index.ts';
import { httpTransport } from '../transports/http/index.ts';
import { inprocTransport } from '../transports/inproc/index.ts';
import { ipcTransport, tcpTransport, tlsTransport } from '../transports/net/index.ts';
import { quicTransport } from '../transports/quic/index.ts';
import { udpackTransport } from '../transports/udpack/index.ts';
import { resolveCompression, websocketTransport } from '../transports/websocket/index.ts';
import { workerTransport } from '../transports/worker/index.ts';
import type { Dialect } from '../wire/index.ts';
import { Dialects } from './dialects.ts';
import { checkNode, type NodeOptions, type ResolvedNode } from './registration.ts';
import { checkSecondLogin, type SecondLogin } from './setup.ts';
import { trustOf } from './trust.ts';

/** What a peer has shown when it asks to be let in. */
export interface Credentials {
  /** What HELLO carried, never logged. */
  readonly token: string | undefined;
  /** The name that the peer gives itself; believe it only where anybody may be anybody. */
  readonly user: string | undefined;
  readonly namespace: string;
  /** What stands in the namespace's path for the names of its pattern. */
  readonly params: Params;
  /** The peer's IP address, or '' where the transport has none. */
  readonly remote: string;
  /** True when the peer can only be on this machine. */
  readonly local: boolean;
  /** The scheme of the link, such as `ws`. */
  readonly transport: string;
  readonly query: Readonly<Record<string, string>>;
  /** Headers of the WebSocket upgrade, lower case; empty elsewhere. */
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies: Readonly<Record<string, string>>;
  /** What the peer has shown on tls or wss and an authority vouches for, where the listener asked (`requestCert`). */
  readonly certificate: PeerCertificate | undefined;
}

/** What authentication found out. */
export interface Identity {
  /** Who the peer is; null for nobody in particular. */
  readonly user: string | null;
  /** Anything else, kept as `socket.claims`. */
  readonly claims?: unknown;
}

/** Decides who a peer is. Throwing refuses it: with the code of a HawserError, otherwise with ERR_AUTH_FAILED. */
export type Authenticate = (credentials: Credentials) => Identity | Promise<Identity>;

export interface ServerOptions {
  /** Decides who a peer is. Without it every peer is let in as nobody, which off loopback needs `insecure`. */
  readonly authenticate?: Authenticate;
  /** Lets anybody in from anywhere without authentication. Default false. */
  readonly insecure?: boolean;
  /** Without `authenticate`: whether a peer is who it says in HELLO, instead of nobody. Default false. */
  readonly nameOneself?: boolean;
  readonly limits?: Partial<ServerLimits>;
  /** ms */
  readonly times?: Partial<ServerTimes>;
  /** Web origins that may connect besides the server's own, such as `https://app.example`; `*` for all. Default none. */
  readonly origins?: readonly string[];
  /** What becomes of a user who logs in twice; a namespace may have its own way. Default `allow`. */
  readonly secondLogin?: SecondLogin;
  /** Whether the members of a room are told who joins and leaves (`joined`, `left`). Default false. */
  readonly presence?: boolean;
  /** What makes rooms one across nodes. Default: this node alone, in memory. */
  readonly engine?: Engine;
  /** Whether and how messages over WebSocket are compressed, with clients that do it too. Default false. */
  readonly compression?: boolean | CompressionOptions;
  /** Answers HTTP requests on `http:`, `https:`, `ws:` and `wss:` endpoints that are no upgrade. Default: 426 (Upgrade Required). */
  readonly onRequest?: RequestListener;
  /** Hears what handlers threw, and other failures that no caller could catch. Default: console.error. */
  readonly onError?: (error: unknown, during: string) => void;
  /**
   * Proxies that are believed when they say whom they speak for (Forwarded, X-Forwarded-For, the PROXY protocol): addresses, CIDR ranges,
   * `loopback`, `unix`. Default none.
   */
  readonly trustProxy?: readonly string[];
  /** Dialects of the application's own by name: for `dialect` of namespaces and endpoints, and as WebSocket subprotocols. */
  readonly dialects?: Readonly<Record<string, Dialect>>;
  /** Further transports, tried before the built-in ones of the same scheme. */
  readonly transports?: readonly Transport[];
  /** The server's name as WELCOME tells it. Default `hawser`. */
  readonly name?: string;
  /** What this server says of itself to the other nodes, and `server.nodes()` tells there. */
  readonly node?: NodeOptions;
}

export interface ResolvedServerOptions {
  readonly authenticate: Authenticate | undefined;
  readonly insecure: boolean;
  readonly nameOneself: boolean;
  readonly limits: ServerLimits;
  readonly times: ServerTimes;
  readonly origins: readonly string[];
  readonly secondLogin: SecondLogin;
  readonly presence: boolean;
  readonly engine: Engine;
  readonly compression: boolean | CompressionOptions;
  readonly onRequest: RequestListener | undefined;
  readonly onError: (error: unknown, during: string) => void;
  readonly trusts: ((address: string) => boolean) | undefined;
  readonly dialects: Dialects;
  readonly transports: readonly Transport[];
  readonly name: string;
  readonly node: ResolvedNode;
  readonly world: World;
}

/** @throws HawserError ERR_OPTION for a value that can't be. */
export function resolveServerOptions(options: ServerOptions): ResolvedServerOptions {
  for (const origin of options.origins ?? []) {
    if (origin !== '*' && originOf(origin) !== origin) {
      throw new HawserError('ERR_OPTION', `an origin looks like https://app.example, not like ${origin}`);
    }
  }
  resolveCompression(options.compression);
  const onError = guarded(options.onError);
  const world = realWorld();
  return {
    authenticate: options.authenticate,
    insecure: options.insecure ?? false,
    nameOneself: options.nameOneself ?? false,
    limits: fillNumbers({ ...DEFAULT_LIMITS, ...SERVER_LIMITS }, options.limits, 'limits'),
    times: fillNumbers({ ...DEFAULT_TIMES, ...SERVER_TIMES }, options.times, 'times'),
    origins: options.origins ?? [],
    secondLogin: checkSecondLogin(options.secondLogin) ?? 'allow',
    presence: options.presence ?? false,
    engine: options.engine ?? new MemoryEngine(world),
    compression: options.compression ?? false,
    onRequest: options.onRequest,
    onError,
    trusts: trustOf(options.trustProxy ?? []),
    dialects: new Dialects(options.dialects ?? {}, onError),
    transports: [
      ...(options.transports ?? []),
      websocketTransport,
      httpTransport,
      tcpTransport,
      tlsTransport,
      ipcTransport,
      workerTransport,
      inprocTransport,
      udpackTransport,
      quicTransport,
    ],
    name: options.name ?? 'hawser',
    node: checkNode(options.node ?? {}),
    world,
  };
}

function logError(error: unknown, during: string): void {
  console.error(`hawser: ${during} failed:`, error);
}

/** What hears of failures may fail itself, now or later: that harms nobody, and is logged with what it was told. */
function guarded(onError: ServerOptions['onError'] = logError): ResolvedServerOptions['onError'] {
  return (error, during) => void tell(onError, error, during);
}

async function tell(
  onError: (error: unknown, during: string) => unknown,
  error: unknown,
  during: string,
): Promise<void> {
  try {
    await onError(error, during);
  } catch (why) {
    logError(error, during);
    logError(why, 'onError');
  }
}

function originOf(text: string): string | undefined {
  try {
    return new URL(text).origin;
  } catch {
    return undefined;
  }
}
