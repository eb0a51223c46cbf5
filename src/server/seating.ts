import { channelRoomOf } from '../channel/index.ts';
import { whole } from '../core/index.ts';
import type { TimerWheel } from '../runtime/index.ts';
import { TicketBook } from '../session/index.ts';
import { type Hello, PROTOCOL_VERSION } from '../wire/index.ts';
import type { Admission } from './admission.ts';
import { Attendant, type House } from './attendant.ts';
import type { Connection } from './connection.ts';
import { queryOf, type Shown } from './handshake.ts';
import { Login } from './login.ts';
import { Admitted } from './middleware.ts';
import type { Identity, ResolvedServerOptions } from './options.ts';
import type { Places } from './places.ts';
import { Rivals } from './rivals.ts';

const TICKET_BYTES = 16;
const ID_BYTES = 9;

/** What a server's sockets are seated in. */
export interface SeatingParts {
  readonly options: ResolvedServerOptions;
  readonly places: Places;
  readonly admission: Admission;
  readonly wheel: TimerWheel;
  /** Nobody new is seated. */
  readonly isClosed: () => boolean;
  /** A socket came or went. */
  readonly counted: () => void;
}

/** The sockets of a server: who gets one, who goes on with the one that he had, and what becomes of their tickets. */
export class Seating {
  readonly login: Login;
  readonly rivals: Rivals;
  readonly counters: { received: number; sent: number; dropped: number } = { received: 0, sent: 0, dropped: 0 };
  readonly #options: ResolvedServerOptions;
  readonly #places: Places;
  readonly #admission: Admission;
  readonly #attendants = new Set<Attendant>();
  readonly #tickets = new TicketBook<Attendant>();
  readonly #house: House;
  readonly #isClosed: () => boolean;
  readonly #counted: () => void;

