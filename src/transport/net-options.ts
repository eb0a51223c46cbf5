import type { WorkerChannel } from '../core/index.ts';

/** What proves who a side is, and whom it trusts. PEM as text or bytes; each may hold several in a row. */
export interface TlsOptions {
  /** The certificate, PEM, followed by those that lead to its authority. Parameter `cert` names its file. */
  readonly cert?: string | Uint8Array;
  /** The private key of `cert`, PEM. Parameter `key` names its file. */
  readonly key?: string | Uint8Array;
  /** Both in one, PKCS #12. */
  readonly pfx?: Uint8Array;
  /** Opens `key` or `pfx`. */
  readonly passphrase?: string;
  /** The authorities to trust instead of the platform's, PEM. Parameter `ca` names their file. */
  readonly ca?: string | Uint8Array;
  /** Default TLSv1.2. */
  readonly minVersion?: TlsVersion;
  /** Default: the newest there is. */
  readonly maxVersion?: TlsVersion;
  /** Cipher suites, in OpenSSL's notation. Default: the platform's. */
  readonly ciphers?: string;
  /** Protocols to agree on by ALPN (RFC 7301), best first. Default `http/1.1` on wss, `h2` and `http/1.1` on https, none on tls. */
  readonly alpn?: readonly string[];
}

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

export interface TlsListenOptions extends TlsOptions {
  /**
   * Whether peers are asked for a certificate: `true` lets in only who has one that `ca` vouches for, `'optional'` also who has none.
   * It reaches `authenticate` as `credentials.certificate`. Default false.
   */
  readonly requestCert?: boolean | 'optional';
  /** Whether certificate, key and authorities are read anew when their files change. Default false: by `server.reloadCertificates()` alone. */
  readonly watch?: boolean;
}

export interface TlsDialOptions extends TlsOptions {
  /** The name to ask for and to find in the server's certificate. Default: the URL's host. */
  readonly servername?: string;
  /** False takes any certificate, so that anybody on the way can listen in: for tests. Default true. */
  readonly rejectUnauthorized?: boolean;
}

/** What udpack is told. */
export interface UdpackLinkOptions {
  /**
   * On a listener its private key, when dialling the server's public key: X25519, PEM; a public one also as 32 bytes or their 43 characters of
   * base64url. Parameter `key` names its file, or is the 43 characters.
   */
  readonly key?: string | Uint8Array;
  /** How fast it sends. Default `bbr`. */
  readonly congestion?: 'bbr' | 'cubic' | 'newreno';
  /**
   * On a listener: it shares the port with the other processes behind this channel, each of which listens on it with the same key. They are workers of
   * one node:cluster primary, through which they have one socket. Default: the port is this process's alone.
   */
  readonly workers?: WorkerChannel | undefined;
}

/** Bounds of one connection that speaks HTTP/2. docs/LIMITS.md says what becomes of who crosses one. */
export interface Http2Limits {
  /** Streams open at one time: requests that are under way, and WebSockets. Default 100. */
  readonly streams: number;
  /** Header fields of one request, `:path` and the like included. Default 128. */
  readonly headers: number;
  /** Bytes of the header fields of one request, as RFC 9113 6.5.2 counts them. Default 16,384. */
  readonly headerBytes: number;
  /** Bytes that Node holds for the connection, in millions. Default 10. */
  readonly megabytes: number;
  /** Streams that the peer breaks off: at once, after a calm. Default 200. */
  readonly resets: number;
  /** And a second, in the long run. Default 20. */
  readonly resetRate: number;
  /** PING and SETTINGS frames of the peer: at once, after a calm. Default 100. */
  readonly controls: number;
  /** And a second, in the long run. Default 10. */
  readonly controlRate: number;
  /** ms from the headers of a request to its end. Default 60,000. */
  readonly requestWait: number;
  /** ms without a stream after which the connection ends. Default 60,000. */
  readonly idle: number;
}

/** What bounds links by requests, on http and https; times in ms. docs/LIMITS.md says what happens where one is crossed. */
export interface FallbackLimits {
  /** Links of the port, at one time. */
  readonly links: number;
  /** Links that one address has opened and never fetched from, at one time; those of this machine are not counted. */
  readonly unfetched: number;
  /** Bytes of events that are kept for one link until they are acknowledged, or one event where that is longer; what follows waits. */
  readonly keptBytes: number;
  /** Between two signs of life on a stream on which nothing else is sent. */
  readonly heartbeat: number;
  /** How long a poll may stay without an answer. */
  readonly pollWait: number;
  /** How long a link lives on that nobody fetches from. */
  readonly fetchWait: number;
  /** How long the body of a POST may take. */
  readonly bodyWait: number;
  /** Between the beginning of a link's first stream and its first event: so a proxy that passes on the beginning alone is found out. */
  readonly readyWait: number;
}

