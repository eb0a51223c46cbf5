import type { Member } from '../wire/index.ts';
import type { Engine, EngineHost, EngineMessage } from './engine.ts';

const MOST = 1000;

interface Place {
  readonly rooms: Map<string, Map<string, Member>>;
  readonly users: Map<string, Set<string>>;
}

/** The engine of a single node: presence in maps, and nobody else to carry messages to. */
export class MemoryEngine implements Engine {
  readonly name = 'memory';
  readonly #places = new Map<string, Place>();
  #host: EngineHost | undefined;

  async start(host: EngineHost): Promise<void> {
    this.#host = host;
  }

  publish(_message: EngineMessage): void {}
  watchRoom(): void {}
  unwatchRoom(): void {}
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

  async close(): Promise<void> {
    this.#places.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
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
