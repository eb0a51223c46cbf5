import type { Random } from '../../../src/core/index.ts';
import type { LanAddress, LanDatagram } from '../../../src/lan/index.ts';
import type { Clockwork } from './clockwork.ts';

/** What the network does to datagrams; shares are from 0 to 1, times in ms. */
export interface Weather {
  loss: number;
  /** Each loss is followed by so many more, at the most. */
  readonly burst: number;
  copies: number;
  /** Share of datagrams with a flipped bit or a changed length. Only where signatures find them: UDP's own checksum does elsewhere. */
  spoiled: number;
  readonly delay: number;
  readonly jitter: number;
}

/** Somebody with a socket. */
export interface Host {
  readonly address: LanAddress;
  /** Whether it listens to the group. */
  readonly listens: boolean;
  receive(bytes: Uint8Array, from: LanAddress): void;
}

/** A segment: a group that all hear, and addresses. */
export class Network {
  readonly #clock: Clockwork;
  readonly #random: Random;
  readonly weather: Weather;
  readonly #hosts = new Map<string, Host>();
  /** Hosts that are cut off, by their IP address. */
  readonly cutOff: Set<string> = new Set();
  readonly #bursts = new Map<string, number>();
  /** Sees all that is sent, before the weather. */
  tap: (bytes: Uint8Array, from: LanAddress, to: LanAddress | undefined) => void = () => {};
  /** Sees all that arrives. */
  arrived: (bytes: Uint8Array, from: LanAddress) => void = () => {};
  datagrams = 0;
  lost = 0;

  constructor(clock: Clockwork, random: Random, weather: Weather) {
    this.#clock = clock;
    this.#random = random;
    this.weather = weather;
  }

  join(host: Host): void {
    this.#hosts.set(nameOf(host.address), host);
  }

  leave(host: Host): void {
    if (this.#hosts.get(nameOf(host.address)) === host) this.#hosts.delete(nameOf(host.address));
  }

  send({ bytes, to }: LanDatagram, from: LanAddress): void {
    this.tap(bytes, from, to);
    if (to !== undefined) this.#carry(bytes, from, nameOf(to), to.address);
    else for (const [name, host] of this.#hosts) if (host.listens) this.#carry(bytes, from, name, host.address.address);
  }

  #carry(bytes: Uint8Array, from: LanAddress, name: string, address: string): void {
    this.datagrams++;
    if (this.cutOff.has(from.address) || this.cutOff.has(address) || this.#isLost(name)) {
      this.lost++;
      return;
    }
    const { copies, delay, jitter } = this.weather;
    do {
      const spoiled = this.#random.unit() < this.weather.spoiled ? this.#spoil(bytes) : bytes;
      this.#clock.at(this.#clock.now + delay + this.#random.unit() * jitter, () => {
        this.arrived(spoiled, from);
        this.#hosts.get(name)?.receive(spoiled, from);
      });
    } while (this.#random.unit() < copies);
  }

  #isLost(name: string): boolean {
    const burst = this.#bursts.get(name) ?? 0;
    if (burst > 0) {
      this.#bursts.set(name, burst - 1);
      return true;
    }
    if (this.#random.unit() >= this.weather.loss) return false;
    this.#bursts.set(name, Math.floor(this.#random.unit() * (this.weather.burst + 1)));
    return true;
  }

  #spoil(bytes: Uint8Array): Uint8Array {
    const kind = this.#random.unit();
    if (kind < 0.2) return bytes.slice(0, Math.floor(this.#random.unit() * bytes.length));
    if (kind < 0.3) return Uint8Array.from([...bytes, 0]);
    const spoiled = new Uint8Array(bytes);
    const at = Math.floor(this.#random.unit() * bytes.length);
    spoiled[at] = (spoiled[at] as number) ^ (1 << Math.floor(this.#random.unit() * 8));
    return spoiled;
  }
}

function nameOf({ address, port }: LanAddress): string {
  return `${address} ${port}`;
}
