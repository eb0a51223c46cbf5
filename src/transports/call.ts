import { connect, isIP, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectSafely } from 'node:tls';
import { type ErrorCode, HawserError } from '../core/index.ts';
import { type DialOptions, describeEndpoint, type Endpoint, type NetDialOptions } from '../transport/index.ts';
import { checkDialling, isSecure, tune } from './settings.ts';
import { watchIdle } from './sockets.ts';
import { known, secureOptionsOf, tlsFailure } from './tls.ts';

export type Where = { readonly host: string; readonly port: number } | { readonly path: string };

/** A socket on its way to the other side, and the event that says that it is there. */
export interface Call {
  readonly socket: Socket;
  readonly ready: 'connect' | 'secureConnect';
}

/** Begins to connect. @throws HawserError ERR_OPTION, ERR_ABORTED. */
export async function openCall(where: Where, endpoint: Endpoint, options: DialOptions): Promise<Call> {
  const { scheme } = endpoint;
  const net = checkDialling(scheme, options.net);
  stopIfAborted(endpoint, options.signal);
  const how = { ...where, ...calledAs(net), allowHalfOpen: true } as NetConnectOpts;
  if (!isSecure(scheme))
    return tuned(
      start(() => ({ socket: connect(how), ready: 'connect' })),
      scheme,
      net,
    );
  const secure = await secureOptionsOf(endpoint, net.tls);
  stopIfAborted(endpoint, options.signal);
  const { rejectUnauthorized = true, alpn = scheme === 'wss' ? ['http/1.1'] : undefined } = net.tls ?? {};
  const named = known({ servername: servernameOf(endpoint, net), ALPNProtocols: alpn && [...alpn] });
  const secured = { ...how, ...secure, ...named, rejectUnauthorized };
  return tuned(
    start(() => ({ socket: connectSafely(secured), ready: 'secureConnect' })),
    scheme,
    net,
  );
}

/** What Node itself finds wrong with the options, it throws. */
function start(call: () => Call): Call {
  try {
    return call();
  } catch (cause) {
    throw new HawserError('ERR_OPTION', `can't be dialled so: ${(cause as Error).message}`, { cause });
  }
}

function tuned(call: Call, scheme: string, net: NetDialOptions): Call {
  // It may fail before anybody hears of it: 'close' tells it once more.
  call.socket.on('error', () => undefined);
  call.socket.once('connect', () => tune(call.socket, scheme, net));
  watchIdle(call.socket, net.idleTimeout ?? 0);
  return call;
}

function stopIfAborted(endpoint: Endpoint, signal: AbortSignal): void {
  if (signal.aborted) throw givenUp(endpoint, signal);
}

/** What a dial fails with whose signal is aborted. */
export function givenUp(endpoint: Endpoint, signal: AbortSignal): HawserError {
  return new HawserError('ERR_ABORTED', `${describeEndpoint(endpoint)} was given up`, { cause: signal.reason });
}

function calledAs(net: NetDialOptions): Partial<NetConnectOpts> {
  const { localAddress, localPort, family, lookup, autoSelectFamily, autoSelectFamilyAttemptTimeout } = net;
  const given = { localAddress, localPort, family, lookup, autoSelectFamily, autoSelectFamilyAttemptTimeout };
  return known(given) as Partial<NetConnectOpts>;
}

/** An address is no name that a server could be asked for by; it is looked for in the certificate all the same. */
function servernameOf(endpoint: Endpoint, { tls }: NetDialOptions): string | undefined {
  const name = tls?.servername ?? endpoint.reserved.servername;
  if (name !== undefined && isIP(name) > 0) throw new HawserError('ERR_OPTION', 'servername is a name, no address');
  if (name !== undefined) return name;
  return isIP(endpoint.host) === 0 ? endpoint.host : undefined;
}

/** What to say of a connection that ended before it was a link. */
export function whyFailed(error: Error | undefined): {
  readonly code: ErrorCode;
  readonly what: string;
  readonly data?: unknown;
} {
  if (error === undefined) return { code: 'ERR_CONNECT_FAILED', what: 'closed the connection' };
  const failure = tlsFailure(error);
  if (failure === undefined) return { code: 'ERR_CONNECT_FAILED', what: `failed: ${error.message}` };
  return { code: 'ERR_TLS', what: `is not safe: ${failure.words}`, data: { reason: failure.reason } };
}
