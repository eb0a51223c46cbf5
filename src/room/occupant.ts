import type { Member } from '../wire/index.ts';

/** What a namespace knows of a socket: who it is, and its rooms. Most are in none or one, for which a set would take 200 bytes of each. */
export class Occupant {
  member: Member;
  #rooms: string | Set<string> | undefined;

  constructor(member: Member) {
    this.member = member;
  }

  /** How many rooms it is in. */
  get size(): number {
    if (this.#rooms === undefined) return 0;
    return typeof this.#rooms === 'string' ? 1 : this.#rooms.size;
  }

  isIn(room: string): boolean {
    return typeof this.#rooms === 'object' ? this.#rooms.has(room) : this.#rooms === room;
  }

  enter(room: string): void {
    if (this.#rooms === undefined) this.#rooms = room;
    else if (typeof this.#rooms === 'object') this.#rooms.add(room);
    else if (this.#rooms !== room) this.#rooms = new Set([this.#rooms, room]);
  }

  /** False when it is not in it. */
  leave(room: string): boolean {
    if (typeof this.#rooms === 'object') return this.#rooms.delete(room);
    if (this.#rooms !== room) return false;
    this.#rooms = undefined;
    return true;
  }

  /** Those that it is in now. */
  rooms(): readonly string[] {
    if (this.#rooms === undefined) return [];
    return typeof this.#rooms === 'string' ? [this.#rooms] : [...this.#rooms];
  }
}
