import type { JoinedTimes } from '../../../src/engine/index.ts';
import { TestHub, type VirtualWorld, virtualWorld } from '../../../src/testing/index.ts';
import { checkAll } from './checks.ts';
import { Party, type Seat } from './party.ts';

export const TIMES: JoinedTimes = { heartbeat: 2000, lease: 6000 };
const ROOMS = ['r0', 'r1', 'r2', 'r3', 'a room with a long name '.repeat(9)];
const USERS = ['ada', 'bob', 'eve', 'rob'];
/** How long it goes on, ms, and how long nothing happens then. */
const PLAY = 60_000;
const QUIET = 20_000;
const HOUR = 3_600_000;
const NODES_MOST = 5;

/** What came of one run, for the counts of many. */
export interface EngineRun {
  readonly seed: number;
  readonly told: number;
  readonly rivals: number;
  readonly delivered: number;
  readonly asked: number;
  readonly cuts: number;
  readonly freezes: number;
  readonly hubFreezes: number;
  readonly deaths: number;
  readonly closes: number;
  readonly lost: number;
  readonly givenUp: number;
}

type Counts = Record<'asked' | 'cuts' | 'freezes' | 'hubFreezes' | 'deaths' | 'closes' | 'lost', number>;

/** Which mishaps a run has: each seed another mixture, some none at all. */
interface Weather {
  readonly cuts: boolean;
  readonly freezes: boolean;
  readonly hubFreezes: boolean;
  readonly deaths: boolean;
  readonly loss: number;
  readonly delay: number;
}

/** A cluster of some nodes on a hub, and everything that can happen to them, by chance from the seed. */
export class EngineSim {
  readonly base: VirtualWorld;
  readonly hub: TestHub;
  readonly weather: Weather;
  /** Those that live, stopped or not. */
  readonly parties: Party[] = [];
  /** Those that died or closed. */
  readonly past: Party[] = [];
  /** Rooms that each member left for good or for a while, by its own doing: `id room`. */
  readonly left: Set<string> = new Set();
  readonly counts: Counts = { asked: 0, cuts: 0, freezes: 0, hubFreezes: 0, deaths: 0, closes: 0, lost: 0 };
  #isRough = true;
  #named = 0;
  #seats = 0;

  constructor(seed: number) {
    this.base = virtualWorld(seed);
    const { random } = this.base;
    this.weather = {
      cuts: random.unit() < 0.5,
      freezes: random.unit() < 0.4,
      hubFreezes: random.unit() < 0.3,
      deaths: random.unit() < 0.5,
      loss: random.unit() < 0.3 ? 0.2 : 0,
      delay: random.unit() < 0.7 ? 40 : 0,
    };
    this.hub = new TestHub({
      world: this.base,
      delay: () => (this.weather.delay === 0 ? 0 : random.unit() ** 3 * this.weather.delay),
      isLost: () => this.#loses(),
      payloadBytes: random.unit() < 0.5 ? 600 : 64 * 1024,
    });
  }

  async play(): Promise<EngineRun> {
    for (let at = 0; at < 2 + this.#below(2); at++) await this.#open();
    while (this.base.now() < PLAY) {
      await this.base.advanceAsync(this.#below(10) === 0 ? this.#below(4000) : this.#below(300));
      await this.#act();
    }
    await this.#calm();
    await checkAll(this);
    const all = [...this.parties, ...this.past];
    const sum = (of: (party: Party) => number): number => all.reduce((total, party) => total + of(party), 0);
    const run = {
      seed: this.base.seed,
      told: sum(({ told }) => told),
      rivals: sum(({ rivals }) => rivals.size),
      delivered: sum(({ delivered }) => delivered),
      givenUp: sum(({ given }) => given.filter(({ member, room }) => !this.left.has(`${member} ${room}`)).length),
      ...this.counts,
    };
    for (const party of this.parties) await party.engine.close();
    return run;
  }

  /** Everything is mended, and nothing happens any more. */
  async #calm(): Promise<void> {
    this.#isRough = false;
    if (this.hub.isFrozen) this.hub.thaw();
    for (const party of this.parties) this.#bringBack(party);
    await this.base.advanceAsync(QUIET);
  }

  async #act(): Promise<void> {
    const party = this.#one(this.parties.filter(({ world }) => !world.isFrozen));
    const dice = this.#below(100);
    if (party === undefined || dice < 12) await this.#mishap();
    else if (dice < 30) this.#come(party);
    else if (dice < 36) party.say(this.#one(ROOMS) ?? '', this.#below(8) === 0 ? 2000 : 1);
    else if (dice < 38) this.#ask(party);
    else this.#move(party, dice);
  }

  #move(party: Party, dice: number): void {
    const seat = this.#one(party.seats);
    if (seat === undefined) this.#come(party);
    else if (dice < 70) party.join(seat, this.#one(ROOMS) ?? '');
    else if (dice < 84) this.#leave(party, seat, this.#one([...seat.rooms]));
    else if (dice < 94) this.#go(party, seat);
    else this.#identify(party, seat, this.#one(USERS) ?? '');
  }

  #come(party: Party): void {
    for (let many = this.#below(20) === 0 ? 30 : 1; many > 0; many--) {
      this.#seats += 1;
      const user = this.#one(USERS) ?? '';
      const seat = { id: `s${this.#seats}`, user, had: new Set([user]), rooms: new Set<string>() };
      party.come(seat);
      party.join(seat, this.#one(ROOMS) ?? '');
    }
  }

  #leave(party: Party, seat: Seat, room: string | undefined): void {
    if (room === undefined) return;
    this.left.add(`${seat.id} ${room}`);
    party.leave(seat, room);
  }

