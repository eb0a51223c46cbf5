import { CLOSE, closeReason, HawserError } from '../core/index.ts';
import { type TicketBook, ticketKey } from '../session/index.ts';
import type { Attendant } from './attendant.ts';
import { type Admitted, admit } from './middleware.ts';
import type { Credentials, Identity, ResolvedServerOptions } from './options.ts';
import type { Place, Places, Standing } from './places.ts';
import type { SecondLogin } from './setup.ts';

const NO_PARAMS = Object.freeze({});

interface Displaced {
  readonly user: string;
  readonly until: number;
}

/** Who may come in, and what becomes of a user who comes in twice. */
export class Login {
  readonly #options: ResolvedServerOptions;
  readonly #places: Places;
  readonly #tickets: TicketBook<Attendant>;
  /** Tickets of sockets that gave way to another of their user, oldest first. */
  readonly #displaced = new Map<string, Displaced>();

  constructor(options: ResolvedServerOptions, places: Places, tickets: TicketBook<Attendant>) {
    this.#options = options;
    this.#places = places;
    this.#tickets = tickets;
  }

  /** What `authenticate` says, if the namespace's middleware lets it pass. No promise where neither makes one. */
  authenticate(credentials: Credentials): Admitted | Promise<Admitted> {
    const { authenticate, nameOneself } = this.#options;
    const seen = { ...credentials, params: this.#standing(credentials)?.params ?? NO_PARAMS };
    const identity = authenticate?.(seen) ?? { user: nameOneself ? (credentials.user ?? null) : null };
    if (identity instanceof Promise) return identity.then((known) => this.#admit(seen, known));
    return this.#admit(seen, identity);
  }

  /** @throws HawserError ERR_ALREADY_LOGGED_IN: the user has a socket with a link here, and the namespace wants no second. */
  refuseSecond({ rooms, setup }: Place, user: string | null, self?: Attendant): void {
    if (user === null || this.#policyOf(setup.options) !== 'reject') return;
    for (const seat of rooms.ofUser(user)) {
      if (seat !== self && (seat as Attendant).session.state === 'up') {
        throw new HawserError('ERR_ALREADY_LOGGED_IN', 'the user is logged in already');
      }
    }
  }

  /** Ends the user's other sockets where the namespace wants but one; their clients stay away, also those that can't be told now. */
  displaceOthers({ rooms, setup }: Place, user: string | null, self?: Attendant): void {
    if (user === null || this.#policyOf(setup.options) === 'allow') return;
    for (const seat of [...rooms.ofUser(user)]) {
      if (seat === self) continue;
      this.#remember(seat as Attendant, user);
      (seat as Attendant).close(closeReason(CLOSE.loggedInElsewhere, 'the user logged in elsewhere'));
    }
  }

  /** @throws HawserError ERR_LOGGED_IN_ELSEWHERE: the ticket is that of a socket which gave way to a newer login. */
  refuseDisplaced(ticket: Uint8Array, user: string | null): void {
    const displaced = this.#displaced.get(ticketKey(ticket));
    if (displaced === undefined || displaced.user !== user || displaced.until < this.#options.world.now()) return;
    throw new HawserError('ERR_LOGGED_IN_ELSEWHERE', 'the user logged in elsewhere');
  }

  #admit(credentials: Credentials, identity: Identity): Admitted | Promise<Admitted> {
    checkIdentity(identity, this.#options.limits.nameLength);
    return admit(this.#standing(credentials)?.setup.admissions ?? [], credentials, identity, this.#options.onError);
  }

  #standing({ namespace }: Credentials): Extract<Standing, { kind: 'open' }> | undefined {
    const standing = this.#places.look(namespace);
    return standing.kind === 'open' ? standing : undefined;
  }

  #policyOf({ secondLogin }: Place['setup']['options']): SecondLogin {
    return secondLogin ?? this.#options.secondLogin;
  }

  /** For as long as its client would try to resume; no more than there may be sockets. */
  #remember(attendant: Attendant, user: string): void {
    const { world, times, limits } = this.#options;
    const now = world.now();
    for (const key of this.#tickets.keysOf(attendant)) {
      this.#displaced.set(key, { user, until: now + times.resumeWindow });
    }
    for (const [key, { until }] of this.#displaced) {
      if (until > now && this.#displaced.size <= limits.sockets) break;
      this.#displaced.delete(key);
    }
  }
}

/** What `authenticate` returned is an application's word: a wrong shape is its bug, told as such. */
function checkIdentity(identity: Identity, nameLength: number): void {
  const user: unknown = identity?.user;
  if (user === null || (typeof user === 'string' && user !== '' && user.length <= nameLength)) return;
  throw new HawserError('ERR_AUTH_FAILED', `a user is a name of 1 to ${nameLength} characters, or null`);
}
