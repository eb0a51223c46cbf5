import { HawserError, type Instant, type WaitOptions, type World } from '../../core/index.ts';
import type { Member } from '../../wire/index.ts';
import type { Bus, BusHost, LoggedBytes, Subject } from '../bus.ts';
import type { Engine, EngineHost, EngineMessage, Target } from '../engine.ts';
import type { Appended, HistoryRule, Reading, ReadOptions } from '../history.ts';
import type { AskOptions, NodeInfo, NodeNotice, Polled, Whereabouts } from '../nodes.ts';
import { arrival, CHANGE, entry } from './changes.ts';
import { type Directory, isLater } from './directory.ts';
import { allOf, sizeOf } from './few.ts';
import { Interests } from './interests.ts';
import { LogReader } from './log-reader.ts';
import { messageFrame, messageIn } from './message-frame.ts';
import { JOINED_TIMES, type JoinedTimes, Talk } from './talk.ts';

export interface JoinedOptions {
  readonly world: World;
  /** Such as `nats`, for logs and metrics. Default: the bus's. */
  readonly name?: string | undefined;
  readonly times?: Partial<JoinedTimes> | undefined;
}

const MOST = 1000;
const ALL: Subject = { kind: 'all' };

/**
 * Joins nodes by whatever carries bytes between them. Each node owns what its sockets do; the others have a copy, which they keep by its numbered
 * changes, by heartbeats that say how far these have come, and by snapshots. The server of the bus keeps nothing of it.
 *
 * A node that dies without a word is given up `lease` to `lease + heartbeat` ms after its last word, and a round trip: by default at most 8 s after its
 * death. After a pause of the bus, or of one's own, it takes two heartbeats longer.
 */
export class JoinedEngine implements Engine {
  readonly name: string;
  readonly #bus: Bus;
  readonly #talk: Talk;
  readonly #directory: Directory;
  readonly #interests: Interests;
  readonly #reader: LogReader;
  #host: EngineHost | undefined;
  #isClosed = false;
  #closing: Promise<void> | undefined;
  readonly #world: World;
  #downSince: Instant | undefined;

