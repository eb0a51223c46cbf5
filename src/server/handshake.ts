import { normalPath } from '../room/index.ts';
import type { Peer } from '../transport/index.ts';
import type { Credentials } from './options.ts';

/** What a socket keeps of how it came in; the token is not kept. */
export interface Handshake {
  readonly namespace: string;
  readonly remote: string;
  readonly local: boolean;
  readonly transport: string;
  readonly query: Readonly<Record<string, string>>;
  /** Made anew whenever someone looks: keep what is looked at often. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Greeting {
  readonly namespace?: string | undefined;
  readonly token?: string | undefined;
  readonly user?: string | undefined;
  readonly query?: Readonly<Record<string, string>> | undefined;
}

/** Everything that a peer has shown, from its link and its HELLO together. What HELLO says wins. */
export function credentialsOf(peer: Peer, transport: string, greeting: Greeting): Credentials {
  return {
    token: greeting.token,
    user: greeting.user,
    namespace: namespaceOf(peer, greeting),
    params: {},
    remote: peer.address,
    local: peer.local,
    transport,
    query: { ...peer.query, ...greeting.query },
    headers: peer.headers,
    cookies: parseCookies(peer.headers['cookie']),
    certificate: peer.certificate,
  };
}

/** HELLO names it, else the path of the upgrade does; as it is called here, if it can be called. */
export function namespaceOf(peer: Peer, greeting: Greeting): string {
  const path = greeting.namespace ?? peer.path ?? '/';
  return normalPath(path) ?? path;
}

/** What is kept for good; headers stay with the peer, which may keep them as their text. */
export function handshakeOf({ namespace, remote, local, transport, query }: Credentials, peer: Peer): Handshake {
  return Object.defineProperty(
    { namespace, remote, local, transport, query, [PEER]: peer },
    'headers',
    HEADERS,
  ) as unknown as Handshake;
}

const PEER = Symbol('peer');
const HEADERS: PropertyDescriptor & ThisType<{ readonly [PEER]: Peer }> = {
  enumerable: true,
  get() {
    return this[PEER].headers;
  },
};

/** The pairs of a Cookie header (RFC 6265 4.2.1). Values are left as they are. */
export function parseCookies(header: string | undefined): Readonly<Record<string, string>> {
  const cookies = Object.create(null) as Record<string, string>;
  for (const pair of (header ?? '').split(';')) {
    const at = pair.indexOf('=');
    const name = pair.slice(0, Math.max(0, at)).trim();
    if (name !== '') cookies[name] ??= pair.slice(at + 1).trim();
  }
  return cookies;
}
