import { CHANGE, type Change } from './changes.ts';
import { type Directory, type Owner, type Present, presents, type Room } from './directory.ts';
import { allOf, type Few, isIn, withoutOne } from './few.ts';

/** What a peer had before its snapshot came, less what the snapshot has shown: in the end what is no longer true. */
export class Remainder {
  readonly #directory: Directory;
  readonly #owner: Owner;
  readonly #rooms = new Map<Present, Few<Room>>();
  readonly #logins = new Set<Present>();

  constructor(directory: Directory, owner: Owner) {
    this.#directory = directory;
    this.#owner = owner;
    for (const present of presents(owner)) {
      const { rooms } = present;
      if (present.stamp > 0) this.#logins.add(present);
      this.#rooms.set(present, rooms instanceof Set ? new Set(rooms) : rooms);
    }
  }

  /** Takes in what the snapshot shows: nothing happens where it was so before. */
  show(change: Change): void {
    if (change.code === CHANGE.arrive) this.#showLogin(change);
    else this.#showMember(change);
  }

  /** Ends what was not shown. */
  finish(): void {
    for (const [present, rooms] of this.#rooms) {
      for (const room of allOf(rooms)) if (isIn(room.members, present)) this.#directory.leaveOf(present, room);
    }
    for (const present of this.#logins) if (present.stamp > 0) this.#directory.departOf(present);
  }

  #showLogin({ namespace, name, socket, stamp }: Change): void {
    const present = this.#find(namespace, socket, name);
    if (present !== undefined) this.#logins.delete(present);
    if (present?.stamp === stamp) return;
    if (present !== undefined && present.stamp > 0) this.#directory.departOf(present);
    this.#directory.arrive(this.#owner, namespace, name, socket, stamp);
  }

  #showMember({ namespace, name, socket, user }: Change): void {
    const present = this.#find(namespace, socket, user);
    const room = this.#directory.hall(namespace)?.rooms.get(name);
    const rooms = present && this.#rooms.get(present);
    if (present !== undefined && room !== undefined && rooms !== undefined && isIn(rooms, room)) {
      this.#rooms.set(present, withoutOne(rooms, room));
      return;
    }
    // It may be there under another user's name.
    this.#directory.leave(this.#owner, namespace, name, socket);
    this.#directory.enter(this.#owner, namespace, name, { id: socket, user });
  }

  #find(namespace: string, socket: string, user: string | null): Present | undefined {
    const hall = this.#directory.hall(namespace);
    let one = hall && this.#owner.halls.get(hall)?.get(socket);
    while (one !== undefined && one.user !== user) one = one.other;
    return one;
  }
}
