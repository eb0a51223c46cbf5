import { HawserError } from '../core/index.ts';
import { type DeflateAgreement, type DeflateWishes, offerDeflate, readDeflateAnswer } from './deflate.ts';
import {
  HEAD_BYTES,
  HEADERS_MAX,
  type Headers,
  type HeadLimits,
  HeadReader,
  joinHeaders,
  latin1Bytes,
  listHas,
  parseHead,
} from './http-head.ts';
import { acceptKey, base64, headerLines, type Sha1 } from './respond.ts';
import { areProtocols } from './upgrade.ts';

/** What a client asks for. */
export interface DialRequest {
  /** Host and, unless it is the scheme's own, port; an IPv6 address in brackets. */
  readonly host: string;
  /** Path and query, percent-escaped, beginning with `/`. */
  readonly target: string;
  /** 16 fresh random bytes. */
  readonly nonce: Uint8Array;
  /** Subprotocols, best first; none is fine. */
  readonly protocols: readonly string[];
  /** Extra headers; none of those that the handshake itself writes. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** What permessage-deflate is to be like; undefined doesn't offer it. */
  readonly deflate?: DeflateWishes | undefined;
}

export type DialResult =
  /** The head isn't whole yet. */
  | { readonly kind: 'more' }
  /** The server agreed; `protocol` is '' when it chose none, `deflate` undefined when it doesn't compress, and `rest` are the first frames. */
  | {
      readonly kind: 'open';
      readonly protocol: string;
      readonly deflate: DeflateAgreement | undefined;
      readonly headers: Headers;
      readonly rest: Uint8Array;
    }
  /** The server said no, with this HTTP status; `rest` is the beginning of what it said besides. */
  | { readonly kind: 'refused'; readonly status: number; readonly headers: Headers; readonly rest: Uint8Array }
  /** What came is no answer to our request: close. */
  | { readonly kind: 'broken'; readonly why: string };

const NONCE_BYTES = 16;
const OWN: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'host',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-version',
  'transfer-encoding',
  'upgrade',
]);
const TARGET = /^\/[\x21\x22\x24-\x7e]*$/;
const HOST = /^[\x21-\x7e]+$/;
const STATUS_LINE = /^HTTP\/1\.1 ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const ONCE: ReadonlySet<string> = new Set(['sec-websocket-accept', 'sec-websocket-protocol', 'upgrade']);
const MORE: DialResult = { kind: 'more' };

/** The value of `Sec-WebSocket-Key` for 16 random bytes. */
export function dialKey(nonce: Uint8Array): string {
  if (nonce.length !== NONCE_BYTES) throw new HawserError('ERR_ARGUMENT', 'the nonce of a handshake has 16 bytes');
  return base64(nonce);
}

/**
 * The request that opens a WebSocket (RFC 6455 4.1).
 * @throws HawserError ERR_ARGUMENT for what can't be sent: a line break in host, target or header, a header that the
 *   handshake writes itself, a subprotocol that is no token or named twice.
 */
export function encodeDial(request: DialRequest): Uint8Array {
  if (!HOST.test(request.host)) throw new HawserError('ERR_ARGUMENT', 'the host is not one that HTTP allows');
  if (!TARGET.test(request.target)) throw new HawserError('ERR_ARGUMENT', 'the path is not one that HTTP allows');
  if (!areProtocols(request.protocols)) {
    throw new HawserError('ERR_ARGUMENT', 'subprotocols must be tokens, each named once');
  }
  const headers = request.headers ?? {};
  const own = Object.keys(headers).find((name) => OWN.has(name.toLowerCase()));
  if (own !== undefined) throw new HawserError('ERR_ARGUMENT', `the handshake writes the header ${own} itself`);
  const offer =
    request.protocols.length === 0 ? '' : headerLines({ 'Sec-WebSocket-Protocol': request.protocols.join(', ') });
  const extensions =
    request.deflate === undefined ? '' : headerLines({ 'Sec-WebSocket-Extensions': offerDeflate(request.deflate) });
  return latin1Bytes(
    `GET ${request.target} HTTP/1.1\r\nHost: ${request.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${dialKey(request.nonce)}\r\n${offer}${extensions}${headerLines(headers)}\r\n`,
  );
}

/** Reads the answer to one `DialRequest` and holds it to RFC 6455 4.1: nothing that wasn't asked for is accepted. */
export class DialParser {
  readonly #head: HeadReader;
  readonly #headersMax: number;
  readonly #accept: string;
  readonly #protocols: readonly string[];
  readonly #deflate: DeflateWishes | undefined;

  constructor(request: DialRequest, sha1: Sha1, limits: HeadLimits = {}) {
    this.#head = new HeadReader(limits.headBytes ?? HEAD_BYTES);
    this.#headersMax = limits.headersMax ?? HEADERS_MAX;
    this.#accept = acceptKey(dialKey(request.nonce), sha1);
    this.#protocols = request.protocols;
    this.#deflate = request.deflate;
  }

  /** Takes in one chunk; a result may hold views of it. After any result but `more` the parser has done its work. */
  receive(chunk: Uint8Array): DialResult {
    switch (this.#head.receive(chunk)) {
      case 'more':
        return MORE;
      case 'bare LF':
        return broken('the answer is not HTTP');
      case 'too large':
        return broken('the head of the answer is too large');
      default:
        return this.#judge();
    }
  }

  #judge(): DialResult {
    const { bytes, end } = this.#head;
    const head = parseHead(bytes.subarray(0, end), this.#headersMax);
    if (head === 'too many') return broken('the answer has too many headers');
    const status = Number(STATUS_LINE.exec(head?.startLine ?? '')?.[1] ?? 0);
    if (head === undefined || status === 0) return broken('the answer is not HTTP/1.1');
    const { headers, repeated } = joinHeaders(head.rawHeaders, ONCE);
    const rest = bytes.subarray(end);
    if (status !== 101) return { kind: 'refused', status, headers, rest };
    const why = repeated === undefined ? this.#faultOf(headers) : `the header ${repeated} came more than once`;
    if (why !== undefined) return broken(why);
    const deflate = this.#deflate && readDeflateAnswer(headers['sec-websocket-extensions'], this.#deflate);
    if (typeof deflate === 'string') return broken(deflate);
    return { kind: 'open', protocol: headers['sec-websocket-protocol'] ?? '', deflate, headers, rest };
  }

  #faultOf(headers: Headers): string | undefined {
    if (headers['upgrade']?.toLowerCase() !== 'websocket') return 'the header upgrade does not say websocket';
    if (!listHas(headers['connection'], 'upgrade')) return 'the header connection does not say upgrade';
    if (headers['sec-websocket-accept'] !== this.#accept) return 'the header sec-websocket-accept is wrong';
    if (this.#deflate === undefined && headers['sec-websocket-extensions'] !== undefined) {
      return 'an extension that was not offered';
    }
    const protocol = headers['sec-websocket-protocol'];
    if (protocol !== undefined && !this.#protocols.includes(protocol)) return 'a subprotocol that was not offered';
    return undefined;
  }
}

function broken(why: string): DialResult {
  return { kind: 'broken', why };
}
