import type { Member } from '../../wire/index.ts';
import { allOf, type Few, isIn, withOne, withoutOne } from './few.ts';

/** A node, as the one whose sockets they are. */
export class Owner {
  readonly id: string;
  readonly isSelf: boolean;
  /** Its sockets by namespace and id; of one that changed its user, the newest. */
  readonly halls: Map<Hall, Map<string, Present>> = new Map();

  constructor(id: string, isSelf: boolean) {
    this.id = id;
    this.isSelf = isSelf;
  }
}

/** A namespace that has rooms or users. */
export interface Hall {
  readonly name: string;
  readonly rooms: Map<string, Room>;
  readonly users: Map<string, User>;
}

export interface Room {
  readonly name: string;
  members: Few<Present>;
}

export interface User {
  /** Sockets of this node. */
  mine: Few<Present>;
  theirs: Few<Present>;
}

/** A socket of some node, under one user's name, as long as it is in a room or logged in. */
export class Present {
  readonly id: string;
  readonly user: string | null;
  readonly owner: Owner;
  readonly hall: Hall;
  /** The same socket under another user's name, which it is about to give up. */
  other: Present | undefined = undefined;
  rooms: Few<Room> = undefined;
  /** When it logged in, by the clock that the nodes share; 0: it has not. */
  stamp = 0;

  constructor(owner: Owner, hall: Hall, { id, user }: Member) {
    this.owner = owner;
    this.hall = hall;
    this.id = id;
    this.user = user;
  }

  get member(): Member {
    return { id: this.id, user: this.user };
  }
}

/** Whether the login of `a` is the later one. All nodes say the same. */
export function isLater(a: Present, b: Present): boolean {
  return a.stamp === b.stamp ? a.owner.id > b.owner.id : a.stamp > b.stamp;
}

/** What a directory tells, after each change. */
export interface DirectoryHost {
  changed(hall: Hall, room: Room, member: Member, change: 'joined' | 'left'): void;
  /** A user has a socket here and one elsewhere, one of which has just come. */
  met(mine: Present, theirs: Present, isMineNew: boolean): void;
}

/** Who is where, of all nodes. What is there already, or is not there, is no change. */
export class Directory {
  readonly #halls = new Map<string, Hall>();
  readonly #host: DirectoryHost;

  constructor(host: DirectoryHost) {
    this.#host = host;
  }

  hall(namespace: string): Hall | undefined {
    return this.#halls.get(namespace);
  }

  /** Whether it was a change. */
  enter(owner: Owner, namespace: string, name: string, member: Member): boolean {
    const hall = this.#hallOf(namespace);
    const room = hall.rooms.get(name) ?? { name, members: undefined };
    if (find(owner, hall, member.id, (one) => isIn(room.members, one)) !== undefined) return false;
    hall.rooms.set(name, room);
    const present = presentOf(owner, hall, member);
    room.members = withOne(room.members, present);
    present.rooms = withOne(present.rooms, room);
    this.#host.changed(hall, room, member, 'joined');
    return true;
  }

  leave(owner: Owner, namespace: string, name: string, id: string): boolean {
    const hall = this.#halls.get(namespace);
    const room = hall?.rooms.get(name);
    if (hall === undefined || room === undefined) return false;
    const present = find(owner, hall, id, (one) => isIn(room.members, one));
    if (present === undefined) return false;
    this.leaveOf(present, room);
    return true;
  }

  /** As `leave`, of one who is there. */
  leaveOf(present: Present, room: Room): void {
    const { hall } = present;
    room.members = withoutOne(room.members, present);
    if (room.members === undefined) hall.rooms.delete(room.name);
    present.rooms = withoutOne(present.rooms, room);
    this.#release(present);
    this.#host.changed(hall, room, present.member, 'left');
  }

