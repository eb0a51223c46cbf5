import { normalPath, type Params } from '../room/index.ts';
import type { Peer } from '../transport/index.ts';
import type { Credentials } from './options.ts';

/** How a socket came in; the token is not kept. */
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
  /** The session that the peer wants to go on with. */
  readonly resume?: { readonly ticket: Uint8Array } | undefined;
}

/** What a peer shows when it logs in: its link and its HELLO. */
export interface Shown {
  readonly peer: Peer;
  /** The scheme of the link. */
  readonly transport: string;
  readonly greeting: Greeting;
  readonly namespace: string;
}

export function shownBy(peer: Peer, transport: string, greeting: Greeting): Shown {
  return { peer, transport, greeting, namespace: namespaceOf(peer, greeting) };
}

const NO_PARAMS: Params = Object.freeze({});

/** Everything that a peer has shown, taken apart for who wants to look at it. What HELLO says wins. */
export function credentialsOf(shown: Shown, params: Params = NO_PARAMS): Credentials {
  const { peer, transport, greeting, namespace } = shown;
  const { headers } = peer;
  return {
    token: greeting.token,
    user: greeting.user,
    namespace,
    params,
    remote: peer.address,
    local: peer.local,
    transport,
    query: { ...queryOf(shown) },
    headers,
    cookies: parseCookies(headers['cookie']),
    certificate: peer.certificate,
  };
}

/** The query of the link and that of HELLO together. */
export function queryOf({ peer, greeting }: Shown): Readonly<Record<string, string>> {
  return greeting.query === undefined ? peer.query : { ...peer.query, ...greeting.query };
}

/** HELLO names it, else the path of the upgrade does; as it is called here, if it can be called. */
export function namespaceOf(peer: Peer, greeting: Greeting): string {
  const path = greeting.namespace ?? peer.path ?? '/';
  return normalPath(path) ?? path;
}

/** Made anew whenever someone looks: few do, and each socket would keep its own. */
export function handshakeOf(
  peer: Peer,
  namespace: string,
  transport: string,
  query: Readonly<Record<string, string>>,
): Handshake {
  return {
    namespace,
    remote: peer.address,
    local: peer.local,
    transport,
    query,
    get headers() {
      return peer.headers;
    },
  };
}

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
