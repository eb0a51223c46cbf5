import { type Headers, joinHeaders, listHas, listOf, TOKEN } from './http-head.ts';
import { type HttpRefusal, refuse } from './respond.ts';

/** A client's wish to speak WebSocket, found to be in order (RFC 6455 4.2.1). */
export interface UpgradeRequest {
  /** The path as it was sent, percent escapes and all, without the query; begins with `/`. */
  readonly path: string;
  /** What follows the `?`, as it was sent; '' when there is none. */
  readonly query: string;
  /** By lower-case name. */
  readonly headers: Headers;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  readonly host: string;
  /** What a browser says of the page that asks; other clients may leave it out or lie. */
  readonly origin: string | undefined;
  /** `Sec-WebSocket-Key`: 16 bytes in base64. */
  readonly key: string;
  /** The subprotocols offered, best first. */
  readonly protocols: readonly string[];
}

/** What a request turned out to be: a wish to upgrade, plain HTTP, or a wish that can't be granted. */
export type UpgradeVerdict =
  | { readonly kind: 'upgrade'; readonly request: UpgradeRequest }
  | { readonly kind: 'http' }
  | { readonly kind: 'refuse'; readonly refusal: HttpRefusal };

const VERSION = '13';
const ONCE: ReadonlySet<string> = new Set([
  'content-length',
  'host',
  'origin',
  'sec-websocket-key',
  'sec-websocket-version',
  'transfer-encoding',
]);
const HTTP: UpgradeVerdict = { kind: 'http' };

/** 16 bytes in base64: 22 characters and two for padding. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;
const TARGET = /^[\x21-\x7e]+$/;
const ABSOLUTE = /^(?:https?|wss?):\/\/([^/?#@]+)(\/[^?#]*)?(?:\?([^#]*))?$/i;
const ORIGIN_FORM = /^(\/[^?#]*)(?:\?([^#]*))?$/;
const HOST = /^(?:\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(?::\d*)?$/;

/**
 * Judges one request by its method, target, HTTP version (such as `1.1`) and `rawHeaders` as node:http gives them: so
 * that an upgrade read by `UpgradeParser` and one read by an `http.Server` pass the same gate. A request that doesn't
 * plainly ask for WebSocket is `http`.
 */
export function judgeUpgrade(
  method: string,
  target: string,
  version: string,
  rawHeaders: readonly string[],
): UpgradeVerdict {
  const { headers, repeated } = joinHeaders(rawHeaders, ONCE);
  if (method !== 'GET' || version !== '1.1' || !asksForWebSocket(headers)) return HTTP;
  const fault = faultOf(headers, repeated);
  if (fault !== undefined) return { kind: 'refuse', refusal: fault };
  const place = placeOf(target, headers['host'] ?? '');
  if (place === undefined) return badRequest('the request target is not one that can be served');
  const protocols = listOf(headers['sec-websocket-protocol']);
  if (!areProtocols(protocols)) return badRequest('Sec-WebSocket-Protocol must list distinct names');
  return {
    kind: 'upgrade',
    request: {
      path: place.path,
      query: place.query,
      headers,
      rawHeaders,
      host: headers['host'] ?? '',
      origin: headers['origin'],
      key: headers['sec-websocket-key'] ?? '',
      protocols,
    },
  };
}

/**
 * Judges a request of HTTP/2 by its `rawHeaders` as node:http2 gives them, pseudo-headers included. What is no extended CONNECT for WebSocket
 * (RFC 8441 5) is `http`. There is no key: the stream itself proves that the server means it.
 */
