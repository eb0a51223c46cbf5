import type { RemoteInfo } from 'node:dgram';
import { HawserError, type Instant } from '../core/index.ts';
import {
  isRequest,
  type LanAddress,
  type LanDatagram,
  Publisher,
  type PublisherEvent,
  Subscriber,
  type SubscriberEvent,
} from '../lan/index.ts';
import { Alarm, now, realWorld } from '../runtime/index.ts';
import { udpFailed } from './failures.ts';
import { ownMac } from './lan-key.ts';
import type { ResolvedLanOptions } from './lan-options.ts';
import type { Plan } from './plan.ts';
import type { Port } from './port.ts';

/** Datagrams that the system has and has not sent yet, at the most; what waits beyond waits in the machines, which count it. */
const IN_FLIGHT_MOST = 256;
/** Events that are told in one turn of the event loop; those who iterate take them in between. */
const TOLD_AT_ONCE = 4096;
/** Events that may wait to be told; what comes beyond is lost, as it is where the system's buffer is full, and asked for again. */
export const EVENTS_MOST = 65_536;
/** How often the same failure is told at most, ms. */
const TOLD_EVERY = 10_000;

/** What the owner of a driver hears. */
export interface LanDriverHandler {
  onEvent(event: SubscriberEvent | PublisherEvent): void;
  onError(error: HawserError): void;
}

/** What a driver works with: `mouth` sends, is the publisher's door and hears answers; `ear` hears the group. They may be one. */
export interface LanPorts {
  readonly mouth: Port;
  readonly ear: Port | undefined;
  /** Whether a datagram has come from this bus itself. */
  readonly isOwn: (from: LanAddress) => boolean;
}

/**
 * Drives the two machines of a bus with its sockets and the clock: datagrams go in as they come; once per turn of the event loop what they
 * have to tell is told and what they have to send is sent; one timer waits for what is due.
 */
export class LanDriver {
  readonly #plan: Plan;
  readonly #options: ResolvedLanOptions;
  readonly #ports: LanPorts;
  readonly #handler: LanDriverHandler;
  readonly #ears: Set<Port> = new Set();
  /** What has come is read before anybody is called silent: the process may have stood still. */
  readonly #alarm: Alarm = new Alarm(() => this.kick());
  readonly #told: Map<string, Instant> = new Map();
  #publisher: Publisher | undefined;
  #subscriber: Subscriber | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #inFlight = 0;
  #keepsAlive = true;
  #stopped = false;
  #ended: (() => void) | undefined;
  /** Datagrams that the system refused to send. */
  refused = 0;

  constructor(plan: Plan, ports: LanPorts, options: ResolvedLanOptions, handler: LanDriverHandler) {
    this.#plan = plan;
    this.#ports = ports;
    this.#options = options;
    this.#handler = handler;
    this.listen(ports.mouth);
    if (ports.ear !== undefined && ports.ear !== ports.mouth) this.listen(ports.ear);
  }

  get publisher(): Publisher | undefined {
    return this.#publisher;
  }

  get subscriber(): Subscriber | undefined {
    return this.#subscriber;
  }

