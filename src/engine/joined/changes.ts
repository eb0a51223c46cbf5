import type { Member } from '../../wire/index.ts';
import { type Owner, presents, type Room } from './directory.ts';
import { allOf } from './few.ts';
import { carried, isCount, nameOf } from './frame.ts';

/** What a change is: the first of the five values that it has on the wire. */
export const CHANGE = { enter: 1, leave: 2, arrive: 3, depart: 4 } as const;

/** Values of a change on the wire: what it is, namespace, room or user, socket, and the member's user or the login's stamp. */
const STRIDE = 5;
/** In the place of a namespace or a socket: that of the change before. */
const SAME = 0;
/** What a change takes beside its names, about, bytes. */
const CHANGE_BYTES = 16;

/** One change of what a node has. */
export interface Change {
  readonly code: number;
  readonly namespace: string;
  /** The room, or the user. */
  readonly name: string;
  readonly socket: string;
  /** Who enters. */
  readonly user: string | null;
  /** When who arrives did so. */
  readonly stamp: number;
}

/** Puts changes one behind the other. */
export class Packer {
  readonly flat: unknown[] = [];
  /** About what they take, at least. */
  bytes = 0;
  #namespace: string | undefined;
  #socket: string | undefined;

  get count(): number {
    return this.flat.length / STRIDE;
  }

  add({ code, namespace, name, socket, user, stamp }: Change): void {
    this.flat.push(
      code,
      namespace === this.#namespace ? SAME : carried(namespace),
      carried(name),
      socket === this.#socket ? SAME : carried(socket),
      code === CHANGE.enter ? (user === null ? null : carried(user)) : code === CHANGE.arrive ? stamp : null,
    );
    this.bytes += CHANGE_BYTES + name.length;
    if (namespace !== this.#namespace) this.bytes += namespace.length;
    if (socket !== this.#socket) this.bytes += socket.length;
    if (code === CHANGE.enter) this.bytes += user?.length ?? 0;
    this.#namespace = namespace;
    this.#socket = socket;
  }
}

/** The changes that were packed; undefined when they are none, as a whole. */
export function unpack(flat: unknown): readonly Change[] | undefined {
  if (!Array.isArray(flat) || flat.length % STRIDE !== 0) return undefined;
  const changes: Change[] = [];
  let before: Change | undefined;
  for (let at = 0; at < flat.length; at += STRIDE) {
    before = changeAt(flat, at, before);
    if (before === undefined) return undefined;
    changes.push(before);
  }
  return changes;
}

function changeAt(flat: readonly unknown[], at: number, before: Change | undefined): Change | undefined {
  const [code, space, extra] = [flat[at], flat[at + 1], flat[at + 4]];
  const namespace = space === SAME ? before?.namespace : nameOf(space);
  const name = nameOf(flat[at + 2]);
  const socket = flat[at + 3] === SAME ? before?.socket : nameOf(flat[at + 3]);
  if (namespace === undefined || name === undefined || socket === undefined) return undefined;
  switch (code) {
    case CHANGE.enter: {
      const user = extra === null ? null : nameOf(extra);
      return user === undefined ? undefined : { code, namespace, name, socket, user, stamp: 0 };
    }
    case CHANGE.arrive:
      return isCount(extra) && extra > 0 ? { code, namespace, name, socket, user: null, stamp: extra } : undefined;
    case CHANGE.leave:
    case CHANGE.depart:
      return { code, namespace, name, socket, user: null, stamp: 0 };
    default:
      return undefined;
  }
}

/** All that a node has at the moment of the call; each change is made when it is asked for. */
export function holdingsOf(owner: Owner): Iterator<Change> {
  const all = presents(owner).map((present) => {
    const { hall, rooms, stamp } = present;
    return { present, hall, rooms: rooms instanceof Set ? [...rooms] : (allOf(rooms) as readonly Room[]), stamp };
  });
  let at = 0;
  let room = -1;
  const next = (): IteratorResult<Change> => {
    for (; at < all.length; at += 1, room = -1) {
      const { present, hall, rooms, stamp } = all[at] as (typeof all)[number];
      room += 1;
      if (room === 0 && stamp > 0) return { value: arrival(hall.name, present.user ?? '', present.id, stamp) };
      if (room === 0) room = 1;
      const entered = rooms[room - 1];
      if (entered !== undefined) return { value: entry(hall.name, entered.name, present) };
    }
    return { done: true, value: undefined };
  };
  return { next };
}

export function arrival(namespace: string, user: string, socket: string, stamp: number): Change {
  return { code: CHANGE.arrive, namespace, name: user, socket, user: null, stamp };
}

export function entry(namespace: string, room: string, { id, user }: Member): Change {
  return { code: CHANGE.enter, namespace, name: room, socket: id, user, stamp: 0 };
}