/** What a listener may be told beside its URL. Which schemes know what: docs/guides/transports.md. */
export interface NetListenOptions {
  /** tls, wss, https and quic. */
  readonly tls?: TlsListenOptions;
  /** udpack. */
  readonly udpack?: UdpackLinkOptions;
  /** http and https: whether HTTP/1.1 is spoken beside HTTP/2, also by WebSocket. Default true. */
  readonly allowHTTP1?: boolean;
  /** http and https. */
  readonly http2?: Partial<Http2Limits>;
  /** http and https: what bounds links by requests; false for none of them. */
  readonly fallback?: false | Partial<FallbackLimits>;
  /** Connections that the system holds until they are accepted. Default 511; the system may have a lower bound. */
  readonly backlog?: number;
  /** In a worker of node:cluster: this process listens by itself instead of sharing. Default false. */
  readonly exclusive?: boolean;
  /** On an IPv6 address: no IPv4 beside it. Default false. */
  readonly ipv6Only?: boolean;
  /** Small writes go out at once (TCP_NODELAY). Default true. */
  readonly noDelay?: boolean;
  /** The system probes silent peers. Default true. */
  readonly keepAlive?: boolean;
  /** ms without a byte before the first probe. Default 0: the system's own. */
  readonly keepAliveDelay?: number;
  /** ms without a byte either way after which a link is closed with 4000, and a connection that speaks HTTP cut. Default 0: none. */
  readonly idleTimeout?: number;
  /** Connections at one time; a further one is told why (on tls and wss: cut) and counted in `stats.refused`. Default: no bound. */
  readonly maxConnections?: number;
  /**
   * Hears of each connection before a byte of it is read; true takes it away from this server, for instance to hand it to another process
   * (`child.send('socket', socket)`), where what `server.receive` gave goes on with it. The socket is a net.Socket.
   */
  onSocket?(socket: unknown): boolean;
  /** Whether `onSocket` gets its sockets paused, so that none of their bytes are lost. Default true. */
  readonly pauseOnConnect?: boolean;
  /** A descriptor that listens already, inherited from the process that started this one. Parameter `fd` says the same. */
  readonly fd?: number;
  /** A server or handle of node:net that listens already, such as another process has sent. */
  readonly handle?: object;
  /** The listener doesn't keep the process alive. Default false. */
  readonly unref?: boolean;
}

/** How a server is looked for on the local network: `DiscoveryOptions` of `hawser/lan`. */
export interface LanDialOptions {
  /** A pre-shared key, or the file that has it: only servers that have it too are believed. Default: none. */
  readonly key?: string | Uint8Array | { readonly file: string };
  /** Where is asked. Default `udp://239.192.0.77:7077`. */
  readonly group?: string;
  /** The interface, by name or address. Default: loopback. */
  readonly interface?: string;
  /** Believes whoever answers, off loopback too, and shows him the token. Default false. */
  readonly insecure?: boolean;
  /** ms to wait for an answer. Default 2,000. */
  readonly timeout?: number;
}

/** What a dial may be told beside its URL. */
export interface NetDialOptions {
  /** lan. */
  readonly lan?: LanDialOptions;
  /** tls, wss, https and quic. */
  readonly tls?: TlsDialOptions;
  /** udpack. */
  readonly udpack?: UdpackLinkOptions;
  /** The address to call from. Default: the system's choice. */
  readonly localAddress?: string;
  /** The port to call from. Default: the system's choice. */
  readonly localPort?: number;
  /** 4 or 6: only addresses of this version. Default 0: both. */
  readonly family?: 0 | 4 | 6;
  /** Finds the addresses of a name, as dns.lookup does. */
  readonly lookup?: (...args: never[]) => void;
  /** Tries all addresses of a name, each with a short head start (RFC 8305). Default: Node's. */
  readonly autoSelectFamily?: boolean;
  /** ms of that head start, from 10. Default: Node's, 250. */
  readonly autoSelectFamilyAttemptTimeout?: number;
  /** As in `NetListenOptions`. */
  readonly noDelay?: boolean;
  readonly keepAlive?: boolean;
  readonly keepAliveDelay?: number;
  readonly idleTimeout?: number;
}
