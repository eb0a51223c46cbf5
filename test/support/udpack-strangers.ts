import { type Address, sameAddress } from '../../src/udpack/address.ts';
import type { Crypto } from '../../src/udpack/crypto.ts';
import { Endpoint, type EndpointOptions } from '../../src/udpack/endpoint.ts';
import { FRAME, FrameWriter } from '../../src/udpack/frames.ts';
import { ClientHandshake, KIND } from '../../src/udpack/handshake/index.ts';
import { UDPACK_LIMITS, UDPACK_TIMES } from '../../src/udpack/options.ts';
import { Protection, SEALED_HEADER_BYTES, writeSealedHeader } from '../../src/udpack/protection.ts';
import { parametersOf } from '../../src/udpack/session-types.ts';
import { nodeCrypto } from '../../src/udpack-endpoint/crypto.ts';
import { KEY } from './udpack-pair.ts';
import { chance, framesOf } from './udpack-streams.ts';

/** An address of its own network for each number. */
export function addressOf(number: number, port = 1000): Address {
  return { address: `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`, port };
}

/** Cryptography whose chance comes from a seed. */
export function seeded(seed: number): Crypto {
  const next = chance(seed);
  const random = (length: number): Uint8Array => Uint8Array.from({ length }, () => Math.floor(next() * 256));
  return { ...nodeCrypto, random, keyPair: () => nodeCrypto.keyPairOf(random(32)) };
}

/** A server, and whoever sends it something; there is no network between. */
export class Strangers {
  now = 0;
  readonly crypto: Crypto;
  readonly server: Endpoint;
  /** Bytes that each address sent, and those that were sent to it. */
  readonly brought: Map<string, number> = new Map();
  readonly earned: Map<string, number> = new Map();
  /** Why sessions ended that no application closed. */
  readonly faults: string[] = [];
  /** Tokens that were to be judged. */
  tokens = 0;
  readonly #out = new Uint8Array(65_535);

  constructor(limits: Partial<typeof UDPACK_LIMITS> = {}, options: Partial<EndpointOptions> = {}) {
    this.crypto = options.crypto ?? nodeCrypto;
    this.server = new Endpoint({ crypto: this.crypto, key: KEY, limits, ...options }, 0);
  }

  /** Lets time pass. */
  wait(ms: number): Uint8Array[] {
    const end = this.now + ms;
    const sent: Uint8Array[] = [];
    for (let next = this.server.deadline; next !== undefined && next <= end; next = this.server.deadline) {
      this.now = Math.max(this.now, next);
      this.server.tick(this.now);
      sent.push(...this.#flush());
    }
    this.now = end;
    return sent;
  }

  /** What comes back to `from`. */
  send(bytes: Uint8Array, from: Address): Uint8Array[] {
    add(this.brought, from, bytes.length);
    this.server.receive(bytes, from, this.now);
    return this.#flush(from);
  }

  /** A handshake, up to its INIT. */
  dial(): ClientHandshake {
    const options = { limits: UDPACK_LIMITS, times: UDPACK_TIMES, datagramSize: 1452 };
    return new ClientHandshake({
      crypto: this.crypto,
      serverKey: KEY.publicKey,
      id: this.crypto.random(8),
      parameters: parametersOf(options, undefined, undefined),
    });
  }

  /** Sends INIT, also again with a cookie; the answer that was the last. */
  knock(from: Address, handshake: ClientHandshake = this.dial()): Uint8Array | undefined {
    const [first] = this.send(handshake.initial, from);
    if (first === undefined || handshake.receive(first) !== 'again') return first;
    return this.send(handshake.initial, from)[0];
  }

  /** A client that ends its handshake; undefined: it was not let in. */
  enter(from: Address): Stranger | undefined {
    const handshake = this.dial();
    const answer = this.knock(from, handshake);
    const established = answer?.[0] === KIND.response ? handshake.receive(answer) : undefined;
    if (typeof established !== 'object') return undefined;
    const limits = { bytes: 1e12, age: 1e12, forgeries: 1e12 };
    const protection = new Protection({ ...established, crypto: nodeCrypto, limits }, this.now);
    return new Stranger(this, protection, established.peer.id ?? new Uint8Array(8), from);
  }

  #flush(to?: Address): Uint8Array[] {
    const sent: Uint8Array[] = [];
    for (let busy = true; busy; ) {
      busy = false;
      for (let length = this.#transmit(); length > 0; length = this.#transmit()) {
        busy = true;
        add(this.earned, this.server.destination, length);
        if (to === undefined || sameAddress(to, this.server.destination)) sent.push(this.#out.slice(0, length));
      }
      for (let session = this.server.poll(); session !== undefined; session = this.server.poll()) {
        for (let event = session.poll(); event !== undefined; event = session.poll()) {
          if (event.type === 'auth') {
            this.tokens++;
            session.accept();
          }
          if (event.type === 'closed' && 'fault' in event && event.fault) this.faults.push(event.fault);
          busy = true;
        }
      }
    }
    return sent;
  }

  #transmit(): number {
    return this.server.transmit(this.#out, this.now);
  }
}

/** A client that seals whatever it likes. */
export class Stranger {
  from: Address;
  readonly #scene: Strangers;
  readonly #protection: Protection;
  readonly #id: Uint8Array;
  #number = 0;

  constructor(scene: Strangers, protection: Protection, id: Uint8Array, from: Address) {
    this.#scene = scene;
    this.#protection = protection;
    this.#id = id;
    this.from = from;
  }

  /** Datagrams so far. */
  get sent(): number {
    return this.#number;
  }

  /** The next datagram with these frames. */
  seal(...frames: readonly ((writer: FrameWriter) => unknown)[]): Uint8Array {
    const bytes = new Uint8Array(1500);
    const writer = new FrameWriter(bytes, SEALED_HEADER_BYTES, 1450);
    for (const frame of frames) frame(writer);
    writeSealedHeader(bytes, this.#id, this.#number);
    return bytes.subarray(0, this.#protection.seal(bytes, writer.at, 0, this.#number++, this.#scene.now));
  }

  send(...frames: readonly ((writer: FrameWriter) => unknown)[]): Uint8Array[] {
    return this.#scene.send(this.seal(...frames), this.from);
  }

  /** The next number is never used. */
  skip(): void {
    this.#number++;
  }

  /** Seals with the next key from now on. */
  updateKey(): void {
    this.#protection.update();
  }

  /** The frames of a datagram that came back to the first id. */
  read(datagram: Uint8Array): ReturnType<typeof framesOf> {
    const number = new DataView(datagram.buffer, datagram.byteOffset).getUint32(9);
    const frames = this.#protection.open(datagram, 0, number, this.#scene.now, 1000);
    if (frames === undefined) throw new Error('it does not open');
    return framesOf(frames);
  }

  showToken(): Uint8Array[] {
    return this.send((writer) => writer.counted(FRAME.auth, Uint8Array.of(1)));
  }
}

function add(counts: Map<string, number>, { address, port }: Address, bytes: number): void {
  const name = `${address} ${port}`;
  counts.set(name, (counts.get(name) ?? 0) + bytes);
}
