import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import type { Socket } from 'node:net';
import { byteStreamLink } from '../../runtime/index.ts';
import {
  claimOf,
  isForwarded,
  isLoopbackAddress,
  type ListenOptions,
  type Peer,
  STREAM_PROTOCOL,
} from '../../transport/index.ts';
import {
  acceptDeflate,
  chooseProtocol,
  encodeAccept,
  encodeRefusal,
  type HttpRefusal,
  packHeaders,
  refuse,
  refuseProtocols,
  type Sha1,
  type UpgradeRequest,
  unpackHeaders,
  WebSocketFraming,
} from '../../websocket/index.ts';
import type { Reception } from '../guest.ts';
import { attach, Parting, strangerOf } from '../sockets.ts';
import { resolveCompression, ZlibCompression } from './compression.ts';
import type { Lobby } from './routes.ts';

/** Grants an upgrade, or refuses it, on a connection that nobody else hears of any more. `rest` are the first frames. */
export function receiveUpgrade(lobby: Lobby, socket: Socket, request: UpgradeRequest, rest: Uint8Array): void {
  const direct = strangerWho(socket, request);
  if (direct === undefined) {
    sendAway(
      lobby,
      socket,
      refuse(400, 'the path of the request has a percent escape that is broken or stands for a slash'),
    );
    return;
  }
  const reception = lobby.routes.find(direct.path ?? '/')?.reception;
  if (reception === undefined) {
    sendAway(lobby, socket, refuse(404, 'nobody serves this path'));
    return;
  }
  const { group, options } = reception;
  const visitor = behindProxies({ known: direct, headers: request.headers }, options);
  if (visitor === undefined) {
    sendAway(lobby, socket, refuse(400, 'the headers of proxies can not be read'));
    return;
  }
  const peer = peerOf(visitor);
  const refusal = options.admit(peer);
  if (refusal !== undefined) {
    sendAway(reception, socket, refuse(refusal.status, refusal.reason.reason));
    return;
  }
  const offered = request.protocols;
  const chosen = chooseProtocol(offered, options.protocols);
  const plain = chosen === undefined ? options.dialectOf?.(peer) : undefined;
  if (offered.length > 0 && chosen === undefined && plain === undefined) {
    sendAway(reception, socket, refuseProtocols(options.protocols));
    return;
  }
  const deflate = agreeOn(request, options.compression);
  if (deflate === undefined) {
    sendAway(reception, socket, refuse(400, 'the header sec-websocket-extensions is broken'));
    return;
  }
  const { compression, headers } = deflate;
  socket.write(encodeAccept(request.key, sha1, plain ? offered[0] : chosen, headers));
  const { messageBytes } = options;
  const { allocate } = group.options;
  const framing = new WebSocketFraming({ role: 'server', messageBytes, isUtf8, allocate, compression });
  const link = byteStreamLink({
    group,
    port: socket,
    framing,
    protocol: plain?.protocol ?? chosen ?? STREAM_PROTOCOL.line,
    peer,
  });
  attach(socket, link);
  options.onLink(link);
  settle(peer);
  if (rest.length > 0) link.receive(rest);
}

/** What an upgrade says of the peer that sends it. */
interface Visitor {
  readonly known: Omit<Peer, 'headers'>;
  readonly headers: Headers;
}

/**
 * The peer that a request comes from, by the word of the proxies that are believed; undefined when their word can't be read. A peer on this
 * machine that speaks for others and is not believed may be a proxy that the whole world can reach: it counts as from elsewhere.
 */
function behindProxies(direct: Visitor, options: ListenOptions): Visitor | undefined {
  const { known, headers } = direct;
  if (!isForwarded(headers)) return direct;
  // Who wrote the headers is the one that a proxy of TCP speaks for, where there is one, and not that proxy.
  if (!options.trusts?.(known.address)) {
    if (!known.local) return direct;
    options.distrusted?.();
    return { known: { ...known, local: false }, headers };
  }
  const claim = claimOf(headers, (address) => options.trusts?.(address) === true);
  if (claim === 'malformed') return undefined;
  if (claim === undefined) return direct;
  const { address, host } = claim;
  const claimed = { ...known, address, port: 0, local: isLoopbackAddress(address), proxied: true } as const;
  return { known: claimed, headers: host === undefined ? headers : { ...headers, host } };
}

type Headers = Readonly<Record<string, string>>;

interface Extended {
  readonly compression?: ZlibCompression;
  readonly headers?: Readonly<Record<string, string>>;
}

const PLAIN: Extended = {};

/** What comes of the extensions that a client offers; undefined when they can't be read. Without compression nobody reads them. */
function agreeOn({ headers }: UpgradeRequest, options: ListenOptions['compression']): Extended | undefined {
  const settings = resolveCompression(options);
  if (settings === undefined) return PLAIN;
  const verdict = acceptDeflate(headers['sec-websocket-extensions'], settings.wishes);
  if (verdict.kind === 'broken') return undefined;
  if (verdict.kind === 'none') return PLAIN;
  return {
    compression: new ZlibCompression(settings, verdict.agreement, 'server'),
    headers: { 'Sec-WebSocket-Extensions': verdict.answer },
  };
}

/** Answers no and closes. */
export function sendAway(reception: Reception, socket: Socket, refusal: HttpRefusal): void {
  new Parting(reception, socket).begin(encodeRefusal(refusal));
}

export const sha1: Sha1 = (text) => hash('sha1', text, 'base64');

function strangerWho(socket: Socket, request: UpgradeRequest): Visitor['known'] | undefined {
  // An escaped slash is no slash to a proxy that guards paths, and would be one here.
  if (/%2f/i.test(request.path)) return undefined;
  try {
    return { ...strangerOf(socket), path: decodeURIComponent(request.path), query: queryOf(request.query) };
  } catch {
    return undefined;
  }
}

const NOTHING: Readonly<Record<string, string>> = Object.freeze({});

function queryOf(text: string): Readonly<Record<string, string>> {
  if (text === '') return NOTHING;
  const query = Object.create(null) as Record<string, string>;
  for (const [name, value] of new URLSearchParams(text)) query[name] = value;
  return query;
}

const OWN = Symbol('own headers');
const ALIKE = Symbol('headers of many');

interface Kept {
  /** Until it has settled, all headers; from then on the text of those that it does not share. */
  [OWN]: Headers | string;
  [ALIKE]: string;
}

const HEADERS: PropertyDescriptor & ThisType<Kept> = {
  enumerable: true,
  get() {
    const own = this[OWN];
    return typeof own === 'string' ? unpackHeaders({ own, alike: this[ALIKE] }) : own;
  },
};

function peerOf({ known, headers }: Visitor): Peer & Kept {
  return Object.defineProperty({ ...known, [OWN]: headers, [ALIKE]: '' }, 'headers', HEADERS) as unknown as Peer & Kept;
}

/** An idle connection keeps the text of its headers alone: from now on they are taken apart whenever someone looks, which few do twice. */
function settle(peer: Peer & Kept): void {
  const { own, alike } = packHeaders(peer.headers);
  peer[OWN] = own;
  peer[ALIKE] = alike;
}

/** The answer to a request that should have been an upgrade. */
export function upgradeRequired(): HttpRefusal {
  return refuse(426, 'WebSocket is spoken here', { Upgrade: 'websocket' });
}
