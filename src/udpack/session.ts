import type { Instant } from '../core/index.ts';
import { Acks } from './acks.ts';
import { type Address, sameAddress } from './address.ts';
import { Closing, type Ending } from './closing.ts';
import { Control, pingFrame } from './control.ts';
import { DatagramBuilder } from './datagram-builder.ts';
import { Dialling } from './dialling.ts';
import { closedEvent, endingOf, faultOf, isSilent, reasonOf, textOf } from './endings.ts';
import type { Fault } from './faults.ts';
import { FRAME } from './frames.ts';
import type { Established } from './handshake/index.ts';
import { type RemoteId, resetTokenOf } from './ids.ts';
import type { IntakeOwner } from './intake.ts';
import { earlier, Liveness } from './liveness.ts';
import type { Parameters } from './options.ts';
import { readNumber, SEALED_OVERHEAD } from './protection.ts';
import { pathStats } from './session-paths.ts';
import {
  type AcceptInit,
  type DialInit,
  parametersOf,
  type SessionEvent,
  type SessionOptions,
  type SessionStats,
} from './session-types.ts';
import { SessionWire } from './session-wire.ts';
import { Streams } from './streams/index.ts';
import { Told } from './told.ts';
import { Tracing } from './tracing.ts';

export type SessionState = 'handshaking' | 'authenticating' | 'open' | 'closing' | 'ended';

/**
 * One UDPack session, in either role: datagrams and the time go in; datagrams, a deadline and events come out. It does no I/O. After
 * each `receive`, `tick` or command, `transmit` until it returns 0, `poll` until it returns undefined, and call `tick` at `deadline`.
 * Times must never go backwards. Whatever a peer sends, nothing is thrown.
 */
export class Session {
  readonly role: 'client' | 'server';
  readonly streams: Streams;
  /** SHA-256 of the handshake (Noise 11.2): both sides have the same, and nobody else can. */
  handshakeHash: Uint8Array | undefined;
  /** Which rows of the endpoint it stands in; the endpoint's own. */
  rows = 0;

  readonly #options: SessionOptions;
  readonly #control: Control;
  readonly #acks: Acks;
  readonly #builder: DatagramBuilder;
  readonly #liveness: Liveness;
  readonly #tracing: Tracing | undefined;
  readonly #counts = { datagramsReceived: 0, bytesReceived: 0, datagramsForged: 0, datagramsRepeated: 0 };
  readonly #told = new Told();
  #state: SessionState = 'handshaking';
  #address: Address;
  #ownId: Uint8Array = new Uint8Array();
  #dialling: Dialling | undefined;
  #token: Uint8Array = new Uint8Array();
  #tokenShown = false;
  #wire: SessionWire | undefined;
  #handshakeUntil: Instant | undefined;
  #finish: { readonly ending: Ending; readonly until: Instant } | undefined;
  #closing: Closing | undefined;
  /** The datagram that is being taken in has a CLOSE. */
  #closes = false;
  #pings = 0;

  /** Begins a handshake: INIT is the first thing to transmit. */
  static dial(init: DialInit, now: Instant): Session {
    const session = new Session('client', init, init.peer, now);
    const { crypto, serverKey, host } = init;
    const id = host.newId(session);
    session.#ownId = id;
    session.#token = init.token;
    session.#dialling = new Dialling({ crypto, serverKey, id, parameters: parametersOf(init, undefined, undefined) });
    host.wake(session);
    return session;
  }

  /** A server's side, once its RESPONSE is made. */
  static accept(init: AcceptInit, now: Instant): Session {
    const session = new Session('server', init, init.peer, now);
    session.#ownId = init.id;
    const remote = { sequence: 0, id: init.remoteId, resetToken: undefined };
    const { paths } = session.#establish(init.established, remote, now);
    paths.current.receivedBytes = init.initBytes;
    paths.current.sentBytes = init.responseBytes;
    return session;
  }

