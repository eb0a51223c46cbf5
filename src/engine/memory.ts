import { aborted, HawserError, type WaitOptions, type World } from '../core/index.ts';
import { decodeValue, encodeValue, type Member } from '../wire/index.ts';
import type { Engine, EngineHost, EngineMessage } from './engine.ts';
import type { Appended, Entry, HistoryRule, Reading, ReadOptions } from './history.ts';
import type { NodeInfo, NodeNotice, Polled, Whereabouts } from './nodes.ts';
import type { LogEntry } from './room-log.ts';
import { RoomLogs } from './room-logs.ts';

const MOST = 1000;
/** What an entry takes beside its data, about. */
const ENTRY_BYTES = 256;

interface Place {
  readonly rooms: Map<string, Map<string, Member>>;
  readonly users: Map<string, Set<string>>;
}

/** The engine of a single node: presence in maps, and nobody else to carry messages to. */
export class MemoryEngine implements Engine {
  readonly name = 'memory';
  readonly #places = new Map<string, Place>();
  /** By namespace and room. */
  readonly #logs: RoomLogs<EngineMessage>;
  /** The logs that are heard. */
  readonly #watched = new Set<string>();
  #host: EngineHost | undefined;
  #isClosed = false;
  #notice: NodeNotice = { state: 'up', endpoints: [], sockets: 0, metadata: {} };

  constructor(world: Pick<World, 'now' | 'random'>) {
    this.#logs = new RoomLogs<EngineMessage>({
      now: () => world.now(),
      newEpoch: () => epochOf(world.random.bytes(8)),
      weigh: ({ data }) => ENTRY_BYTES + encodeValue(data).length,
      isHeard: (key) => this.#watched.has(key),
    });
  }

  async start(host: EngineHost): Promise<void> {
    this.#host = host;
  }

  publish(_message: EngineMessage): void {}
  async append(message: EngineMessage, rule: HistoryRule, { signal }: WaitOptions = {}): Promise<Appended> {
    this.#check(signal);
    const key = keyOf(message.target.namespace, message.target.rooms[0] ?? '');
    const kept = { ...message, data: copyOf(message.data) };
    const { entry, ...appended } = this.#logs.append(key, kept, rule, message.id);
    if (entry !== undefined && this.#watched.has(key)) this.#host?.entered(entryOf(entry, appended.epoch));
    return appended;
  }

  async read(namespace: string, room: string, rule: HistoryRule, options: ReadOptions = {}): Promise<Reading> {
    this.#check(options.signal);
    const read = this.#logs.read(keyOf(namespace, room), rule, options.since, options.most ?? MOST);
    if (!read.isWhole) return read;
    return { ...read, entries: read.entries.map((entry) => entryOf(entry, read.position.epoch)) };
  }

  watchRoom(namespace: string, room: string, rule?: HistoryRule): void {
    if (rule !== undefined) this.#watched.add(keyOf(namespace, room));
  }

  unwatchRoom(namespace: string, room: string): void {
    this.#watched.delete(keyOf(namespace, room));
  }
  watchUser(): void {}
  unwatchUser(): void {}

  enter(namespace: string, room: string, member: Member): void {
    const { rooms } = this.#place(namespace);
    const members = rooms.get(room) ?? new Map<string, Member>();
    if (members.has(member.id)) return;
    rooms.set(room, members.set(member.id, member));
    this.#host?.presence(namespace, room, member, 'joined', members.size);
  }

  leave(namespace: string, room: string, member: Member): void {
    const rooms = this.#places.get(namespace)?.rooms;
    const members = rooms?.get(room);
    if (!members?.delete(member.id)) return;
    if (members.size === 0) rooms?.delete(room);
    this.#prune(namespace);
    this.#host?.presence(namespace, room, member, 'left', members.size);
  }

  async members(namespace: string, room: string, most: number = MOST): Promise<readonly Member[]> {
    return take(this.#places.get(namespace)?.rooms.get(room)?.values() ?? [], most);
  }

  async count(namespace: string, room: string): Promise<number> {
    return this.#places.get(namespace)?.rooms.get(room)?.size ?? 0;
  }

  async rooms(namespace: string, most: number = MOST): Promise<ReadonlyMap<string, number>> {
    return sizes(this.#places.get(namespace)?.rooms, most);
  }

  arrive(namespace: string, user: string, socket: string): void {
    const { users } = this.#place(namespace);
    users.set(user, (users.get(user) ?? new Set()).add(socket));
  }

  depart(namespace: string, user: string, socket: string): void {
    const users = this.#places.get(namespace)?.users;
    const sockets = users?.get(user);
    if (!sockets?.delete(socket)) return;
    if (sockets.size === 0) users?.delete(user);
    this.#prune(namespace);
  }

  async users(namespace: string, most: number = MOST): Promise<ReadonlyMap<string, number>> {
    return sizes(this.#places.get(namespace)?.users, most);
  }

  async countUsers(namespace: string): Promise<number> {
    return this.#places.get(namespace)?.users.size ?? 0;
  }

  async countUser(namespace: string, user: string): Promise<number> {
    return this.#places.get(namespace)?.users.get(user)?.size ?? 0;
  }

  async whereIs(namespace: string, user: string): Promise<readonly Whereabouts[]> {
    const sockets = this.#places.get(namespace)?.users.get(user) ?? [];
    return [...sockets].map((socket) => ({ node: this.name, socket }));
  }

  announce(notice: NodeNotice): void {
    this.#notice = notice;
  }

  async nodes(): Promise<readonly NodeInfo[]> {
    const { name = this.name } = this.#notice;
    return [{ ...this.#notice, name, id: this.name, isSelf: true, heardAgo: 0, isAlive: true }];
  }

  async ask(): Promise<Polled> {
    return { answers: [], errors: [], silent: [] };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#places.clear();
    this.#logs.clear();
    this.#watched.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #check(signal: AbortSignal | undefined): void {
    if (signal?.aborted) throw aborted(signal, 'no');
    if (this.#isClosed) throw new HawserError('ERR_ENGINE_DOWN', 'the engine is closed', { delivered: 'no' });
  }

  #place(namespace: string): Place {
    const place = this.#places.get(namespace) ?? { rooms: new Map(), users: new Map() };
    this.#places.set(namespace, place);
    return place;
  }

  #prune(namespace: string): void {
    const place = this.#places.get(namespace);
    if (place?.rooms.size === 0 && place.users.size === 0) this.#places.delete(namespace);
  }
}

function keyOf(namespace: string, room: string): string {
  return `${namespace}\0${room}`;
}

function entryOf({ value, offset, previous }: LogEntry<EngineMessage>, epoch: string): Entry {
  return { message: value, offset, previous, epoch };
}

/** In letters that need no escape anywhere. */
export function epochOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** What is in a log doesn't change with what the application does to it later. */
function copyOf(data: unknown): unknown {
  return typeof data === 'object' && data !== null ? decodeValue(encodeValue(data))?.value : data;
}

function take<T>(values: Iterable<T>, most: number): T[] {
  const taken: T[] = [];
  for (const value of values) {
    if (taken.length >= most) break;
    taken.push(value);
  }
  return taken;
}

function sizes(groups: ReadonlyMap<string, { readonly size: number }> | undefined, most: number): Map<string, number> {
  return new Map(take(groups ?? [], most).map(([name, group]) => [name, group.size]));
}