  #go(party: Party, seat: Seat): void {
    for (const room of seat.rooms) this.left.add(`${seat.id} ${room}`);
    party.go(seat);
  }

  /** Not under a name that it had before: that would be another login, with rivals told anew. */
  #identify(party: Party, seat: Seat, user: string): void {
    if (seat.had.has(user)) return;
    for (const room of seat.rooms) this.left.add(`${seat.id} ${room}`);
    seat.had.add(user);
    party.identify(seat, user);
  }

  #ask(party: Party): void {
    this.counts.asked += 1;
    void party.ask(this.#below(2) === 0 ? 500 : 0);
  }

  async #mishap(): Promise<void> {
    const { cuts, freezes, hubFreezes, deaths } = this.weather;
    const party = this.#one(this.parties);
    const dice = this.#below(10);
    if (dice < 3 && cuts && party !== undefined) this.#cutOrMend(party);
    else if (dice < 5 && freezes && party !== undefined) this.#freezeOrThaw(party);
    else if (dice === 5 && hubFreezes) this.#freezeOrThawHub();
    else if (dice === 6 && deaths && party !== undefined) await this.#end(party);
    else if (dice === 7 && this.parties.length < NODES_MOST) await this.#open();
    else if (party !== undefined) this.#bringBack(party);
  }

  #cutOrMend(party: Party): void {
    if (isAway(party)) {
      this.#bringBack(party);
      return;
    }
    this.counts.cuts += 1;
    party.bus.cut(this.#below(2) === 0);
    party.away.push({ from: this.base.now(), to: Number.POSITIVE_INFINITY });
  }

  #freezeOrThaw(party: Party): void {
    if (isAway(party)) {
      this.#bringBack(party);
      return;
    }
    this.counts.freezes += 1;
    party.world.freeze();
    party.away.push({ from: this.base.now(), to: Number.POSITIVE_INFINITY });
  }

  #bringBack(party: Party): void {
    const last = party.away.at(-1);
    if (last !== undefined && isAway(party)) last.to = this.base.now();
    party.bus.mend();
    if (party.world.isFrozen) party.world.thaw();
  }

  #freezeOrThawHub(): void {
    if (this.hub.isFrozen) this.hub.thaw();
    else {
      this.counts.hubFreezes += 1;
      this.hub.freeze();
    }
  }

  async #end(party: Party): Promise<void> {
    if (this.parties.length < 2) return;
    this.parties.splice(this.parties.indexOf(party), 1);
    this.past.push(party);
    for (const [room, { id }] of party.members()) this.left.add(`${id} ${room}`);
    if (this.#below(2) === 0 && !party.world.isFrozen) {
      this.counts.closes += 1;
      await party.engine.close();
      return;
    }
    this.counts.deaths += 1;
    party.bus.kill();
    party.world.kill();
  }

  async #open(): Promise<void> {
    this.#named += 1;
    const { random } = this.base;
    const clock = { offset: (random.unit() - 0.5) * 2 * HOUR, rate: 0.95 + random.unit() * 0.1 };
    const party = new Party(`n${this.#named}`, this.base, this.hub, clock, TIMES);
    this.parties.push(party);
    await party.engine.start(party);
  }

  #loses(): boolean {
    const isLost = this.#isRough && this.weather.loss > 0 && this.base.random.unit() < this.weather.loss;
    if (isLost) this.counts.lost += 1;
    return isLost;
  }

  #below(end: number): number {
    return Math.floor(this.base.random.unit() * end);
  }

  #one<T>(all: readonly T[]): T | undefined {
    return all[this.#below(all.length)];
  }
}

function isAway({ away }: Party): boolean {
  return away.at(-1)?.to === Number.POSITIVE_INFINITY;
}

export function runEngine(seed: number): Promise<EngineRun> {
  return new EngineSim(seed).play();
}
