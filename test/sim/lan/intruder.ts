import type { Random } from '../../../src/core/index.ts';
import { isRequest, type LanAddress, type LanDatagram } from '../../../src/lan/index.ts';
import type { Clockwork } from './clockwork.ts';
import type { Host, Network } from './network.ts';

const KEPT = 300;

/** Somebody on the segment without the key: he hears all, says it again later, changes it, makes things up, and asks in the name of another. */
export class Intruder implements Host {
  readonly address: LanAddress = { address: '10.6.6.6', port: 666 };
  readonly listens = false;
  readonly #clock: Clockwork;
  readonly #network: Network;
  readonly #random: Random;
  readonly #recorded: { readonly bytes: Uint8Array; readonly from: LanAddress; readonly to: LanAddress | undefined }[] =
    [];
  readonly victim: Victim = new Victim();
  /** He changes and makes up datagrams that look like the bus's own: where nothing is signed, he may say what he likes. */
  readonly #forges: boolean;
  #isSending = false;

  constructor(clock: Clockwork, network: Network, random: Random, forges: boolean) {
    this.#clock = clock;
    this.#network = network;
    this.#random = random;
    this.#forges = forges;
    network.join(this);
    network.join(this.victim);
    network.tap = (bytes, from, to) => this.#hear(bytes, from, to);
    network.arrived = (bytes, from) => {
      if (from === this.victim.address) this.victim.asked += bytes.length;
    };
  }

  receive(): void {
    // He hears everything anyway.
  }

  /** Does harm up to `end`, now and then. */
  act(pause: number, end: number): void {
    const at = this.#clock.now + this.#random.unit() * pause * 2;
    if (at > end) return;
    this.#clock.at(at, () => {
      this.#harm();
      this.act(pause, end);
    });
  }

  #send(datagram: LanDatagram, from: LanAddress): void {
    this.#isSending = true;
    this.#network.send(datagram, from);
    this.#isSending = false;
  }

  #hear(bytes: Uint8Array, from: LanAddress, to: LanAddress | undefined): void {
    if (this.#isSending) return;
    if (to?.address === this.victim.address.address) this.victim.got += bytes.length;
    const kept = { bytes: new Uint8Array(bytes), from, to };
    if (this.#recorded.length < KEPT) this.#recorded.push(kept);
    // Some are kept for long, so that sessions of the past come up again.
    else if (this.#random.unit() < 0.2) this.#recorded[Math.floor(this.#random.unit() * KEPT)] = kept;
  }

  #harm(): void {
    const kept = this.#recorded[Math.floor(this.#random.unit() * this.#recorded.length)];
    if (kept === undefined) return;
    const { bytes, from, to } = kept;
    const kind = this.#random.unit();
    if (kind < 0.45) this.#send({ bytes, to }, this.#random.unit() < 0.5 ? from : this.address);
    else if (kind < 0.6) this.#send({ bytes: this.#random.bytes(this.#random.unit() * 200), to }, this.address);
    else if (kind < 0.8) this.#askForVictim();
    else if (this.#forges) this.#send({ bytes: this.#changed(bytes), to }, from);
    else this.#send({ bytes: bytes.slice(0, 3 + this.#random.unit() * 12), to }, from);
  }

  /** A request that somebody else has made, from the address of one who never asked. */
  #askForVictim(): void {
    const request = this.#recorded.find(({ bytes }) => isRequest(bytes) && this.#random.unit() < 0.3);
    if (request?.to === undefined) return;
    this.#send({ bytes: request.bytes, to: request.to }, this.victim.address);
  }

  #changed(bytes: Uint8Array): Uint8Array {
    const changed = new Uint8Array(bytes);
    for (let i = 0; i < 1 + this.#random.unit() * 3; i++) {
      changed[Math.floor(this.#random.unit() * changed.length)] = Math.floor(this.#random.unit() * 256);
    }
    return changed;
  }
}

/** Somebody in whose name others ask: he must not be sent more than they have sent. */
class Victim implements Host {
  readonly address: LanAddress = { address: '10.9.9.9', port: 999 };
  readonly listens = false;
  asked = 0;
  got = 0;

  receive(): void {
    // He knows nothing of it.
  }
}
