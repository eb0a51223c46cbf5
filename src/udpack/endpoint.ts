import type { Instant } from '../core/index.ts';
import type { Address } from './address.ts';
import { AddressRates } from './address-rates.ts';
import type { ControllerName } from './congestion/index.ts';
import type { Crypto, KeyPair } from './crypto.ts';
import { Deadlines } from './deadlines.ts';
import { ID_BYTES, RESET_TOKEN_BYTES } from './frames.ts';
import { type Init, KIND, ServerHandshake } from './handshake/index.ts';
import { resetTokenOf } from './ids.ts';
import { UDPACK_LIMITS, UDPACK_TIMES, type UdpackLimits, type UdpackTimes } from './options.ts';
import { KEY_LIMITS, type KeyLimits, looksSealed } from './protection.ts';
import { Row } from './row.ts';
import { Session } from './session.ts';
import { parametersOf, type SessionHost, type SessionOptions, type Trace } from './session-types.ts';
import { Routing, type WorkerOptions } from './workers.ts';

/** Answers that wait to be sent and belong to no session; further ones are dropped. */
const ANSWERS_MOST = 256;
/** A RESET is at least so long, so that it looks like any datagram. */
const RESET_LEAST = 40;
/** A handshake has so many ms to show that its address is its own, before it gives way to others where there is no room. */
const HALF_OPEN_LEAST = 1000;
/** RESETs a second to one address, and at once. */
const RESETS_PER_SECOND = 10;
const RESET_BURST = 20;

export interface EndpointOptions {
  readonly crypto: Crypto;
  /** The server's key; without one nobody is let in. */
  readonly key?: KeyPair | undefined;
  /** What stateless resets are made of; an endpoint that is to end sessions from before its restart has the same one as before. */
  readonly resetSecret?: Uint8Array | undefined;
  readonly limits?: Partial<UdpackLimits> | undefined;
  readonly times?: Partial<UdpackTimes> | undefined;
  readonly keyLimits?: Partial<KeyLimits> | undefined;
  /** Default `bbr`. */
  readonly congestion?: ControllerName | undefined;
  /** The longest datagram that the interface can send and our buffers take, in bytes of UDP payload. Default 1452. */
  readonly datagramSize?: number | undefined;
  /** The workers that share the socket; undefined: there are none, and no id says anything. */
  readonly workers?: WorkerOptions | undefined;
  /** Makes who hears of what happens in a session, one for each. */
  readonly trace?: (() => Trace) | undefined;
}

/** What an endpoint has done, in all. */
export interface EndpointStats {
  readonly sessions: number;
  /** Of those, the ones that have not shown yet that their address is theirs. */
  readonly halfOpen: number;
  readonly handshakes: number;
  /** Handshakes turned away: too many of one address, too many half-open, too many sessions. */
  readonly refused: number;
  readonly retries: number;
  readonly resetsSent: number;
  /** Datagrams that belonged to nothing. */
  readonly stray: number;
  /** Datagrams that were another worker's and are on their way to it. */
  readonly forwarded: number;
  /** Of those that were another worker's: dropped, since too much waits for it. */
  readonly forwardsDropped: number;
}

interface Answer {
  readonly bytes: Uint8Array;
  readonly to: Address;
}

interface HalfOpen {
  readonly response: Uint8Array;
  readonly since: Instant;
}

/**
 * All the sessions of one UDP socket, as a machine without I/O: datagrams and the time go in, datagrams, a deadline and sessions that
 * have events come out. After each call, `transmit` until it returns 0 and `poll` until it returns undefined; call `tick` at `deadline`.
 */
export class Endpoint {
  /** Where the datagram goes that `transmit` wrote last. */
  destination: Address = { address: '', port: 0 };
  /** New handshakes are not taken in any more. */
  closed = false;

