import {
  CLOSE,
  CLOSE_OF_ERROR,
  type CloseReason,
  closeReason,
  type ErrorCode,
  HawserError,
  type Instant,
  type Outbound,
} from '../core/index.ts';
import { Timed, type TimerWheel } from '../runtime/index.ts';
import type { SessionPort } from '../session/index.ts';
import type { Link, LinkHandler } from '../transport/index.ts';
import { type Codec, type Hello, type Incoming, MESSAGE, UNSAID, type WireFailure } from '../wire/index.ts';
import type { Attendant } from './attendant.ts';
import { type Greeting, namespaceOf, type Shown, shownBy } from './handshake.ts';
import type { Identity } from './options.ts';
import { type Guarded, RateGuard, type RateSettings } from './rate-guard.ts';

/** What a connection needs of the server. */
export interface Reception {
  readonly wheel: TimerWheel;
  readonly loginWait: number;
  readonly writeWait: number;
  readonly rate: RateSettings;
  now(): Instant;
  soon(run: () => void): void;
  report(error: unknown, during: string): void;
  hasNamespace(name: string): boolean;
  authenticate(shown: Shown): Identity | Promise<Identity>;
  /** Makes a new socket, or finds the one that the ticket brings back, and answers WELCOME through the connection. */
  seat(connection: Connection, hello: Hello | undefined, shown: Shown, identity: Identity): void;
  /** A peer that is in names itself anew. */
  rename(attendant: Attendant, connection: Connection, identity: Identity): void;
  gone(connection: Connection): void;
}

/** Messages that may come while authentication runs; a peer that sends more is not waiting for its welcome. */
const HELD_MESSAGES = 64;
const HELD_BYTES = 64 * 1024;
const OF_THIS_PROCESS: ReadonlySet<string> = new Set(['inproc', 'worker']);
/** From this length on messages with bytes of a channel are not counted. */
const BULK_BYTES = 1024;

/**
 * A link on the server's side: it takes the peer's HELLO, has it authenticated, and from then on hands messages to the session.
 *
 * In the Hawser dialect HELLO comes first. In the JSON dialect it may: a peer is let in as soon as authentication is content
 * with what its link shows (a cookie, a query, nothing at all), and a hello that comes later names it anew.
 */
export class Connection extends Timed implements LinkHandler, SessionPort, Guarded {
  readonly link: Link;
  readonly codec: Codec;
  /** Where a peer is put who says no hello. */
  readonly #namespace: string;
  readonly #reception: Reception;
  readonly #loginBy: Instant;
  /** Undefined where the peer is of this process, and no stranger. */
  readonly #rate: RateGuard | undefined;
  /** True while authentication runs: what comes meanwhile is held. */
  #busy = false;
  /** Whether what the link shows was put before authentication already. */
  #tried = false;
  #held: { bytes: Uint8Array; text: boolean }[] | undefined;
  #heldBytes = 0;
  #attendant: Attendant | undefined;
  #over = false;
  /** Authentication takes a while, and nothing is read meanwhile. */
  #waits = false;
  /** For how many reasons nothing is read now. */
  #pauses = 0;
  /** When the chunk came that is being read, until `onIdle`: looking at the clock for each of its messages costs more than most of them. */
  #chunkAt: Instant | undefined;

  constructor(link: Link, codec: Codec, namespace: string, reception: Reception) {
    super();
    this.link = link;
    this.codec = codec;
    this.#namespace = namespace;
    this.#reception = reception;
    const now = reception.now();
    this.#loginBy = now + reception.loginWait;
    this.#rate = OF_THIS_PROCESS.has(link.transport) ? undefined : new RateGuard(reception.rate, this, now);
  }

  start(): void {
    this.#reception.wheel.schedule(this, this.#loginBy);
    this.link.start(this);
    // On a byte stream the dialect shows by the first byte of a message: that one is awaited, for it may be a hello.
    const silent = this.link.peer.path !== undefined || !this.codec.greets;
    if (silent && !this.codec.acknowledges) this.#reception.soon(() => this.#tryWithoutHello());
  }

  get attendant(): Attendant | undefined {
    return this.#attendant;
  }

  /** Whether a login is at work. */
  get busy(): boolean {
    return this.#busy;
  }

  /** From here on what comes is the socket's. */
  serve(attendant: Attendant): void {
    this.#attendant = attendant;
  }

