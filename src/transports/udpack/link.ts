import {
  CLOSE,
  type CloseReason,
  closeReason,
  HawserError,
  type Instant,
  LANE,
  type Outbound,
  varintLength,
} from '../../core/index.ts';
import { Deadline, type DeadlineOwner, type LinkGroup, type TurnTaker } from '../../runtime/index.ts';
import type { Link, LinkHandler, Peer } from '../../transport/index.ts';
import { kindOf, type Session, type SessionClosed, type SessionEvent } from '../../udpack/index.ts';
import { closeOf, isLoopback, now, shown } from '../../udpack-endpoint/parts.ts';
import type { Hub, SessionUser } from './hub.ts';
import { Lanes } from './lanes.ts';
import { goodbyeOf, KIND, packetOf, reasonOf } from './packets.ts';

/** The stages of a link's life; it only ever moves on. */
const STAGE = {
  open: 0,
  /** What was sent on lanes is still on its way; the goodbye follows it. */
  leaving: 1,
  /** The goodbye is on its way, behind all that was sent; the peer's CLOSE is awaited. */
  waved: 2,
  ended: 3,
} as const;
type Stage = (typeof STAGE)[keyof typeof STAGE];

/** Datagrams that came while nothing is read: so many are kept, further ones are lost. */
const HELD_DATAGRAMS = 64;
const IN_ORDER = {} as const;
const LOOSE = { ordered: false } as const;
/** The code of a CLOSE that is no goodbye. */
const BROKEN = 0;

const NOTHING: Readonly<Record<string, string>> = Object.freeze({});

export interface UdpackLinkParts {
  readonly group: LinkGroup;
  readonly hub: Hub;
  readonly session: Session;
  /** The stream that both prefaces went by. */
  readonly main: number;
  /** Our preface. */
  readonly preface: Uint8Array;
  readonly protocol: string;
  readonly peer: Peer;
}

/** A link on a session of UDPack: see docs/PROTOCOL.md 2.4. */
export class UdpackLink implements Link, SessionUser, TurnTaker, DeadlineOwner {
  readonly protocol: string;
  readonly peer: Peer;
  readonly #group: LinkGroup;
  readonly #hub: Hub;
  readonly #session: Session;
  readonly #lanes: Lanes;
  #handler: LinkHandler | undefined;
  #stage: Stage = STAGE.open;
  #paused = false;
  /** The first message has been handed on: until then lanes and datagrams wait. */
  #begun = false;
  /** The number of our first write, until the peer has it: what may pass others must not pass this one. */
  #greeting: number | undefined;
  #greeted = false;
  /** Bytes of packets that were written, with their lengths. */
  #written: number;
  /** How many of them had left when that was looked at last, and when that was another number. */
  #gone = 0;
  #goneAt: Instant = 0;
  #overMark = false;
  /** Something was handed on that `onIdle` has not followed. */
  #busy = false;
  #datagrams: Uint8Array[] = [];
  /** What the peer's goodbye said. */
  #farewell: CloseReason | undefined;
  #reason: CloseReason | undefined;
  #deadline: Deadline | undefined;
  #turnAsked = false;
  #told = false;
  #held = true;
  #closed: Promise<CloseReason> | undefined;
  #resolveClosed: ((reason: CloseReason) => void) | undefined;

  constructor({ group, hub, session, main, preface, protocol, peer }: UdpackLinkParts) {
    this.#group = group;
    this.#hub = hub;
    this.#session = session;
    this.protocol = protocol;
    this.peer = peer;
    this.#written = unitsOf(preface);
    this.#lanes = new Lanes(session.streams, main, session.role, session.peer?.packetStreams ?? 0);
    this.#lanes.read(false, false);
    hub.hold();
    hub.links++;
  }

  get transport(): string {
    return this.#group.options.transport;
  }

  /** What was never sent: what is on its way is no more ours than what the system has taken of a TCP connection's. */
  get queued(): number {
    return this.#stage === STAGE.ended ? 0 : Math.max(0, this.#written - this.#session.streams.sent);
  }

  get stalledSince(): Instant | undefined {
    if (this.queued === 0) return undefined;
    this.#look();
    return this.#goneAt;
  }

  get bytesRead(): number {
    return this.#session.stats.bytesReceived;
  }

  get bytesWritten(): number {
    return this.#session.stats.bytesSent;
  }

