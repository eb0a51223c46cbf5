/**
 * Which session a ticket brings back. A ticket is 16 random bytes, good once: a session has one ticket at a time, and the next one replaces it.
 * Looking one up in a map takes no constant time, which tells nothing of use about 128 random bytes.
 */
export class TicketBook<Owner extends object> {
  readonly #owners = new Map<string, Owner>();
  readonly #tickets = new Map<Owner, string>();

  get size(): number {
    return this.#owners.size;
  }

  /** Gives a session its next ticket; the one before is void. */
  issue(ticket: Uint8Array, owner: Owner): void {
    this.forget(owner);
    const key = keyOf(ticket);
    this.#owners.set(key, owner);
    this.#tickets.set(owner, key);
  }

  find(ticket: Uint8Array): Owner | undefined {
    return this.#owners.get(keyOf(ticket));
  }

  /** The session has ended. */
  forget(owner: Owner): void {
    const key = this.#tickets.get(owner);
    if (key === undefined) return;
    this.#tickets.delete(owner);
    this.#owners.delete(key);
  }
}

function keyOf(ticket: Uint8Array): string {
  return String.fromCharCode(...ticket);
}
