import type { Bus, Subject } from '../bus.ts';
import type { Target } from '../engine.ts';
import type { HistoryRule } from '../history.ts';

/** By namespace and name. */
type Watched<T> = Map<string, Map<string, T>>;

/** What this node wants to hear, and has its bus subscribed to since `open`. */
export class Interests {
  readonly #bus: Bus;
  readonly #rooms: Watched<HistoryRule | undefined> = new Map();
  readonly #users: Watched<undefined> = new Map();
  #isOpen = false;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  open(): void {
    this.#isOpen = true;
    for (const [namespace, rooms] of this.#rooms) {
      for (const [room, rule] of rooms) this.#subscribe({ kind: 'room', namespace, room }, rule);
    }
    for (const [namespace, users] of this.#users) {
      for (const user of users.keys()) this.#subscribe({ kind: 'user', namespace, user }, undefined);
    }
  }

  close(): void {
    this.#isOpen = false;
    this.#rooms.clear();
    this.#users.clear();
  }

  watchRoom(namespace: string, room: string, rule: HistoryRule | undefined): void {
    if (add(this.#rooms, namespace, room, rule)) this.#subscribe({ kind: 'room', namespace, room }, rule);
  }

  unwatchRoom(namespace: string, room: string): void {
    const rule = this.#rooms.get(namespace)?.get(room);
    if (!remove(this.#rooms, namespace, room) || !this.#isOpen) return;
    if (rule !== undefined) this.#bus.unwatchLog(namespace, room, rule);
    this.#bus.unsubscribe({ kind: 'room', namespace, room });
  }

  watchUser(namespace: string, user: string): void {
    if (add(this.#users, namespace, user, undefined)) this.#subscribe({ kind: 'user', namespace, user }, undefined);
  }

  unwatchUser(namespace: string, user: string): void {
    if (remove(this.#users, namespace, user) && this.#isOpen) this.#bus.unsubscribe({ kind: 'user', namespace, user });
  }

  /** Whether a room's log is heard. */
  hasLog(namespace: string, room: string): boolean {
    return this.#rooms.get(namespace)?.get(room) !== undefined;
  }

  /** Whether a message is for anybody here. */
  has({ namespace, rooms, users }: Target): boolean {
    if (rooms.length + users.length === 0) return true;
    const watchedRooms = this.#rooms.get(namespace);
    for (const room of rooms) if (watchedRooms?.has(room)) return true;
    if (users.length === 0) return false;
    const watchedUsers = this.#users.get(namespace);
    return users.some((user) => watchedUsers?.has(user));
  }

  #subscribe(subject: Subject & { kind: 'room' | 'user' }, rule: HistoryRule | undefined): void {
    if (!this.#isOpen) return;
    this.#bus.subscribe(subject);
    if (rule !== undefined && subject.kind === 'room') this.#bus.watchLog(subject.namespace, subject.room, rule);
  }
}

function add<T>(watched: Watched<T>, namespace: string, name: string, value: T): boolean {
  let names = watched.get(namespace);
  if (names === undefined) {
    names = new Map();
    watched.set(namespace, names);
  }
  if (names.has(name)) return false;
  names.set(name, value);
  return true;
}

function remove<T>(watched: Watched<T>, namespace: string, name: string): boolean {
  const names = watched.get(namespace);
  if (!names?.delete(name)) return false;
  if (names.size === 0) watched.delete(namespace);
  return true;
}
