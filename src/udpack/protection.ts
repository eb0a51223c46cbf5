import { type Instant, VARINT_MAX } from '../core/index.ts';
import { type Aead, type Crypto, TAG_BYTES } from './crypto.ts';

/** First byte, connection id, 32 bits of the number. */
export const SEALED_HEADER_BYTES = 13;
/** What a sealed datagram has besides its frames. */
export const SEALED_OVERHEAD: number = SEALED_HEADER_BYTES + TAG_BYTES;
const NUMBER_AT = 9;

const SEALED = 0x40;
const PHASE = 0x20;

/** Whether a datagram with this first byte is SEALED, or a RESET that looks so. */
export function looksSealed(firstByte: number): boolean {
  return firstByte === SEALED || firstByte === (SEALED | PHASE);
}

/** Writes the header of a sealed datagram at the beginning of `target`. */
export function writeSealedHeader(target: Uint8Array, id: Uint8Array, number: number): void {
  target[0] = SEALED;
  target.set(id, 1);
  write32(target, NUMBER_AT, number);
}

/** The number of a datagram, completed from its low 32 bits and the largest one heard in its space; RFC 9000 A.3. -1: it is no number. */
export function readNumber(datagram: Uint8Array, largest: number): number {
  const low =
    (datagram[NUMBER_AT] ?? 0) * 2 ** 24 +
    (datagram[NUMBER_AT + 1] ?? 0) * 2 ** 16 +
    (datagram[NUMBER_AT + 2] ?? 0) * 2 ** 8 +
    (datagram[NUMBER_AT + 3] ?? 0);
  const expected = largest + 1;
  let number = expected - (expected % 2 ** 32) + low;
  if (number <= expected - 2 ** 31) number += 2 ** 32;
  else if (number > expected + 2 ** 31 && number >= 2 ** 32) number -= 2 ** 32;
  return number < VARINT_MAX ? number : -1;
}

/** Where the keys of a session get changed. */
export interface KeyLimits {
  /** Bytes sealed under one key, from which on the next one is used. */
  readonly bytes: number;
  /** Age of a key in ms, likewise. */
  readonly age: number;
  /** Datagrams that failed to open under one key, from which on the session is given up (RFC 9001 6.6). */
  readonly forgeries: number;
}

/** What RFC 9001 6.6 allows for ChaCha20-Poly1305 is 2^36 forgeries; a quarter is plenty. 1 GiB per key, ten minutes. */
export const KEY_LIMITS: KeyLimits = { bytes: 2 ** 30, age: 600_000, forgeries: 2 ** 34 };

interface Keys {
  readonly aead: Aead;
  readonly iv: Uint8Array;
  /** What these keys are made of, and the next ones will be. */
  readonly secret: Uint8Array;
}

export interface ProtectionInit {
  readonly crypto: Crypto;
  readonly sendSecret: Uint8Array;
  readonly receiveSecret: Uint8Array;
  readonly limits: KeyLimits;
}

/**
 * Seals and opens the datagrams of one session: a key per direction and phase, changed by amount and age as in RFC 9001 section 6. A
 * phase is confirmed when the peer acknowledges a datagram of it; only then may the next one begin.
 */
export class Protection {
  /** The phase that datagrams are sealed in, from 0. */
  sendPhase = 0;
  /** Datagrams that failed to open under the key of now. */
  forgeries = 0;

  readonly #crypto: Crypto;
  readonly #limits: KeyLimits;
  readonly #nonce = new Uint8Array(12);
  #send: Keys;
  #receive: Keys;
  #next: Keys | undefined;
  #previous: Keys | undefined;
  #previousUntil: Instant = 0;
  #receivePhase = 0;
  #confirmed = true;
  #sealedBytes = 0;
  #since: Instant;

  constructor(init: ProtectionInit, now: Instant) {
    this.#crypto = init.crypto;
    this.#limits = init.limits;
    this.#send = keysOf(init.crypto, init.sendSecret);
    this.#receive = keysOf(init.crypto, init.receiveSecret);
    this.#since = now;
  }

  /** Whether so much was forged that the key can't be trusted any longer. */
  get worn(): boolean {
    return this.forgeries >= this.#limits.forgeries;
  }

