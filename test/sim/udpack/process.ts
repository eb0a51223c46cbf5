import type { Instant } from '../../../src/core/index.ts';
import type { Address } from '../../../src/udpack/index.ts';
import type { Chance } from './chance.ts';
import { type Host, keyOf, type Network } from './network.ts';

/** A machine that speaks by datagrams, as `Endpoint` is one. */
export interface Machine {
  receive(datagram: Uint8Array, from: Address, now: Instant, forwarded?: boolean): unknown;
  tick(now: Instant): void;
  readonly deadline: Instant | undefined;
  transmit(out: Uint8Array, now: Instant): number;
  readonly destination: Address;
}

/** Looks on while a machine runs. */
export interface ProcessWatch {
  /** Around `tick`. */
  ticking(): void;
  ticked(): void;
  /** Around each datagram that leaves. */
  leaving(): void;
  left(length: number, now: Instant): void;
  /** After each turn. */
  rested(now: Instant): void;
}

export interface ProcessOptions {
  /** How late timers are at most, in ms. */
  readonly late: number;
  /** Bytes of datagrams that the system keeps while the process is busy or stopped. */
  readonly inbox: number;
  readonly chance: Chance;
  /** Takes the machine's events; true when there were any. */
  readonly events: () => boolean;
  readonly watch?: ProcessWatch;
  /** What it sends with, if that is not its own alone. */
  readonly socket?: Host | undefined;
  readonly fail: (what: string) => void;
}

const DATAGRAM_MOST = 65_535;
/** Turns in one place of time, and timers in a row that brought nothing about: more of them mean that it runs in circles. */
const TURNS_MOST = 2000;
const IDLE_MOST = 100;
const LEAVING_MOST = 20_000;

/** A process with one socket, its own or shared: it drives a machine as the runtime's driver does, and can be stopped, moved and sent ahead in time. */
export class Process implements Host {
  readonly name: string;
  address: Address;
  readonly #network: Network;
  #machine: Machine;
  readonly #options: ProcessOptions;
  readonly #out = new Uint8Array(DATAGRAM_MOST);
  #inbox: { readonly bytes: Uint8Array; readonly from: Address; readonly forwarded: boolean }[] = [];
  #inboxBytes = 0;
  #ahead = 0;
  #stoppedUntil: Instant = 0;
  #deadUntil: Instant = 0;
  #turnAt: Instant | undefined;
  #timerAt: Instant | undefined;
  #turns = 0;
  #lastTurn: Instant = -1;
  #idle = 0;

  constructor(network: Network, name: string, address: Address, machine: Machine, options: ProcessOptions) {
    this.#network = network;
    this.name = name;
    this.address = address;
    this.#machine = machine;
    this.#options = options;
    if (options.socket === undefined) network.add(this);
  }

  /** The time as this process knows it. */
  get now(): Instant {
    return this.#network.scheduler.now + this.#ahead;
  }

  get stopped(): boolean {
    return this.#network.scheduler.now < this.#stoppedUntil;
  }

  /** It has died, and is not started again yet. */
  get dead(): boolean {
    return this.#network.scheduler.now < this.#deadUntil;
  }

  /** @param forwarded Whether another process that has the socket has handed it on. */
  receive(bytes: Uint8Array, from: Address, forwarded = false): void {
    if (this.dead || this.#inboxBytes + bytes.length > this.#options.inbox) return;
    this.#inboxBytes += bytes.length;
    this.#inbox.push({ bytes, from, forwarded });
    this.wake();
  }

  /** Has a turn soon: to be called after each command. */
  wake(): void {
    const { scheduler } = this.#network;
    const at = Math.max(scheduler.now, this.#stoppedUntil);
    if (this.#turnAt !== undefined && this.#turnAt <= at) return;
    this.#turnAt = at;
    scheduler.at(at, () => this.#due(at));
  }

  /** The system stops it: nothing runs, datagrams wait. */
  stop(ms: number): void {
    this.#stoppedUntil = Math.max(this.#stoppedUntil, this.#network.scheduler.now + ms);
    this.#turnAt = undefined;
    this.wake();
  }

  /** It dies, and what waits with it. After so many ms another machine runs in its place. */
  restart(machine: Machine, ms: number): void {
    this.#machine = machine;
    this.#inbox = [];
    this.#inboxBytes = 0;
    this.#timerAt = undefined;
    this.#turnAt = undefined;
    this.#deadUntil = this.#network.scheduler.now + ms;
    this.#stoppedUntil = this.#deadUntil;
    this.wake();
  }

  /** Its clock jumps forward. */
  leap(ms: number): void {
    this.#ahead += ms;
    this.wake();
  }

  /** Others see it under another address from now on. What is on its way to the old one is lost. */
  move(address: Address): void {
    this.#network.forget(this.address);
    this.address = address;
    this.#network.add(this);
  }

  #due(at: Instant): void {
    if (this.#turnAt !== at) return;
    this.#turnAt = undefined;
    if (this.stopped) this.wake();
    else this.#turn();
  }

  #turn(): void {
    const now = this.now;
    this.#count(now);
    const inbox = this.#inbox;
    this.#inbox = [];
    this.#inboxBytes = 0;
    for (const { bytes, from, forwarded } of inbox) this.#machine.receive(bytes, from, now, forwarded);
    const due = (this.#machine.deadline ?? Infinity) <= now;
    if (due) this.#tick(now);
    let busy = this.#transmit(now);
    while (this.#options.events()) {
      busy = true;
      this.#transmit(now);
    }
    const again = due && !busy && inbox.length === 0;
    this.#idle = again ? this.#idle + 1 : 0;
    if (this.#idle > IDLE_MOST)
      this.#options.fail(`${this.name}: timers without an end at ${now}, deadline ${this.#machine.deadline}`);
    this.#options.watch?.rested(now);
    this.#arm();
  }

  #tick(now: Instant): void {
    const { watch } = this.#options;
    watch?.ticking();
    this.#machine.tick(now);
    watch?.ticked();
  }

  #transmit(now: Instant): boolean {
    const machine = this.#machine;
    const { watch } = this.#options;
    for (let count = 0; ; count++) {
      if (count > LEAVING_MOST) this.#options.fail(`${this.name}: datagrams without an end`);
      watch?.leaving();
      const length = machine.transmit(this.#out, now);
      if (length === 0) return count > 0;
      const to = machine.destination;
      watch?.left(length, now);
      this.#network.send(this.#options.socket ?? this, to, this.#out.subarray(0, length));
    }
  }

  #arm(): void {
    const { deadline } = this.#machine;
    if (deadline === undefined) return;
    const { scheduler } = this.#network;
    const due = Math.max(deadline - this.#ahead, scheduler.now);
    if (this.#timerAt !== undefined && this.#timerAt <= due && this.#timerAt > scheduler.now) return;
    const { late, chance } = this.#options;
    const at = due + (late > 0 ? chance.unit() * late : 0);
    this.#timerAt = due;
    scheduler.at(at, () => this.#ring(due));
  }

  #ring(due: Instant): void {
    if (this.#timerAt !== due) return;
    this.#timerAt = undefined;
    if (this.stopped) return;
    if ((this.#machine.deadline ?? Infinity) <= this.now) this.#turn();
    else this.#arm();
  }

  #count(now: Instant): void {
    this.#turns = now === this.#lastTurn ? this.#turns + 1 : 0;
    this.#lastTurn = now;
    if (this.#turns > TURNS_MOST)
      this.#options.fail(`${this.name} at ${keyOf(this.address)} runs in circles at ${now}`);
  }
}
