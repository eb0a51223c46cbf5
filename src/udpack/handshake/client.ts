import type { Crypto } from '../crypto.ts';
import type { Fault } from '../faults.ts';
import type { Parameters } from '../options.ts';
import {
  COOKIE_BYTES,
  clientIdOf,
  decodeBound,
  encodeInit,
  INIT_PAYLOAD_BYTES,
  KIND,
  MAC_BYTES,
  macKey,
  PROLOGUE_BYTES,
  prologue,
  RETRY_BYTES,
  read32,
  VERSION,
  versionOf,
} from './datagrams.ts';
import { NoiseClient } from './noise.ts';
import { decodeParameters, encodeParameters } from './parameters.ts';

/** What a handshake has agreed on. */
export interface Established {
  /** 32 bytes each. */
  readonly sendSecret: Uint8Array;
  readonly receiveSecret: Uint8Array;
  /** The handshake hash, 32 bytes. */
  readonly hash: Uint8Array;
  readonly peer: Parameters;
}

export interface ClientHandshakeInit {
  readonly crypto: Crypto;
  /** 32 bytes. */
  readonly serverKey: Uint8Array;
  /** The client's own connection id, 8 bytes. */
  readonly id: Uint8Array;
  readonly parameters: Parameters;
}

/** A client's handshake: INIT goes out until something comes of it. */
export class ClientHandshake {
  readonly #crypto: Crypto;
  readonly #macKey: Uint8Array;
  readonly #id: Uint8Array;
  readonly #start: Uint8Array;
  readonly #noise: NoiseClient | undefined;
  #initial: Uint8Array;
  #retried = false;

  constructor({ crypto, serverKey, id, parameters }: ClientHandshakeInit) {
    this.#crypto = crypto;
    this.#id = id;
    this.#macKey = macKey(crypto, serverKey);
    this.#start = prologue(KIND.init, VERSION, id);
    this.#noise = NoiseClient.start(crypto, serverKey, this.#start, encodeParameters(parameters, INIT_PAYLOAD_BYTES));
    // Zeros where a cookie will be: message 1 can't get shorter when there is one, and all paths carry 1200 bytes alone.
    this.#initial = this.#encode(new Uint8Array(COOKIE_BYTES));
  }

  /** False: the server's key is one of the few that keep nothing secret, so that no handshake can be had. */
  get possible(): boolean {
    return this.#noise !== undefined;
  }

  /** The INIT to send now, 1200 bytes. */
  get initial(): Uint8Array {
    return this.#initial;
  }

  /**
   * Takes in RESPONSE, RETRY or VERSION. Undefined: it isn't the server's, or says nothing new. `again`: INIT has changed and is to be
   * sent now. Else the handshake is over.
   */
  receive(datagram: Uint8Array): Established | 'again' | Fault | undefined {
    if (datagram.length < PROLOGUE_BYTES || !this.#crypto.equal(clientIdOf(datagram), this.#id)) return undefined;
    switch (datagram[0]) {
      case KIND.response:
        return this.#onResponse(datagram);
      case KIND.retry:
        return this.#onRetry(datagram);
      case KIND.version:
        return this.#onVersion(datagram);
      default:
        return undefined;
    }
  }

  #onResponse(datagram: Uint8Array): Established | Fault | undefined {
    if (versionOf(datagram) !== VERSION) return undefined;
    const finished = this.#noise?.finish(datagram.subarray(PROLOGUE_BYTES));
    if (finished === undefined) return undefined;
    const peer = decodeParameters(finished.payload, 'server');
    if (peer === undefined) return 'parameter-malformed';
    const { clientSecret, serverSecret, hash } = finished.result;
    return { sendSecret: clientSecret, receiveSecret: serverSecret, hash, peer };
  }

  #onRetry(datagram: Uint8Array): 'again' | undefined {
    if (this.#retried || datagram.length !== RETRY_BYTES || versionOf(datagram) !== VERSION) return undefined;
    const cookie = decodeBound(this.#crypto, this.#macKey, datagram, this.#mac);
    if (cookie?.length !== COOKIE_BYTES) return undefined;
    this.#retried = true;
    this.#initial = this.#encode(cookie);
    return 'again';
  }

  #onVersion(datagram: Uint8Array): Fault | undefined {
    const versions = decodeBound(this.#crypto, this.#macKey, datagram, this.#mac);
    if (versions === undefined || versions.length === 0 || versions.length % 4 !== 0) return undefined;
    for (let at = 0; at < versions.length; at += 4) {
      // A server that speaks our version would have answered otherwise.
      if (read32(versions, at) === VERSION) return undefined;
    }
    return 'version';
  }

  get #mac(): Uint8Array {
    return this.#initial.subarray(this.#initial.length - MAC_BYTES);
  }

  #encode(cookie: Uint8Array): Uint8Array {
    return encodeInit(this.#crypto, this.#macKey, this.#start, cookie, this.#noise?.message ?? new Uint8Array());
  }
}
