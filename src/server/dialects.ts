import { HawserError } from '../core/index.ts';
import type { PlainProtocol } from '../transport/index.ts';
import {
  type Codec,
  type Dialect,
  hawserCodec,
  jsonCodec,
  lineDialect,
  type NativeText,
  PROTOCOL,
  plainCodec,
  rawDialect,
  useNativeText,
} from '../wire/index.ts';

/** What stands for the dialects of docs/PROTOCOL.md, of which a peer chooses one. */
const HAWSER = 'hawser';
const RESERVED: ReadonlySet<string> = new Set([HAWSER, 'raw', 'line', ...Object.values(PROTOCOL)]);
/** What a WebSocket subprotocol may be called: a token (RFC 9110 5.6.2). */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;

type Report = (error: unknown, during: string) => void;

/** The dialects that a server speaks: its own two, the plain ones, and those of the application. */
export class Dialects {
  readonly #codecs: Map<string, Codec> = new Map();
  readonly #plain: Map<string, PlainProtocol> = new Map();
  /** What a WebSocket client may ask for by name. */
  readonly offered: readonly string[];

  /** @throws HawserError ERR_OPTION for a name that is taken, or can't be a subprotocol. */
  constructor(own: Readonly<Record<string, Dialect>>, report: Report) {
    // For all codecs of the thread: a client in Node gains by it where a server runs beside it.
    useNativeText(Buffer.prototype as NativeText);
    for (const codec of [hawserCodec, jsonCodec]) this.#codecs.set(codec.protocol, codec);
    for (const name of Object.keys(own)) {
      if (RESERVED.has(name) || !TOKEN.test(name)) {
        throw new HawserError('ERR_OPTION', `a dialect can't be called '${name.slice(0, 64)}'`);
      }
    }
    this.offered = [...this.#codecs.keys(), ...Object.keys(own)];
    for (const [name, dialect] of Object.entries({ raw: rawDialect, line: lineDialect, ...own })) {
      this.#codecs.set(name, plainCodec(name, dialect, report));
      this.#plain.set(name, { protocol: name, framing: dialect.framing ?? 'length' });
    }
  }

  /** The codec of a protocol that a link has. */
  codec(protocol: string): Codec | undefined {
    return this.#codecs.get(protocol);
  }

  /** A dialect by its name; undefined for `hawser`, and where none is named. @throws HawserError ERR_OPTION for one that is unknown. */
  plain(name: string | undefined): PlainProtocol | undefined {
    if (name === undefined || name === HAWSER) return undefined;
    const plain = this.#plain.get(name);
    if (plain === undefined) throw new HawserError('ERR_OPTION', `no dialect is called '${name.slice(0, 64)}'`);
    return plain;
  }
}
