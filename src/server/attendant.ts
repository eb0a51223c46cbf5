import { type Channel, Channels, type ChannelsHost, type Load, type Outlet } from '../channel/index.ts';
import {
  CLOSE,
  type CloseReason,
  closeReason,
  HawserError,
  type Instant,
  type Limits,
  type Outbound,
  type Overflow,
  type Times,
  unplanned,
  type WaitOptions,
  type World,
} from '../core/index.ts';
import type { Engine, Position } from '../engine/index.ts';
import type { Delivery, Namespace, Occupant, Seat } from '../room/index.ts';
import { Timed, type TimerWheel } from '../runtime/index.ts';
import {
  Session,
  type SessionHandler,
  type SessionSettings,
  type TicketOwner,
  type Tickets,
} from '../session/index.ts';
import { type Peer, type Traffic, trafficOf } from '../transport/index.ts';
import {
  type ChannelCount,
  type ChannelRoom,
  type Codec,
  type FailureData,
  type Goaway,
  type Hello,
  type Incoming,
  MESSAGE,
  type RequestId,
  type ShownPosition,
} from '../wire/index.ts';
import type { Connection } from './connection.ts';
import { type EventMiddleware, Gate, type GateOwner, isGuarded } from './gate.ts';
import { type Handshake, handshakeOf } from './handshake.ts';
import type { Identity, ResolvedServerOptions } from './options.ts';
import type { Place } from './places.ts';
import { ServerSocket } from './socket.ts';

/** What an attendant needs of the server. */
export interface House {
  readonly options: ResolvedServerOptions;
  readonly sessionSettings: SessionSettings;
  readonly wheel: TimerWheel;
  readonly counters: { received: number; sent: number; dropped: number };
  /** The peer has its new ticket: the one before is void. */
  confirmed(attendant: Attendant): void;
  /** The socket has ended: take it off the books. */
  ended(attendant: Attendant): void;
}

/**
 * One socket on the server's side: it joins the session below, the socket that the application holds, and the seat that rooms
 * deliver to.
 */