  readonly #options: EndpointOptions;
  readonly #crypto: Crypto;
  readonly #limits: UdpackLimits;
  readonly #times: UdpackTimes;
  readonly #handshake: ServerHandshake | undefined;
  readonly #resetSecret: Uint8Array;
  readonly #routing: Routing | undefined;
  readonly #sessions = new Set<Session>();
  readonly #byId = new Map<number, { readonly id: Uint8Array; readonly session: Session }>();
  readonly #byReset = new Map<string, Session>();
  readonly #halfOpen = new Map<string, HalfOpen>();
  readonly #halfOpenSessions = new Map<Session, string>();
  readonly #deadlines = new Deadlines<Session>();
  readonly #rates: AddressRates;
  readonly #provedRates: AddressRates;
  readonly #resets: AddressRates;
  readonly #answers: Answer[] = [];
  /** Sessions that have something to transmit, and sessions that have something to tell. */
  readonly #sending = new Row<Session>(1);
  readonly #telling = new Row<Session>(2);
  /** Sessions whose deadline may be another by now. */
  readonly #moved = new Row<Session>(4);
  readonly #host: SessionHost;
  #counts = { handshakes: 0, refused: 0, retries: 0, resetsSent: 0, stray: 0, forwarded: 0, forwardsDropped: 0 };

