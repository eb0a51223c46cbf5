import { constants, deflateRawSync, type InflateRaw, inflateRawSync } from 'node:zlib';
import { HawserError } from '../../core/index.ts';
import type { CompressionOptions } from '../../transport/index.ts';
import {
  type DeflateAgreement,
  type DeflateWishes,
  deflatedAtMost,
  INFLATE,
  type InflateFault,
  type MessageCompression,
} from '../../websocket/index.ts';
import { History } from './history.ts';

/** Options with their defaults, and what they mean for the handshake. */
export interface CompressionSettings {
  readonly threshold: number;
  readonly level: number;
  readonly memoryLevel: number;
  readonly wishes: DeflateWishes;
}

/** @throws HawserError ERR_OPTION for a value that can't be. */
export function resolveCompression(options: boolean | CompressionOptions | undefined): CompressionSettings | undefined {
  if (options === undefined || options === false) return undefined;
  const given: CompressionOptions = options === true ? {} : options;
  return {
    threshold: whole('threshold', given.threshold ?? 1024, 0, Number.MAX_SAFE_INTEGER),
    level: whole('level', given.level ?? 3, 1, 9),
    memoryLevel: whole('memoryLevel', given.memoryLevel ?? 8, 1, 9),
    wishes: {
      serverNoContextTakeover: given.serverContextTakeover !== true,
      clientNoContextTakeover: given.clientContextTakeover !== true,
      serverMaxWindowBits: whole('serverMaxWindowBits', given.serverMaxWindowBits ?? MOST_BITS, 8, MOST_BITS),
      clientMaxWindowBits: whole('clientMaxWindowBits', given.clientMaxWindowBits ?? MOST_BITS, 8, MOST_BITS),
    },
  };
}

function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new HawserError('ERR_OPTION', `compression.${name} is a whole number from ${least} to ${most}`);
}

const MOST_BITS = 15;
/** zlib makes no raw deflate of 8 bits; with 9 it looks back over less than 256 bytes, which 8 bits allow. */
const LEAST_DEFLATE_BITS = 9;
/** What a sender takes off the end of each message (RFC 7692 7.2.1), and a last block, so that where the data end can be checked. */
const END = Uint8Array.of(0, 0, 0xff, 0xff, 0x03, 0);
const CUT_BYTES = 4;
/** Final blocks within one message; each begins zlib anew, which is not free. */
const FINALS_MAX = 64;
const PIECE_BYTES = 65_536;
const LEAST_PIECE_BYTES = 256;
const NO_BYTES = new Uint8Array(0);

/**
 * Messages through zlib, each in one synchronous call that begins a stream of its own and is given the window as its dictionary:
 * between messages a connection keeps that window, where its context is taken over, and nothing of zlib's.
 * docs/decisions/compression.md has the reasons and figures.
 */
export class ZlibCompression implements MessageCompression {
  readonly threshold: number;
  readonly shared: boolean;
  readonly #settings: CompressionSettings;
  readonly #deflateBits: number;
  readonly #inflateBits: number;
  readonly #sent: History | undefined;
  readonly #received: History | undefined;

  constructor(settings: CompressionSettings, agreement: DeflateAgreement, role: 'server' | 'client') {
    const { serverMaxWindowBits, clientMaxWindowBits } = agreement;
    const isServer = role === 'server';
    this.threshold = settings.threshold;
    this.#settings = settings;
    this.#deflateBits = isServer ? serverMaxWindowBits : clientMaxWindowBits;
    this.#inflateBits = isServer ? clientMaxWindowBits : serverMaxWindowBits;
    const forgetsSent = isServer ? agreement.serverNoContextTakeover : agreement.clientNoContextTakeover;
    const forgetsReceived = isServer ? agreement.clientNoContextTakeover : agreement.serverNoContextTakeover;
    this.#sent = forgetsSent ? undefined : new History(1 << this.#deflateBits);
    this.#received = forgetsReceived ? undefined : new History(1 << this.#inflateBits);
    this.shared = forgetsSent && this.#deflateBits === MOST_BITS;
  }

  deflate(bytes: Uint8Array): Uint8Array | undefined {
    const dictionary = this.#sent?.bytes;
    const made = deflateRawSync(bytes, {
      finishFlush: constants.Z_SYNC_FLUSH,
      windowBits: Math.max(LEAST_DEFLATE_BITS, this.#deflateBits),
      level: this.#settings.level,
      memLevel: this.#settings.memoryLevel,
      chunkSize: Math.min(PIECE_BYTES, deflatedAtMost(bytes.length) + LEAST_PIECE_BYTES),
      ...(dictionary && { dictionary }),
    });
    if (made.length - CUT_BYTES >= bytes.length) return undefined;
    this.#sent?.add(bytes);
    return made.subarray(0, made.length - CUT_BYTES);
  }

  inflate(bytes: Uint8Array, limit: number): Uint8Array | InflateFault {
    if (bytes.length === 0) return NO_BYTES;
    const input = new Uint8Array(bytes.length + END.length);
    input.set(bytes);
    input.set(END, bytes.length);
    const parts: Uint8Array[] = [];
    let length = 0;
    try {
      for (let at = 0; at < input.length; ) {
        if (parts.length === FINALS_MAX) return INFLATE.broken;
        const { part, taken } = this.#inflatePart(input.subarray(at), limit - length);
        at += taken;
        length += part.length;
        if (length > limit) return INFLATE.tooLarge;
        parts.push(part);
        this.#received?.add(part);
      }
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? INFLATE.tooLarge : INFLATE.broken;
    }
    return parts.length === 1 ? (parts[0] ?? NO_BYTES) : Buffer.concat(parts, length);
  }

  /** Inflates up to a final block. Memory is taken in pieces of such a size that the last one ends at the limit. */
  #inflatePart(input: Uint8Array, limit: number): { readonly part: Uint8Array; readonly taken: number } {
    const most = Math.max(1, limit);
    const piece = Math.min(PIECE_BYTES, Math.max(LEAST_PIECE_BYTES, input.length * 4));
    const pieces = Math.ceil((most + 1) / piece);
    const dictionary = this.#received?.bytes;
    const { buffer, engine } = inflateRawSync(input, {
      info: true,
      windowBits: this.#inflateBits,
      maxOutputLength: most,
      chunkSize: Math.max(constants.Z_MIN_CHUNK, Math.ceil((most + 1) / pieces)),
      ...(dictionary && { dictionary }),
    }) as unknown as { readonly buffer: Uint8Array; readonly engine: InflateRaw };
    return { part: buffer, taken: engine.bytesWritten };
  }
}
