import { type Aead, type Crypto, type KeyPair, TAG_BYTES } from '../crypto.ts';

/** `Noise_NK_25519_ChaChaPoly_SHA256`, the one pattern that UDPack uses; Noise Protocol Framework, revision 34. */
export const NOISE_NAME = 'Noise_NK_25519_ChaChaPoly_SHA256';
export const PUBLIC_KEY_BYTES = 32;
/** What message 1 and 2 have besides their payload: an ephemeral key and a tag. */
export const NOISE_OVERHEAD: number = PUBLIC_KEY_BYTES + TAG_BYTES;

const EMPTY = new Uint8Array();
/** The name has just the length of a hash: it stands for itself. */
const NAME: Uint8Array = Uint8Array.from(NOISE_NAME, (letter) => letter.charCodeAt(0));

/** What both sides have after message 2. */
export interface NoiseResult {
  /** 32 bytes each; the first is for what the client sends. */
  readonly clientSecret: Uint8Array;
  readonly serverSecret: Uint8Array;
  /** The handshake hash (section 11.2), 32 bytes. */
  readonly hash: Uint8Array;
}

/** The symmetric state of section 5.2, and the cipher state of 5.1 within it. */
export class SymmetricState {
  #hash: Uint8Array;
  #chainingKey: Uint8Array;
  #aead: Aead | undefined;
  #nonce = 0;
  readonly #crypto: Crypto;

  private constructor(crypto: Crypto, hash: Uint8Array, chainingKey: Uint8Array) {
    this.#crypto = crypto;
    this.#hash = hash;
    this.#chainingKey = chainingKey;
  }

  static start(crypto: Crypto, prologue: Uint8Array): SymmetricState {
    const state = new SymmetricState(crypto, NAME, NAME);
    state.mixHash(prologue);
    return state;
  }

  get hash(): Uint8Array {
    return this.#hash;
  }

  mixHash(data: Uint8Array): void {
    this.#hash = this.#crypto.hash(this.#hash, data);
  }