  ref(): void {
    if (!this.#held && this.#stage !== STAGE.ended) this.#hub.hold();
    this.#held = true;
  }

  unref(): void {
    if (this.#held && this.#stage !== STAGE.ended) this.#hub.release();
    this.#held = false;
  }

  get closed(): Promise<CloseReason> {
    this.#closed ??= new Promise((resolve) => {
      if (this.#stage === STAGE.ended && this.#reason !== undefined) resolve(this.#reason);
      else this.#resolveClosed = resolve;
    });
    return this.#closed;
  }

  start(handler: LinkHandler): void {
    this.#handler = handler;
    this.#read();
    this.#askTurn();
  }

  send(message: Outbound, lane: number = LANE.main): boolean {
    if (this.#stage !== STAGE.open) return false;
    const stream = lane > 0 ? this.#lanes.streamOf(lane) : this.#lanes.main;
    this.#write(stream, packetOf(message), lane === LANE.none && this.#greeted ? LOOSE : IN_ORDER);
    if (this.queued < this.#group.options.backlogMark) return true;
    this.#overMark = true;
    return false;
  }

  endLane(lane: number): void {
    if (this.#stage !== STAGE.open) return;
    this.#lanes.end(lane);
    this.#hub.kick();
  }

  sendVolatile(message: Outbound): boolean {
    if (this.#stage !== STAGE.open || !this.#session.streams.sendDatagram(packetOf(message), {}, now())) return false;
    this.#hub.kick();
    return true;
  }

  ping(): void {
    if (this.#stage !== STAGE.open) return;
    this.#session.ping(now());
    this.#hub.kick();
  }

  pause(): void {
    this.#paused = true;
    this.#read();
  }

  resume(): void {
    this.#paused = false;
    this.#read();
    this.#askTurn();
  }

  async close(reason: CloseReason = { code: CLOSE.normal, reason: '' }): Promise<void> {
    if (this.#stage === STAGE.open) this.#leave(reason);
    await this.closed;
  }

  abort(cause: Error): void {
    this.#cut(closeReason(CLOSE.abnormal, cause.message));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // SessionUser

  onEvent(event: SessionEvent): void {
    switch (event.type) {
      case 'packet':
        this.#onPacket(event.stream, event.bytes);
        return;
      case 'written':
        if (event.write === this.#greeting) this.#greeted = true;
        return;
      case 'stream':
        if (kindOf(event.stream) === 'packets') this.#lanes.arrived(event.stream);
        else this.#refuse(CLOSE.protocol, 'a stream of bytes');
        return;
      case 'datagram':
        this.#onDatagram(event.bytes);
        return;
      case 'end':
        if (event.stream === this.#lanes.main && this.#farewell === undefined)
          this.#lost('the peer left without a goodbye');
        return;
      case 'reset':
      case 'stopped':
        if (this.#stage === STAGE.open) this.#lost('the peer gave a stream up');
        return;
      case 'pong':
        if (this.#stage === STAGE.open) this.#guard((handler) => handler.onPong());
        return;
      case 'closed':
        if ('stream' in event) this.#lanes.left(event.stream);
        else this.#onClosed(event);
        return;
      default:
    }
  }

  onBatch(all: boolean): void {
    if (this.#busy && this.#stage === STAGE.open) {
      this.#busy = false;
      this.#guard((handler) => handler.onIdle());
    }
    this.#look();
    if (all && this.#farewell !== undefined && this.#stage !== STAGE.ended && !this.#isPaused)
      this.#answerFarewell(this.#farewell);
    if (this.#stage === STAGE.leaving) this.#wave();
    if (this.#overMark && this.queued <= this.#group.options.backlogMark / 2) this.#drained();
  }

  // TurnTaker

  onTurn(): void {
    this.#turnAsked = false;
    this.#giveDatagrams();
    if (this.#stage === STAGE.ended) this.#tellEnd();
    else this.#hub.look(this.#session);
  }

  // DeadlineOwner

  /** The time for a polite close is over. */
  onDeadline(): void {
    const hasAll = this.#stage === STAGE.waved && this.#session.streams.buffered() === 0;
    if (hasAll && this.#reason !== undefined) this.#cut(this.#reason);
    else this.abort(new HawserError('ERR_TIMEOUT', 'the peer did not take what was sent before the close'));
  }

  get #isPaused(): boolean {
    return this.#stage === STAGE.open && (this.#paused || this.#handler === undefined);
  }

  /** What comes after a close is read, and dropped: the peer's goodbye is behind it. */
  #read(): void {
    const main = !this.#isPaused;
    this.#lanes.read(main, main && (this.#begun || this.#stage !== STAGE.open));
  }

  #write(stream: number, packet: Uint8Array, { ordered }: { readonly ordered?: boolean }): void {
    // Of the first one alone it matters that it arrived.
    const untold = this.#greeting !== undefined;
    const write = this.#session.streams.write(stream, packet, { ordered, untold }, now());
    if (write === 'too-long') this.#refuse(CLOSE.messageTooLarge, 'a message is longer than the peer takes');
    if (typeof write === 'string') return;
    if (this.queued === 0) this.#goneAt = now();
    this.#written += unitsOf(packet);
    this.#greeting ??= write;
    this.#hub.kick();
  }

  #onPacket(stream: number, packet: Uint8Array): void {
    if (packet[0] === KIND.goodbye && stream === this.#lanes.main) {
      this.#farewell ??= reasonOf(packet);
      if (this.#farewell === undefined) this.#refuse(CLOSE.protocol, 'a goodbye that says nothing');
      return;
    }
    this.#deliver(packet);
    if (this.#begun || stream !== this.#lanes.main) return;
    this.#begun = true;
    this.#read();
    this.#giveDatagrams();
  }

  #onDatagram(packet: Uint8Array): void {
    if (this.#begun && !this.#isPaused) this.#deliver(packet);
    else if (this.#datagrams.length < HELD_DATAGRAMS && this.#stage === STAGE.open) this.#datagrams.push(packet);
  }

  #giveDatagrams(): void {
    while (this.#begun && !this.#isPaused) {
      const next = this.#datagrams.shift();
      if (next === undefined) return;
      this.#deliver(next);
    }
  }

  #deliver(packet: Uint8Array): void {
    if (this.#stage !== STAGE.open) return;
    const kind = packet[0];
    if (kind !== KIND.binary && kind !== KIND.text) this.#refuse(CLOSE.protocol, 'a packet of no known kind');
    else if (packet.length - 1 > this.#group.options.messageBytes)
      this.#refuse(CLOSE.messageTooLarge, 'a message is too large');
    else {
      this.#busy = true;
      this.#guard((handler) => handler.onMessage(packet.subarray(1), kind === KIND.text));
    }
  }

  #onClosed(event: SessionClosed): void {
    if (this.#stage === STAGE.waved && event.by === 'peer' && this.#reason !== undefined) {
      this.#end(this.#reason);
      return;
    }
    const { error, reason } = closeOf(event);
    const code = error?.code === 'ERR_MESSAGE_TOO_LARGE' ? CLOSE.messageTooLarge : CLOSE.abnormal;
    this.#end(closeReason(code, error?.message ?? (reason === '' ? 'the peer broke off' : reason)));
  }

  #leave(reason: CloseReason): void {
    this.#stage = STAGE.leaving;
    this.#reason = reason;
    this.#deadline = new Deadline(this);
    this.#group.wheel.schedule(this.#deadline, this.#group.world.now() + this.#group.options.closeWait);
    this.#lanes.endAll();
    this.#read();
    this.#wave();
    this.#askTurn();
  }

  /** Says goodbye when the peer has all that went by lanes. */
  #wave(): void {
    if (this.#reason === undefined || !this.#lanes.settled) return;
    this.#stage = STAGE.waved;
    this.#write(this.#lanes.main, goodbyeOf(this.#reason), IN_ORDER);
    this.#session.streams.end(this.#lanes.main);
    this.#hub.kick();
  }

  /** The peer has said goodbye: the answer is the end. */
  #answerFarewell(reason: CloseReason): void {
    this.#session.close(reason.code, '', now());
    this.#end(this.#reason ?? reason);
  }

  /** The peer broke the rules: it is told, and not listened to any more. */
  #refuse(code: number, reason: string): void {
    if (this.#stage === STAGE.open) this.#leave(closeReason(code, reason));
  }

  #lost(reason: string): void {
    this.#cut(closeReason(CLOSE.abnormal, reason));
  }

  /** Ends it at once. */
  #cut(reason: CloseReason): void {
    if (this.#stage === STAGE.ended) return;
    this.#session.close(BROKEN, '', now());
    this.#end(reason);
  }

  #end(reason: CloseReason): void {
    if (this.#stage === STAGE.ended) return;
    this.#stage = STAGE.ended;
    this.#reason = reason;
    this.#datagrams = [];
    if (this.#deadline !== undefined) this.#group.wheel.cancel(this.#deadline);
    this.#hub.links--;
    if (this.#held) this.#hub.release();
    this.#hub.kick();
    this.#askTurn();
  }

  #tellEnd(): void {
    const reason = this.#reason;
    if (reason === undefined) return;
    this.#resolveClosed?.(reason);
    if (this.#told || this.#handler === undefined) return;
    this.#told = true;
    this.#handler.onClosed(reason);
  }

  /** Notes whether anything left since the last look. */
  #look(): void {
    const { sent } = this.#session.streams;
    if (sent === this.#gone) return;
    this.#gone = sent;
    this.#goneAt = now();
  }

  #drained(): void {
    this.#overMark = false;
    if (this.#stage === STAGE.open) this.#guard((handler) => handler.onDrain());
  }

  #guard(call: (handler: LinkHandler) => void): void {
    if (this.#handler === undefined) return;
    try {
      call(this.#handler);
    } catch (error) {
      this.#group.world.report?.(error);
      this.abort(new HawserError('ERR_INTERNAL', 'a handler failed'));
    }
  }

  #askTurn(): void {
    if (this.#turnAsked) return;
    this.#turnAsked = true;
    this.#group.later(this);
  }
}

/** What a packet takes of its stream. */
function unitsOf(packet: Uint8Array): number {
  return varintLength(packet.length + 1) + packet.length;
}

/** Who is at the other end of a session. */
export function peerOf(session: Session): Peer {
  const { address, port } = shown(session.destination);
  return { address, port, local: isLoopback(address), path: undefined, query: NOTHING, headers: NOTHING };
}
