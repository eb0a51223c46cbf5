import { CLOSE, HawserError, type Limits } from '../core/index.ts';
import type { Peer, Refusal } from '../transport/index.ts';

/**
 * Who may have a link at all, decided before memory is spent on it: how many at once, and for browsers from which web origin.
 * A browser sends Origin with every WebSocket upgrade; other programs send none, and are not its business (RFC 6455 10.2).
 *
 * Links and sockets are counted apart, against the same limits: a socket keeps its place while its link is broken, and the link that
 * comes to resume it must find a place of its own.
 */
export class Admission {
  readonly #origins: readonly string[];
  readonly #links: Places;
  readonly #sockets: Places;

  constructor(limits: Limits, origins: readonly string[]) {
    this.#origins = origins;
    this.#links = new Places(limits);
    this.#sockets = new Places(limits);
  }

  /** Undefined lets the peer in. */
  refuse(peer: Peer, loopback: boolean): Refusal | undefined {
    if (this.#links.areTaken(peer)) return { reason: { code: CLOSE.tooManySockets, reason: TOO_MANY }, status: 429 };
    return refuseOrigin(peer, loopback, this.#origins);
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
  readonly #limits: Limits;
  readonly #perAddress = new Map<string, number>();
  #taken = 0;

  constructor(limits: Limits) {
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

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}