  constructor({ options, places, admission, wheel, isClosed, counted }: SeatingParts) {
    this.#options = options;
    this.#places = places;
    this.#admission = admission;
    this.#isClosed = isClosed;
    this.#counted = counted;
    this.login = new Login(options, places, this.#tickets);
    this.rivals = new Rivals(options, places, this.#tickets, this.login);
    this.#house = this.#makeHouse(wheel);
  }

  /** All sockets, those that wait for a resume included. */
  get attendants(): ReadonlySet<Attendant> {
    return this.#attendants;
  }

  /** Who the peer is, if other nodes have nothing against it. No promise where there is nothing to wait for. */
  authenticate(shown: Shown): Identity | Promise<Identity> {
    const identity = this.login.authenticate(shown);
    if (identity instanceof Promise) return identity.then((known) => this.#checked(shown, known));
    return this.#checked(shown, identity);
  }

  /**
   * Gives who has been let in a socket of his own, or the one that his ticket brings back.
   * @throws HawserError ERR_ALREADY_LOGGED_IN, ERR_LOGGED_IN_ELSEWHERE, ERR_REPLACED; what a limit of sockets says.
   */
  seat(connection: Connection, hello: Hello | undefined, shown: Shown, identity: Identity): void {
    if (hello?.resume !== undefined && this.#resume(connection, hello, shown, identity)) return;
    const place = this.#isClosed() ? undefined : this.#places.open(shown.namespace);
    if (place === undefined) {
      connection.refuse('ERR_SERVER_CLOSING', 'the server is closing');
      return;
    }
    const known = { ticket: hello?.resume?.ticket };
    this.login.refuseSecond(place, identity.user, known);
    this.#admission.sit(connection.link.peer);
    this.login.displaceOthers(place, identity.user, known);
    const id = base64url(this.#options.world.random.bytes(ID_BYTES));
    const attendant = new Attendant(this.#house, id, place, connection, identity, queryOf(shown), hello?.channels);
    if (hello?.positions !== undefined) attendant.showPositions(hello.positions);
    if (identity instanceof Admitted) Object.assign(attendant.socket.data, identity.data);
    if (known.ticket !== undefined) this.rivals.showed(attendant, known.ticket);
    this.#attendants.add(attendant);
    this.#counted();
    place.rooms.add(attendant);
    this.#places.enter(place);
    connection.serve(attendant);
    if (hello !== undefined) this.#sayWelcome(attendant, connection, hello.resume === undefined ? undefined : false);
    attendant.attach(connection);
    place.setup.tell('connection', this.#options.onError, attendant.socket, place.face);
  }

  #checked(shown: Shown, identity: Identity): Identity | Promise<Identity> {
    return this.rivals.check(shown, identity)?.then(() => identity) ?? identity;
  }

  /** Goes on with the session that the ticket brings back, if it is there still, is this user's, and the counts can be. */
  #resume(connection: Connection, hello: Hello, shown: Shown, identity: Identity): boolean {
    const { ticket, counts, attempt } = hello.resume ?? {};
    if (ticket === undefined || counts === undefined) return false;
    const attendant = this.#tickets.peek(ticket, attempt);
    if (
      attendant === undefined ||
      attendant.user !== identity.user ||
      attendant.namespace.name !== shown.namespace ||
      !attendant.session.canResume(counts)
    ) {
      this.login.refuseLate(ticket, attempt, identity.user);
      return false;
    }
    this.#tickets.show(ticket, attempt);
    this.#sayWelcome(attendant, connection, true);
    connection.serve(attendant);
    // The same user, but what else authentication says may be newer.
    attendant.identify(identity);
    attendant.attach(connection, counts);
    return true;
  }

  #sayWelcome(attendant: Attendant, connection: Connection, recovered: boolean | undefined): void {
    const { limits, times, world, name } = this.#options;
    const resumes = connection.codec.acknowledges && times.resumeWindow > 0;
    const ticket = resumes ? world.random.bytes(TICKET_BYTES) : undefined;
    if (ticket !== undefined) this.#tickets.issue(ticket, attendant);
    connection.send(
      connection.codec.welcome({
        version: PROTOCOL_VERSION,
        id: attendant.id,
        user: attendant.user,
        server: name,
        recovered,
        ticket,
        counts: recovered === true ? attendant.session.counts() : undefined,
        heartbeat: whole(times.heartbeat),
        readWait: whole(times.readWait),
        resumeWindow: whole(times.resumeWindow),
        messageBytes: whole(limits.messageBytes),
        channels: connection.codec.channels && channelRoomOf(limits),
      }),
    );
  }

  /** Who has a socket shows credentials anew. @throws HawserError ERR_ALREADY_LOGGED_IN. */
  rename(attendant: Attendant, connection: Connection, identity: Identity): void {
    this.login.refuseSecond(attendant.place, identity.user, { self: attendant });
    this.login.displaceOthers(attendant.place, identity.user, { self: attendant });
    attendant.identify(identity);
    this.#sayWelcome(attendant, connection, undefined);
  }

  #makeHouse(wheel: TimerWheel): House {
    const { limits, times } = this.#options;
    return {
      options: this.#options,
      counters: this.counters,
      wheel,
      sessionSettings: { ...limits, ...times, role: 'server' },
      confirmed: (attendant) => this.#tickets.confirm(attendant),
      ended: (attendant) => this.#ended(attendant),
    };
  }

  #ended(attendant: Attendant): void {
    this.#attendants.delete(attendant);
    this.#counted();
    this.#tickets.forget(attendant);
    this.#admission.rise(attendant.peer);
    this.#places.left(attendant.namespace);
  }
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** RFC 4648 5, of bytes that come in threes. */
function base64url(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const [a = 0, b = 0, c = 0] = [bytes[at], bytes[at + 1], bytes[at + 2]];
    for (const six of [a >> 2, (a << 4) | (b >> 4), (b << 2) | (c >> 6), c]) text += LETTERS.charAt(six & 63);
  }
  return text;
}
