import {
  CLOSE,
  type CloseReason,
  closeReason,
  FRAME_SLOT,
  HawserError,
  type Instant,
  LANE,
  type Outbound,
  prependHeader,
} from '../../core/index.ts';
import { Deadline, type DeadlineOwner, type LinkGroup, type TurnTaker } from '../../runtime/index.ts';
import {
  type FramingSink,
  LengthFraming,
  type Link,
  type LinkHandler,
  type Peer,
  type PeerCertificate,
} from '../../transport/index.ts';
import { isLoopback, now, shown } from '../../udpack-endpoint/parts.ts';
import type { Connection, ConnectionUser, Ending } from './connection.ts';
import { endingError } from './failures.ts';
import type { Hub } from './hub.ts';
import { InStreams, MAIN, OutLanes } from './streams.ts';

/** The stages of a link's life; it only ever moves on. */
const STAGE = {
  open: 0,
  /** The goodbye is on its way, behind all that was sent; the peer's close is awaited. */
  leaving: 1,
  ended: 2,
} as const;
type Stage = (typeof STAGE)[keyof typeof STAGE];

/** Datagrams that came while nothing is read: so many are kept, further ones are lost. */
const HELD_DATAGRAMS = 64;
/** What is read of one connection before others have their turn, in bytes. */
const READ_MOST = 1024 * 1024;
/** The code of a close that is no goodbye. */
const BROKEN = 0;
/** The first byte of an unreliable datagram. */
const BINARY = Uint8Array.of(0);
const TEXT = Uint8Array.of(1);
const NOTHING: Readonly<Record<string, string>> = Object.freeze({});

export interface QuicLinkParts {
  readonly group: LinkGroup;
  readonly hub: Hub;
  readonly connection: Connection;
  readonly protocol: string;
  readonly peer: Peer;
}

/** A link on a connection of QUIC: see docs/PROTOCOL.md 2.5. */
export class QuicLink implements Link, ConnectionUser, TurnTaker, DeadlineOwner {
  readonly protocol: string;
  readonly peer: Peer;
  readonly #group: LinkGroup;
  readonly #hub: Hub;
  readonly #connection: Connection;
  readonly #framing: LengthFraming;
  readonly #lanes: OutLanes;
  readonly #in: InStreams;
  #handler: LinkHandler | undefined;
  #stage: Stage = STAGE.open;
  #paused = false;
  /** The first message of the main stream has been handed on: until then lanes and datagrams wait. */
  #begun = false;
  /** How much the machine had taken when that was looked at last, and when that was another number. */
  #taken = 0;
  #takenAt: Instant = 0;
  #overMark = false;
  /** Something was handed on that `onIdle` has not followed. */
  #busy = false;
  /** What may still be read in this turn. */
  #appetite = READ_MOST;
  #datagrams: Uint8Array[] = [];
  /** What the peer's goodbye said. */
  #farewell: CloseReason | undefined;
  #reason: CloseReason | undefined;
  #deadline: Deadline | undefined;
  #turnAsked = false;
  #told = false;
  #held = true;
  readonly closed: Promise<CloseReason>;
  #resolveClosed: (reason: CloseReason) => void = () => {};

  constructor({ group, hub, connection, protocol, peer }: QuicLinkParts) {
    this.#group = group;
    this.#hub = hub;
    this.#connection = connection;
    this.protocol = protocol;
    this.peer = peer;
    this.#framing = new LengthFraming(group.options.messageBytes);
    this.#lanes = new OutLanes(connection);
    this.#in = new InStreams(group.options.messageBytes, (stream) => this.#sinkOf(stream));
    this.#taken = connection.taken;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    connection.user = this;
    hub.hold();
    hub.links++;
  }

  get transport(): string {
    return this.#group.options.transport;
  }

  /** What the machine has not taken: what it has is on its way, as far as the path is wide. */
  get queued(): number {
    return this.#stage === STAGE.ended ? 0 : this.#connection.queued;
  }

  get stalledSince(): Instant | undefined {
    if (this.queued === 0) return undefined;
    this.#look();
    return this.#takenAt;
  }

