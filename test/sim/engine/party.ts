import {
  type EngineHost,
  type EngineMessage,
  JoinedEngine,
  type JoinedTimes,
  type Polled,
} from '../../../src/engine/index.ts';
import type { TestBus, TestHub, VirtualWorld } from '../../../src/testing/index.ts';
import type { Member } from '../../../src/wire/index.ts';
import { busIn, NodeWorld } from './node-world.ts';

export const NAMESPACE = '/';

/** A socket of a node, as the room layer would have it. */
export interface Seat {
  readonly id: string;
  user: string;
  /** The users that it was. */
  readonly had: Set<string>;
  readonly rooms: Set<string>;
}

/** One node: its engine, what its sockets do, and all that it was told. */
export class Party implements EngineHost {
  readonly name: string;
  readonly world: NodeWorld;
  readonly bus: TestBus;
  readonly engine: JoinedEngine;
  readonly seats: Seat[] = [];
  /** Who is in which room, as told: to check each word at once. */
  readonly seen: Map<string, Map<string, string | null>> = new Map();
  /** For each pair of sockets of a user which of them came later, as told; and how often it was told. */
  readonly rivals: Map<string, { readonly later: string; times: number }> = new Map();
  readonly faults: string[] = [];
  /** What was `left` here although it never left. */
  readonly given: { readonly member: string; readonly room: string; readonly base: number }[] = [];
  /** The last number of each publisher and room. */
  readonly heard: Map<string, number> = new Map();
  /** Pairs of which the other socket was known here when the own one came: whatever the clocks say, that one is later. */
  readonly #knownBefore = new Set<string>();
  delivered = 0;
  told = 0;
  sent = 0;
  /** Ms in which it was stopped or cut off, up to now, as intervals. */
  readonly away: { readonly from: number; to: number }[] = [];

  constructor(
    name: string,
    base: VirtualWorld,
    hub: TestHub,
    clock: { readonly offset: number; readonly rate: number },
    times: JoinedTimes,
  ) {
    this.name = name;
    this.world = new NodeWorld(base, Math.floor(base.random.unit() * 2 ** 31), clock.offset, clock.rate);
    this.bus = hub.bus();
    this.engine = new JoinedEngine(busIn(this.world, this.bus), { world: this.world, times });
  }

  /** Who is where, by what its sockets did. */
  members(): (readonly [room: string, member: Member])[] {
    return this.seats.flatMap(({ id, user, rooms }) => [...rooms].map((room) => [room, { id, user }] as const));
  }

  deliver(message: EngineMessage): void {
    const { by, number } = message.data as { readonly by: string; readonly number: number };
    const key = `${by} ${message.target.rooms[0] ?? ''}`;
    const last = this.heard.get(key) ?? 0;
    if (number <= last) this.faults.push(`${this.name} heard ${key} ${number} after ${last}`);
    this.heard.set(key, number);
    this.delivered += 1;
  }

  presence(_: string, room: string, { id, user }: Member, change: 'joined' | 'left', count: number): void {
    const members = this.seen.get(room) ?? new Map<string, string | null>();
    this.seen.set(room, members);
    this.told += 1;
    const word = `${this.name} was told that ${id} (${user}) ${change} ${room}`;
    if (members.has(id) === (change === 'joined')) this.faults.push(`${word}, a second time`);
    if (change === 'left' && members.get(id) !== user) this.faults.push(`${word}, as ${members.get(id)}`);
    if (change === 'joined') members.set(id, user);
    else members.delete(id);
    if (members.size !== count) this.faults.push(`${word}: ${count}, but ${members.size} are there`);
    if (change === 'left') this.given.push({ member: id, room, base: this.world.base });
  }

  rival(_: string, user: string, mine: string, theirs: string, later: 'mine' | 'theirs'): void {
    const pair = pairOf(user, mine, theirs);
    const said = later === 'mine' ? mine : theirs;
    if (said === theirs && this.#knownBefore.has(`${pair} ${mine}`))
      this.faults.push(`${this.name} knew ${theirs} before ${pair}`);
    const before = this.rivals.get(pair);
    if (before !== undefined && before.later !== said) this.faults.push(`${this.name} changed its mind on ${pair}`);
    if (before === undefined) this.rivals.set(pair, { later: said, times: 1 });
    else before.times += 1;
  }

  answer(question: unknown): unknown {
    return { question, by: this.name };
  }

  entered(): void {}

  interrupted(): void {}

  report(error: unknown): void {
    const { code } = error as { readonly code?: string };
    if (code !== 'ERR_ENGINE_DOWN') this.faults.push(`${this.name} reported ${String(error)}`);
  }

  come(seat: Seat): void {
    this.seats.push(seat);
    this.engine.watchUser(NAMESPACE, seat.user);
    this.#arrive(seat);
  }

  go(seat: Seat): void {
    for (const room of seat.rooms) this.leave(seat, room);
    this.engine.depart(NAMESPACE, seat.user, seat.id);
    this.seats.splice(this.seats.indexOf(seat), 1);
  }

  join(seat: Seat, room: string): void {
    seat.rooms.add(room);
    this.engine.watchRoom(NAMESPACE, room);
    this.engine.enter(NAMESPACE, room, { id: seat.id, user: seat.user });
  }

  leave(seat: Seat, room: string): void {
    if (!seat.rooms.delete(room)) return;
    this.engine.leave(NAMESPACE, room, { id: seat.id, user: seat.user });
  }

  /** The socket goes by another user's name from now on. */
  identify(seat: Seat, user: string): void {
    const before = seat.user;
    if (before === user) return;
    this.engine.depart(NAMESPACE, before, seat.id);
    seat.user = user;
    this.#arrive(seat);
    for (const room of seat.rooms) {
      this.engine.leave(NAMESPACE, room, { id: seat.id, user: before });
      this.engine.enter(NAMESPACE, room, { id: seat.id, user });
    }
  }

  #arrive({ id, user }: Seat): void {
    void this.#know(id, user);
    this.engine.arrive(NAMESPACE, user, id);
  }

  /** What is known at the moment of the call. */
  async #know(id: string, user: string): Promise<void> {
    for (const { socket } of await this.engine.whereIs(NAMESPACE, user)) {
      this.#knownBefore.add(`${pairOf(user, id, socket)} ${id}`);
    }
  }

  say(room: string, bytes: number): void {
    this.sent += 1;
    const target = { namespace: NAMESPACE, rooms: [room], users: [], exceptRooms: [], exceptSockets: [] };
    const data = { by: this.name, number: this.sent, filling: new Uint8Array(bytes) };
    this.engine.publish({ target, event: 'say', data, meta: {}, volatile: false });
  }

  /** Asks all others; whoever was asked must be accounted for. */
  async ask(timeout: number): Promise<Polled> {
    const question = `${this.name} ${this.sent}`;
    const polled = await this.engine.ask(question, { timeout });
    for (const { data } of polled.answers) {
      if ((data as { readonly question: unknown }).question !== question) this.faults.push(`a wrong answer`);
    }
    const named = [...polled.answers.map(({ node }) => node), ...polled.silent];
    if (new Set(named).size !== named.length) this.faults.push(`${this.name} has two answers of one node`);
    return polled;
  }
}

export function pairOf(user: string, a: string, b: string): string {
  return a < b ? `${user}: ${a} ${b}` : `${user}: ${b} ${a}`;
}