  arrive(owner: Owner, namespace: string, name: string, id: string, stamp: number): boolean {
    const hall = this.#hallOf(namespace);
    if (find(owner, hall, id, (one) => one.stamp > 0 && one.user === name) !== undefined) return false;
    const user = hall.users.get(name) ?? { mine: undefined, theirs: undefined };
    hall.users.set(name, user);
    const present = presentOf(owner, hall, { id, user: name });
    present.stamp = stamp;
    const rivals = owner.isSelf ? user.theirs : user.mine;
    if (owner.isSelf) user.mine = withOne(user.mine, present);
    else user.theirs = withOne(user.theirs, present);
    if (rivals === undefined) return true;
    for (const rival of [...allOf(rivals)]) {
      if (owner.isSelf) this.#host.met(present, rival, true);
      else this.#host.met(rival, present, false);
    }
    return true;
  }

  depart(owner: Owner, namespace: string, name: string, id: string): boolean {
    const hall = this.#halls.get(namespace);
    if (hall === undefined) return false;
    const present = find(owner, hall, id, (one) => one.stamp > 0 && one.user === name);
    if (present === undefined) return false;
    this.departOf(present);
    return true;
  }

  /** As `depart`, of one who is logged in. */
  departOf(present: Present): void {
    const { hall, owner } = present;
    const name = present.user ?? '';
    const user = hall.users.get(name);
    if (user === undefined) return;
    if (owner.isSelf) user.mine = withoutOne(user.mine, present);
    else user.theirs = withoutOne(user.theirs, present);
    if (user.mine === undefined && user.theirs === undefined) hall.users.delete(name);
    present.stamp = 0;
    this.#release(present);
  }

  /** A node is gone, with all that it had. */
  drop(owner: Owner): void {
    for (const present of presents(owner)) {
      for (const room of [...allOf(present.rooms)]) this.leaveOf(present, room);
      if (present.stamp > 0) this.departOf(present);
    }
  }

  clear(): void {
    this.#halls.clear();
  }

  #hallOf(namespace: string): Hall {
    let hall = this.#halls.get(namespace);
    if (hall === undefined) {
      hall = { name: namespace, rooms: new Map(), users: new Map() };
      this.#halls.set(namespace, hall);
    }
    return hall;
  }

  /** Forgets a socket that is nowhere any more, and its namespace when it was the last. */
  #release(present: Present): void {
    const { hall, owner, id } = present;
    if (present.rooms === undefined && present.stamp === 0) unlink(owner, hall, id, present);
    if (hall.rooms.size === 0 && hall.users.size === 0) this.#halls.delete(hall.name);
  }
}

/** All sockets of a node, as they are now. */
export function presents(owner: Owner): Present[] {
  const all: Present[] = [];
  for (const byId of owner.halls.values()) {
    for (const newest of byId.values()) {
      for (let one: Present | undefined = newest; one !== undefined; one = one.other) all.push(one);
    }
  }
  return all;
}

function find(owner: Owner, hall: Hall, id: string, fits: (present: Present) => boolean): Present | undefined {
  let one = owner.halls.get(hall)?.get(id);
  while (one !== undefined && !fits(one)) one = one.other;
  return one;
}

/** The socket under this user's name: the one that is known, or a new one. */
function presentOf(owner: Owner, hall: Hall, member: Member): Present {
  const known = find(owner, hall, member.id, (one) => one.user === member.user);
  if (known !== undefined) return known;
  let byId = owner.halls.get(hall);
  if (byId === undefined) {
    byId = new Map();
    owner.halls.set(hall, byId);
  }
  const present = new Present(owner, hall, member);
  present.other = byId.get(member.id);
  byId.set(member.id, present);
  return present;
}

function unlink(owner: Owner, hall: Hall, id: string, present: Present): void {
  const byId = owner.halls.get(hall);
  const newest = byId?.get(id);
  if (byId === undefined || newest === undefined) return;
  if (newest !== present) {
    let before: Present | undefined = newest;
    while (before !== undefined && before.other !== present) before = before.other;
    if (before !== undefined) before.other = present.other;
  } else if (present.other !== undefined) byId.set(id, present.other);
  else {
    byId.delete(id);
    if (byId.size === 0) owner.halls.delete(hall);
  }
}