export function judgeConnect(rawHeaders: readonly string[]): UpgradeVerdict {
  const { pseudo, fields } = splitHeaders(rawHeaders);
  if (pseudo[':method'] !== 'CONNECT' || pseudo[':protocol']?.toLowerCase() !== 'websocket') return HTTP;
  const { headers, repeated } = joinHeaders(fields, ONCE);
  const fault = repeated === undefined ? connectFaultOf(headers) : `the header ${repeated} may come only once`;
  if (fault !== undefined) return badRequest(fault);
  const host = headers['host'] ?? '';
  if (!HOST.test(host) || (pseudo[':authority'] ?? host) !== host) return badRequest('the host is missing or broken');
  const place = placeOf(pseudo[':path'] ?? '', host);
  if (place === undefined) return badRequest('the path is not one that can be served');
  const protocols = listOf(headers['sec-websocket-protocol']);
  if (!areProtocols(protocols)) return badRequest('Sec-WebSocket-Protocol must list distinct names');
  const request: UpgradeRequest = {
    path: place.path,
    query: place.query,
    headers,
    rawHeaders: fields,
    host,
    origin: headers['origin'],
    key: '',
    protocols,
  };
  return { kind: 'upgrade', request };
}

/** The fields of a request of HTTP/2 as HTTP/1.1 has them, the authority as `host`, and its pseudo-headers (RFC 9113 8.3). */
export function splitHeaders(rawHeaders: readonly string[]): {
  readonly pseudo: Headers;
  readonly fields: readonly string[];
} {
  const pseudo = Object.create(null) as Record<string, string>;
  const fields: string[] = [];
  let hasHost = false;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    const value = rawHeaders[at + 1] as string;
    hasHost ||= name === 'host';
    if (name.startsWith(':')) pseudo[name] = value;
    else fields.push(name, value);
  }
  const authority = pseudo[':authority'];
  if (authority !== undefined && !hasHost) fields.unshift('host', authority);
  return { pseudo, fields };
}

/** The first of the offered subprotocols that is known, or undefined. The string is that of `known`, which keeps no head alive. */
export function chooseProtocol(offered: readonly string[], known: readonly string[]): string | undefined {
  const name = offered.find((one) => known.includes(one));
  return known.find((one) => one === name);
}

/** Whether these are names that `Sec-WebSocket-Protocol` may list: tokens, each once (RFC 6455 4.1). */
export function areProtocols(names: readonly string[]): boolean {
  return (names.length < 2 || new Set(names).size === names.length) && names.every((name) => TOKEN.test(name));
}

function asksForWebSocket(headers: Headers): boolean {
  return listHas(headers['upgrade'], 'websocket') && listHas(headers['connection'], 'upgrade');
}

function connectFaultOf(headers: Headers): string | undefined {
  if ((headers['content-length'] ?? '0') !== '0') return 'a CONNECT to WebSocket has no body of a length';
  if (headers['sec-websocket-version'] !== VERSION) return 'only version 13 of WebSocket is spoken here';
  return undefined;
}

function faultOf(headers: Headers, repeated: string | undefined): HttpRefusal | undefined {
  if (repeated !== undefined) return refuse(400, `the header ${repeated} may come only once`);
  if (!HOST.test(headers['host'] ?? '')) return refuse(400, 'the header host is missing or broken');
  if (headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0') {
    return refuse(400, 'an upgrade to WebSocket has no body');
  }
  if (headers['sec-websocket-version'] !== VERSION) {
    return refuse(426, 'only version 13 of WebSocket is spoken here', {
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': VERSION,
    });
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) return refuse(400, 'Sec-WebSocket-Key must be 16 bytes in base64');
  return undefined;
}

/** Path and query of a target. In its absolute form, what it names must be the host that `Host` names. */
function placeOf(target: string, host: string): { readonly path: string; readonly query: string } | undefined {
  if (!TARGET.test(target)) return undefined;
  const plain = ORIGIN_FORM.exec(target);
  if (plain !== null) return { path: plain[1] ?? '/', query: plain[2] ?? '' };
  const absolute = ABSOLUTE.exec(target);
  if (absolute === null || absolute[1]?.toLowerCase() !== host.toLowerCase()) return undefined;
  return { path: absolute[2] ?? '/', query: absolute[3] ?? '' };
}

function badRequest(why: string): UpgradeVerdict {
  return { kind: 'refuse', refusal: refuse(400, why) };
}
