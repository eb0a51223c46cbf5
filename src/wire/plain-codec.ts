import { HawserError, Outbound } from '../core/index.ts';
import { type Codec, Incoming, MESSAGE, UNSAID, type WireFailure } from './messages.ts';

/** What an application's own dialect is told and says: text, or bytes that are the application's to keep. */
export type PlainMessage = string | Uint8Array;

/**
 * A dialect of an application's own: each message is one event, without requests, channels, hello or resume. What it throws is reported, and
 * costs that message.
 */
export interface Dialect {
  /** The event that a message means; undefined when it means nothing. */
  decode(message: PlainMessage): { readonly event: string; readonly data?: unknown } | undefined;
  /** How an event is said; undefined when the dialect has no word for it. */
  encode(event: string, data: unknown): PlainMessage | undefined;
  /**
   * How messages lie in a byte stream: `line` (text, one a line; what it says must not contain LF), `length` (docs/PROTOCOL.md 2.2, without the
   * magic), or `chunk` (as the bytes come, cut anywhere). Default `length`. On WebSocket each is a message.
   */
  readonly framing?: PlainFraming;
}
export type PlainFraming = 'line' | 'length' | 'chunk';

/** Messages as they are, as event `message` with a string or a Uint8Array; on a byte stream its chunks. */
export const rawDialect: Dialect = {
  decode: (data) => ({ event: 'message', data }),
  encode: (event, data) => (event === 'message' && isPlain(data) ? data : undefined),
  framing: 'chunk',
};

/** Lines of text, as event `message` with a string. */
export const lineDialect: Dialect = {
  decode: (data) => (typeof data === 'string' ? { event: 'message', data } : undefined),
  encode: (event, data) => (event === 'message' && typeof data === 'string' && !data.includes('\n') ? data : undefined),
  framing: 'line',
};

function isPlain(data: unknown): data is PlainMessage {
  return typeof data === 'string' || data instanceof Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

type Report = (error: unknown, during: string) => void;

/** A dialect as the layers above use it, under the name of its protocol. */
export function plainCodec(protocol: string, dialect: Dialect, report: Report): Codec {
  const isLine = dialect.framing === 'line';
  const say = (_channel: number, event: string, data: unknown): Outbound => {
    try {
      const said = dialect.encode(event, data);
      if (said === undefined) return UNSAID;
      if (typeof said === 'string' && !(isLine && said.includes('\n'))) return new Outbound(encoder.encode(said), true);
      if (typeof said === 'string' || isLine) throw new TypeError('a dialect of lines says text without LF');
      return new Outbound(new Uint8Array(said), false);
    } catch (error) {
      report(error, `dialect '${protocol}'`);
      return UNSAID;
    }
  };
  const unsaid = (): Outbound => UNSAID;
  return {
    protocol,
    acknowledges: false,
    greets: false,
    decode: (bytes, text) => decode(dialect, bytes, text, (error) => report(error, `dialect '${protocol}'`)),
    event: say,
    volatile: say,
    request: () => {
      throw new HawserError('ERR_UNSUPPORTED', `'${protocol}' has no requests`, { delivered: 'no' });
    },
    response: unsaid,
    failure: unsaid,
    hello: unsaid,
    welcome: unsaid,
    ack: unsaid,
    ping: unsaid,
    pong: unsaid,
    goaway: unsaid,
  };
}

const MALFORMED: WireFailure = { kind: 0, code: 'ERR_MESSAGE_MALFORMED', message: 'malformed', id: undefined };

function decode(
  dialect: Dialect,
  bytes: Uint8Array,
  text: boolean,
  report: (error: unknown) => void,
): Incoming | WireFailure {
  let message: PlainMessage;
  try {
    message = text ? decoder.decode(bytes) : new Uint8Array(bytes);
  } catch {
    return MALFORMED;
  }
  try {
    const heard = dialect.decode(message);
    if (typeof heard?.event !== 'string') return MALFORMED;
    return new Incoming(MESSAGE.event, 0, 0, heard.event, heard.data);
  } catch (error) {
    report(error);
    return MALFORMED;
  }
}
