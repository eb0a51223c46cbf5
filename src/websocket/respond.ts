import { HawserError } from '../core/index.ts';
import { isHeaderName, isHeaderValue, latin1, latin1Bytes } from './http-head.ts';

/** SHA-1 of an ASCII text, in base64. RFC 6455 asks for it, not for its strength. */
export type Sha1 = (text: string) => string;

/** An HTTP answer that says no. */
export interface HttpRefusal {
  readonly status: number;
  /** Beside those that `encodeRefusal` adds. */
  readonly headers: Readonly<Record<string, string>>;
  /** One line of plain text for a human. */
  readonly body: string;
}

/** RFC 6455 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  408: 'Request Timeout',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
};

const ENCODER: TextEncoder = new TextEncoder();

/** The value of `Sec-WebSocket-Accept` for a key (RFC 6455 4.2.2). */
export function acceptKey(key: string, sha1: Sha1): string {
  return sha1(key + GUID);
}

/**
 * The answer that grants an upgrade, in Latin-1. `protocol` is the one chosen of those offered, if any; `headers` are sent besides.
 * @throws HawserError ERR_ARGUMENT when a header can't be sent.
 */
export function acceptText(
  key: string,
  sha1: Sha1,
  protocol?: string,
  headers: Readonly<Record<string, string>> = {},
): string {
  const chosen = protocol === undefined || protocol === '' ? '' : headerLine('Sec-WebSocket-Protocol', protocol);
  return (
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Accept: ${acceptKey(key, sha1)}\r\n${chosen}${headerLines(headers)}\r\n`
  );
}

/** A refusal with this status (400, 403, 404, 426, 429, 431, 503, …) and reason. */
export function refuse(status: number, why: string, headers: Readonly<Record<string, string>> = {}): HttpRefusal {
  return { status, headers, body: `${why}\n` };
}

/** The refusal when none of the offered subprotocols is known: it names those that are. */
export function refuseProtocols(known: readonly string[]): HttpRefusal {
  return refuse(400, `none of the offered subprotocols is spoken here; known: ${known.join(', ')}`);
}

/** The bytes of a refusal; the connection is to be closed after them. @throws HawserError ERR_ARGUMENT as above. */
export function encodeRefusal(refusal: HttpRefusal): Uint8Array {
  const body = ENCODER.encode(refusal.body);
  const head = latin1Bytes(
    `HTTP/1.1 ${refusal.status} ${STATUS_TEXT[refusal.status] ?? 'Refused'}\r\nConnection: close\r\n` +
      `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\n${headerLines(refusal.headers)}\r\n`,
  );
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/** Header lines, each ended. @throws HawserError ERR_ARGUMENT for a name or value that would begin another line. */
export function headerLines(headers: Readonly<Record<string, string>>): string {
  let lines = '';
  for (const [name, value] of Object.entries(headers)) lines += headerLine(name, value);
  return lines;
}

function headerLine(name: string, value: string): string {
  if (!isHeaderName(name)) throw new HawserError('ERR_ARGUMENT', 'a header has a name that HTTP does not allow');
  if (!isHeaderValue(value)) {
    throw new HawserError('ERR_ARGUMENT', `the header ${name} has a value that HTTP does not allow`);
  }
  return `${name}: ${value}\r\n`;
}

/** Bytes in base64 (RFC 4648 4). */
export function base64(bytes: Uint8Array): string {
  return btoa(latin1(bytes));
}
