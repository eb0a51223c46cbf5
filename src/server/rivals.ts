import { createHash } from 'node:crypto';
import { CLOSE, closeReason, HawserError } from '../core/index.ts';
import { type Engine, MemoryEngine } from '../engine/index.ts';
import { isRecord } from '../room/index.ts';
import { type TicketBook, ticketKey } from '../session/index.ts';
import type { Attendant } from './attendant.ts';
import type { Shown } from './handshake.ts';
import type { Login } from './login.ts';
import type { Identity, ResolvedServerOptions } from './options.ts';
import type { Places } from './places.ts';

/**
 * What is asked of a user's sockets on other nodes. `proof` is the hash of the ticket that the peer has shown: the node that issued the
 * ticket knows its own client by it, and nobody who hears it can use it as a ticket.
 */
interface LoginQuestion {
  readonly kind: 'login/1';
  readonly namespace: string;
  readonly user: string;
  /** One socket alone: the peer is in already. */
  readonly socket?: string;
  readonly proof?: string;
}

interface LoginAnswer {
  /** One that has a link, and is not the asking peer's own. */
  readonly isLinked: boolean;
  /** The ticket is of a session that gave way to a newer login. */
  readonly isDisplaced: boolean;
}

/** ms that other nodes have to answer before a user is let in without. */
const WAIT = 1000;
const MOST_LETTERS = 1024;
const ELSEWHERE = 'the user logged in elsewhere';

/** Second logins across nodes: asks the others before a user is let in, and ends who gives way when two have met all the same. */
export class Rivals {
  readonly #options: ResolvedServerOptions;
  readonly #places: Places;
  readonly #tickets: TicketBook<Attendant>;
  readonly #login: Login;
  /** By what ticket a socket's client knew itself before. */
  readonly #proofs = new WeakMap<Attendant, string>();
  /** Their clients have gone on by another node. */
  readonly #left = new WeakSet<Attendant>();

  constructor(options: ResolvedServerOptions, places: Places, tickets: TicketBook<Attendant>, login: Login) {
    this.#options = options;
    this.#places = places;
    this.#tickets = tickets;
    this.#login = login;
  }