  constructor(bus: Bus, { world, name = bus.name, times = {} }: JoinedOptions) {
    this.name = name;
    this.#bus = bus;
    this.#world = world;
    this.#talk = new Talk(bus, {
      world,
      times: { ...JOINED_TIMES, ...times },
      deliver: (body) => this.#deliver(body),
    });
    this.#directory = this.#talk.directory;
    this.#interests = new Interests(bus);
    this.#reader = new LogReader((namespace, room, offset) => {
      const why = `entry ${offset} of '${room}' in '${namespace}' can't be read, and is left out`;
      this.#talk.reports.tell('poisoned', 'ERR_MESSAGE_MALFORMED', why, 'room history');
    });
  }

  /** This node's. */
  get id(): string {
    return this.#talk.framer.id;
  }

  get downSince(): Instant | undefined {
    return this.#downSince;
  }

  async start(host: EngineHost): Promise<void> {
    this.#host = host;
    this.#talk.host = host;
    await this.#bus.start(this.#busHost(host));
    if (this.#isClosed) return;
    this.#bus.subscribe(ALL);
    this.#bus.subscribe({ kind: 'node', node: this.id });
    this.#interests.open();
    this.#talk.open();
  }

  publish(message: EngineMessage): void {
    if (!this.#talk.post.isOpen) return;
    const frame = this.#encode(message);
    if (frame !== undefined) this.#talk.post.send(subjectOf(message.target), frame);
  }

  async append(message: EngineMessage, rule: HistoryRule, options: WaitOptions = {}): Promise<Appended> {
    this.#refuseClosed('no');
    const { namespace, rooms } = message.target;
    const bytes = messageFrame(this.#talk.framer, message);
    const most = this.#bus.payloadBytes;
    if (bytes.length > most) {
      throw new HawserError('ERR_MESSAGE_TOO_LARGE', `${bytes.length} bytes are more than the ${most} of an entry`);
    }
    return this.#bus.append(namespace, rooms[0] ?? '', rule, bytes, { ...options, id: message.id });
  }

  async read(namespace: string, room: string, rule: HistoryRule, options: ReadOptions = {}): Promise<Reading> {
    this.#refuseClosed();
    const read = await this.#bus.read(namespace, room, rule, { ...options, most: options.most ?? MOST });
    return this.#reader.read(namespace, room, read);
  }

  watchRoom(namespace: string, room: string, rule?: HistoryRule): void {
    if (!this.#isClosed) this.#interests.watchRoom(namespace, room, rule);
  }

  unwatchRoom(namespace: string, room: string): void {
    this.#interests.unwatchRoom(namespace, room);
    this.#reader.forget(namespace, room);
  }

  watchUser(namespace: string, user: string): void {
    if (!this.#isClosed) this.#interests.watchUser(namespace, user);
  }

  unwatchUser(namespace: string, user: string): void {
    this.#interests.unwatchUser(namespace, user);
  }

  enter(namespace: string, room: string, member: Member): void {
    if (this.#isClosed || !this.#directory.enter(this.#talk.self, namespace, room, member)) return;
    this.#talk.add(entry(namespace, room, member));
  }

  leave(namespace: string, room: string, { id }: Member): void {
    if (this.#isClosed || !this.#directory.leave(this.#talk.self, namespace, room, id)) return;
    this.#talk.add({ code: CHANGE.leave, namespace, name: room, socket: id, user: null, stamp: 0 });
  }

  async members(namespace: string, room: string, most: number = MOST): Promise<readonly Member[]> {
    const members = this.#directory.hall(namespace)?.rooms.get(room)?.members;
    return take(allOf(members), most).map(({ member }) => member);
  }

  async count(namespace: string, room: string): Promise<number> {
    return sizeOf(this.#directory.hall(namespace)?.rooms.get(room)?.members);
  }

  async rooms(namespace: string, most: number = MOST): Promise<ReadonlyMap<string, number>> {
    const rooms = take(this.#directory.hall(namespace)?.rooms.values() ?? [], most);
    return new Map(rooms.map(({ name, members }) => [name, sizeOf(members)]));
  }

  arrive(namespace: string, user: string, socket: string): void {
    if (this.#isClosed) return;
    const stamp = this.#talk.tick();
    if (!this.#directory.arrive(this.#talk.self, namespace, user, socket, stamp)) return;
    this.#talk.add(arrival(namespace, user, socket, stamp));
  }

  depart(namespace: string, user: string, socket: string): void {
    if (this.#isClosed || !this.#directory.depart(this.#talk.self, namespace, user, socket)) return;
    this.#talk.add({ code: CHANGE.depart, namespace, name: user, socket, user: null, stamp: 0 });
  }

  async users(namespace: string, most: number = MOST): Promise<ReadonlyMap<string, number>> {
    const users = take(this.#directory.hall(namespace)?.users ?? [], most);
    return new Map(users.map(([name, { mine, theirs }]) => [name, sizeOf(mine) + sizeOf(theirs)]));
  }

  async countUsers(namespace: string): Promise<number> {
    return this.#directory.hall(namespace)?.users.size ?? 0;
  }

  async countUser(namespace: string, user: string): Promise<number> {
    const known = this.#directory.hall(namespace)?.users.get(user);
    return known === undefined ? 0 : sizeOf(known.mine) + sizeOf(known.theirs);
  }

  async whereIs(namespace: string, user: string): Promise<readonly Whereabouts[]> {
    const known = this.#directory.hall(namespace)?.users.get(user);
    const all = known === undefined ? [] : [...allOf(known.mine), ...allOf(known.theirs)];
    const inOrder = all.toSorted((a, b) => (isLater(a, b) ? 1 : isLater(b, a) ? -1 : 0));
    return inOrder.map(({ owner, id }) => ({ node: owner.id, socket: id }));
  }

  announce(notice: NodeNotice): void {
    if (!this.#isClosed) this.#talk.announce(notice);
  }

  async nodes(): Promise<readonly NodeInfo[]> {
    return this.#talk.nodes();
  }

  ask(question: unknown, options: AskOptions = {}): Promise<Polled> {
    return this.#talk.ask(question, options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #busHost(host: EngineHost): BusHost {
    return {
      received: (frame) => this.#received(frame),
      logged: (namespace, room, logged, epoch) => this.#logged(namespace, room, logged, epoch),
      reconnected: () => this.#reconnected(),
      disconnected: (error) => this.#disconnected(error),
      ended: (node) => {
        if (!this.#isClosed) this.#talk.ended(node);
      },
      // A host that takes none leaves what is pushed to other nodes.
      ...(host.pushed && { pushed: host.pushed.bind(host) }),
      report: (error, during) => this.#talk.report(error, during),
    };
  }

  #received(frame: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      this.#talk.received(frame);
    } catch (error) {
      this.#talk.report(error, 'a message of another node');
    }
  }

  #logged(namespace: string, room: string, logged: LoggedBytes, epoch: string): void {
    if (this.#isClosed || !this.#interests.hasLog(namespace, room)) return;
    const entered = this.#reader.logged(namespace, room, logged, epoch);
    try {
      if (entered !== undefined) this.#host?.entered(entered);
    } catch (error) {
      this.#talk.report(error, 'an entry of a room');
    }
  }

  #reconnected(): void {
    if (this.#isClosed) return;
    this.#downSince = undefined;
    this.#talk.framer.turn += 1;
    this.#host?.interrupted();
    this.#talk.beat();
  }

  #disconnected(error: unknown): void {
    if (this.#isClosed || this.#downSince !== undefined) return;
    this.#downSince = this.#world.now();
    const down = new HawserError('ERR_ENGINE_DOWN', `${this.name} can't be reached`, { cause: error });
    this.#talk.report(down, 'engine');
  }

  #deliver(body: readonly unknown[]): boolean {
    const message = messageIn(body);
    if (message !== undefined && this.#interests.has(message.target)) this.#host?.deliver(message);
    return message !== undefined;
  }

  #encode(message: EngineMessage): Uint8Array | undefined {
    try {
      return messageFrame(this.#talk.framer, message);
    } catch (error) {
      const why = `'${message.event}' can't be sent to other nodes`;
      this.#talk.reports.tell('unencodable', 'ERR_UNENCODABLE', why, 'publish', error);
      return undefined;
    }
  }

  #refuseClosed(delivered?: 'no'): void {
    if (this.#isClosed) throw new HawserError('ERR_ENGINE_DOWN', 'the engine is closed', { delivered });
  }

  async #close(): Promise<void> {
    this.#talk.close();
    this.#isClosed = true;
    this.#interests.close();
    this.#reader.clear();
    await this.#bus.close();
  }
}

/** One name: who hears it. Several, or none: all nodes, once. */
function subjectOf({ namespace, rooms, users }: Target): Subject {
  if (rooms.length === 1 && users.length === 0) return { kind: 'room', namespace, room: rooms[0] as string };
  if (users.length === 1 && rooms.length === 0) return { kind: 'user', namespace, user: users[0] as string };
  return ALL;
}

function take<T>(values: Iterable<T>, most: number): T[] {
  const taken: T[] = [];
  for (const value of values) {
    if (taken.length >= most) break;
    taken.push(value);
  }
  return taken;
}
