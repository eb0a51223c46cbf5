import type { CloseReason, Instant, Outbound, World } from '../core/index.ts';
import type { PlainFraming } from '../wire/index.ts';
import type { CompressionOptions } from './compression-options.ts';
import type { Endpoint } from './endpoint.ts';
import type { NetDialOptions, NetListenOptions, TlsOptions } from './net-options.ts';

/** What a link tells the layer above; called synchronously, one call per message and none per hop. */
export interface LinkHandler {
  /** One whole message. `bytes` is valid only during the call, unless the link `givesMemory`. */
  onMessage(bytes: Uint8Array, text: boolean): void;
  /** The chunk that was read is used up: queue what was held back while it was handled; the link then flushes. */
  onIdle(): void;
  /** `send` may be called again after it returned false. */
  onDrain(): void;
  /** The peer answered a `ping` of the transport's own. It may come by itself: `onIdle` follows messages only. */
  onPong(): void;
  /**
   * The peer sends no more, and goes on listening (`Link.end` on its side). Called once, after all it sent, where
   * `LinkOptions.halfOpen` asked for it. Without this method, or without the option, the peer's end is a goodbye: what is
   * queued is written, and the link closes with 1005.
   */
  onEnd?(): void;
  /** The link has ended, however it ended. Called once, and nothing is called after it. */
  onClosed(reason: CloseReason): void;
}

/** Who is at the other end, as far as the transport can tell before a word is said. Some have getters, which a spread does not take along. */
export interface Peer {
  /** The peer's IP address without brackets, or '' where the transport has none (ipc, inproc). */
  readonly address: string;
  /** The peer's port, or 0. */
  readonly port: number;
  /** True when the peer can only be on this machine: a loopback address, a Unix socket, this process. */
  readonly local: boolean;
  /** Set when a proxy that is believed said where the peer is. */
  readonly proxied?: true;
  /** The path that was asked for, where the transport says it before HELLO (ws); otherwise undefined. */
  readonly path: string | undefined;
  /** Query parameters of that path. */
  readonly query: Readonly<Record<string, string>>;
  /** HTTP headers of the upgrade, lower case; empty elsewhere. A transport may make them anew whenever someone looks. */
  readonly headers: Readonly<Record<string, string>>;
  /** The certificate that the peer has shown and an authority that is trusted here vouches for (tls, wss). */
  readonly certificate?: PeerCertificate;
}

/** A certificate that was verified. Names are as X.509 has them: `CN`, `O`, `OU` …; several of a kind are a list. */
export interface PeerCertificate {
  readonly subject: Readonly<Record<string, string | readonly string[]>>;
  readonly issuer: Readonly<Record<string, string | readonly string[]>>;
  /** Such as `DNS:ada.example, IP Address:127.0.0.1`. */
  readonly subjectAltName: string | undefined;
  /** SHA-256 of the certificate, in upper-case hex with colons. */
  readonly fingerprint256: string;
  readonly serialNumber: string;
  readonly validFrom: Date;
  readonly validTo: Date;
}