  /** Hears what comes to this port, until the driver stops. */
  listen(port: Port): void {
    this.#ears.add(port);
    if (!this.#keepsAlive) port.socket.unref();
    port.start({
      onDatagram: (bytes, from) => this.#onDatagram(bytes, from),
      onError: (cause) => this.#onError(cause, this.#plan.target),
    });
  }

  /** Closes one of the ports that `listen` was called with. */
  async leave(port: Port): Promise<void> {
    this.#ears.delete(port);
    await port.close();
  }

  /** The publisher, made when something is to be said for the first time: who only listens says nothing. @throws HawserError ERR_OPTION. */
  makePublisher(): Publisher {
    const { keys, limits, times } = this.#options;
    const door = this.#ports.mouth.address.port;
    const { random } = realWorld();
    this.#publisher ??= new Publisher({ random, keys, limits, times, door, prove: ownMac() }, now());
    return this.#publisher;
  }

  /** @throws HawserError ERR_OPTION. */
  makeSubscriber(since: 'now' | 'store', wants: (topic: string) => boolean): Subscriber {
    const { keys, limits, times } = this.#options;
    const { random } = realWorld();
    // Where this machine gets a new address its own datagrams come from there.
    const except = (): string | undefined => this.#publisher?.session;
    this.#subscriber ??= new Subscriber({ random, keys, limits, times, since, wants, except }, now());
    return this.#subscriber;
  }

  /** A command was given to a machine: looks after it within this turn, so that all of one turn travels together. */
  kick(): void {
    if (!this.#stopped) this.#immediate ??= setImmediate(this.#onImmediate);
  }

  keepAlive(on: boolean): void {
    this.#keepsAlive = on;
    this.#alarm.keepAlive(on);
    for (const { socket } of this.#ears) {
      if (on) socket.ref();
      else socket.unref();
    }
  }

  /** Tells the end of what was published, as often as it must be told; requests are answered until then. */
  async end(): Promise<void> {
    this.#subscriber = undefined;
    const publisher = this.#publisher;
    if (publisher === undefined || this.#stopped) return;
    this.keepAlive(true);
    const ended = new Promise<void>((resolve) => {
      this.#ended = resolve;
    });
    publisher.end(now());
    this.kick();
    await ended;
  }

  /** Closes all sockets at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ended?.();
    this.#alarm.clear();
    clearImmediate(this.#immediate);
    await Promise.all([...this.#ears].map((port) => port.close()));
  }

  #onDatagram(bytes: Uint8Array, from: RemoteInfo): void {
    if (this.#stopped) return;
    if (isRequest(bytes)) this.#publisher?.receive(bytes, from, now());
    else if (!this.#ports.isOwn(from)) this.#hear(bytes, from);
    this.kick();
  }

  #hear(bytes: Uint8Array, from: LanAddress): void {
    const subscriber = this.#subscriber;
    if (subscriber !== undefined && subscriber.waiting <= EVENTS_MOST) subscriber.receive(bytes, from, now());
  }

  readonly #onImmediate = (): void => {
    this.#immediate = undefined;
    this.#turn();
  };

  #turn(): void {
    if (this.#stopped) return;
    const at = now();
    if ((this.#publisher?.deadline() ?? Number.POSITIVE_INFINITY) <= at) this.#publisher?.tick(at);
    if ((this.#subscriber?.deadline() ?? Number.POSITIVE_INFINITY) <= at) this.#subscriber?.tick(at);
    this.#tell();
    this.#flush();
    // What left may have made room.
    this.#tell();
    if (this.#stopped) return;
    if (this.#publisher?.ended) this.#ended?.();
    this.#alarm.set(earliest(this.#publisher?.deadline(), this.#subscriber?.deadline()));
  }

  /** A listener may close the bus while it hears. */
  #tell(): void {
    for (let told = 0; told < TOLD_AT_ONCE; told++) {
      const event = this.#subscriber?.pollEvent() ?? this.#publisher?.pollEvent();
      if (event === undefined || this.#stopped) return;
      this.#handler.onEvent(event);
    }
    this.kick();
  }

  #flush(): void {
    // What was told may have taken long.
    const at = now();
    while (!this.#stopped && this.#inFlight < IN_FLIGHT_MOST) {
      const datagram = this.#subscriber?.poll(at) ?? this.#publisher?.poll(at);
      if (datagram === undefined) return;
      this.#send(datagram);
    }
  }

  #send({ bytes, to = this.#plan.target }: LanDatagram): void {
    this.#inFlight += 1;
    this.#ports.mouth.send(bytes, this.#options.connected ? undefined : to, (error) => {
      this.#inFlight -= 1;
      if (error !== null) this.#onError(error, to);
      // It was the last one, so that the flush had stopped for want of room.
      if (this.#inFlight === IN_FLIGHT_MOST - 1) this.kick();
    });
  }

  /** What is lost here is lost as on the way, and repaired like that; that it happens should be known. */
  #onError(cause: Error, to: LanAddress): void {
    // While the end is told those who heard it close.
    if (this.#stopped || this.#ended !== undefined) return;
    this.refused += 1;
    const { code = '' } = cause as NodeJS.ErrnoException;
    const at = now();
    if (at - (this.#told.get(code) ?? Number.NEGATIVE_INFINITY) < TOLD_EVERY) return;
    this.#told.set(code, at);
    const { code: known, message } = udpFailed(cause, 'sending to', to);
    this.#handler.onError(new HawserError(known, `${this.#options.name}: ${message}`, { cause }));
  }
}

function earliest(one: Instant | undefined, other: Instant | undefined): Instant | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}