  get bytesRead(): number {
    return this.#connection.bytesRead;
  }

  get bytesWritten(): number {
    return this.#connection.bytesWritten;
  }

  ref(): void {
    if (!this.#held && this.#stage !== STAGE.ended) this.#hub.hold();
    this.#held = true;
  }

  unref(): void {
    if (this.#held && this.#stage !== STAGE.ended) this.#hub.release();
    this.#held = false;
  }

  start(handler: LinkHandler): void {
    this.#handler = handler;
    this.#askTurn();
  }

  send(message: Outbound, lane: number = LANE.main): boolean {
    if (this.#stage !== STAGE.open) return false;
    if (this.queued === 0) this.#takenAt = now();
    this.#connection.write(this.#lanes.streamOf(lane), this.#framing.encode(message));
    if (this.queued < this.#group.options.backlogMark) return true;
    this.#overMark = true;
    return false;
  }

  endLane(lane: number): void {
    if (this.#stage === STAGE.open) this.#lanes.end(lane);
  }

  sendVolatile(message: Outbound): boolean {
    if (this.#stage !== STAGE.open) return false;
    if (message.length >= this.#connection.datagramMost) return false;
    this.#connection.sendDatagram(datagramOf(message));
    return true;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
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

  // ConnectionUser

  onEstablished(): void {}

  onReadable(stream: number): void {
    while (this.#reads(stream)) {
      const read = this.#connection.read(stream);
      if (read === undefined) return;
      this.#appetite -= read.bytes.length;
      // What comes after a close is read, and dropped: the peer's goodbye is behind it.
      this.#in.receive(stream, read.bytes);
      if (!read.last) continue;
      this.#in.ended(stream);
      if (stream === MAIN) this.#begin();
      return;
    }
    if (this.#appetite <= 0) this.#connection.kick();
  }

  onDatagram(bytes: Uint8Array): void {
    if (this.#begun && !this.#isPaused) this.#deliverDatagram(bytes);
    else if (this.#datagrams.length < HELD_DATAGRAMS && this.#stage === STAGE.open) this.#datagrams.push(bytes);
  }

  onBroken(): void {
    if (this.#stage === STAGE.open) this.#cut(closeReason(CLOSE.abnormal, 'the peer gave a stream up'));
  }

  onBatch(): void {
    this.#appetite = READ_MOST;
    if (this.#busy && this.#stage === STAGE.open) {
      this.#busy = false;
      this.#guard((handler) => handler.onIdle());
    }
    this.#look();
    if (this.#farewell !== undefined && this.#in.areWhole && this.#stage !== STAGE.ended && !this.#isPaused)
      this.#answerFarewell(this.#farewell);
    if (this.#overMark && this.queued <= this.#group.options.backlogMark / 2) this.#askTurn();
  }

  onClosed(ending: Ending): void {
    if (this.#stage === STAGE.ended) return;
    const answered =
      this.#stage === STAGE.leaving && ending.by === 'peer' && ending.application && ending.code !== BROKEN;
    if (answered && this.#reason !== undefined) this.#end(this.#reason);
    else this.#end(closeReason(CLOSE.abnormal, endingError(ending).message));
  }

  // TurnTaker

  onTurn(): void {
    this.#turnAsked = false;
    this.#giveDatagrams();
    if (this.#stage === STAGE.ended) this.#tellEnd();
    else if (this.#overMark && this.queued <= this.#group.options.backlogMark / 2) this.#drained();
    this.#connection.kick();
  }

  // DeadlineOwner

  /** The time for a polite close is over. */
  onDeadline(): void {
    if (this.queued === 0 && this.#reason !== undefined) this.#cut(this.#reason);
    else this.abort(new HawserError('ERR_TIMEOUT', 'the peer did not take what was sent before the close'));
  }

  get #isPaused(): boolean {
    return this.#stage === STAGE.open && (this.#paused || this.#handler === undefined);
  }

  #reads(stream: number): boolean {
    if (this.#stage === STAGE.ended || this.#appetite <= 0) return false;
    if (this.#stage !== STAGE.open) return true;
    return !this.#isPaused && (this.#begun || stream === MAIN);
  }

  #sinkOf(stream: number): FramingSink {
    let refused = false;
    return {
      onMessage: (bytes, text) => this.#deliver(stream, bytes, text),
      onReply: () => {
        refused = true;
      },
      onPong: () => {},
      onClose: (reason) => {
        if (refused) this.#refuse(reason);
        else if (stream === MAIN) this.#refuse({ code: CLOSE.protocol, reason: 'a goodbye on the main stream' });
        else this.#hearFarewell(stream, reason);
      },
    };
  }

  #deliver(stream: number, bytes: Uint8Array, text: boolean): void {
    if (this.#stage !== STAGE.open) return;
    this.#busy = true;
    this.#guard((handler) => handler.onMessage(bytes, text));
    if (stream === MAIN) this.#begin();
  }

  /** What the peer said first is out, or it ends without a word: lanes and datagrams may follow. */
  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#askTurn();
  }

  #deliverDatagram(datagram: Uint8Array): void {
    const kind = datagram[0];
    if (this.#stage !== STAGE.open) return;
    if (kind !== BINARY[0] && kind !== TEXT[0])
      this.#refuse({ code: CLOSE.protocol, reason: 'a datagram of no known kind' });
    else this.#deliver(MAIN, datagram.subarray(1), kind === TEXT[0]);
  }

  #giveDatagrams(): void {
    while (this.#begun && !this.#isPaused) {
      const next = this.#datagrams.shift();
      if (next === undefined) return;
      this.#deliverDatagram(next);
    }
  }

  #hearFarewell(stream: number, reason: CloseReason): void {
    this.#in.left(stream);
    this.#farewell ??= reason;
  }

  #leave(reason: CloseReason): void {
    this.#stage = STAGE.leaving;
    this.#reason = closeReason(reason.code, reason.reason);
    this.#deadline = new Deadline(this);
    this.#group.wheel.schedule(this.#deadline, this.#group.world.now() + this.#group.options.closeWait);
    this.#lanes.leave(this.#framing.goodbye(reason));
    this.#askTurn();
  }

  /** The peer has said goodbye: the answer is the end. */
  #answerFarewell(reason: CloseReason): void {
    this.#connection.close(reason.code);
    this.#end(this.#reason ?? reason);
  }

  /** The peer broke the rules: it is told, and not listened to any more. */
  #refuse(reason: CloseReason): void {
    if (this.#stage === STAGE.open) this.#leave(reason);
  }

  /** Ends it at once. */
  #cut(reason: CloseReason): void {
    if (this.#stage === STAGE.ended) return;
    this.#connection.close(BROKEN);
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
    this.#askTurn();
  }

  #tellEnd(): void {
    const reason = this.#reason;
    if (reason === undefined) return;
    this.#resolveClosed(reason);
    if (this.#told || this.#handler === undefined) return;
    this.#told = true;
    this.#handler.onClosed(reason);
  }

  /** Notes whether the machine has taken anything since the last look. */
  #look(): void {
    const { taken } = this.#connection;
    if (taken === this.#taken) return;
    this.#taken = taken;
    this.#takenAt = now();
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

/** Who is at the other end of a connection. */
export function peerOf({ remote }: Connection, certificate?: PeerCertificate): Peer {
  const { address, port } = shown({ address: remote.host, port: remote.port });
  const peer = { address, port, local: isLoopback(address), path: undefined, query: NOTHING, headers: NOTHING };
  return certificate === undefined ? peer : { ...peer, certificate };
}

/** A message as a datagram; made once for all links that it goes to. */
function datagramOf(message: Outbound): Uint8Array {
  const cached = message.frame(FRAME_SLOT.packet);
  if (cached !== undefined) return cached;
  const datagram = prependHeader(message, message.text ? TEXT : BINARY);
  message.keepFrame(FRAME_SLOT.packet, datagram);
  return datagram;
}
