import type { Server, Socket } from 'node:net';
import { aborted, HawserError } from '../core/index.ts';
import {
  type Endpoint,
  isLoopbackAddress,
  type Listener,
  type NetListenOptions,
  parseEndpoint,
  type TlsOptions,
} from '../transport/index.ts';

/** Where to listen, and how; a URL alone means `{ url }`. docs/guides/transports.md has the options and their defaults. */
export interface ListenTarget extends Omit<NetListenOptions, 'onSocket'> {
  readonly url: string;
  /** Whether a peer that ends its direction can still be sent to. Default false: its end closes the link. */
  readonly halfOpen?: boolean;
  readonly onSocket?: (socket: Socket) => boolean;
  /** Closes the listener; its links live on. */
  readonly signal?: AbortSignal;
}

export interface AttachOptions {
  /** The server takes this path of the HTTP server and all below it; its namespaces are called by their whole path. Default `/`. */
  readonly path?: string;
  /** Gives the upgrades back; links that are up live on. */
  readonly signal?: AbortSignal;
}

/** A target taken apart. */
export interface Listening {
  readonly endpoint: Endpoint;
  readonly halfOpen: boolean;
  /** Undefined when the target says nothing but its URL. */
  readonly net: NetListenOptions | undefined;
  readonly signal: AbortSignal | undefined;
}

/** @throws HawserError ERR_URL, ERR_OPTION. */
export function resolveListening(target: string | ListenTarget): Listening {
  const { url, halfOpen = false, signal, ...net } = typeof target === 'string' ? { url: target } : target;
  if (typeof url !== 'string') throw new HawserError('ERR_OPTION', 'a target has a `url`');
  if (typeof halfOpen !== 'boolean') throw new HawserError('ERR_OPTION', 'halfOpen must be true or false');
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new HawserError('ERR_OPTION', 'signal is an AbortSignal');
  const given = Object.values(net).some((value) => value !== undefined);
  return { endpoint: parseEndpoint(url), halfOpen, net: given ? net : undefined, signal };
}

/** Whether it listens on what another process has opened: its URL doesn't say where that is. */
export function isInherited({ endpoint, net }: Listening): boolean {
  return endpoint.reserved.fd !== undefined || net?.fd !== undefined || net?.handle !== undefined;
}

/** Whether only this machine can reach the endpoint. */
export function isLoopback({ scheme, host }: Endpoint): boolean {
  if (scheme === 'ipc' || scheme === 'inproc' || scheme === 'worker') return true;
  return host === '' || host === 'localhost' || isLoopbackAddress(host);
}

/** Whether the HTTP server of an application can be reached from this machine only, or doesn't listen. */
export function listensOnLoopback(server: Server): boolean {
  const address = server.address();
  return address === null || typeof address === 'string' || isLoopbackAddress(address.address);
}

/** Has all listeners show new certificates; those that can't keep the old ones, and the first reason is thrown. */
export async function reloadAll(listeners: readonly Listener[], tls: TlsOptions | undefined): Promise<void> {
  const reloaded = await Promise.allSettled(listeners.map(async (listener) => await listener.reload?.(tls)));
  const failed = reloaded.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** Connections and bytes of all listeners. */
export function countsOf(listeners: readonly Listener[]): {
  readonly connections: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
} {
  const sum = { connections: 0, bytesRead: 0, bytesWritten: 0 };
  for (const { stats } of listeners) {
    sum.connections += stats?.connections ?? 0;
    sum.bytesRead += stats?.bytesRead ?? 0;
    sum.bytesWritten += stats?.bytesWritten ?? 0;
  }
  return sum;
}

/** The promise, unless the signal fires first: what it waits for goes on. @throws HawserError ERR_ABORTED. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  let stop: () => void = () => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(aborted(signal));
  });
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    // The race hears of the work's failure too, also when it is over: nobody else may.
    return await Promise.race([stopped, work]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
