import type { Instant } from '../../../src/core/index.ts';
import type { Address } from '../../../src/udpack/index.ts';
import type { Chance } from './chance.ts';
import type { Scheduler } from './scheduler.ts';

/** How one direction of a path treats datagrams. Times in ms, shares in [0, 1]. */
export interface Manner {
  delay: number;
  /** Added to the delay, evenly from 0; the order is kept. */
  jitter: number;
  loss: number;
  /** Loss in bursts after Gilbert and Elliott: chance per datagram to fall into the bad state, to leave it, and its loss. */
  burst: { readonly fall: number; readonly rise: number; readonly loss: number } | undefined;
  /** Share that is late by up to `reorderBy`, and overtaken. */
  reorder: number;
  reorderBy: number;
  duplicate: number;
  /** Share of which bits are flipped, or the end is cut off. */
  corrupt: number;
  /** What is longer vanishes, in bytes of UDP payload. */
  mtu: number;
  bytesPerMs: number;
  /** What waits for its turn beyond this many bytes is dropped. */
  queueBytes: number;
}

export const KIND: Manner = {
  delay: 10,
  jitter: 0,
  loss: 0,
  burst: undefined,
  reorder: 0,
  reorderBy: 0,
  duplicate: 0,
  corrupt: 0,
  mtu: 65_527,
  bytesPerMs: Infinity,
  queueBytes: Infinity,
};

/** A datagram on its way. */
export interface Flight {
  readonly bytes: Uint8Array;
  readonly from: Address;
  readonly to: Address;
  /** Who sent it; undefined: an attacker. */
  readonly sender: Host | undefined;
  /** The network changed its bytes. */
  corrupted: boolean;
  /** Observers may note something here. */
  mark: boolean;
}

/** Sees what leaves and what arrives. */
export interface Observer {
  sent?(flight: Flight): void;
  arrived?(flight: Flight, host: Host): void;
}

/** Something with an address. */
export interface Host {
  readonly name: string;
  /** As others see it; a rebinding of its NAT changes it. */
  readonly address: Address;
  receive(datagram: Uint8Array, from: Address): void;
}

/** One direction of a path. Several hosts may share it. */
export class Pipe {
  manner: Manner;
  /** Nothing passes before. */
  darkUntil: Instant = 0;
  /** Datagrams lost in here for any reason. */
  lost = 0;
  /** Bytes that came out of the bottleneck. */
  passed = 0;
  readonly #scheduler: Scheduler;
  readonly #chance: Chance;
  #bad = false;
  #freeAt: Instant = 0;
  #lastArrival: Instant = 0;

  constructor(scheduler: Scheduler, chance: Chance, manner: Manner) {
    this.#scheduler = scheduler;
    this.#chance = chance;
    this.manner = manner;
  }

  /** What waits for its turn, in bytes. */
  get queued(): number {
    const wait = this.#freeAt - this.#scheduler.now;
    return wait <= 0 || this.manner.bytesPerMs === Infinity ? 0 : wait * this.manner.bytesPerMs;
  }

