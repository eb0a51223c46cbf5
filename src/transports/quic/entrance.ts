import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { now } from '../../udpack-endpoint/parts.ts';
import type { HostPort } from './connection.ts';
import { ID_BYTES, type Quiche } from './quiche.ts';

/** What to do with a datagram of nobody that is known; undefined: nothing. */
export type Answer =
  | { readonly reply: Uint8Array }
  /** The peer has shown that it can hear us at its address: the id that it was given, and the one that it had made up before. */
  | { readonly id: Uint8Array; readonly original: Uint8Array }
  | undefined;

/** The shortest datagram that may open a connection (RFC 9000 14.1): what it is answered with is shorter. */
const INITIAL_BYTES = 1200;
/** How long a token is good, ms. */
const TOKEN_LIFE = 10_000;
const TIME_BYTES = 8;
const TAG_BYTES = 32;

/**
 * What strangers meet first. It keeps nothing of them: each has to bring back a token that was sent to its address (RFC 9000 8.1.2) before
 * memory or a signature is spent on it.
 */
export class Entrance {
  readonly #quiche: Quiche;
  readonly #secret: Uint8Array = randomBytes(32);
  readonly #out: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);

  constructor(quiche: Quiche) {
    this.#quiche = quiche;
  }

  /** @param admits Whether there is room for one more handshake; asked only of who has shown its address. */
  knock(bytes: Uint8Array, from: HostPort, admits: () => boolean): Answer {
    if (bytes.length < INITIAL_BYTES) return undefined;
    const header = this.#headerOf(bytes);
    if (header === undefined) return undefined;
    const { version, dcid, scid, token = NONE } = header;
    if (!this.#quiche.versionIsSupported(version))
      return this.#reply((out) => this.#quiche.negotiateVersion(scid, dcid, out));
    if (header.ty !== this.#quiche.Type.Initial) return undefined;
    if (token.length === 0) {
      if (dcid.length < ID_LEAST) return undefined;
      const id = randomBytes(ID_BYTES);
      const fresh = this.#mint(dcid, id, from);
      return this.#reply((out) => this.#quiche.retry(scid, dcid, id, fresh, version, out));
    }
    const original = this.#originalOf(token, dcid, from);
    return original === undefined || !admits() ? undefined : { id: dcid, original };
  }

  #headerOf(bytes: Uint8Array): Header | undefined {
    // Of a short header there is nothing to find out.
    if ((bytes[0] ?? 0) < 0x80) return undefined;
    try {
      return this.#quiche.Header.fromSlice(bytes, ID_BYTES);
    } catch {
      return undefined;
    }
  }

  #reply(make: (out: Buffer) => number): Answer {
    try {
      return { reply: this.#out.subarray(0, make(this.#out)) };
    } catch {
      return undefined;
    }
  }

  /** When, the id that the peer had made up, and what proves that we said so to this address. */
  #mint(original: Uint8Array, id: Uint8Array, from: HostPort): Uint8Array {
    const token = Buffer.alloc(TIME_BYTES + original.length + TAG_BYTES);
    token.writeDoubleBE(now());
    token.set(original, TIME_BYTES);
    token.set(this.#tag(token.subarray(0, -TAG_BYTES), id, from), TIME_BYTES + original.length);
    return token;
  }

  #originalOf(token: Uint8Array, id: Uint8Array, from: HostPort): Uint8Array | undefined {
    const said = token.length - TAG_BYTES;
    if (said < TIME_BYTES + ID_LEAST || said > TIME_BYTES + ID_BYTES || id.length !== ID_BYTES) return undefined;
    const body = Buffer.from(token.buffer, token.byteOffset, said);
    const tag = token.subarray(said);
    if (!timingSafeEqual(tag, this.#tag(body, id, from))) return undefined;
    const age = now() - body.readDoubleBE();
    return age >= 0 && age < TOKEN_LIFE ? new Uint8Array(body.subarray(TIME_BYTES)) : undefined;
  }

  #tag(said: Uint8Array, id: Uint8Array, { host, port }: HostPort): Uint8Array {
    return createHmac('sha256', this.#secret).update(said).update(id).update(`${host} ${port}`).digest();
  }
}

type Header = ReturnType<Quiche['Header']['fromSlice']>;

const NONE = new Uint8Array(0);
/** RFC 9000 7.2. */
const ID_LEAST = 8;