  /**
   * Undefined, or a promise of nothing, for who may come in as far as other nodes know. One that is silent keeps nobody out, and costs a second.
   * @throws HawserError ERR_ALREADY_LOGGED_IN, ERR_LOGGED_IN_ELSEWHERE, by the promise.
   */
  check({ namespace, greeting }: Shown, { user }: Identity): Promise<void> | undefined {
    const ticket = greeting.resume?.ticket;
    const policy = this.#login.policyAt(namespace);
    if (user === null || policy === 'allow' || this.#isAlone) return undefined;
    if (ticket !== undefined && this.#tickets.peek(ticket)?.user === user) return undefined;
    if (policy === 'replace' && ticket === undefined) return undefined;
    const proof = ticket === undefined ? {} : { proof: proofOf(ticketKey(ticket)) };
    return this.#ask({ kind: 'login/1', namespace, user, ...proof }, policy === 'reject');
  }

  /** A socket was given to who has shown this ticket, which is of another session. */
  showed(attendant: Attendant, ticket: Uint8Array): void {
    if (!this.#isAlone) this.#proofs.set(attendant, proofOf(ticketKey(ticket)));
  }

  /** Undefined for what is no question of this kind. @throws HawserError ERR_ARGUMENT for one that makes no sense. */
  answer(question: unknown): LoginAnswer | undefined {
    if (!isRecord(question) || question['kind'] !== 'login/1') return undefined;
    const { namespace, user, socket, proof } = readQuestion(question);
    const sockets = [...(this.#places.rooms(namespace)?.ofUser(user) ?? [])] as Attendant[];
    const asked = sockets.filter(({ id }) => socket === undefined || id === socket);
    const own = proof === undefined ? [] : asked.filter((one) => this.#isOf(one, proof));
    for (const one of own) this.#leave(one, socket !== undefined);
    const isLinked = asked.some((one) => one.session.state === 'up' && !own.includes(one));
    return { isLinked, isDisplaced: proof !== undefined && this.#login.isDisplaced(proof, user) };
  }

  /** As `EngineHost.rival`: of two sockets of a user on two nodes one gives way, by the rule of their namespace. */
  met(namespace: string, user: string, mine: string, theirs: string, later: 'mine' | 'theirs'): void {
    const attendant = this.#places.rooms(namespace)?.seat(mine) as Attendant | undefined;
    const policy = this.#login.policyAt(namespace);
    if (attendant === undefined || policy === 'allow') return;
    if (later === 'theirs') this.#comeFirst(attendant, user, policy === 'replace');
    else if (policy === 'reject') void this.#comeLater(attendant, user, theirs);
  }

  /** The earlier one: with `reject` it gives way only without a link. */
  #comeFirst(attendant: Attendant, user: string, mustGo: boolean): void {
    if (this.#left.has(attendant)) attendant.close(closeReason(CLOSE.replaced, 'the client went on by another node'));
    else if (mustGo || attendant.session.state !== 'up') this.#login.displace(attendant, user);
  }

  /** The later one: where the earlier has a link it goes. Who is silent keeps nobody out. */
  async #comeLater(attendant: Attendant, user: string, theirs: string): Promise<void> {
    const { engine, onError } = this.#options;
    const namespace = attendant.namespace.name;
    const known = this.#proofs.get(attendant);
    const proof = known === undefined ? {} : { proof: known };
    try {
      const found = (await engine.whereIs(namespace, user)).find(({ socket }) => socket === theirs);
      if (found === undefined) return;
      const question: LoginQuestion = { kind: 'login/1', namespace, user, socket: theirs, ...proof };
      const { answers } = await engine.ask(question, { nodes: [found.node], timeout: WAIT });
      if (!answers.some(({ data }) => isAnswer(data) && data.isLinked)) return;
      attendant.close(closeReason(CLOSE.alreadyLoggedIn, 'the user is logged in already'));
    } catch (error) {
      onError(error, 'second login');
    }
  }

  async #ask(question: LoginQuestion, rejects: boolean): Promise<void> {
    const answers = await this.#answersTo(question);
    if (answers.some(({ isDisplaced }) => isDisplaced)) throw new HawserError('ERR_LOGGED_IN_ELSEWHERE', ELSEWHERE);
    if (rejects && answers.some(({ isLinked }) => isLinked)) {
      throw new HawserError('ERR_ALREADY_LOGGED_IN', 'the user is logged in already');
    }
  }

  /** With a ticket any node may know it; without one only those where the user is. None when the engine can't say. */
  async #answersTo(question: LoginQuestion): Promise<readonly LoginAnswer[]> {
    const { engine, onError } = this.#options;
    try {
      const nodes = question.proof === undefined ? await this.#nodesOf(engine, question) : undefined;
      if (nodes?.length === 0) return [];
      const { answers } = await engine.ask(question, { timeout: WAIT, ...(nodes && { nodes }) });
      return answers.flatMap(({ data }) => (isAnswer(data) ? [data] : []));
    } catch (error) {
      // Very many at once: the nodes find out later about those who should not have come in.
      if ((error as Partial<HawserError>).code !== 'ERR_TOO_MANY_REQUESTS') onError(error, 'second login');
      return [];
    }
  }

  async #nodesOf(engine: Engine, { namespace, user }: LoginQuestion): Promise<readonly string[]> {
    const [where, nodes] = await Promise.all([engine.whereIs(namespace, user), engine.nodes()]);
    const self = nodes.find(({ isSelf }) => isSelf)?.id;
    return [...new Set(where.map(({ node }) => node))].filter((node) => node !== self);
  }

  /** The client of this socket is on its way to another node, or there already. */
  #leave(attendant: Attendant, isThere: boolean): void {
    this.#left.add(attendant);
    if (isThere) attendant.close(closeReason(CLOSE.replaced, 'the client went on by another node'));
  }

  #isOf(attendant: Attendant, proof: string): boolean {
    if (this.#proofs.get(attendant) === proof) return true;
    return this.#tickets.keysOf(attendant).some((key) => proofOf(key) === proof);
  }

  /** Nobody else can be asked: nothing is waited for. */
  get #isAlone(): boolean {
    return this.#options.engine instanceof MemoryEngine;
  }
}

/** What a node may know of another's ticket. `key` is the ticket's. */
export function proofOf(key: string): string {
  return createHash('sha256').update(key, 'latin1').digest('base64url');
}

function readQuestion(question: Readonly<Record<string, unknown>>): LoginQuestion {
  const { namespace, user, socket, proof } = question;
  const isWhole = isText(namespace) && isText(user) && isTextOrNone(socket) && isTextOrNone(proof);
  if (isWhole) return question as unknown as LoginQuestion;
  throw new HawserError('ERR_ARGUMENT', 'a question about a login that makes no sense');
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.length <= MOST_LETTERS;
}

function isTextOrNone(value: unknown): boolean {
  return value === undefined || isText(value);
}

function isAnswer(data: unknown): data is LoginAnswer {
  return isRecord(data) && typeof data['isLinked'] === 'boolean' && typeof data['isDisplaced'] === 'boolean';
}