  constructor(options: EndpointOptions, now: Instant) {
    this.#options = options;
    this.#crypto = options.crypto;
    this.#limits = { ...UDPACK_LIMITS, ...options.limits };
    this.#times = { ...UDPACK_TIMES, ...options.times };
    const { crypto, key, workers } = options;
    this.#handshake = key && new ServerHandshake(crypto, key, now, workers?.keys);
    this.#routing = workers && new Routing(crypto, workers);
    this.#resetSecret = options.resetSecret ?? options.crypto.random(32);
    this.#rates = new AddressRates(this.#limits.handshakeRate, this.#limits.handshakeBurst);
    this.#provedRates = new AddressRates(this.#limits.handshakeRate, this.#limits.handshakeBurst);
    this.#resets = new AddressRates(RESETS_PER_SECOND, RESET_BURST);
    this.#host = {
      wake: (session) => this.#wake(session),
      newId: (session) => this.#newId(session),
      dropId: (id) => this.#byId.delete(keyOf(id, 0)),
      resetToken: (id) => this.#resetToken(id),
      expectReset: (token, session) => this.#byReset.set(this.#resetName(token), session),
      forgetReset: (token) => this.#byReset.delete(this.#resetName(token)),
    };
  }

  get stats(): EndpointStats {
    return { sessions: this.#sessions.size, halfOpen: this.#halfOpen.size, ...this.#counts };
  }

  /** When `tick`, and `transmit` after it, want to be called. */
  get deadline(): Instant | undefined {
    this.#settle();
    return this.#deadlines.next;
  }

  /** Opens a session to a server whose public key (32 bytes) is known. */
  dial(peer: Address, serverKey: Uint8Array, token: Uint8Array, now: Instant): Session {
    const session = Session.dial({ ...this.#sessionOptions(), peer, serverKey, token }, now);
    this.#sessions.add(session);
    this.#wake(session);
    return session;
  }

  /**
   * Takes in a datagram. Its bytes are read during the call, and what is sealed in them is copied.
   * @param forwarded Whether another worker has handed it on: then it stays here.
   * @returns Whether it stayed here; false: it is another worker's.
   */
  receive(datagram: Uint8Array, from: Address, now: Instant, forwarded = false): boolean {
    const first = datagram[0] ?? 0;
    if (looksSealed(first)) return this.#onSealed(datagram, from, now, forwarded);
    if (first === KIND.init) return this.#onInit(datagram, from, now, forwarded);
    if (first === KIND.response || first === KIND.retry || first === KIND.version) {
      return this.#onAnswered(datagram, from, now, forwarded);
    }
    return this.#stray();
  }

  /** Runs what is due. */
  tick(now: Instant): void {
    const due: Session[] = [];
    this.#settle();
    for (let session = this.#deadlines.take(now); session !== undefined; session = this.#deadlines.take(now)) {
      due.push(session);
    }
    // Only then are they put back: what is due may stay so until it was transmitted.
    for (const session of due) {
      session.tick(now);
      this.#wake(session);
    }
  }

  /** Writes the next datagram into `out` and returns its length; 0: there is none now. */
  transmit(out: Uint8Array, now: Instant): number {
    const answer = this.#answers.shift();
    if (answer !== undefined) {
      out.set(answer.bytes);
      this.destination = answer.to;
      return answer.bytes.length;
    }
    // Each has its turn once, even if it wakes itself.
    for (let left = this.#sending.length; left > 0; left--) {
      const session = this.#sending.shift();
      if (session === undefined) break;
      const length = session.transmit(out, now);
      // It may have woken itself, but has nothing more to send.
      if (length > 0) this.#sending.add(session);
      else this.#sending.remove(session);
      this.#afterwards(session);
      if (length === 0) continue;
      this.destination = session.destination;
      return length;
    }
    return 0;
  }

  /** A session that may have events to poll. One that a client has opened is first heard of by its event `auth`. */
  poll(): Session | undefined {
    return this.#telling.shift();
  }

  sessions(): Iterable<Session> {
    return this.#sessions;
  }

  #sessionOptions(): SessionOptions {
    const { crypto, keyLimits, congestion = 'bbr', datagramSize = 1452 } = this.#options;
    return {
      host: this.#host,
      crypto,
      limits: this.#limits,
      times: this.#times,
      keyLimits: { ...KEY_LIMITS, age: this.#times.keyUpdate, ...keyLimits },
      congestion,
      datagramSize,
      trace: this.#options.trace?.(),
    };
  }

  #onSealed(datagram: Uint8Array, from: Address, now: Instant, forwarded: boolean): boolean {
    if (datagram.length < 1 + ID_BYTES + RESET_TOKEN_BYTES) return true;
    const session = this.#find(datagram, 1);
    if (session !== undefined) {
      session.receive(datagram, from, now);
      if (this.#halfOpenSessions.size > 0 && session.state !== 'handshaking') this.#proved(session);
      this.#wake(session);
      return true;
    }
    if (this.#routing !== undefined) {
      const passed = this.#pass(this.#routing, datagram, 1, from, forwarded);
      if (passed !== 'own') return passed;
    }
    this.#stray();
    // No mac where nobody's token is waited for: a flood should cost little.
    const reset = this.#byReset.size === 0 ? undefined : this.#byReset.get(this.#resetName(resetTokenOf(datagram)));
    if (reset !== undefined) {
      reset.onStatelessReset(now);
      this.#wake(reset);
    } else this.#reset(datagram, from, now);
    return true;
  }

  /** What answers an INIT of ours. */
  #onAnswered(datagram: Uint8Array, from: Address, now: Instant, forwarded: boolean): boolean {
    if (datagram.length < 5 + ID_BYTES) return this.#stray();
    const session = this.#find(datagram, 5);
    if (session !== undefined) {
      session.receiveHandshake(datagram, from, now);
      this.#wake(session);
      return true;
    }
    const passed = this.#routing === undefined ? 'own' : this.#pass(this.#routing, datagram, 5, from, forwarded);
    return passed === 'own' ? this.#stray() : passed;
  }

  /** Belongs to nothing. */
  #stray(): true {
    this.#counts.stray++;
    return true;
  }

  /**
   * Hands on what is another worker's, by the id at this place, and returns whether it stayed here nevertheless; `own`: nobody else would
   * answer for this id. What was handed on to the wrong one is dropped: to say that its session is gone would be to give its token away.
   */
  #pass(routing: Routing, datagram: Uint8Array, at: number, from: Address, forwarded: boolean): boolean | 'own' {
    const owner = routing.ids.workerOf(datagram, at);
    if (owner < 0 || owner === routing.self) return 'own';
    if (forwarded) return this.#stray();
    return this.#forward(owner, datagram, from) ? false : 'own';
  }

  /** False: there is no such worker. */
  #forward(worker: number, datagram: Uint8Array, from: Address): boolean {
    const forwarded = this.#routing?.forward(worker, datagram, from) ?? 'gone';
    if (forwarded === 'sent') this.#counts.forwarded++;
    else if (forwarded === 'busy') this.#counts.forwardsDropped++;
    return forwarded !== 'gone';
  }

  /** Tells who goes on talking to a session that is gone that it is. */
  #reset(datagram: Uint8Array, to: Address, now: Instant): void {
    if (this.#handshake === undefined || datagram.length <= RESET_LEAST || !this.#resets.allow(to, now)) return;
    // Shorter than what it answers, so that two endpoints don't answer each other for ever.
    const bytes = new Uint8Array(Math.min(datagram.length - 1, RESET_LEAST + 2));
    bytes.set(this.#crypto.random(bytes.length - RESET_TOKEN_BYTES));
    bytes[0] = 0x40;
    bytes.set(this.#resetToken(datagram.subarray(1, 1 + ID_BYTES)), bytes.length - RESET_TOKEN_BYTES);
    this.#counts.resetsSent++;
    this.#answer(bytes, to);
  }

  #onInit(datagram: Uint8Array, from: Address, now: Instant, forwarded: boolean): boolean {
    const handshake = this.#handshake;
    const init = this.closed && this.#routing === undefined ? undefined : handshake?.read(datagram);
    if (init === undefined || handshake === undefined) return this.#stray();
    if (init === 'version') {
      this.#answer(handshake.versions(datagram), from);
      return true;
    }
    const name = `${hex(init.ephemeral)} ${from.address} ${from.port}`;
    const known = this.#halfOpen.get(name);
    if (known === undefined && !forwarded && this.#routing !== undefined) {
      const taker = this.#routing.takerOf(init.ephemeral);
      if (taker !== this.#routing.self) {
        return !(this.#admits(handshake, init, from, now) && this.#forward(taker, datagram, from));
      }
    }
    if (this.closed) return this.#stray();
    if (known !== undefined) this.#answer(known.response, from);
    else if (this.#sessions.size >= this.#limits.sessions) this.#counts.refused++;
    else if (this.#admits(handshake, init, from, now)) this.#accept(handshake, init, name, datagram.length, from, now);
    return true;
  }

  /**
   * Whether a handshake may cost two multiplications on a curve and a session, here or at another worker's. An address that is not proved has a
   * rate too, but who forges it can use that up: beyond it a cookie is asked for, which only the address itself can show, and that has a
   * rate of its own.
   */
  #admits(handshake: ServerHandshake, init: Init, from: Address, now: Instant): boolean {
    const { halfOpen, halfOpenFree } = this.#limits;
    if (handshake.proves(init, from, now)) {
      const allowed = this.#provedRates.allow(from, now);
      if (!allowed) this.#counts.refused++;
      return allowed;
    }
    if (this.#halfOpen.size < Math.min(halfOpenFree, halfOpen) && this.#rates.allow(from, now)) return true;
    this.#counts.retries++;
    this.#answer(handshake.retry(init, from, now), from);
    return false;
  }

  /**
   * Whether one more may be half open. Where there is no room, the oldest one gives way: who never ends his handshakes, from a few
   * addresses of his own, locks nobody out.
   */
  #makeRoom(now: Instant): boolean {
    if (this.#halfOpen.size < this.#limits.halfOpen) return true;
    for (const [session, name] of this.#halfOpenSessions) {
      if (now - (this.#halfOpen.get(name)?.since ?? now) < HALF_OPEN_LEAST) break;
      session.refuse('others wait', now);
      this.#wake(session);
      return true;
    }
    return false;
  }

  #accept(handshake: ServerHandshake, init: Init, name: string, initBytes: number, from: Address, now: Instant): void {
    if (!this.#makeRoom(now)) {
      this.#counts.refused++;
      return;
    }
    const id = this.#freshId();
    const options = this.#sessionOptions();
    const answered = handshake.answer(init, parametersOf(options, id, this.#resetToken(id)));
    if (answered === undefined || answered.response.length > initBytes) {
      this.#counts.stray++;
      return;
    }
    this.#counts.handshakes++;
    const session = Session.accept(
      {
        ...options,
        peer: from,
        established: answered.established,
        id,
        remoteId: new Uint8Array(init.clientId),
        initBytes,
        responseBytes: answered.response.length,
      },
      now,
    );
    this.#byId.set(keyOf(id, 0), { id, session });
    this.#sessions.add(session);
    this.#halfOpen.set(name, { response: answered.response, since: now });
    this.#halfOpenSessions.set(session, name);
    this.#answer(answered.response, from);
    this.#wake(session);
  }

  /** The client has got the RESPONSE: nobody else could seal. */
  #proved(session: Session): void {
    if (!session.proved && !session.ended) return;
    const name = this.#halfOpenSessions.get(session);
    if (name === undefined) return;
    this.#halfOpenSessions.delete(session);
    this.#halfOpen.delete(name);
  }

  #answer(bytes: Uint8Array, to: Address): void {
    if (this.#answers.length < ANSWERS_MOST) this.#answers.push({ bytes, to });
  }

  #wake(session: Session): void {
    this.#sending.add(session);
    this.#telling.add(session);
    this.#afterwards(session);
  }

  /** Notes that the deadline of a session may be another, and forgets sessions that are over. */
  #afterwards(session: Session): void {
    this.#moved.add(session);
    if (!session.ended) return;
    this.#proved(session);
    this.#sending.remove(session);
    this.#sessions.delete(session);
  }

  /** Brings deadlines up to date: once for all that happened to a session since they were asked for last. */
  #settle(): void {
    for (let session = this.#moved.shift(); session !== undefined; session = this.#moved.shift()) {
      this.#deadlines.set(session, session.ended ? undefined : session.deadline);
    }
  }

  #newId(session: Session): Uint8Array {
    const id = this.#freshId();
    this.#byId.set(keyOf(id, 0), { id, session });
    return id;
  }

  #freshId(): Uint8Array {
    for (;;) {
      const random = this.#crypto.random(ID_BYTES);
      const id = this.#routing === undefined ? random : this.#routing.ids.make(random);
      if (!this.#byId.has(keyOf(id, 0))) return id;
    }
  }

  #find(datagram: Uint8Array, at: number): Session | undefined {
    const found = this.#byId.get(keyOf(datagram, at));
    if (found === undefined) return undefined;
    for (let byte = 0; byte < ID_BYTES; byte++) if (datagram[at + byte] !== found.id[byte]) return undefined;
    return found.session;
  }

  /** What a token is looked up by: how long it takes to compare tells nothing of the token (RFC 9000 10.3.1). */
  #resetName(token: Uint8Array): string {
    return hex(this.#crypto.mac(this.#resetSecret, token));
  }

  #resetToken(id: Uint8Array): Uint8Array {
    return this.#crypto.mac(this.#resetSecret, id).slice(0, RESET_TOKEN_BYTES);
  }
}

/** The first 52 bits of an id, as a number to look it up by. */
function keyOf(bytes: Uint8Array, at: number): number {
  const high =
    ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
  const low = ((bytes[at + 4] ?? 0) << 12) | ((bytes[at + 5] ?? 0) << 4) | ((bytes[at + 6] ?? 0) >>> 4);
  return (high >>> 0) * 2 ** 20 + low;
}

/** Two digits for each byte. */
const DIGITS: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function hex(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at++) text += DIGITS[bytes[at] ?? 0] ?? '';
  return text;
}
