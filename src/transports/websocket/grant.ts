import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import type { Socket } from 'node:net';
import { type BytePort, byteStreamLink, type PortUser } from '../../runtime/index.ts';
import { claimOf, isForwarded, isLoopbackAddress, type ListenOptions, STREAM_PROTOCOL } from '../../transport/index.ts';
import {
  acceptDeflate,
  acceptText,
  chooseProtocol,
  encodeRefusal,
  type HttpRefusal,
  refuse,
  refuseProtocols,
  replaceHeader,
  type Sha1,
  type UpgradeRequest,
  WebSocketFraming,
} from '../../websocket/index.ts';
import type { Reception } from '../guest.ts';
import { attach, Parting, type Stranger, strangerOf } from '../sockets.ts';
import { resolveCompression, ZlibCompression } from './compression.ts';
import { UpgradePeer } from './peer.ts';
import type { Lobby } from './routes.ts';

/** What a request says of who sends it and what for. */
export type Asking = Pick<UpgradeRequest, 'path' | 'query' | 'headers' | 'rawHeaders'>;

/** Whose a request is, and who sends it; or why it is sent away. */
export type Hearing =
  | { readonly reception: Reception; readonly peer: UpgradePeer; readonly rawHeaders: readonly string[] }
  | { readonly reception: Reception; readonly refusal: HttpRefusal };

/** Finds out who asks for a link, by the word of the proxies that are believed, and whether he may have one. */
export function hear(lobby: Lobby, socket: Socket, asking: Asking): Hearing {
  const path = pathOf(asking);
  if (path === undefined) {
    const why = 'the path of the request has a percent escape that is broken or stands for a slash';
    return { reception: lobby, refusal: refuse(400, why) };
  }
  const reception = lobby.routes.find(path)?.reception;
  if (reception === undefined) return { reception: lobby, refusal: refuse(404, 'nobody serves this path') };
  const visitor = behindProxies(strangerOf(socket), asking, reception.options);
  if (visitor === undefined) return { reception, refusal: refuse(400, 'the headers of proxies can not be read') };
  const peer = new UpgradePeer(visitor.stranger, path, queryOf(asking.query), visitor.headers);
  const refusal = reception.options.admit(peer);
  if (refusal !== undefined) return { reception, refusal: refuse(refusal.status, refusal.reason.reason) };
  return { reception, peer, rawHeaders: visitor.rawHeaders };
}

/** Where a request comes from, by the word of the proxies that are believed; undefined when that can't be read. */
export function senderOf(lobby: Lobby, socket: Socket, asking: Asking): string | undefined {
  return behindProxies(strangerOf(socket), asking, lobby.options)?.stranger.address;
}

/** Grants an upgrade, or refuses it, on a connection that nobody else hears of any more. `rest` are the first frames. */
export function receiveUpgrade(lobby: Lobby, socket: Socket, request: UpgradeRequest, rest: Uint8Array): void {
  grant(
    lobby,
    socket,
    request,
    {
      refuse: (reception, refusal) => sendAway(reception, socket, refusal),
      open: (protocol, headers) => {
        socket.write(acceptText(request.key, sha1, protocol, headers), 'latin1');
        return socket;
      },
      enter: (link) => attach(socket, link),
    },
    rest,
  );
}

/** How the answer to a wish for WebSocket is written, by the version of HTTP that it came by. */
export interface Door {
  refuse(reception: Reception, refusal: HttpRefusal): void;
  /** Says yes, and what was agreed on. */
  open(protocol: string | undefined, headers: Readonly<Record<string, string>> | undefined): BytePort;
  /** From now on the port is the link's. */
  enter(link: PortUser): void;
}

/** Makes a link of a wish for WebSocket that came by `socket`, or refuses it. `rest` are the first frames. */
export function grant(lobby: Lobby, socket: Socket, request: UpgradeRequest, door: Door, rest: Uint8Array): void {
  const hearing = hear(lobby, socket, request);
  if ('refusal' in hearing) {
    door.refuse(hearing.reception, hearing.refusal);
    return;
  }
  const { reception, peer, rawHeaders } = hearing;
  const { group, options } = reception;
  const offered = request.protocols;
  const chosen = chooseProtocol(offered, options.protocols);
  const plain = chosen === undefined ? options.dialectOf?.(peer) : undefined;
  if (offered.length > 0 && chosen === undefined && plain === undefined) {
    door.refuse(reception, refuseProtocols(options.protocols));
    return;
  }
  const deflate = agreeOn(request, options.compression);
  if (deflate === undefined) {
    door.refuse(reception, refuse(400, 'the header sec-websocket-extensions is broken'));
    return;
  }
  const { compression, headers } = deflate;
  const port = door.open(plain ? offered[0] : chosen, headers);
  const { messageBytes } = options;
  const { allocate } = group.options;
  const framing = new WebSocketFraming({ role: 'server', messageBytes, isUtf8, allocate, compression });
  const link = byteStreamLink({
    group,
    port,
    framing,
    protocol: plain?.protocol ?? chosen ?? STREAM_PROTOCOL.line,
    peer,
  });
  door.enter(link);
  options.onLink(link);
  peer.settle(rawHeaders);
  if (rest.length > 0) link.receive(rest);
}

/** Who sends an upgrade, and what the headers say then. */
interface Visitor extends Pick<UpgradeRequest, 'headers' | 'rawHeaders'> {
  readonly stranger: Stranger;
}

/**
 * The peer that a request comes from, by the word of the proxies that are believed; undefined when their word can't be read. A peer on this
 * machine that speaks for others and is not believed may be a proxy that the whole world can reach: it counts as from elsewhere.
 */
function behindProxies(stranger: Stranger, request: Asking, options: ListenOptions): Visitor | undefined {
  const { headers, rawHeaders } = request;
  if (!isForwarded(headers)) return { stranger, headers, rawHeaders };
  // Who wrote the headers is the one that a proxy of TCP speaks for, where there is one, and not that proxy.
  if (!options.trusts?.(stranger.address)) {
    if (!stranger.local) return { stranger, headers, rawHeaders };
    options.distrusted?.();
    return { stranger: { ...stranger, local: false }, headers, rawHeaders };
  }
  const claim = claimOf(headers, (address) => options.trusts?.(address) === true);
  if (claim === 'malformed') return undefined;
  if (claim === undefined) return { stranger, headers, rawHeaders };
  const { address, host } = claim;
  const claimed: Stranger = { ...stranger, address, port: 0, local: isLoopbackAddress(address), proxied: true };
  if (host === undefined) return { stranger: claimed, headers, rawHeaders };
  return { stranger: claimed, headers: { ...headers, host }, rawHeaders: replaceHeader(rawHeaders, 'host', host) };
}

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

/** The path that is asked for, its percent escapes decoded; undefined where they can't be. */
function pathOf({ path }: Asking): string | undefined {
  // An escaped slash is no slash to a proxy that guards paths, and would be one here.
  if (/%2f/i.test(path)) return undefined;
  try {
    return decodeURIComponent(path);
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

/** The answer to a request that should have been an upgrade. */
export function upgradeRequired(): HttpRefusal {
  return refuse(426, 'WebSocket is spoken here', { Upgrade: 'websocket' });
}
