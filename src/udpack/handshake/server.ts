import type { Instant } from '../../core/index.ts';
import type { Address } from '../address.ts';
import type { Crypto, KeyPair } from '../crypto.ts';
import { MTU_LEAST } from '../mtu.ts';
import type { Parameters } from '../options.ts';
import type { Established } from './client.ts';
import {
  COOKIE_BYTES,
  decodeInit,
  encodeBound,
  hasMac,
  type Init,
  joined,
  KIND,
  macKey,
  PROLOGUE_BYTES,
  prologue,
  VERSION,
  versionOf,
} from './datagrams.ts';
import { NoiseServer } from './noise.ts';
import { decodeParameters, encodeParameters } from './parameters.ts';

/** A cookie is good for so long, in ms, and its secret is changed as often. */
const COOKIE_AGE = 120_000;
/** Where processes share cookies, one's clock may be ahead of another's by so many ms. */
const AHEAD_MOST = 100;

/** A server's answer to an INIT. */
export interface Answered {
  readonly response: Uint8Array;
  readonly established: Established;
}

/** What cookies are made of where several processes have to know them. */
export interface CookieKeys {
  /** 32 bytes. */
  readonly cookie: Uint8Array;
  /** What is to be added to an `Instant` so that it says the same to all of them, in ms. */
  readonly epoch: number;
}

/** What a server does with INITs. It remembers nothing of any of them. */
export class ServerHandshake {
  readonly #crypto: Crypto;
  readonly #key: KeyPair;
  readonly #macKey: Uint8Array;
  #secret: Uint8Array;
  #secretBefore: Uint8Array;
  #secretSince: Instant;
  readonly #shared: CookieKeys | undefined;

  /** @param shared Undefined: only this one is to know its cookies. */
  constructor(crypto: Crypto, key: KeyPair, now: Instant, shared?: CookieKeys) {
    this.#crypto = crypto;
    this.#key = key;
    this.#macKey = macKey(crypto, key.publicKey);
    this.#shared = shared;
    this.#secretSince = this.#periodOf(this.#timeOf(now));
    this.#secret = this.#secretOf(this.#secretSince);
    this.#secretBefore = shared === undefined ? this.#secret : this.#secretOf(this.#secretSince - COOKIE_AGE);
  }

  /** The parts of an INIT that was made by somebody who knows our key; `version`: of a version that we don't speak. */
  read(datagram: Uint8Array): Init | 'version' | undefined {
    if (datagram.length < MTU_LEAST || !hasMac(this.#crypto, this.#macKey, datagram)) return undefined;
    return versionOf(datagram) === VERSION ? decodeInit(datagram) : 'version';
  }

  /** RETRY: the client is to show that it gets what is sent to its address. */
  retry({ clientId, ephemeral, mac }: Init, from: Address, now: Instant): Uint8Array {
    const time = this.#timeOf(now);
    this.#turn(time);
    const cookie = this.#cookie(this.#secret, time, from, ephemeral);
    return encodeBound(this.#crypto, this.#macKey, prologue(KIND.retry, VERSION, clientId), cookie, mac);
  }

  /** VERSION: what we speak. */
  versions(datagram: Uint8Array): Uint8Array {
    const mac = datagram.subarray(datagram.length - 16);
    const start = prologue(KIND.version, 0, datagram.subarray(5, PROLOGUE_BYTES));
    const list = prologue(0, VERSION, new Uint8Array()).subarray(1, 5);
    return encodeBound(this.#crypto, this.#macKey, start, list, mac);
  }

  /** Whether the INIT brings a cookie that was made for this address and ephemeral key not long ago. */
  proves({ cookie, ephemeral }: Init, from: Address, now: Instant): boolean {
    const time = this.#timeOf(now);
    this.#turn(time);
    // INITs without a cookie have zeros in its place.
    if (cookie.length !== COOKIE_BYTES || cookie.every((byte) => byte === 0)) return false;
    const made = new DataView(cookie.buffer, cookie.byteOffset).getFloat64(0);
    const ahead = this.#shared === undefined ? 0 : AHEAD_MOST;
    if (!(made <= time + ahead && time - made <= COOKIE_AGE)) return false;
    return [this.#secret, this.#secretBefore].some((secret) =>
      this.#crypto.equal(this.#cookie(secret, made, from, ephemeral), cookie),
    );
  }

  /** RESPONSE, and the keys that go with it. Undefined: the INIT was not made for our key after all, or says what can't be. */
  answer({ prologue: start, clientId, message }: Init, parameters: Parameters): Answered | undefined {
    const noise = NoiseServer.read(this.#crypto, this.#key, start, message);
    const peer = noise && decodeParameters(noise.payload, 'client');
    if (noise === undefined || peer === undefined) return undefined;
    const answer = noise.answer(encodeParameters(parameters));
    if (answer === undefined) return undefined;
    const { clientSecret, serverSecret, hash } = answer.result;
    return {
      response: joined(prologue(KIND.response, VERSION, clientId), answer.message),
      established: { sendSecret: serverSecret, receiveSecret: clientSecret, hash, peer },
    };
  }

  #cookie(secret: Uint8Array, made: Instant, { address, port }: Address, ephemeral: Uint8Array): Uint8Array {
    const time = new Uint8Array(8);
    new DataView(time.buffer).setFloat64(0, made);
    const where = Uint8Array.from(`${address} ${port} `, (letter) => letter.charCodeAt(0));
    return joined(time, this.#crypto.mac(secret, time, where, ephemeral));
  }

  #turn(now: Instant): void {
    const age = now - this.#secretSince;
    if (age < COOKIE_AGE) return;
    const since = this.#periodOf(now);
    this.#secretBefore = age < 2 * COOKIE_AGE ? this.#secret : this.#secretOf(since - COOKIE_AGE);
    this.#secret = this.#secretOf(since);
    this.#secretSince = since;
  }

  #timeOf(now: Instant): Instant {
    return now + (this.#shared?.epoch ?? 0);
  }

  /** Since when the secret of this time is in use. */
  #periodOf(time: Instant): Instant {
    return this.#shared === undefined ? time : Math.floor(time / COOKIE_AGE) * COOKIE_AGE;
  }

  #secretOf(since: Instant): Uint8Array {
    if (this.#shared === undefined) return this.#crypto.random(32);
    const period = new Uint8Array(8);
    new DataView(period.buffer).setFloat64(0, since);
    return this.#crypto.mac(this.#shared.cookie, period);
  }
}
