import type { Address } from '../../../src/udpack/index.ts';
import type { Chance } from './chance.ts';
import { type Flight, mutated, type Network, type Observer } from './network.ts';

const KEPT = 64;

/** Somebody beside the path: sees what passes, can't stop it, and sends what it likes under any address. */
export class Attacker implements Observer {
  readonly #network: Network;
  readonly #chance: Chance;
  readonly #kept: Flight[] = [];
  #strangers = 0;
  /** Whether it also sends copies that are there before what they are copies of. */
  readonly #races: boolean;
  active = true;
  injected = 0;

  constructor(network: Network, chance: Chance) {
    this.#network = network;
    this.#chance = chance;
    this.#races = chance.often(0.5);
  }

  sent(flight: Flight): void {
    if (!this.active) return;
    if (this.#kept.length < KEPT) this.#kept.push(flight);
    else if (this.#chance.often(0.1)) this.#kept[this.#chance.below(KEPT)] = flight;
    if (this.#races && this.#chance.often(0.02)) this.#inject(flight.bytes, this.#sender(flight), flight.to);
  }

  /** Does one bad thing. */
  strike(): void {
    if (this.#kept.length === 0 || !this.active) return;
    const flight = this.#chance.pick(this.#kept);
    const dice = this.#chance.unit();
    if (dice < 0.2) this.#inject(this.#chance.bytes(1 + this.#chance.below(1500)), this.#sender(flight), flight.to);
    else if (dice < 0.5) this.#inject(mutated(flight.bytes, this.#chance), this.#sender(flight), flight.to);
    else if (dice < 0.75) this.#inject(flight.bytes, this.#sender(flight), flight.to);
    else if (dice < 0.85) this.#inject(this.#forgedReset(flight), flight.from, flight.to);
    else if (dice < 0.97)
      this.#inject(flight.bytes.subarray(0, this.#chance.below(flight.bytes.length)), flight.from, flight.to);
    else this.#flood(flight);
  }

  /** What looks sealed, and ends with something that may be a token. */
  #forgedReset(flight: Flight): Uint8Array {
    const bytes = this.#chance.bytes(40 + this.#chance.below(10));
    bytes.set(flight.bytes.subarray(0, 9));
    return bytes;
  }

  #flood(flight: Flight): void {
    for (let count = 30 + this.#chance.below(100); count > 0; count--) {
      const copy = this.#chance.often(0.5) ? flight.bytes : mutated(flight.bytes, this.#chance);
      this.#inject(copy, this.#sender(flight), flight.to);
    }
  }

  /** The address that it says to come from: the true one, another's, or one of nobody. */
  #sender(flight: Flight): Address {
    const dice = this.#chance.unit();
    if (dice < 0.5) return flight.from;
    if (dice < 0.7) return this.#chance.pick(this.#kept).from;
    return { address: `203.0.113.${this.#strangers++ & 255}`, port: 1 + this.#chance.below(65_535) };
  }

  #inject(bytes: Uint8Array, from: Address, to: Address): void {
    this.injected++;
    this.#network.inject(bytes, from, to);
  }
}