  carry(flight: Flight, deliver: (flight: Flight) => void): void {
    const { manner } = this;
    const size = flight.bytes.length;
    const dropped = size > manner.mtu || this.#scheduler.now < this.darkUntil || this.#lose();
    if (dropped || this.queued + size > manner.queueBytes) {
      this.lost++;
      return;
    }
    this.passed += size;
    const out = this.#leave(size);
    const copies = manner.duplicate > 0 && this.#chance.often(manner.duplicate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const corrupt = manner.corrupt > 0 && this.#chance.often(manner.corrupt);
      const arriving = corrupt ? this.#corrupt(flight) : flight;
      this.#scheduler.at(this.#arrival(out), () => deliver(arriving));
    }
  }

  #leave(size: number): Instant {
    const { bytesPerMs } = this.manner;
    const { now } = this.#scheduler;
    this.#freeAt = bytesPerMs === Infinity ? now : Math.max(now, this.#freeAt) + size / bytesPerMs;
    return this.#freeAt;
  }

  #lose(): boolean {
    const { loss, burst } = this.manner;
    if (burst !== undefined && this.#chance.often(this.#bad ? burst.rise : burst.fall)) this.#bad = !this.#bad;
    const share = this.#bad && burst !== undefined ? burst.loss : loss;
    return share > 0 && this.#chance.often(share);
  }

  #arrival(out: Instant): Instant {
    const { delay, jitter, reorder, reorderBy } = this.manner;
    if (reorder > 0 && this.#chance.often(reorder)) return out + delay + this.#chance.unit() * reorderBy;
    const arrival = out + delay + (jitter > 0 ? this.#chance.unit() * jitter : 0);
    this.#lastArrival = Math.max(arrival, this.#lastArrival);
    return this.#lastArrival;
  }

  #corrupt(flight: Flight): Flight {
    return { ...flight, bytes: mutated(flight.bytes, this.#chance), corrupted: true };
  }
}

/** Bits flipped, or the end cut off. */
export function mutated(bytes: Uint8Array, chance: Chance): Uint8Array {
  if (bytes.length > 1 && chance.often(0.3)) return bytes.slice(0, chance.below(bytes.length));
  const copy = bytes.slice();
  for (let flips = 1 + chance.below(3); flips > 0; flips--) {
    const at = chance.below(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << chance.below(8));
  }
  return copy;
}

interface Route {
  readonly there: Pipe;
  readonly back: Pipe;
}

/** Hosts and the paths between them. What is sent to an address that nobody has vanishes. */
export class Network {
  readonly scheduler: Scheduler;
  readonly observers: Observer[] = [];
  readonly #hosts = new Map<string, Host>();
  /** By the two hosts. */
  readonly #routes = new Map<Host, Map<Host, Pipe>>();

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler;
  }

  add(host: Host): void {
    this.#hosts.set(keyOf(host.address), host);
  }

  /** Takes an address away from the host that has it. */
  forget(address: Address): void {
    this.#hosts.delete(keyOf(address));
  }

  hostAt(address: Address): Host | undefined {
    return this.#hosts.get(keyOf(address));
  }

  connect(a: Host, b: Host, route: Route): void {
    this.#pipesOf(a).set(b, route.there);
    this.#pipesOf(b).set(a, route.back);
  }

  pipe(from: Host, to: Host): Pipe | undefined {
    return this.#routes.get(from)?.get(to);
  }

  /** Sends a copy of `bytes`. */
  send(sender: Host, to: Address, bytes: Uint8Array): void {
    const from = sender.address;
    const flight = { bytes: new Uint8Array(bytes), from, to, sender, corrupted: false, mark: false };
    for (const observer of this.observers) observer.sent?.(flight);
    const target = this.hostAt(to);
    if (target === undefined) return;
    this.pipe(sender, target)?.carry(flight, (arriving) => this.#deliver(arriving));
  }

  /** What somebody sends who is on no path: it arrives as it is, and says to come from `from`. */
  inject(bytes: Uint8Array, from: Address, to: Address): void {
    const flight = { bytes: new Uint8Array(bytes), from, to, sender: undefined, corrupted: false, mark: false };
    this.scheduler.after(0, () => this.#deliver(flight));
  }

  #deliver(flight: Flight): void {
    const host = this.hostAt(flight.to);
    if (host === undefined) return;
    for (const observer of this.observers) observer.arrived?.(flight, host);
    host.receive(flight.bytes, flight.from);
  }

  #pipesOf(host: Host): Map<Host, Pipe> {
    const pipes = this.#routes.get(host) ?? new Map<Host, Pipe>();
    this.#routes.set(host, pipes);
    return pipes;
  }
}

export function keyOf({ address, port }: Address): string {
  return `${address} ${port}`;
}
