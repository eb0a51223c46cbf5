import type { Address } from '../../src/udpack/address.ts';
import type { Crypto } from '../../src/udpack/crypto.ts';
import { Endpoint } from '../../src/udpack/endpoint.ts';
import { FrameWriter } from '../../src/udpack/frames.ts';
import { ServerHandshake } from '../../src/udpack/handshake/index.ts';
import { UDPACK_LIMITS, UDPACK_TIMES } from '../../src/udpack/options.ts';
import { Protection, SEALED_HEADER_BYTES, writeSealedHeader } from '../../src/udpack/protection.ts';
import type { Session } from '../../src/udpack/session.ts';
import { parametersOf, type SessionEvent } from '../../src/udpack/session-types.ts';
import { nodeCrypto } from '../../src/udpack-endpoint/crypto.ts';
import { KEY, SERVER, TOKEN } from './udpack-pair.ts';

/** A server with the right key that says whatever it likes to one client. */
export class Impostor {
  readonly client: Endpoint;
  readonly session: Session;
  now = 0;
  readonly #protection: Protection;
  /** The client's id, and the token by which the server ends the session without keys. */
  readonly id: Uint8Array;
  readonly resetToken: Uint8Array;
  readonly #out = new Uint8Array(65_535);
  #number = 0;

  constructor(crypto: Crypto = nodeCrypto) {
    this.client = new Endpoint({ crypto }, 0);
    this.session = this.client.dial(SERVER, KEY.publicKey, TOKEN, 0);
    const handshake = new ServerHandshake(crypto, KEY, 0);
    const init = handshake.read(this.sent()[0] ?? new Uint8Array());
    if (typeof init !== 'object') throw new Error('no INIT');
    this.id = Uint8Array.from(init.clientId);
    this.resetToken = crypto.random(16);
    const options = { limits: UDPACK_LIMITS, times: UDPACK_TIMES, datagramSize: 1452 };
    const answered = handshake.answer(init, parametersOf(options, crypto.random(8), this.resetToken));
    if (answered === undefined) throw new Error('no RESPONSE');
    this.client.receive(answered.response, SERVER, 0);
    const limits = { bytes: 1e12, age: 1e12, forgeries: 1e12 };
    this.#protection = new Protection({ ...answered.established, crypto, limits }, 0);
    this.sent();
  }

  /** What the client sends now. */
  sent(): Uint8Array[] {
    const all: Uint8Array[] = [];
    for (let length = this.#transmit(); length > 0; length = this.#transmit()) all.push(this.#out.slice(0, length));
    return all;
  }

  /** Lets time pass; what the client sends meanwhile. */
  wait(ms: number): Uint8Array[] {
    const end = this.now + ms;
    const all = this.sent();
    for (let next = this.client.deadline; next !== undefined && next <= end; next = this.client.deadline) {
      this.now = Math.max(this.now, next);
      this.client.tick(this.now);
      all.push(...this.sent());
    }
    this.now = end;
    return all;
  }

  /** The next number is never used. */
  skip(): void {
    this.#number++;
  }

  /** Seals these frames; what the client answers at once. */
  say(frames: (writer: FrameWriter) => unknown, from: Address = SERVER): Uint8Array[] {
    const bytes = new Uint8Array(1500);
    const writer = new FrameWriter(bytes, SEALED_HEADER_BYTES, 1450);
    frames(writer);
    writeSealedHeader(bytes, this.id, this.#number);
    const length = this.#protection.seal(bytes, writer.at, 0, this.#number++, this.now);
    this.client.receive(bytes.subarray(0, length), from, this.now);
    return this.sent();
  }

  /** What the client was told since this was asked last. */
  get events(): SessionEvent[] {
    const events: SessionEvent[] = [];
    for (let event = this.session.poll(); event !== undefined; event = this.session.poll()) events.push(event);
    return events;
  }

  #transmit(): number {
    return this.client.transmit(this.#out, this.now);
  }
}
