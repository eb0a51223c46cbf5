import type { Writable } from 'node:stream';
import { fillNumbers, HawserError, type WorkerChannel } from '../core/index.ts';
import {
  type Address,
  type ControllerName,
  type KeyPair,
  UDPACK_LIMITS,
  UDPACK_TIMES,
  type UdpackLimits,
  type UdpackTimes,
} from '../udpack/index.ts';
import { type KeySource, readPrivateKey, readPublicKey } from './keys.ts';
import { DATAGRAM_LEAST, DATAGRAM_MOST } from './mtu.ts';
import { bare, isLoopback } from './names.ts';

/** What a listener is told about who shows a token. */
export interface TokenBearer {
  readonly remote: Address;
  /** The token as it came, which need not be text. */
  readonly bytes: Uint8Array;
}

/** Whether a token is good. Throwing refuses it, too. */
export type AuthToken = (token: string, bearer: TokenBearer) => boolean | Promise<boolean>;

export interface UdpackOptions {
  /** The UDP port to bind. Default 0: the system chooses. */
  readonly port?: number;
  /** The address to bind, or its name; `::` takes IPv4 too. Default 127.0.0.1. */
  readonly host?: string;
  /** X25519, PEM or a key object. With it the endpoint takes sessions in; without it, it dials alone. */
  readonly prikey?: KeySource;
  /** The public key of the servers that are dialled, unless `connect` gets another. */
  readonly pubkey?: KeySource;
  /** Decides who is let in. A listener off loopback must have one, or be `anonymous`. */
  readonly authToken?: AuthToken;
  /** Lets in whoever knows the public key. Default false. */
  readonly anonymous?: boolean;
  /** What is shown to servers that are dialled, unless `connect` gets another. Default empty. */
  readonly token?: string | Uint8Array;
  /** The longest datagram that is sent or taken in, in bytes of UDP payload, from 1200. Default: what the interface carries in one piece. */
  readonly datagramSize?: number;
  readonly limits?: Partial<UdpackLimits>;
  /** ms */
  readonly times?: Partial<UdpackTimes>;
  /** Default `bbr`. */
  readonly congestion?: ControllerName;
  /** A folder for qlog files (JSON-SEQ), or a stream that takes one. Default: none is written. */
  readonly qlog?: string | Writable;
  /** The processes that share the port, with the same key, each with such an endpoint. Default: the port is this process's alone. */
  readonly workers?: WorkerChannel | undefined;
  /** Closes the endpoint at once when it fires. */
  readonly signal?: AbortSignal;
  /** Hears what a listener or a callback threw. Default: it is written to stderr. */
  readonly onError?: (error: unknown, during: string) => void;
}

export interface ResolvedUdpackOptions {
  readonly port: number;
  readonly host: string;
  readonly key: KeyPair | undefined;
  readonly serverKey: Uint8Array | undefined;
  readonly authToken: AuthToken | undefined;
  readonly token: Uint8Array;
  readonly datagramSize: number;
  readonly limits: UdpackLimits;
  readonly times: UdpackTimes;
  readonly congestion: ControllerName;
  readonly qlog: string | Writable | undefined;
  readonly workers: WorkerChannel | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onError: (error: unknown, during: string) => void;
}

const NAMES = {
  port: true,
  host: true,
  prikey: true,
  pubkey: true,
  authToken: true,
  anonymous: true,
  token: true,
  datagramSize: true,
  limits: true,
  times: true,
  congestion: true,
  qlog: true,
  workers: true,
  signal: true,
  onError: true,
} as const satisfies Record<keyof UdpackOptions, true>;

const CONTROLLERS: readonly string[] = ['bbr', 'cubic', 'newreno'] satisfies ControllerName[];

/** @throws HawserError ERR_OPTION for what can't be, ERR_KEY for a key that is none or of another kind. */
export function resolveOptions(options: UdpackOptions): ResolvedUdpackOptions {
  for (const name of Object.keys(options)) if (!Object.hasOwn(NAMES, name)) refuse(`${name} is no option`);
  const { port = 0, host = '127.0.0.1', prikey, pubkey, congestion = 'bbr' } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) refuse(`port is a number from 0 to 65535, not ${port}`);
  const { datagramSize = DATAGRAM_MOST } = options;
  if (!Number.isInteger(datagramSize) || datagramSize < DATAGRAM_LEAST || datagramSize > DATAGRAM_MOST) {
    refuse(`datagramSize is a number from ${DATAGRAM_LEAST} to ${DATAGRAM_MOST}, not ${datagramSize}`);
  }
  if (!CONTROLLERS.includes(congestion)) refuse(`congestion is one of ${CONTROLLERS.join(', ')}, not ${congestion}`);
  if (prikey !== undefined) checkDoor(host, options);
  return {
    port,
    host,
    key: prikey === undefined ? undefined : readPrivateKey(prikey),
    serverKey: pubkey === undefined ? undefined : readPublicKey(pubkey),
    authToken: options.authToken,
    token: tokenBytes(options.token ?? ''),
    datagramSize,
    limits: fillNumbers(UDPACK_LIMITS, options.limits, 'limits'),
    times: fillNumbers(UDPACK_TIMES, options.times, 'times'),
    congestion,
    qlog: options.qlog,
    workers: options.workers,
    signal: options.signal,
    onError: options.onError ?? ((error, during) => console.error(`udpack: ${during} failed:`, error)),
  };
}

/** Nobody lets strangers in by leaving a word out. */
function checkDoor(host: string, { authToken, anonymous = false }: UdpackOptions): void {
  if (authToken !== undefined || anonymous || isLoopback(bare(host)) || host === 'localhost') return;
  refuse(`listening on ${host} needs authToken, or anonymous: true, which lets in whoever knows the public key`);
}

const encoder = new TextEncoder();
/** What one datagram surely holds, whatever else must be in it: a token is never cut up. */
const TOKEN_BYTES_MOST = 1024;

/** A token as it travels. @throws HawserError ERR_OPTION when it is too long for that. */
export function tokenBytes(token: string | Uint8Array): Uint8Array {
  const bytes = typeof token === 'string' ? encoder.encode(token) : new Uint8Array(token);
  if (bytes.length > TOKEN_BYTES_MOST) refuse(`a token has at most ${TOKEN_BYTES_MOST} bytes, not ${bytes.length}`);
  return bytes;
}

function refuse(why: string): never {
  throw new HawserError('ERR_OPTION', why);
}