  /** Ends a link that has not said HELLO in time, or takes nothing of what is queued for it. */
  onDeadline(now: Instant): void {
    if (this.#over) return;
    const { stalledSince } = this.link;
    const { wheel, writeWait } = this.#reception;
    if (this.#attendant === undefined && now >= this.#loginBy) {
      this.refuse('ERR_LOGIN_TIMEOUT', 'no hello came in time');
    } else if (stalledSince !== undefined && now - stalledSince >= writeWait) {
      // There is no way to tell the peer, but our own side is told the right reason.
      this.#attendant?.session.detach(this, closeReason(CLOSE.writeTimeout, 'the peer reads nothing'), now);
      this.link.abort(new HawserError('ERR_WRITE_TIMEOUT', 'the peer reads nothing'));
    } else {
      const next = (stalledSince ?? now) + writeWait;
      wheel.schedule(this, this.#attendant === undefined ? Math.min(next, this.#loginBy) : next);
    }
  }

  /** Tells the peer why it is not let in, then closes. */
  refuse(code: ErrorCode | (string & {}), message: string): void {
    if (this.#over) return;
    this.send(this.codec.failure(0, 0, code, { message }));
    const known = Object.hasOwn(CLOSE_OF_ERROR, code) ? CLOSE_OF_ERROR[code as ErrorCode] : undefined;
    this.close({ ...closeReason(known ?? CLOSE.authFailed, message), told: true });
  }

  /** Stops reading until `resume` was called as often. */
  pause(): void {
    this.#pauses += 1;
    if (this.#pauses === 1) this.link.pause();
  }

  resume(): void {
    this.#pauses -= 1;
    if (this.#pauses === 0) this.link.resume();
  }

  overRate(): void {
    this.refuse('ERR_RATE_LIMITED', 'more messages than allowed');
  }

  get #now(): Instant {
    this.#chunkAt ??= this.#reception.now();
    return this.#chunkAt;
  }

  // SessionPort

  send(message: Outbound, lane?: number): boolean {
    return message === UNSAID || this.link.send(message, lane);
  }

  endLane(lane: number): void {
    this.link.endLane?.(lane);
  }

  sendVolatile(message: Outbound): boolean {
    return this.link.sendVolatile?.(message) === true;
  }

  get givesMemory(): boolean {
    return this.link.givesMemory === true;
  }

  get queued(): number {
    return this.link.queued;
  }

  get ping(): (() => void) | undefined {
    return this.link.ping && (() => this.link.ping?.());
  }

  close(reason: CloseReason): void {
    this.#over = true;
    void this.link.close(reason);
  }

  // LinkHandler

  onMessage(bytes: Uint8Array, text: boolean): void {
    if (this.#over) return;
    const now = this.#now;
    if (this.#rate !== undefined && !isBulk(bytes, text)) this.#rate.count(now);
    if (this.#busy) this.#hold(bytes, text);
    else if (this.#attendant !== undefined) this.#attendant.session.receive(this, bytes, text, now);
    else this.#receiveFirst(bytes, text);
  }

  onIdle(): void {
    this.#chunkAt = undefined;
    this.#attendant?.session.idle();
  }

  onDrain(): void {
    this.#attendant?.session.drained(this);
  }

  onPong(): void {
    // Not the chunk's time: over UDPack it comes without one, and no `onIdle` follows.
    this.#attendant?.session.heard(this.#reception.now());
  }

  onEnd(): void {
    if (this.#attendant?.socket.tell('end') !== true) this.close(closeReason(CLOSE.noStatus));
  }

  onClosed(reason: CloseReason): void {
    this.#over = true;
    this.#reception.wheel.cancel(this);
    this.#rate?.stop();
    this.#held = undefined;
    this.#reception.gone(this);
    this.#attendant?.session.detach(this, reason, this.#reception.now());
  }

  /** A peer that is in said hello once more, which only the JSON dialect lets it. */
  helloAgain(hello: Hello): void {
    const attendant = this.#attendant;
    if (attendant === undefined) return;
    const namespace = attendant.namespace.name;
    if (hello.namespace !== undefined && namespaceOf(this.link.peer, hello) !== namespace) {
      this.refuse('ERR_PROTOCOL', 'a socket stays in its namespace');
      return;
    }
    this.#login({ ...hello, namespace }, (identity) => this.#reception.rename(attendant, this, identity));
  }

  /** Before there is a socket: a hello, or in the JSON dialect anything else, which then says that no hello comes first. */
  #receiveFirst(bytes: Uint8Array, text: boolean): void {
    const message = this.codec.decode(bytes, text);
    if (message.kind === MESSAGE.hello) {
      const hello = message.data as Hello;
      this.#login(hello, (identity, shown) => this.#enter(hello, shown, identity));
      return;
    }
    if (message.kind === 0) {
      if (this.codec.acknowledges) this.refuse(message.code, message.message);
      else this.#tellMalformed(message);
      return;
    }
    if (this.codec.acknowledges) {
      this.refuse('ERR_PROTOCOL', 'HELLO comes first');
    } else if (this.#tried) {
      this.#refuseJson(message);
    } else {
      this.#hold(bytes, text);
      this.#tryWithoutHello();
    }
  }

  /** A peer that makes errors and doesn't read about them must not fill memory. */
  #tellMalformed({ id, code, message }: WireFailure): void {
    if (this.send(this.codec.failure(0, id, code, { message }))) return;
    this.close(closeReason(CLOSE.backlogFull, 'the peer reads nothing'));
  }

  #refuseJson(message: Incoming): void {
    const text = 'say hello with a token first';
    this.send(this.codec.failure(0, message.id, 'ERR_AUTH_REQUIRED', { message: text }));
    this.close({ ...closeReason(CLOSE.authRequired, text), told: true });
  }

  /** Perhaps the link itself shows enough. If not, a hello is awaited, where there is such a thing. */
  #tryWithoutHello(): void {
    if (this.#tried || this.#over || this.#busy || this.#attendant !== undefined) return;
    this.#tried = true;
    const enter = (identity: Identity, shown: Shown): void => this.#enter(undefined, shown, identity);
    if (this.codec.greets) this.#login({}, enter, () => {});
    else this.#login({ namespace: this.#namespace }, enter);
  }

  #enter(hello: Hello | undefined, shown: Shown, identity: Identity): void {
    this.#reception.seat(this, hello, shown, identity);
  }

  /** Authenticates; `then` runs when the peer is who it says, `otherwise` (default: refuse) when it is not. */
  #login(
    greeting: Greeting,
    then: (identity: Identity, shown: Shown) => void,
    otherwise: (error: unknown) => void = (error) => this.#refused(error),
  ): void {
    const shown = shownBy(this.link.peer, this.link.transport, greeting);
    if (!this.#reception.hasNamespace(shown.namespace)) {
      this.refuse('ERR_NO_SUCH_NAMESPACE', 'there is no such namespace here');
      return;
    }
    this.#busy = true;
    let identity: Identity | Promise<Identity>;
    try {
      identity = this.#reception.authenticate(shown);
    } catch (error) {
      this.#finish(() => otherwise(error));
      return;
    }
    if (!(identity instanceof Promise)) {
      const known = identity;
      this.#finish(() => then(known, shown));
      return;
    }
    if (!this.#waits) this.pause();
    this.#waits = true;
    identity.then(
      (known) => this.#finish(() => then(known, shown)),
      (error: unknown) => this.#finish(() => otherwise(error)),
    );
  }

  #finish(run: () => void): void {
    if (this.#over) return;
    try {
      run();
    } catch (error) {
      this.#failed(error);
    }
    this.#release();
  }

  /** Authentication is over: what was held goes its way, in order; a hello among it may hold the rest again. */
  #release(): void {
    this.#busy = false;
    this.#chunkAt = undefined;
    this.#attendant?.released();
    while (!this.#busy && !this.#over) {
      const next = this.#held?.shift();
      if (next === undefined) break;
      this.#heldBytes -= next.bytes.length;
      this.onMessage(next.bytes, next.text);
    }
    if (this.#busy || this.#over) return;
    this.onIdle();
    if (this.#waits) this.resume();
    this.#waits = false;
  }

  #hold(bytes: Uint8Array, text: boolean): void {
    this.#heldBytes += bytes.length;
    this.#held ??= [];
    if (this.#held.length >= HELD_MESSAGES || (this.#held.length > 0 && this.#heldBytes > HELD_BYTES)) {
      this.refuse('ERR_PROTOCOL', 'too much was sent before the welcome');
      return;
    }
    this.#held.push({ bytes: new Uint8Array(bytes), text });
  }

  /** Letting the peer in failed: for a reason that it may know, or by somebody's mistake. */
  #failed(error: unknown): void {
    if (error instanceof HawserError) {
      this.#refused(error);
      return;
    }
    this.#reception.report(error, 'login');
    this.refuse('ERR_INTERNAL', 'login failed');
  }

  #refused(error: unknown): void {
    if (error instanceof Error && error.name === 'HawserError') {
      this.refuse((error as HawserError).code, error.message);
      return;
    }
    this.refuse('ERR_AUTH_FAILED', 'the credentials were refused');
  }
}

/** Bytes of a channel in long messages are bounded by its credit, not by their number. */
function isBulk(bytes: Uint8Array, text: boolean): boolean {
  return bytes.length >= BULK_BYTES && bytes[0] === MESSAGE.channelData && !text;
}