  mixKey(input: Uint8Array): void {
    const [chainingKey, key] = hkdf(this.#crypto, this.#chainingKey, input);
    this.#chainingKey = chainingKey;
    this.#aead = this.#crypto.aead(key);
    this.#nonce = 0;
  }

  /** The sealed form of `text`; a key must have been mixed in. */
  encryptAndHash(text: Uint8Array): Uint8Array {
    const sealed = new Uint8Array(text.length + TAG_BYTES);
    sealed.set(text);
    this.#aead?.seal(this.#nextNonce(), this.#hash, sealed, 0, text.length);
    this.mixHash(sealed);
    return sealed;
  }

  /** Undefined: it was not sealed so, or changed on its way. Nothing has changed here then. */
  decryptAndHash(sealed: Uint8Array): Uint8Array | undefined {
    if (sealed.length < TAG_BYTES) return undefined;
    const nonce = this.#nextNonce();
    const text = this.#aead?.open(nonce, this.#hash, sealed, 0, sealed.length);
    if (text === undefined) this.#nonce--;
    else this.mixHash(sealed);
    return text;
  }

  split(): readonly [Uint8Array, Uint8Array] {
    return hkdf(this.#crypto, this.#chainingKey, EMPTY);
  }

  /** Four zero bytes and a counter of 64 bits, little-endian (section 12.3). */
  #nextNonce(): Uint8Array {
    const nonce = new Uint8Array(12);
    nonce[4] = this.#nonce++;
    return nonce;
  }

  /** A copy that goes its own way. */
  clone(): SymmetricState {
    const copy = new SymmetricState(this.#crypto, this.#hash, this.#chainingKey);
    copy.#aead = this.#aead;
    copy.#nonce = this.#nonce;
    return copy;
  }
}

/** The initiator's side: `-> e, es`, `<- e, ee`. */
export class NoiseClient {
  readonly #crypto: Crypto;
  readonly #ephemeral: KeyPair;
  readonly #state: SymmetricState;
  /** Message 1. */
  readonly message: Uint8Array;

  private constructor(crypto: Crypto, ephemeral: KeyPair, state: SymmetricState, message: Uint8Array) {
    this.#crypto = crypto;
    this.#ephemeral = ephemeral;
    this.#state = state;
    this.message = message;
  }

  /** Undefined: the server's key is none that can be used (RFC 7748 6.1). */
  static start(
    crypto: Crypto,
    serverKey: Uint8Array,
    prologue: Uint8Array,
    payload: Uint8Array,
    ephemeral: KeyPair = crypto.keyPair(),
  ): NoiseClient | undefined {
    const state = SymmetricState.start(crypto, prologue);
    state.mixHash(serverKey);
    state.mixHash(ephemeral.publicKey);
    const shared = crypto.shared(ephemeral, serverKey);
    if (shared === undefined) return undefined;
    state.mixKey(shared);
    return new NoiseClient(crypto, ephemeral, state, joined(ephemeral.publicKey, state.encryptAndHash(payload)));
  }

  /** Takes in message 2. Undefined: it isn't the server's; a later one may be. */
  finish(message: Uint8Array): { readonly payload: Uint8Array; readonly result: NoiseResult } | undefined {
    if (message.length < NOISE_OVERHEAD) return undefined;
    const state = this.#state.clone();
    const remote = message.subarray(0, PUBLIC_KEY_BYTES);
    state.mixHash(remote);
    const shared = this.#crypto.shared(this.#ephemeral, remote);
    if (shared === undefined) return undefined;
    state.mixKey(shared);
    const payload = state.decryptAndHash(message.subarray(PUBLIC_KEY_BYTES));
    return payload && { payload, result: resultOf(state) };
  }
}

/** The responder's side. */
export class NoiseServer {
  readonly #crypto: Crypto;
  readonly #state: SymmetricState;
  readonly #remote: Uint8Array;
  readonly payload: Uint8Array;

  private constructor(crypto: Crypto, state: SymmetricState, remote: Uint8Array, payload: Uint8Array) {
    this.#crypto = crypto;
    this.#state = state;
    this.#remote = remote;
    this.payload = payload;
  }

  /** Takes in message 1. Undefined: it was not made for this key. */
  static read(crypto: Crypto, key: KeyPair, prologue: Uint8Array, message: Uint8Array): NoiseServer | undefined {
    if (message.length < NOISE_OVERHEAD) return undefined;
    const state = SymmetricState.start(crypto, prologue);
    state.mixHash(key.publicKey);
    const remote = new Uint8Array(message.subarray(0, PUBLIC_KEY_BYTES));
    state.mixHash(remote);
    const shared = crypto.shared(key, remote);
    if (shared === undefined) return undefined;
    state.mixKey(shared);
    const payload = state.decryptAndHash(message.subarray(PUBLIC_KEY_BYTES));
    return payload && new NoiseServer(crypto, state, remote, payload);
  }

  /** Makes message 2. Undefined: the client's ephemeral key is none that can be used. Called once. */
  answer(
    payload: Uint8Array,
    ephemeral: KeyPair = this.#crypto.keyPair(),
  ): { readonly message: Uint8Array; readonly result: NoiseResult } | undefined {
    const state = this.#state;
    state.mixHash(ephemeral.publicKey);
    const shared = this.#crypto.shared(ephemeral, this.#remote);
    if (shared === undefined) return undefined;
    state.mixKey(shared);
    const message = joined(ephemeral.publicKey, state.encryptAndHash(payload));
    return { message, result: resultOf(state) };
  }
}

function resultOf(state: SymmetricState): NoiseResult {
  const [clientSecret, serverSecret] = state.split();
  return { clientSecret, serverSecret, hash: state.hash };
}

/** HKDF with two outputs, section 4.3. */
function hkdf(crypto: Crypto, chainingKey: Uint8Array, input: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const temporary = crypto.mac(chainingKey, input);
  const first = crypto.mac(temporary, Uint8Array.of(1));
  return [first, crypto.mac(temporary, first, Uint8Array.of(2))];
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