/** A link that carries whole messages, in order. Every transport passes the same suite: `testing/link-suite.ts`. */
export interface Link extends AsyncDisposable {
  /** The scheme, such as `tcp`; for logs and metrics. */
  readonly transport: string;
  /** The protocol that both sides agreed on: `hawser.v1`, `hawser.v1.json` or a name that the application registered. */
  readonly protocol: string;
  readonly peer: Peer;
  /** Whether the memory of the message that is told is the handler's, to keep or to give away, and nothing else lies in it. Left out where it never is. */
  readonly givesMemory?: boolean;
  /** Starts the flow of messages. Nothing is delivered before it, and nothing is lost. Called once. */
  start(handler: LinkHandler): void;
  /**
   * Queues one message; it is written with all others of this turn of the event loop. False means that the backlog is
   * over its mark (`DialOptions.backlogMark`): wait for `onDrain`. After the end it does nothing and returns false.
   *
   * On a link that has lanes (udpack) only the messages of one `lane` keep their order, so that what is lost on the way holds back nobody
   * else's; the number is a channel's, or of `LANE`. The first message of the main lane is handed on before anything else. Other links
   * have one order for all. Default: the main lane.
   */
  send(message: Outbound, lane?: number): boolean;
  /** This side sends no more on the lane. Left out where there are none. */
  endLane?(lane: number): void;
  /**
   * Sends a message that may be lost, and may pass others. False when it is too long for that: `send` it. Left out where nothing can
   * be lost.
   */
  sendVolatile?(message: Outbound): boolean;
  /** Bytes that were queued and not yet taken by the operating system. */
  readonly queued: number;
  /** Since when `queued` has not moved; undefined while nothing waits. The write deadline is measured from it. */
  readonly stalledSince: Instant | undefined;
  /** Bytes that the transport has taken in and given out, its own and those of framings included; left out where nobody counts. */
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
  /** Whether the link keeps the process alive: it does until `unref`. Left out where it never does. */
  ref?(): void;
  unref?(): void;
  /** Stops and resumes reading: how back-pressure reaches the peer. Messages of the chunk that was read still arrive. */
  pause(): void;
  resume(): void;
  /**
   * Sends what is queued, then says that nothing more follows; `send` does nothing from here on, and the peer may go on sending.
   * When the peer has ended too, the link closes with 1005. Only where the bytes of a protocol can say it: lines and raw bytes on
   * tcp and ipc, anything on inproc. hawser.v1 on a byte stream and WebSocket end both ways at once; tls hears an end and can't say it.
   */
  end?(): void;
  /** Asks the peer for a sign of life below our protocol, where the transport has such a thing (RFC 6455 5.5.2). */
  ping?(): void;
  /** Sends what is queued, tells the peer why, then closes. Resolves when the link has ended; aborts after `closeWait`. */
  close(reason?: CloseReason): Promise<void>;
  /** Drops what is queued and closes at once. `onClosed` hears code 1006 with the cause's message, after the call. */
  abort(cause: Error): void;
  /** Resolves when the link has ended, however it ended. Never rejects. */
  readonly closed: Promise<CloseReason>;
}

