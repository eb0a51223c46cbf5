import { CLOSE, HawserError, type ServerLimits } from '../core/index.ts';
import { describeEndpoint, type Endpoint, type Peer, type Refusal } from '../transport/index.ts';
import { isLoopback } from './listening.ts';
import type { ResolvedServerOptions } from './options.ts';

export const STRANGER: Refusal = { reason: { code: CLOSE.notAllowed, reason: '' }, status: 403 };

export type AdmissionOptions = Pick<
  ResolvedServerOptions,
  'limits' | 'origins' | 'authenticate' | 'insecure' | 'onError'
>;

/**
 * Who may have a link at all, decided before memory is spent on it: how many at once, and for browsers from which web origin.
 * A browser sends Origin with every WebSocket upgrade; other programs send none, and are not its business (RFC 6455 10.2).
 *
 * Links and sockets are counted apart, against the same limits: a socket keeps its place while its link is broken, and the link that
 * comes to resume it must find a place of its own.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #links: Places;
  readonly #sockets: Places;
  #hasDistrusted = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#links = new Places(options.limits);
    this.#sockets = new Places(options.limits);
  }

  get mayBeAnybody(): boolean {
    return this.#options.authenticate !== undefined || this.#options.insecure;
  }

  /** Anonymous peers from elsewhere must have been asked for by name. @throws HawserError ERR_NOT_ALLOWED. */
  refuseAnonymous(endpoint: Endpoint): void {
    if (this.mayBeAnybody || isLoopback(endpoint)) return;
    throw new HawserError(
      'ERR_NOT_ALLOWED',
      `${describeEndpoint(endpoint)} would let anybody in: give the server an \`authenticate\`, or say \`insecure\``,
    );
  }

  /** A peer on this machine speaks for others. Said once: who runs the server has to know, and who connects must not fill a log. */
  distrusted(): void {
    if (this.#hasDistrusted) return;
    this.#hasDistrusted = true;
    const why =
      'a peer on this machine sends headers of a proxy: it counts as from elsewhere unless `trustProxy` names it';
    this.#options.onError(new HawserError('ERR_NOT_ALLOWED', why), 'an upgrade');
  }

  /** Undefined lets the peer in. */
  refuse(peer: Peer, loopback: boolean): Refusal | undefined {
    // A listener on loopback lets anybody in, but not those for whom a proxy on this machine speaks.
    if (loopback && !peer.local && !this.mayBeAnybody) return STRANGER;
    if (this.#links.areTaken(peer)) return { reason: { code: CLOSE.tooManySockets, reason: TOO_MANY }, status: 429 };
    return refuseOrigin(peer, loopback && peer.proxied !== true, this.#options.origins);
  }

  /** A link is up. */
  enter(peer: Peer): void {
    this.#links.take(peer);
  }

  leave(peer: Peer): void {
    this.#links.free(peer);
  }

  /** A new socket takes its place. @throws HawserError ERR_TOO_MANY_SOCKETS. */
  sit(peer: Peer): void {
    if (this.#sockets.areTaken(peer)) throw new HawserError('ERR_TOO_MANY_SOCKETS', TOO_MANY);
    this.#sockets.take(peer);
  }

  /** A socket has ended. */
  rise(peer: Peer): void {
    this.#sockets.free(peer);
  }
}

const TOO_MANY = 'too many sockets';

/** So many places in all, and so many for each address off loopback. */
class Places {
  readonly #limits: ServerLimits;
  readonly #perAddress = new Map<string, number>();
  #taken = 0;

  constructor(limits: ServerLimits) {
    this.#limits = limits;
  }

  areTaken(peer: Peer): boolean {
    return this.#taken >= this.#limits.sockets || this.#from(peer) >= this.#limits.socketsPerAddress;
  }

  take(peer: Peer): void {
    this.#taken += 1;
    if (!peer.local) this.#perAddress.set(peer.address, this.#from(peer) + 1);
  }

  free(peer: Peer): void {
    this.#taken -= 1;
    if (peer.local) return;
    const left = this.#from(peer) - 1;
    if (left > 0) this.#perAddress.set(peer.address, left);
    else this.#perAddress.delete(peer.address);
  }

  #from(peer: Peer): number {
    return peer.local ? 0 : (this.#perAddress.get(peer.address) ?? 0);
  }
}

/**
 * A page may connect to its own host, and from the origins that are listed. On a loopback listener the Host header must name loopback
 * too: otherwise a page of a name that its owner points at 127.0.0.1 would pass as being of the same host (DNS rebinding).
 */
export function refuseOrigin(peer: Peer, loopback: boolean, origins: readonly string[]): Refusal | undefined {
  const { host, origin } = peer.headers;
  if (loopback && host !== undefined && !isLoopbackHost(host)) return notAllowed('this host name is not served here');
  if (origin === undefined || origins.includes('*') || origins.includes(origin)) return undefined;
  const own = host !== undefined && hostOf(origin) === host.toLowerCase();
  return own ? undefined : notAllowed('pages of this origin may not connect');
}

/** Whether a Host header, with or without a port, names this machine's loopback. */
export function isLoopbackHost(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name);
}

function notAllowed(reason: string): Refusal {
  return { reason: { code: CLOSE.notAllowed, reason }, status: 403 };
}

/** The origin that was asked for last: most peers come from the same one, and it takes long to find out. */
let latest: { readonly origin: string; readonly host: string | undefined } = { origin: '', host: undefined };

function hostOf(origin: string): string | undefined {
  if (latest.origin === origin) return latest.host;
  let host: string | undefined;
  try {
    ({ host } = new URL(origin));
  } catch {
    // No origin of a page.
  }
  latest = { origin, host };
  return host;
}
