import type { Outlet } from '../channel/index.ts';
import type { CloseReason, HawserError, Instant, Outbound, World } from '../core/index.ts';
import type { Engine } from '../engine/index.ts';
import type { Delivery, Namespace, Seat } from '../room/index.ts';
import { Session, type SessionHandler, type SessionPort } from '../session/index.ts';
import type { ChannelCount, Codec, Goaway, Incoming } from '../wire/index.ts';
import type { Handshake } from './handshake.ts';
import type { Identity, ResolvedServerOptions } from './options.ts';
import { ServerSocket } from './socket.ts';

/** What an attendant needs of the server. */
export interface House {
  readonly options: ResolvedServerOptions;
  /** The socket has ended: take it off the books. */
  ended(attendant: Attendant, reason: CloseReason): void;
}

/**
 * One socket on the server's side: it joins the session below, the socket that the application holds, and the seat that rooms
 * deliver to.
 */
export class Attendant implements Outlet, SessionHandler, Seat {
  readonly id: string;
  readonly handshake: Handshake;
  readonly namespace: Namespace;
  readonly socket: ServerSocket<never>;
  readonly #house: House;
  readonly #session: Session;
  #codec: Codec;
  #identity: Identity;
  #ended = false;

  constructor(house: House, id: string, namespace: Namespace, codec: Codec, identity: Identity, handshake: Handshake) {
    const { limits, times } = house.options;
    this.#house = house;
    this.id = id;
    this.namespace = namespace;
    this.#codec = codec;
    this.#identity = identity;
    this.handshake = handshake;
    this.#session = new Session(codec, { ...limits, ...times, overflow: 'end' }, this);
    this.socket = new ServerSocket(this);
  }

  get user(): string | null {
    return this.#identity.user;
  }

  get claims(): unknown {
    return this.#identity.claims;
  }

  get codec(): Codec {
    return this.#codec;
  }

  get engine(): Engine {
    return this.#house.options.engine;
  }

  get world(): World {
    return this.#house.options.world;
  }

  get pendingRequests(): number {
    return this.#house.options.limits.pendingRequests;
  }

  get requestTimeout(): number {
    return this.#house.options.times.requestTimeout;
  }

  get state(): 'up' | 'down' | 'ended' {
    return this.#session.state;
  }

  get rtt(): number | undefined {
    return this.#session.rtt;
  }

  get session(): Session {
    return this.#session;
  }

  /** The peer named itself anew: rooms see the change. */
  identify(identity: Identity): void {
    this.#identity = identity;
    this.namespace.identify(this);
  }

  /** A link is up, the first or a later one. False when the peer's counts can't be. */
  attach(port: SessionPort, codec: Codec, counts?: readonly ChannelCount[]): boolean {
    const attached = this.#session.attach(port, codec, this.world.now(), counts);
    if (attached) this.#codec = codec;
    return attached;
  }

  close(reason: CloseReason): void {
    this.#session.end(reason, this.world.now());
  }

  tick(now: Instant): void {
    this.#session.tick(now);
  }

  // Seat

  deliver(delivery: Delivery): void {
    const message = delivery.encodedBy(this.#codec);
    if (delivery.volatile) this.#session.sendVolatile(message);
    else this.#session.send(message, this.world.now());
  }

  // Outlet

  send(message: Outbound, tag: number): boolean {
    return this.#session.send(message, this.world.now(), tag);
  }

  sendVolatile(message: Outbound): boolean {
    return this.#session.sendVolatile(message) === 'sent';
  }

  report(error: unknown, during: string): void {
    this.#house.options.onError(error, during);
  }

  refused(error: HawserError): void {
    this.socket.tell('error', error);
  }

  // SessionHandler

  onMessage(message: Incoming): void {
    this.socket.dispatch(message);
  }

  onDrain(): void {
    this.socket.tell('drain');
  }

  onDown(reason: CloseReason): void {
    this.socket.tell('down', reason);
  }

  onUp(): void {
    this.socket.tell('up');
  }

  onGoaway(_goaway: Goaway): void {}

  onEnd(reason: CloseReason): void {
    if (this.#ended) return;
    this.#ended = true;
    this.namespace.remove(this);
    this.#house.ended(this, reason);
    this.socket.tell('close', reason);
  }
}
