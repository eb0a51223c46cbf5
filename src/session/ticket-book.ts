/** The tickets of one session; the business of its book alone. */
export interface Tickets {
  /** The one that the peer has shown; it may not know the next. */
  shown: string | undefined;
  /** The number of the HELLO that showed it. */
  attempt: number;
  /** The one that was issued last. */
  latest: string;
}

/** Whose tickets a book keeps: a place of its own for them takes half the memory of a map. */
export interface TicketOwner {
  tickets?: Tickets | undefined;
}

/**
 * Which session a ticket brings back. A ticket is 16 random bytes and replaced at each resume. The one that was shown stays good until
 * its successor is known to have arrived: a link that breaks while the WELCOME is on its way must not cost the session. The client
 * numbers its attempts, so that the HELLO of a link it has given up, arriving late, does not take the session from the link in use.
 * Looking one up in a map takes no constant time, which tells nothing of use about 128 random bytes.
 */
export class TicketBook<Owner extends TicketOwner> {
  readonly #owners = new Map<string, Owner>();

  /** Tickets that are good: one or two by session. */
  get size(): number {
    return this.#owners.size;
  }

  /** Gives a session its next ticket, of 16 bytes. Of those before only the one that was shown last stays good, until `confirm`. */
  issue(ticket: Uint8Array, owner: Owner): void {
    const latest = ticketKey(ticket);
    const { tickets } = owner;
    if (tickets === undefined) {
      owner.tickets = { shown: undefined, attempt: 0, latest };
    } else {
      if (tickets.latest !== tickets.shown) this.#owners.delete(tickets.latest);
      tickets.latest = latest;
    }
    this.#owners.set(latest, owner);
  }

  /**
   * The session of a ticket; changes nothing. Undefined when the ticket brings nothing back, also because a later attempt
   * already has. `attempt` is the client's number of this HELLO; 0 when it doesn't count them.
   */
  peek(ticket: Uint8Array, attempt = 0): Owner | undefined {
    const owner = this.#owners.get(ticketKey(ticket));
    const tickets = owner?.tickets;
    return attempt !== 0 && tickets !== undefined && attempt <= tickets.attempt ? undefined : owner;
  }

  /** A peer resumes with this ticket, which `peek` found good: an older one is void from here on. */
  show(ticket: Uint8Array, attempt = 0): void {
    const key = ticketKey(ticket);
    const { tickets } = this.#owners.get(key) ?? {};
    if (tickets === undefined) return;
    if (tickets.shown !== undefined && tickets.shown !== key) this.#owners.delete(tickets.shown);
    tickets.shown = key;
    tickets.attempt = Math.max(attempt, tickets.attempt);
  }

  /** The peer has the latest ticket: the one it had shown is void. */
  confirm({ tickets }: Owner): void {
    if (tickets?.shown === undefined || tickets.shown === tickets.latest) return;
    this.#owners.delete(tickets.shown);
    tickets.shown = undefined;
  }

  /** The tickets of a session that are good, by their keys. */
  keysOf({ tickets }: Owner): readonly string[] {
    const { shown, latest } = tickets ?? {};
    return [shown, latest].filter((key) => key !== undefined);
  }

  /** The session has ended. */
  forget(owner: Owner): void {
    const { tickets } = owner;
    if (tickets === undefined) return;
    owner.tickets = undefined;
    this.#owners.delete(tickets.latest);
    if (tickets.shown !== undefined) this.#owners.delete(tickets.shown);
  }
}

const TICKET_BYTES = 16;

/** Bytes of another length are nobody's ticket. */
export function ticketKey(ticket: Uint8Array): string {
  // Spread goes by the iterator of the array, which takes longer.
  return ticket.length === TICKET_BYTES ? String.fromCharCode.apply(null, ticket as unknown as number[]) : '';
}