export class Attendant
  extends Timed
  implements Outlet, Load, SessionHandler, ChannelsHost, Seat, GateOwner, TicketOwner
{
  readonly id: string;
  readonly place: Place;
  /** Whose place in the count of sockets per address this one takes. */
  readonly peer: Peer;
  readonly session: Session;
  readonly socket: ServerSocket<never>;
  tickets: Tickets | undefined = undefined;
  occupant: Occupant | undefined = undefined;
  readonly trustsInfo = false;
  readonly role = 'server';
  /** Requests of the socket and of all its channels that handlers are at work on. */
  handling = 0;
  /** What the peer takes on channels; undefined where it takes none. */
  readonly room: ChannelRoom | undefined;
  readonly #house: House;
  /** The scheme of its first link, and what was asked for. */
  readonly #scheme: string;
  readonly #query: Readonly<Record<string, string>>;
  #connection: Connection;
  #identity: Identity;
  #isPaused = false;
  /** Where the client stood in rooms with history. */
  #positions: Map<string, Position> | undefined;
  #channels: Channels | undefined;
  #gate: Gate | undefined;

  constructor(
    house: House,
    id: string,
    place: Place,
    connection: Connection,
    identity: Identity,
    query: Readonly<Record<string, string>>,
    room: ChannelRoom | undefined,
  ) {
    super();
    this.#house = house;
    this.id = id;
    this.place = place;
    this.#connection = connection;
    this.peer = connection.link.peer;
    this.#identity = identity;
    this.#scheme = connection.link.transport;
    this.#query = query;
    this.room = room;
    this.session = new Session(connection.codec, house.sessionSettings, this);
    this.socket = new ServerSocket(this);
    this.socket.overflow = place.setup.options.overflow;
  }

  /** Itself, as it counts what is `handling`: no object for each socket. */
  get load(): Load {
    return this;
  }

  get namespace(): Namespace {
    return this.place.rooms;
  }

  get handshake(): Handshake {
    return handshakeOf(this.peer, this.namespace.name, this.#scheme, this.#query);
  }

  get user(): string | null {
    return this.#identity.user;
  }

  get claims(): unknown {
    return this.#identity.claims;
  }

  /** The scheme of the link, or of the last one. */
  get transport(): string {
    return this.#connection.link.transport;
  }

  get codec(): Codec {
    return this.session.codec;
  }

  get engine(): Engine {
    return this.#house.options.engine;
  }

  get world(): World {
    return this.#house.options.world;
  }

  get limits(): Limits {
    return this.#house.options.limits;
  }

  get times(): Times {
    return this.#house.options.times;
  }

  /** @throws HawserError ERR_UNSUPPORTED in a dialect that has none. */
  get channels(): Channels {
    const { channels } = this.codec;
    if (!channels) throw new HawserError('ERR_UNSUPPORTED', `${this.codec.protocol} has no channels`);
    this.#channels ??= new Channels(this, channels);
    return this.#channels;
  }

  /** Whether handlers are at work, or what they sent waits in a channel. */
  get busy(): boolean {
    return this.socket.busy || this.#gate?.working === true || this.#channels?.busy === true;
  }

  /** The peer named itself anew: rooms see the change. */
  identify(identity: Identity): void {
    this.#identity = identity;
    this.namespace.identify(this);
  }

  get traffic(): Traffic {
    return trafficOf(this.#connection.link);
  }

  /** A link is up: the first one, or with the peer's counts one that goes on. */
  attach(connection: Connection, counts?: readonly ChannelCount[]): void {
    this.#connection = connection;
    if (this.#gate?.paused) connection.pause();
    if (this.#isPaused) connection.pause();
    this.session.attach(connection, connection.codec, this.world.now(), counts);
  }

  close(reason: CloseReason): void {
    this.#gate?.drop();
    this.session.end(reason);
  }

  /** The application stops reading, on this link and on those that follow it. */
  stopReading(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#connection.pause();
  }

  goOnReading(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#connection.resume();
  }

  /** @throws HawserError ERR_UNSUPPORTED where only both directions can end. */
  end(): void {
    const { link } = this.#connection;
    if (!link.end || this.codec.greets) throw new HawserError('ERR_UNSUPPORTED', 'this link ends both ways at once');
    link.end();
  }

  /** The wheel: a moment that the session asked for has come. */
  onDeadline(now: Instant): void {
    this.session.tick(now, this.#isPaused);
  }

  // Seat

  deliver(delivery: Delivery): void {
    const message = delivery.encodedBy(this.codec);
    const policy = delivery.volatile ? 'volatile' : (delivery.overflow ?? this.socket.overflow);
    if (policy === undefined) this.send(message, 0);
    else this.#deliverBy(message, policy, delivery.key);
  }

  /** What its client showed of rooms with history when it connected. */
  showPositions(positions: readonly ShownPosition[]): void {
    this.#positions = new Map(positions.map(([room, offset, epoch]) => [room, { offset, epoch }]));
  }

  recall(room: string): Position | undefined {
    const shown = this.#positions?.get(room);
    this.#positions?.delete(room);
    return shown;
  }

  /** Nobody can wait for one of many: with `block` a member whose backlog is full is left out. */
  #deliverBy(message: Outbound, policy: Overflow | 'volatile', key: string): void {
    try {
      this.socket.sendBy(message, policy, key);
    } catch {
      this.socket.dropped += 1;
      this.onDropped();
    }
  }

  request(name: string, data: unknown, options: WaitOptions): Promise<unknown> {
    return (this.socket as unknown as ServerSocket).request(name, data, options);
  }

  // Outlet

  send(message: Outbound, tag: number, overflow?: Overflow): boolean {
    this.#house.counters.sent += 1;
    return this.session.send(message, tag, 0, overflow);
  }

  reply(message: Outbound): void {
    this.send(message, 0);
  }

  sendVolatile(message: Outbound): boolean {
    this.#house.counters.sent += 1;
    return this.session.sendVolatile(message);
  }

  onDropped(): void {
    this.#house.counters.dropped += 1;
  }

  mustWait(orDown: boolean): boolean {
    return this.session.mustWait(orDown);
  }

  report(error: unknown, during: string): void {
    this.#house.options.onError(error, during);
  }

  refused(error: HawserError): void {
    this.socket.tell('error', error);
  }

  // ChannelsHost

  post(message: Outbound, tag: number, channel: number): void {
    this.#house.counters.sent += 1;
    this.session.send(message, tag, channel);
  }

  offer(channel: Channel): unknown[] {
    return this.socket.ask('channel', channel);
  }

  broke(what: string): void {
    this.close(closeReason(CLOSE.protocol, what));
  }

  // GateOwner

  use(middleware: EventMiddleware): void {
    this.#gateway.use(middleware);
  }

  dispatch(message: Incoming): void {
    this.socket.dispatch(message);
  }

  rename(hello: Hello): boolean {
    this.#connection.helloAgain(hello);
    return this.#connection.busy;
  }

  /** A login of the link is over. */
  released(): void {
    this.#gate?.released();
  }

  fail(id: RequestId | undefined, code: string, failure: FailureData): void {
    this.reply(this.codec.failure(0, id, code, failure));
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  // SessionHandler

  onMessage(message: Incoming, size: number): void {
    this.#house.counters.received += 1;
    if (message.channel !== 0) this.channels.receive(message, size);
    else if (this.#isLookedAt(message)) this.#gateway.receive(message, size, this.place.setup.events);
    else if (message.kind === MESSAGE.hello) this.#connection.helloAgain(message.data as Hello);
    else this.socket.dispatch(message);
  }

  /** With middleware events and requests pass the gate; a hello only keeps its place behind them. */
  #isLookedAt(message: Incoming): boolean {
    if (this.#gate === undefined && this.place.setup.events.length === 0) return false;
    return message.kind === MESSAGE.hello ? this.#gateway.working : isGuarded(message);
  }

  get #gateway(): Gate {
    this.#gate ??= new Gate(this);
    return this.#gate;
  }

  wakeAt(at: Instant): void {
    this.#house.wheel.schedule(this, at);
  }

  onDrain(): void {
    this.socket.onDrain();
    this.namespace.drained(this);
  }

  onDown(reason: CloseReason): void {
    this.socket.tell('down', reason);
  }

  onRoom(): void {
    this.#channels?.flush();
  }

  onUp(): void {
    this.#channels?.resumed();
    this.socket.tell('up');
  }

  onConfirmed(): void {
    this.#house.confirmed(this);
  }

  onGoaway(_goaway: Goaway): void {
    this.close(closeReason(CLOSE.protocol, 'only a server goes away'));
  }

  onEnd(reason: CloseReason): void {
    this.#house.wheel.cancel(this);
    this.namespace.remove(this);
    this.#house.ended(this);
    this.#channels?.abort(new HawserError('ERR_CLOSED', `the socket has ended: ${reason.reason}`));
    this.socket.tell('close', reason);
    this.socket.failPending(
      (name) =>
        new HawserError('ERR_CLOSED', `the socket ended before '${name}' was answered`, { delivered: 'unknown' }),
    );
    this.socket.finish(unplanned(reason));
  }
}
