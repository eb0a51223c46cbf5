import type { Instant } from '../../../src/core/index.ts';
import {
  decodeBound,
  encodeBound,
  KIND,
  MAC_BYTES,
  macKey,
  PROLOGUE_BYTES,
  read32,
  VERSION,
} from '../../../src/udpack/handshake/datagrams.ts';
import type { Address, Crypto } from '../../../src/udpack/index.ts';
import type { Machine } from './process.ts';

/** A version that nobody speaks but the client in here. */
const FOREIGN = 0x55445099;

/**
 * A client of another version, as one meets in a world where not all are updated at once. On the wire its version and ours change
 * names, and the macs are made anew: so the machine within meets a server that does not speak its version.
 */
export class Foreign implements Machine {
  /** VERSIONs that were taken in. */
  versions = 0;
  readonly #machine: Machine;
  readonly #crypto: Crypto;
  readonly #macKey: Uint8Array;
  /** The mac of the INIT as the machine made it, and as it left. */
  #own: Uint8Array = new Uint8Array(MAC_BYTES);
  #left: Uint8Array = new Uint8Array(MAC_BYTES);

  constructor(machine: Machine, crypto: Crypto, serverKey: Uint8Array) {
    this.#machine = machine;
    this.#crypto = crypto;
    this.#macKey = macKey(crypto, serverKey);
  }

  get deadline(): Instant | undefined {
    return this.#machine.deadline;
  }

  get destination(): Address {
    return this.#machine.destination;
  }

  tick(now: Instant): void {
    this.#machine.tick(now);
  }

  transmit(out: Uint8Array, now: Instant): number {
    const length = this.#machine.transmit(out, now);
    if (length > 0 && out[0] === KIND.init) this.#rename(out.subarray(0, length));
    return length;
  }

  receive(datagram: Uint8Array, from: Address, now: Instant): void {
    this.#machine.receive(datagram[0] === KIND.version ? this.#translated(datagram) : datagram, from, now);
  }

  #rename(init: Uint8Array): void {
    const end = init.length - MAC_BYTES;
    this.#own = init.slice(end);
    new DataView(init.buffer, init.byteOffset).setUint32(1, FOREIGN);
    this.#left = this.#crypto.mac(this.#macKey, init.subarray(0, end)).slice(0, MAC_BYTES);
    init.set(this.#left, end);
  }

  /** What is no answer to our INIT stays as it is. */
  #translated(datagram: Uint8Array): Uint8Array {
    const versions = decodeBound(this.#crypto, this.#macKey, datagram, this.#left);
    if (versions === undefined) return datagram;
    this.versions++;
    const renamed = versions.slice();
    const view = new DataView(renamed.buffer);
    for (let at = 0; at < renamed.length; at += 4) if (read32(renamed, at) === VERSION) view.setUint32(at, FOREIGN);
    return encodeBound(this.#crypto, this.#macKey, datagram.subarray(0, PROLOGUE_BYTES), renamed, this.#own);
  }
}