  /**
   * Seals a datagram whose header and frames (`[13, end)`) are in place; returns its whole length.
   * @param sequence The sequence number of the id that it goes to.
   */
  seal(datagram: Uint8Array, end: number, sequence: number, number: number, now: Instant): number {
    if (this.#confirmed && this.#due(now)) this.#updateSend(now);
    datagram[0] = this.sendPhase & 1 ? SEALED | PHASE : SEALED;
    const header = datagram.subarray(0, SEALED_HEADER_BYTES);
    fillNonce(this.#nonce, this.#send.iv, sequence, number);
    this.#send.aead.seal(this.#nonce, header, datagram, SEALED_HEADER_BYTES, end);
    this.#sealedBytes += end - SEALED_HEADER_BYTES;
    return end + TAG_BYTES;
  }

  /**
   * The frames of a datagram, or undefined when it was not sealed by the peer. Nothing changes then but the count of forgeries.
   * @param retire How long, in ms, keys of the phase before are kept after a change: three probe time-outs.
   */
  open(datagram: Uint8Array, sequence: number, number: number, now: Instant, retire: number): Uint8Array | undefined {
    const phase = ((datagram[0] ?? 0) & PHASE) === 0 ? 0 : 1;
    const header = datagram.subarray(0, SEALED_HEADER_BYTES);
    if (phase === (this.#receivePhase & 1)) {
      const text = this.#open(this.#receive, header, datagram, sequence, number);
      if (text === undefined) this.forgeries++;
      return text;
    }
    if (this.#previous !== undefined && now < this.#previousUntil) {
      const text = this.#open(this.#previous, header, datagram, sequence, number);
      if (text !== undefined) return text;
    } else this.#previous = undefined;
    this.#next ??= this.#keysAfter(this.#receive);
    const text = this.#open(this.#next, header, datagram, sequence, number);
    if (text === undefined) this.forgeries++;
    else this.#updateReceive(this.#next, now, retire);
    return text;
  }

  /** An ack came for a datagram that was sealed in this phase. */
  onAcked(phase: number): void {
    if (phase === this.sendPhase && this.#receivePhase >= phase) this.#confirmed = true;
  }

  /** Uses the next key from the next datagram on, unless the last change is not confirmed yet. */
  update(): void {
    this.#sealedBytes = this.#limits.bytes;
  }

  #due(now: Instant): boolean {
    return this.#sealedBytes >= this.#limits.bytes || now - this.#since >= this.#limits.age;
  }

  #updateSend(now: Instant): void {
    this.#send = this.#keysAfter(this.#send);
    this.sendPhase++;
    this.#confirmed = false;
    this.#sealedBytes = 0;
    this.#since = now;
  }

  #updateReceive(next: Keys, now: Instant, retire: number): void {
    this.#previous = this.#receive;
    this.#previousUntil = now + retire;
    this.#receive = next;
    this.#next = undefined;
    this.#receivePhase++;
    this.forgeries = 0;
    if (this.sendPhase < this.#receivePhase) this.#updateSend(now);
  }

  #keysAfter({ secret }: Keys): Keys {
    return keysOf(this.#crypto, expand(this.#crypto, secret, 'udpack 2 next'));
  }

  #open(
    keys: Keys,
    header: Uint8Array,
    datagram: Uint8Array,
    sequence: number,
    number: number,
  ): Uint8Array | undefined {
    fillNonce(this.#nonce, keys.iv, sequence, number);
    return keys.aead.open(this.#nonce, header, datagram, SEALED_HEADER_BYTES, datagram.length);
  }
}

function keysOf(crypto: Crypto, secret: Uint8Array): Keys {
  return {
    aead: crypto.aead(expand(crypto, secret, 'udpack 2 key')),
    iv: expand(crypto, secret, 'udpack 2 iv').slice(0, 12),
    secret,
  };
}

/** What keys are made for. */
type Label = 'udpack 2 key' | 'udpack 2 iv' | 'udpack 2 next';

/** Each with the number of the block behind it. */
const LABELS: Readonly<Record<Label, Uint8Array>> = {
  'udpack 2 key': bytesOf('udpack 2 key\u0001'),
  'udpack 2 iv': bytesOf('udpack 2 iv\u0001'),
  'udpack 2 next': bytesOf('udpack 2 next\u0001'),
};

/** HKDF-Expand of RFC 5869 for one block of 32 bytes. */
export function expand(crypto: Crypto, secret: Uint8Array, label: Label): Uint8Array {
  return crypto.mac(secret, LABELS[label]);
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** The iv, exclusive-ored with the sequence number of the id (4 bytes) and the datagram's number (8 bytes). */
function fillNonce(nonce: Uint8Array, iv: Uint8Array, sequence: number, number: number): void {
  write32(nonce, 0, sequence);
  write32(nonce, 4, Math.floor(number / 2 ** 32));
  write32(nonce, 8, number);
  for (let at = 0; at < 12; at++) nonce[at] = (nonce[at] ?? 0) ^ (iv[at] ?? 0);
}

/** The low 32 bits of `value`; a number above 2^32 is cut by ToInt32's modulo. */
function write32(target: Uint8Array, at: number, value: number): void {
  const low = value | 0;
  target[at] = low >>> 24;
  target[at + 1] = low >>> 16;
  target[at + 2] = low >>> 8;
  target[at + 3] = low;
}
