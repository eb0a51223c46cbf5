import { CLOSE, closeReason, HawserError } from '../core/index.ts';
import { type TicketBook, ticketKey } from '../session/index.ts';
import type { Attendant } from './attendant.ts';
import { credentialsOf, type Shown } from './handshake.ts';
import { type Admitted, admit } from './middleware.ts';
import type { Credentials, Identity, ResolvedServerOptions } from './options.ts';
import type { Place, Places, Standing } from './places.ts';
import { proofOf } from './rivals.ts';
import type { SecondLogin } from './setup.ts';

/** All those who are nobody in particular. */
const NOBODY: Identity = Object.freeze({ user: null });

interface Displaced {
  readonly user: string;
  readonly until: number;
}

/** What tells a second login from the same one: the socket that names itself anew, or the ticket that the peer has shown. */
interface Known {
  readonly self?: Attendant;
  readonly ticket?: Uint8Array | undefined;
}

/** Who may come in, and what becomes of a user who comes in twice. */
export class Login {
  readonly #options: ResolvedServerOptions;
  readonly #places: Places;
  readonly #tickets: TicketBook<Attendant>;
  /** By the proofs of the tickets of sockets that gave way to another of their user, oldest first. */
  readonly #displaced = new Map<string, Displaced>();

  constructor(options: ResolvedServerOptions, places: Places, tickets: TicketBook<Attendant>) {
    this.#options = options;
    this.#places = places;
    this.#tickets = tickets;
  }

  /** What `authenticate` says, if the namespace's middleware lets it pass. No promise where neither makes one. */
  authenticate(shown: Shown): Identity | Promise<Identity> {
    const { authenticate, nameOneself, limits } = this.#options;
    const standing = this.#standing(shown);
    const { user } = shown.greeting;
    const named = nameOneself && user !== undefined ? { user } : NOBODY;
    if (authenticate === undefined && (standing?.setup.admissions.length ?? 0) === 0) {
      checkIdentity(named, limits.nameLength);
      return named;
    }
    const seen = credentialsOf(shown, standing?.params);
    const identity = authenticate?.(seen) ?? named;
    if (identity instanceof Promise) return identity.then((known) => this.#admit(seen, known));
    return this.#admit(seen, identity);
  }

  /** @throws HawserError ERR_ALREADY_LOGGED_IN: the user has a socket with a link here, and the namespace wants no second. */
  refuseSecond(place: Place, user: string | null, { self, ticket }: Known): void {
    if (this.#policyOf(place) !== 'reject') return;
    for (const other of othersOf(place, user, self)) {
      if (other.session.state === 'up' && !this.#isOf(other, ticket)) {
        throw new HawserError('ERR_ALREADY_LOGGED_IN', 'the user is logged in already');
      }
    }
  }

  /**
   * Ends the user's other sockets where the namespace wants but one; their clients stay away, also those that can't be told now. A client
   * that could not go on with its own socket takes that one's place, and is not shut out by it.
   */
  displaceOthers(place: Place, user: string | null, { self, ticket }: Known): void {
    if (this.#policyOf(place) === 'allow') return;
    for (const other of othersOf(place, user, self)) {
      if (user !== null && !this.#isOf(other, ticket)) this.#remember(other, user);
      other.close(closeReason(CLOSE.loggedInElsewhere, 'the user logged in elsewhere'));
    }
  }

  /** Ends a socket whose user has come in by another one; its client stays away, also when it can't be told now. */
  displace(attendant: Attendant, user: string): void {
    this.#remember(attendant, user);
    attendant.close(closeReason(CLOSE.loggedInElsewhere, 'the user logged in elsewhere'));
  }

  /** Whether the ticket of this proof is of a socket of the user's that gave way. */
  isDisplaced(proof: string, user: string): boolean {
    const displaced = this.#displaced.get(proof);
    return displaced?.user === user && displaced.until >= this.#options.world.now();
  }

  /** What becomes of a user who comes in twice at this path. */
  policyAt(namespace: string): SecondLogin {
    const setup = this.#standing({ namespace })?.setup;
    return setup?.options.secondLogin ?? this.#options.secondLogin;
  }

  /**
   * A ticket did not bring its session back. Where there may be but one socket, what comes late must not end the one in use.
   * @throws HawserError ERR_LOGGED_IN_ELSEWHERE: the session gave way to a newer login. ERR_REPLACED: the same client has gone on with it
   *   by a later attempt.
   */
  refuseLate(ticket: Uint8Array, attempt: number | undefined, user: string | null): void {
    if (user !== null && this.isDisplaced(proofOf(ticketKey(ticket)), user)) {
      throw new HawserError('ERR_LOGGED_IN_ELSEWHERE', 'the user logged in elsewhere');
    }
    const owner = this.#tickets.peek(ticket);
    const overtaken = owner !== undefined && this.#tickets.peek(ticket, attempt) === undefined;
    if (overtaken && owner.user === user && this.#policyOf(owner.place) !== 'allow') {
      throw new HawserError('ERR_REPLACED', 'a later attempt has the session');
    }
  }

  #admit(credentials: Credentials, identity: Identity): Admitted | Promise<Admitted> {
    checkIdentity(identity, this.#options.limits.nameLength);
    return admit(this.#standing(credentials)?.setup.admissions ?? [], credentials, identity, this.#options.onError);
  }

  #standing({ namespace }: Pick<Credentials, 'namespace'>): Extract<Standing, { kind: 'open' }> | undefined {
    const standing = this.#places.look(namespace);
    return standing.kind === 'open' ? standing : undefined;
  }

  #policyOf({ setup }: Place): SecondLogin {
    return setup.options.secondLogin ?? this.#options.secondLogin;
  }

  #isOf(attendant: Attendant, ticket: Uint8Array | undefined): boolean {
    return ticket !== undefined && this.#tickets.keysOf(attendant).includes(ticketKey(ticket));
  }

  /** For as long as its client would try to resume; no more than there may be sockets. */
  #remember(attendant: Attendant, user: string): void {
    const { world, times, limits } = this.#options;
    const now = world.now();
    for (const key of this.#tickets.keysOf(attendant)) {
      this.#displaced.set(proofOf(key), { user, until: now + times.resumeWindow });
    }
    for (const [key, { until }] of this.#displaced) {
      if (until > now && this.#displaced.size <= limits.sockets) break;
      this.#displaced.delete(key);
    }
  }
}

/** The user's other sockets in the namespace; nobody has none. */
function othersOf({ rooms }: Place, user: string | null, self: Attendant | undefined): Attendant[] {
  return user === null ? [] : ([...rooms.ofUser(user)] as Attendant[]).filter((one) => one !== self);
}

/** What `authenticate` returned is an application's word: a wrong shape is its bug, told as such. */
function checkIdentity(identity: Identity, nameLength: number): void {
  const user: unknown = identity?.user;
  if (user === null) return;
  const isName = typeof user === 'string' && user !== '' && user.length <= nameLength;
  // Half a surrogate pair can't be told in UTF-8: neither to the peer itself, nor to others.
  if (isName && !/\p{Surrogate}/u.test(user)) return;
  throw new HawserError('ERR_AUTH_FAILED', `a user is a name of 1 to ${nameLength} characters, or null`);
}