/** What a link holds and has carried; zeros where its transport doesn't count, and while there is no link. */
export interface Traffic {
  /** Bytes that wait to be taken by the operating system. */
  readonly queued: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

export function trafficOf(link: Link | undefined): Traffic {
  const { queued = 0, bytesRead = 0, bytesWritten = 0 } = link ?? {};
  return { queued, bytesRead, bytesWritten };
}

/** What both sides of a link need to know. */
export interface LinkOptions {
  readonly world: World;
  /** The longest message taken in, in bytes; a longer announcement closes the link before memory is taken. */
  readonly messageBytes: number;
  /** `send` returns false when this many bytes are queued. */
  readonly backlogMark: number;
  /** How long a polite close may take, in ms, before the link is cut. */
  readonly closeWait: number;
  /** How many lanes the peer may have at one time beside the main one, where links have lanes. Default 200. */
  readonly lanes?: number;
  /** Whether the peer's `end` is told to `LinkHandler.onEnd` and leaves our direction open. Default false: it closes the link. */
  readonly halfOpen?: boolean;
  /** Whether and how messages are compressed (ws in Node). Default false. @throws HawserError ERR_OPTION, from `dial` and `listen`. */
  readonly compression?: boolean | CompressionOptions | undefined;
}

export interface DialOptions extends LinkOptions {
  /** The dialect of a server that chooses for its peers: spoken at once, and instead of `protocols`. */
  readonly plain?: PlainProtocol | undefined;
  readonly signal: AbortSignal;
  /** The protocols that the dialler speaks, best first. */
  readonly protocols: readonly string[];
  /** Extra HTTP headers of the upgrade (ws in Node only). */
  readonly headers?: Readonly<Record<string, string>>;
  /** The server's public key, where neither the URL nor `net` names it (udpack). */
  readonly serverKey?: string | Uint8Array | undefined;
  /** What the application said beside the URL (tcp, tls, ipc, udpack, ws and wss in Node). */
  readonly net?: NetDialOptions;
}

/** Why a peer is turned away before it has a link. */
export interface Refusal {
  readonly reason: CloseReason;
  /** The HTTP status that says the same, for ws: 403, 404, 429, 503. */
  readonly status: number;
}

/** A dialect that is agreed on before a word is said. */
export interface PlainProtocol {
  /** What `Link.protocol` is to be. */
  readonly protocol: string;
  /** How its messages lie in a byte stream. */
  readonly framing: PlainFraming;
}

export interface ListenOptions extends LinkOptions {
  /** Whether a proxy at this address ('' for a Unix socket) is believed when it says whom it speaks for. */
  trusts?(address: string): boolean;
  /** A peer of this machine says that it speaks for others, and is not believed. */
  distrusted?(): void;
  /** The dialect of a peer that does not choose one of `protocols`; undefined where there is only what peers choose. */
  dialectOf?(peer: Peer): PlainProtocol | undefined;
  /** The protocols that the listener knows; the first one offered that is among them is taken. */
  readonly protocols: readonly string[];
  /** How long a peer may take, in ms, to finish the upgrade or to send its first byte. */
  readonly loginWait: number;
  /** How long, in ms, none of the bytes of an HTTP answer may move (ws). Default 30,000. */
  readonly writeWait?: number;
  /** Hears what `onRequest` threw. Default `world.report`. */
  report?(error: unknown, during: string): void;
  /** Asked as soon as the peer is known, before any memory is spent on it; undefined lets it in. */
  admit(peer: Peer): Refusal | undefined;
  /** Called for each link that is up. `start` must be called before the call returns, or soon after. */
  onLink(link: Link): void;
  /** Answers HTTP requests that are no upgrade (ws). The type is node:http's RequestListener, unknown here. */
  readonly onRequest?: unknown;
  /** What the application said beside the URL. */
  readonly net?: NetListenOptions;
}

export interface ListenAddress {
  readonly address: string;
  readonly port: number;
  /** `IPv4` or `IPv6`. */
  readonly family: string;
}

/** Connections of one listener now, and what went through it since it began. */
export interface ListenerStats {
  /** Those that have no link yet included. */
  readonly connections: number;
  readonly accepted: number;
  /** Turned away because of `maxConnections`. */
  readonly refused: number;
  /** As they are on the wire: on tls encrypted. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** Something that accepts links until it is closed. */
export interface Listener extends AsyncDisposable {
  /** The endpoint with its real port, such as `ws://127.0.0.1:3000`. */
  readonly endpoint: string;
  /** Where it listens, as node:net has it: an address, a path, or null; left out where there is no such thing. */
  address?(): ListenAddress | string | null;
  /** Left out where connections are another's, as on an HTTP server that the application runs. */
  readonly stats?: ListenerStats;
  /** Whether the listener keeps the process alive: it does until `unref`. */
  ref?(): void;
  unref?(): void;
  /** Connections that have no link yet. */
  readonly guests?: number;
  /**
   * Reads the files of certificate, key and authorities anew, or takes what is given instead; whoever connects from now on is shown that. Left out where
   * there is no TLS. @throws HawserError ERR_OPTION when they can't be used: then all stays as it was.
   */
  reload?(tls?: TlsOptions): Promise<void>;
  /** Stops accepting; those that have no link yet may go on, until `close`. */
  stop?(): void;
  /** Stops accepting; links that are up live on. */
  close(): Promise<void>;
}

/** What opens links for one or more URL schemes. */
export interface Transport {
  readonly schemes: readonly string[];
  /**
   * Opens a link.
   * @throws HawserError ERR_ABORTED (the signal), ERR_CONNECT_FAILED (refused, unreachable, reset),
   *   ERR_HANDSHAKE_REFUSED (the server answered no; `data` has the HTTP status), ERR_TLS (no safe connection; the message says
   *   why), ERR_URL, ERR_OPTION.
   */
  dial(endpoint: Endpoint, options: DialOptions): Promise<Link>;
  /** @throws HawserError ERR_ADDRESS_IN_USE, ERR_URL, ERR_NOT_ALLOWED (no permission), ERR_OPTION. */
  listen?(endpoint: Endpoint, options: ListenOptions): Promise<Listener>;
  /** Makes links of connections that others have accepted. @throws HawserError ERR_OPTION. */
  receive?(endpoint: Endpoint, options: ListenOptions): Promise<Receiver>;
}

/** A listener that listens on nothing itself. */
export interface Receiver extends Listener {
  /** Goes on with a connection: in Node a net.Socket, connected and not read from yet. */
  take(connection: unknown): void;
}
