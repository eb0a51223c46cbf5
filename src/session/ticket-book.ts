interface Tickets {
  /** The one that the peer has shown; it may not know the next. */
  shown: string | undefined;
  /** The one that was issued last. */
  latest: string;
}

/**
 * Which session a ticket brings back. A ticket is 16 random bytes and replaced at each resume. The one that was shown stays good until
 * its successor is known to have arrived: a link that breaks while the WELCOME is on its way must not cost the session.
 * Looking one up in a map takes no constant time, which tells nothing of use about 128 random bytes.
 */
export class TicketBook<Owner extends object> {
  readonly #owners = new Map<string, Owner>();
  readonly #tickets = new Map<Owner, Tickets>();

  /** Tickets that are good: one or two by session. */
  get size(): number {
    return this.#owners.size;
  }

  /** Gives a session its next ticket, of 16 bytes. Of those before only the one that was shown last stays good, until `confirm`. */
  issue(ticket: Uint8Array, owner: Owner): void {
    const latest = keyOf(ticket);
    const tickets = this.#tickets.get(owner);
    if (tickets === undefined) {
      this.#tickets.set(owner, { shown: undefined, latest });
    } else {
      if (tickets.latest !== tickets.shown) this.#owners.delete(tickets.latest);
      tickets.latest = latest;
    }
    this.#owners.set(latest, owner);
  }

  /** The session of a ticket; changes nothing. */
  peek(ticket: Uint8Array): Owner | undefined {
    return this.#owners.get(keyOf(ticket));
  }

  /** A peer resumes with this ticket: an older one is void from here on. Undefined when the ticket brings nothing back. */
  show(ticket: Uint8Array): Owner | undefined {
    const key = keyOf(ticket);
    const owner = this.#owners.get(key);
    const tickets = owner === undefined ? undefined : this.#tickets.get(owner);
    if (tickets === undefined) return undefined;
    if (tickets.shown !== undefined && tickets.shown !== key) this.#owners.delete(tickets.shown);
    tickets.shown = key;
    return owner;
  }

  /** The peer has the latest ticket: the one it had shown is void. */
  confirm(owner: Owner): void {
    const tickets = this.#tickets.get(owner);
    if (tickets?.shown === undefined || tickets.shown === tickets.latest) return;
    this.#owners.delete(tickets.shown);
    tickets.shown = undefined;
  }

  /** The session has ended. */
  forget(owner: Owner): void {
    const tickets = this.#tickets.get(owner);
    if (tickets === undefined) return;
    this.#tickets.delete(owner);
    this.#owners.delete(tickets.latest);
    if (tickets.shown !== undefined) this.#owners.delete(tickets.shown);
  }
}

const TICKET_BYTES = 16;

/** Bytes of another length are nobody's ticket. */
function keyOf(ticket: Uint8Array): string {
  return ticket.length === TICKET_BYTES ? String.fromCharCode(...ticket) : '';
}