  private constructor(role: 'client' | 'server', options: SessionOptions, peer: Address, now: Instant) {
    const { host, limits, times, crypto } = options;
    this.role = role;
    this.#options = options;
    this.#tracing = options.trace && new Tracing(options.trace);
    this.#address = peer;
    this.#handshakeUntil = now + times.handshakeWait;
    this.#liveness = new Liveness(times.keepalive, now);
    const wake = (): void => host.wake(this);
    this.#control = new Control(wake);
    this.#acks = new Acks(times.ackDelay);
    this.streams = new Streams({ role, limits, held: role === 'server', onWork: wake });
    this.#builder = new DatagramBuilder({
      acks: this.#acks,
      control: this.#control,
      streams: this.streams,
      random: crypto,
    });
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Nothing more will come of it: the endpoint forgets it. */
  get ended(): boolean {
    return this.#state === 'ended';
  }

  /** Whether the peer has shown that it gets what is sent to its address. */
  get proved(): boolean {
    return this.role === 'client' ? this.#wire !== undefined : this.#counts.datagramsReceived > 0;
  }

  /** Where the datagram goes that `transmit` wrote last, and where the peer is. */
  get destination(): Address {
    return this.#address;
  }

  /** What the peer said of itself; undefined before it did. */
  get peer(): Parameters | undefined {
    return this.#wire?.peer;
  }

  // Input.

  /** Takes in a SEALED datagram that came to one of the session's ids. */
  receive(datagram: Uint8Array, from: Address, now: Instant): void {
    const wire = this.#wire;
    if (wire === undefined || this.ended || datagram.length < SEALED_OVERHEAD) return;
    // A server doesn't move; what seems to come from elsewhere is somebody else's doing.
    if (this.role === 'client' && !sameAddress(from, wire.paths.current.address)) return;
    const sequence = wire.paths.own.sequenceOf(datagram, 1);
    if (sequence < 0) return;
    const space = this.#acks.space(sequence);
    const number = readNumber(datagram, space.largest);
    if (number < 0 || space.repeated(number)) {
      this.#counts.datagramsRepeated++;
      return;
    }
    const frames = wire.open(datagram, sequence, number, now);
    if (frames === undefined) {
      this.#onForged(wire, datagram, now);
      return;
    }
    space.note(number, now);
    this.#tracing?.received(this, number, sequence, datagram.length, now);
    this.#onHeard(wire, datagram.length, now);
    this.#closes = false;
    const fault = wire.read(frames, from, sequence, now);
    if (fault !== undefined) this.#end(endingOf(fault), 'self', now);
    if (this.#closing === undefined) {
      if (this.streams.leftOut()) space.disown(number);
      else if (wire.asked) this.#acks.owe(space, number, now);
    } else this.#closing.onDatagram(this.#closes);
    // A CLOSE, too, goes to where the peer was heard last.
    this.#onWay(wire, from, datagram.length, sequence, number, now);
    this.#settle(now);
  }

  /** Takes in RESPONSE, RETRY or VERSION, to a session that dials. */
  receiveHandshake(datagram: Uint8Array, from: Address, now: Instant): void {
    const dialling = this.#dialling;
    if (dialling === undefined || this.#state !== 'handshaking' || !sameAddress(from, this.#address)) return;
    const result = dialling.receive(datagram, now);
    if (typeof result === 'string' && result !== 'again') this.#end(endingOf(result), 'self', now);
    if (typeof result !== 'object') return;
    const { id = new Uint8Array(), resetToken } = result.peer;
    const { paths } = this.#establish(result, { sequence: 0, id, resetToken }, now);
    paths.current.proved = true;
    if (dialling.trip !== undefined) paths.current.recovery.trips.guess(dialling.trip);
    this.#control.push({ write: (writer) => writer.counted(FRAME.auth, this.#token) });
    paths.supply(result.peer.ids);
    this.#builder.mayStream = true;
    this.#tell({ type: 'established' });
  }

  /** A datagram came whose last 16 bytes are the token of an id that this session sends to. */
  onStatelessReset(now: Instant): void {
    this.#end(endingOf('stateless-reset'), 'peer', now);
  }

  /** The system refused to send a datagram of this size as too long (EMSGSIZE). */
  onRefused(size: number, now: Instant): void {
    this.#wire?.paths.current.onRefused(size, now);
  }

  /** Runs what is due at `now`; a call that is too early does nothing. */
  tick(now: Instant): void {
    if (this.ended) return;
    if (this.#closing !== undefined) this.#closing.tick(now);
    else {
      this.#dialling?.tick(now);
      if (this.#handshakeUntil !== undefined && now >= this.#handshakeUntil) {
        this.#end(endingOf('handshake-timeout'), 'self', now);
      } else if (this.#wire !== undefined) this.#tickWire(this.#wire, now);
    }
    this.#settle(now);
  }

  /** When `tick`, and `transmit` after it, want to be called next; undefined: not before something else happens. */
  get deadline(): Instant | undefined {
    if (this.ended) return undefined;
    if (this.#closing !== undefined) return this.#closing.deadline;
    const at = earlier(this.#handshakeUntil, this.#finish?.until);
    const wire = this.#wire;
    if (wire === undefined) return earlier(at, this.#dialling?.deadline);
    const { paths, peer } = wire;
    const mayLeave = this.#builder.mayLeave(paths.current);
    let first = earlier(at, wire.timeoutAt(mayLeave));
    first = earlier(first, paths.deadline(peer.ackDelay));
    if (mayLeave) first = earlier(first, this.#acks.ackAt);
    first = earlier(first, this.streams.deadline);
    first = earlier(first, this.#liveness.idleAt(wire.probeTimeout));
    // What waits to be sent will do for a sign of life.
    if (this.#state === 'open' && this.#control.empty) first = earlier(first, this.#liveness.keepaliveAt);
    return earlier(first, this.#builder.pacedAt);
  }

  // Output.

  /**
   * Writes the next datagram into `out` and returns its length; 0: nothing may leave now. `destination` says where it goes.
   * @param out At least 1,300 bytes; datagrams never get longer than it.
   */
  transmit(out: Uint8Array, now: Instant): number {
    if (this.ended) return 0;
    const wire = this.#wire;
    if (wire === undefined) return this.#closing === undefined ? (this.#dialling?.transmit(out, now) ?? 0) : 0;
    this.#address = wire.paths.current.address;
    const closing = this.#closing;
    if (closing === undefined) {
      const { recovery, mtu } = wire.paths.current;
      this.streams.rtt = recovery.trips.smoothed;
      this.streams.room = mtu.size - SEALED_OVERHEAD;
      const length = this.#builder.next(out, wire.paths, wire.protection, now);
      if (length > 0) this.#tracing?.sent(this, wire.paths.current, wire.protection, length, now);
      if (length > 0 && this.#builder.asked) this.#liveness.onAsked(now);
      return length;
    }
    const length = closing.due ? this.#builder.close(out, wire.paths.current, wire.protection, closing, now) : 0;
    this.#settle(now);
    return length;
  }

  /** The next thing that the application should hear of. */
  poll(): SessionEvent | undefined {
    // What a client says before its token is judged is nobody's business.
    return this.#told.poll(this.streams, this.role === 'server' && this.#state !== 'open');
  }

  // Commands.

  /** A server's: the token is good. */
  accept(): void {
    if (this.role !== 'server' || this.#state !== 'authenticating' || !this.#tokenShown) return;
    this.#open();
    this.#control.push({ write: (writer) => writer.numbers(FRAME.accept) });
    this.streams.held = false;
    this.#builder.mayStream = true;
  }

  /** A server's: the token is not good. */
  refuse(reason: string, now: Instant): void {
    if (this.role !== 'server' || this.#state !== 'authenticating') return;
    this.#end(endingOf('token-refused', reason), 'self', now);
  }

  /** Asks the peer for a sign of life; the number returned comes back in the event `pong`. */
  ping(now: Instant): number {
    const token = ++this.#pings;
    this.#control.ask(now, (rtt) => this.#tell({ type: 'pong', token, rtt }));
    return token;
  }

  /** Asks the peer to open no more streams, since this side is to close soon. Only what is said first counts. */
  goaway(code: number, reason: string): void {
    this.#control.goaway(code, reasonOf(reason));
  }

  /** Closes at once: what is not acknowledged is lost. */
  close(code: number, reason: string, now: Instant): void {
    this.#end({ application: true, code, reason: reasonOf(reason) }, 'self', now);
  }

  /** Closes when all that was written is acknowledged, at the latest after `times.closeWait`. */
  finish(code: number, reason: string, now: Instant): void {
    if (this.#closing !== undefined || this.ended || this.#finish !== undefined) return;
    const ending: Ending = { application: true, code, reason: reasonOf(reason) };
    this.#finish = { ending, until: now + this.#options.times.closeWait };
    if (this.#wire === undefined) this.#end(ending, 'self', now);
    this.#settle(now);
    this.#options.host.wake(this);
  }

  /** The application's own address has changed: datagrams go on under an id that nobody has seen. False: there is none to spare. */
  rebind(now: Instant): boolean {
    return this.#closing === undefined && this.#wire?.paths.rebind(now) === true;
  }

  /** Uses the next key, if the last change is confirmed. It happens by itself too, by amount and age. */
  updateKey(): void {
    this.#wire?.protection.update();
  }

  get stats(): SessionStats {
    return Object.assign(pathStats(this.#wire?.paths.current, this.#address), this.#counts, {
      state: this.#state,
      congestion: this.#options.congestion,
      datagramsSent: this.#builder.datagrams + (this.#dialling?.sent ?? 0),
      bytesSent: this.#builder.bytes,
      migrations: this.#wire?.paths.migrations ?? 0,
      keyUpdates: this.#wire?.protection.sendPhase ?? 0,
    });
  }

  // Within.

  #establish(established: Established, remote: RemoteId, now: Instant): SessionWire {
    const options = this.#options;
    const init = { options, established, acks: this.#acks, control: this.#control, id: this.#ownId, remote };
    const wire = new SessionWire(this, { ...init, address: this.#address, owner: this.#owner() }, now);
    this.#wire = wire;
    this.handshakeHash = established.hash;
    this.#state = 'authenticating';
    this.#liveness.agree(options.times.idle, wire.peer.idle);
    this.#liveness.onHeard(now);
    this.streams.start(wire.peer);
    options.host.wake(this);
    return wire;
  }

  /** What frames tell the session itself. */
  #owner(): IntakeOwner {
    return {
      onPing: () => {
        // Peers ask for a sign of life as often as they like; what is told and not yet heard of will do.
        if (this.#told.lastType !== 'ping') this.#tell({ type: 'ping' });
      },
      onAuth: (token) => this.#onAuth(token),
      onAccept: () => this.#onAccept(),
      onClose: (application, code, reason) => {
        this.#closes = true;
        this.#end({ application, code, reason: new Uint8Array(reason) }, 'peer', this.#wire?.readAt ?? 0);
      },
      onGoaway: (code, reason) => this.#tell({ type: 'goaway', code, reason: textOf(reason) }),
    };
  }

  #onAuth(token: Uint8Array): Fault | undefined {
    if (this.role === 'client') return 'frame-unexpected';
    if (this.#tokenShown) return undefined;
    if (token.length > this.#options.limits.tokenBytes) return 'token-refused';
    this.#tokenShown = true;
    this.#tell({ type: 'auth', token });
    return undefined;
  }

  #onAccept(): Fault | undefined {
    if (this.role === 'server') return 'frame-unexpected';
    if (this.#state === 'authenticating') this.#open();
    return undefined;
  }

  #open(): void {
    this.#state = 'open';
    this.#handshakeUntil = undefined;
    this.#tell({ type: 'open' });
  }

  #onHeard({ paths, peer }: SessionWire, size: number, now: Instant): void {
    this.#counts.datagramsReceived++;
    this.#counts.bytesReceived += size;
    this.#liveness.onHeard(now);
    if (this.role === 'client' || this.#counts.datagramsReceived > 1) return;
    // Whoever seals a datagram has got the RESPONSE where it was sent to.
    paths.current.proved = true;
    paths.supply(peer.ids);
  }

  #onForged({ paths, protection }: SessionWire, datagram: Uint8Array, now: Instant): void {
    this.#counts.datagramsForged++;
    const token = paths.current.space.remote.resetToken;
    if (token !== undefined && this.#options.crypto.equal(resetTokenOf(datagram), token)) this.onStatelessReset(now);
    else if (protection.worn) this.#end(endingOf('forgery-limit'), 'self', now);
  }

  #onWay(
    { paths, moved }: SessionWire,
    from: Address,
    size: number,
    sequence: number,
    number: number,
    now: Instant,
  ): void {
    if (!paths.onDatagram(from, size, sequence, number, moved, now)) return;
    this.#tell({ type: 'moved', address: from });
    this.#tracing?.moved(from, now);
  }

  #tickWire(wire: SessionWire, now: Instant): void {
    const idleAt = this.#liveness.idleAt(wire.probeTimeout);
    if (idleAt !== undefined && now >= idleAt) {
      this.#end(endingOf('idle'), 'self', now);
      return;
    }
    wire.tick(this.#builder.mayLeave(wire.paths.current), now);
    this.streams.tick(now);
    const quiet = now >= (this.#liveness.keepaliveAt ?? Number.POSITIVE_INFINITY);
    if (quiet && this.#state === 'open' && this.#control.empty) this.#control.push(pingFrame());
    if (this.#finish !== undefined && now >= this.#finish.until) this.#end(this.#finish.ending, 'self', now);
  }

  #tell(event: SessionEvent): void {
    if (this.#told.push(event)) this.#options.host.wake(this);
  }

  #end(ending: Ending, by: 'peer' | 'self', now: Instant): void {
    if (this.#closing !== undefined || this.ended) return;
    const wire = this.#wire;
    const silent = wire === undefined || isSilent(ending) || !this.proved;
    const wanted = by === 'peer' || !ending.application || this.#finish?.ending === ending;
    const resting = wanted && (this.role === 'client' || this.#state === 'open');
    if (resting) this.streams.resumeAll();
    this.#closing = new Closing(ending, by === 'peer', silent, wire ? wire.probeTimeout : 0, now);
    this.#state = 'closing';
    this.#control.clear();
    this.#told.end(closedEvent(ending, by), resting);
    this.#options.host.wake(this);
    this.#tracing?.closed(by, ending.code, faultOf(ending), now);
    this.#settle(now);
  }

  /** After anything happened: is it over? */
  #settle(now: Instant): void {
    const finish = this.#finish;
    if (finish !== undefined && this.#closing === undefined && this.#state === 'open' && this.streams.quiet) {
      this.#end(finish.ending, 'self', now);
      return;
    }
    if (this.#closing?.ended(now) !== true || this.ended) return;
    this.#state = 'ended';
    if (this.#wire === undefined) this.#options.host.dropId(this.#ownId);
    else this.#wire.paths.close();
    this.#options.host.wake(this);
  }
}
