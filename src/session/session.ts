import {
  CLOSE,
  type CloseReason,
  closeReason,
  HawserError,
  type Instant,
  LANE,
  mayComeBack,
  ON_PAGE,
  type Outbound,
  type Overflow,
} from '../core/index.ts';
import {
  type ChannelCount,
  type Codec,
  type Goaway,
  type Incoming,
  MESSAGE,
  UNSAID,
  type WireFailure,
} from '../wire/index.ts';
import type { SessionHandler, SessionPort, SessionSettings, SessionState } from './contract.ts';
import { backlogFull, NORMAL, protocolError, stampOf } from './endings.ts';
import { Ledger } from './ledger.ts';
import type { Left, Unacknowledged } from './unacknowledged.ts';

/** What the peer's messages may wait for their acknowledgement: by number, by bytes, by ms. */
const ACK_COUNT = 64;
const ACK_BYTES = 64 * 1024;
const ACK_DELAY = 500;
/** A tick that is later than this, ms, says that it was not only the peer who stood still. */
const LATE = 1000;
/** A peer that was asked whether it is still there has this long to say so, ms. */
const PROBE_WAIT = 5000;

/**
 * The conversation's guarantee: what one side sends, the other is handed once and in order, over as many links as it takes.
 *
 * Both sides count the messages of each channel; no message carries a number. What is sent is kept until the peer's count has passed
 * it. When a link breaks, the counts say where to go on (docs/PROTOCOL.md, "Resume"). A dialect without acknowledgement lives and
 * dies with its link. A pure machine: bytes, calls and the time go in, messages go to the port and to the handler. Time never goes backwards.
 */
export class Session {
  readonly #handler: SessionHandler;
  #settings: SessionSettings;
  #codec: Codec;
  #state: SessionState = 'down';
  #port: SessionPort | undefined;
  readonly #ledger: Ledger;
  #unackedCount = 0;
  #unackedBytes = 0;
  #ackDue: Instant | undefined;
  #heardAt: Instant = 0;
  #pingedAt: Instant = 0;
  /** When a peer was last asked in doubt; nothing was heard since if it is later than `#heardAt`. */
  #probedAt: Instant = -Infinity;
  /** A ping went out on this link that has had no answer. */
  #pingOpen = false;
  /** The link is a resumed one on which nothing was heard yet. */
  #unconfirmed = false;
  /** What a resume sent again is still on its way into the link: its bytes are no sign of a peer that takes nothing. */
  #replaying = false;
  #downAt: Instant | undefined;
  #lastReason: CloseReason = NORMAL;
  #armed: Instant | undefined;
  #linkFull = false;
  #owesDrain = false;
  #owesRoom = false;
  #rtt: number | undefined;

  constructor(codec: Codec, settings: SessionSettings, handler: SessionHandler) {
    this.#codec = codec;
    this.#settings = settings;
    this.#handler = handler;
    this.#ledger = new Ledger(settings.role);
  }

  get state(): SessionState {
    return this.#state;
  }

  get codec(): Codec {
    return this.#codec;
  }

  /** Milliseconds from a ping to its pong, measured last. */
  get rtt(): number | undefined {
    return this.#rtt;
  }

  /** When `tick` wants to be called; undefined while nothing is waited for. */
  get deadline(): Instant | undefined {
    if (this.#state === 'ended') return undefined;
    const next = this.#port ? this.#upDeadline : ON_PAGE ? Infinity : this.#downDeadline;
    return next === Infinity ? undefined : next;
  }

  /** Takes over times that the peer named. */
  configure(settings: SessionSettings): void {
    this.#settings = settings;
  }

  /**
   * What was handed on, for HELLO and WELCOME, by channel: all that are not over, also those of which nothing came. A client asks only
   * while it is down: what a link that is still up brings later would be counted by nobody. A server asks in the call in which it attaches.
   */
  counts(): ChannelCount[] {
    return this.#ledger.counts();
  }

  /** Whether there is room for bulk: half of what may be kept is left to the socket itself. If not, `onRoom` follows when there is. */
  takesMore(): boolean {
    this.#owesRoom = !this.#port || this.#linkFull || this.#ledger.kept >= this.#settings.resumeBytes / 2;
    return !this.#owesRoom;
  }

  /** Whether a peer that has counted so far can be gone on with: nothing that it lacks was thrown away, nothing it has was never sent. */
  canResume(counts: readonly ChannelCount[]): boolean {
    return this.#state !== 'ended' && (ON_PAGE || this.#codec.acknowledges) && this.#ledger.canResume(counts);
  }

  /**
   * A link is up: the first one, or with the peer's `counts` one that goes on where the last broke. A link that is still up is closed as
   * replaced. What the peer lacks is sent before anything new. False, and nothing changed, when the counts can't be, when there was a
   * link before and no counts tell where to go on, when the dialect is another, or all is over.
   */
  attach(port: SessionPort, codec: Codec, now: Instant, counts?: readonly ChannelCount[]): boolean {
    if (this.#state === 'ended' || (!ON_PAGE && codec.protocol !== this.#codec.protocol)) return false;
    if (counts ? !this.canResume(counts) : this.#hasBegun) return false;
    const old = this.#port;
    this.#codec = codec;
    this.#port = port;
    this.#state = 'up';
    this.#downAt = undefined;
    this.#heardAt = now;
    this.#probedAt = -Infinity;
    this.#pingOpen = false;
    this.#linkFull = false;
    if (!ON_PAGE) this.#unconfirmed = counts !== undefined;
    this.#ackDue = undefined;
    this.#unackedCount = 0;
    this.#unackedBytes = 0;
    old?.close(closeReason(CLOSE.replaced, 'replaced'));
    if (counts) this.#ledger.goOnFrom(counts);
    for (const queue of this.#ledger.queues()) this.#replay(queue);
    this.#replaying = this.#linkFull;
    // The first word of a client that resumes, so that the server need not keep the ticket of before any longer.
    if (counts && (ON_PAGE || this.#settings.role === 'client')) this.ping(now);
    this.#arm();
    if (counts) this.#handler.onUp();
    this.#drainIfRoom();
    return true;
  }

  /**
   * Queues a message of the acknowledged order and keeps it until the peer has counted it. False when the backlog is over its mark:
   * `onDrain` follows. After the end it does nothing. `tag` tells requests (their id) from everything else (0).
   * @throws HawserError ERR_BACKLOG_FULL when the peer takes nothing and `overflow` is `block` (default on a client); otherwise that is the end.
   */
  send(message: Outbound, tag = 0, channel = 0, overflow?: Overflow): boolean {
    if (this.#state === 'ended') return false;
    const port = this.#port;
    if (!ON_PAGE && !this.#codec.acknowledges && !port) return false;
    if (this.#isOverfull(port)) return this.#overflow(overflow);
    if (ON_PAGE || this.#codec.acknowledges) this.#ledger.push(message, tag, channel, port !== undefined);
    this.#write(message, channel);
    if (!this.#linkFull && this.#ledger.kept < this.#settings.resumeBytes) return true;
    this.#owesDrain = true;
    return false;
  }

  /** The channel's last message was sent: when it is acknowledged, and the peer's last one came, the channel is forgotten. */
  sentLast(channel: number): void {
    this.#ledger.sentLast(channel);
    this.#port?.endLane?.(channel);
  }

  /** Whether a message had better wait: for room, or `orDown` for a link. After true `onDrain` follows. */
  mustWait(orDown: boolean): boolean {
    if (
      this.#state === 'ended' ||
      (!this.#linkFull && this.#ledger.kept < this.#settings.resumeBytes && (this.#port || !orDown))
    )
      return false;
    this.#owesDrain = true;
    return true;
  }

  /** Sends now or never, and what is sent may be lost: false when the link is down or over its mark. */
  sendVolatile(message: Outbound, channel = 0): boolean {
    if (!this.#port || this.#linkFull) return false;
    if (this.#port.sendVolatile?.(message) !== true) this.#write(message, channel);
    return true;
  }

  /** Sends now or never, outside of any order; it arrives if the link lives. */
  sendLoose(message: Outbound): boolean {
    if (!this.#port || this.#linkFull) return false;
    this.#write(message, LANE.none);
    return true;
  }

  /** Takes in one message of a link; one that has been replaced is not heard any more. Never throws for what the bytes are. */
  receive(port: SessionPort, bytes: Uint8Array, text: boolean, now: Instant): void {
    if (port !== this.#port) return;
    this.#heardAt = now;
    if (!ON_PAGE && this.#unconfirmed) this.#confirm();
    const message = this.#codec.decode(bytes, text, !ON_PAGE && port.givesMemory);
    switch (message.kind) {
      case 0:
        this.#malformed(message);
        return;
      case MESSAGE.event:
      case MESSAGE.request:
      case MESSAGE.response:
      case MESSAGE.failure:
      case MESSAGE.channelOpen:
      case MESSAGE.channelData:
      case MESSAGE.channelClose:
        this.#take(message, bytes.length, now);
        return;
      case MESSAGE.volatile:
      case MESSAGE.channelCredit:
        this.#handler.onMessage(message, bytes.length);
        return;
      case MESSAGE.ack:
        this.#receiveAck(message.data as readonly ChannelCount[]);
        return;
      case MESSAGE.ping:
        this.#reply(this.#codec.pong(message.data as number));
        return;
      case MESSAGE.pong:
        this.#receivePong(message.data as number, now);
        return;
      case MESSAGE.goaway:
        this.#handler.onGoaway(message.data as Goaway);
        return;
      default:
        if (ON_PAGE || message.kind !== MESSAGE.hello || this.#codec.acknowledges) this.end(protocolError('misplaced'));
        else this.#handler.onMessage(message, bytes.length);
    }
  }

  /** The chunk that was read is used up: acknowledges when much has come. */
  idle(): void {
    if (this.#unackedCount >= ACK_COUNT || this.#unackedBytes >= ACK_BYTES) this.#sendAck();
  }

  /** The link takes messages again after it had refused. */
  drained(port: SessionPort): void {
    if (port !== this.#port) return;
    this.#linkFull = false;
    this.#replaying = false;
    this.#drainIfRoom();
  }

  /** The transport heard a sign of life of its own. */
  heard(now: Instant): void {
    if (!this.#port) return;
    this.#heardAt = now;
    if (!ON_PAGE && !this.#codec.acknowledges) this.#measure(now);
  }

  /** Asks for a sign of life now; `rtt` tells how long the answer took. */
  ping(now: Instant): void {
    if (!this.#port) return;
    this.#pingedAt = now;
    this.#pingOpen = true;
    if (ON_PAGE || this.#codec.acknowledges) this.#port.send(this.#codec.ping(stampOf(now)));
    else this.#port.ping?.();
  }

  /** Asks whether the peer is still there: if nothing is heard within 5 s, the link is dead. Quiet while an answer is awaited. */
  probe(now: Instant): void {
    if (!this.#port || !this.#mustAnswer || this.#isProbed) return;
    this.#probedAt = now;
    this.ping(now);
    this.#arm();
  }

  /** A link is gone. One that was replaced before is no loss. */
  detach(port: SessionPort, reason: CloseReason, now: Instant): void {
    if (port !== this.#port) return;
    this.#port = undefined;
    if (!ON_PAGE) this.#lastReason = reason;
    this.#ackDue = undefined;
    this.#linkFull = false;
    if (this.#isForGood(reason.code)) {
      this.end(reason);
      return;
    }
    this.#state = 'down';
    this.#downAt = now;
    this.#arm();
    this.#handler.onDown(reason);
    if (!ON_PAGE && this.#ledger.kept > this.#settings.resumeBytes && this.#settings.role === 'server')
      this.end(backlogFull());
  }

  // The sums below are those of `deadline`: with differences, rounding could leave a tick at its own deadline with nothing to do.

  /** Runs what is due at `now`; too early, it only says again when it wants to be called. `deaf`: nothing is read, so silence says nothing. */
  tick(now: Instant, deaf = false): void {
    this.#armed = undefined;
    if (this.#state === 'ended') return;
    if (this.#port) this.#tickUp(this.#port, now, deaf);
    else if (!ON_PAGE) this.#tickDown(now);
    this.#arm();
  }

  goaway(goaway: Goaway): void {
    if (!ON_PAGE) this.#write(this.#codec.goaway(goaway));
  }

  /** Ends the session: what is queued is still written, then the link closes with the reason. Quiet after the end. */
  end(reason: CloseReason): void {
    if (this.#state === 'ended') return;
    // So that the peer knows which of its messages came.
    if (!ON_PAGE && this.#unackedCount > 0) this.#sendAck();
    this.#state = 'ended';
    const port = this.#port;
    this.#port = undefined;
    port?.close(reason);
    this.#handler.onEnd(reason);
  }

  /** After the session was lost: what no link has seen, and what went out without an acknowledgement. */
  leftovers(): { readonly unsent: readonly Left[]; readonly unacknowledged: readonly Left[] } {
    return this.#ledger.leftovers();
  }

  /**
   * Hands one counted message on. It counts from here, so that it is never handed on again, whatever the handler does; the
   * acknowledgement goes out later (`idle`, `tick`), when the handler has returned.
   */
  #take(message: Incoming, bytes: number, now: Instant): void {
    const queue = this.#ledger.placeOf(message, this.#settings.channels * 2);
    if (!queue) {
      this.end(protocolError('no such channel'));
      return;
    }
    if (ON_PAGE || this.#codec.acknowledges) this.#count(queue, bytes, now);
    if (message.kind === MESSAGE.channelClose) this.#ledger.receivedLast(queue);
    this.#handler.onMessage(message, bytes);
    this.#ledger.forgetIfOver(queue);
  }

  #count(queue: Unacknowledged, bytes: number, now: Instant): void {
    queue.received += 1;
    this.#unackedCount += 1;
    this.#unackedBytes += bytes;
    if (this.#ackDue !== undefined) return;
    this.#ackDue = now + ACK_DELAY;
    if (this.#armed === undefined || this.#ackDue < this.#armed) this.#arm();
  }

  #sendAck(): void {
    this.#ackDue = undefined;
    this.#unackedCount = 0;
    this.#unackedBytes = 0;
    const counts = this.#ledger.news();
    if (counts.length > 0) this.#port?.send(this.#codec.ack(counts));
  }

  #receiveAck(counts: readonly ChannelCount[]): void {
    for (const [channel, count] of counts) {
      if (!this.#ledger.canBe(channel, count)) {
        this.end(protocolError('a wrong acknowledgement'));
        return;
      }
      this.#ledger.acknowledge(channel, count);
    }
    this.#drainIfRoom();
  }

  #receivePong(stamp: number, now: Instant): void {
    if (stamp === stampOf(this.#pingedAt)) this.#measure(now);
  }

  #measure(now: Instant): void {
    if (this.#pingOpen) this.#rtt = now - this.#pingedAt;
    this.#pingOpen = false;
  }

  #confirm(): void {
    this.#unconfirmed = false;
    this.#handler.onConfirmed?.();
  }

  /** Answers the peer outside the counted order; not while the link is full, so that a peer that only asks can't fill memory. */
  #reply(message: Outbound): void {
    if (!this.#linkFull) this.#write(message);
  }

  /** In JSON, where people type, the peer is told and lives; otherwise it speaks another protocol than ours. */
  #malformed({ code, message, id }: WireFailure): void {
    if (ON_PAGE || this.#codec.acknowledges) {
      this.end(closeReason(code === 'ERR_PROTOCOL' ? CLOSE.protocol : CLOSE.messageMalformed, message));
      return;
    }
    this.#reply(this.#codec.failure(0, id, code, { message }));
  }

  #tickDown(now: Instant): void {
    if (this.#downAt !== undefined && now >= this.#downAt + this.#settings.resumeWindow) this.end(this.#lastReason);
  }

  #tickUp(port: SessionPort, now: Instant, deaf: boolean): void {
    if (this.#mustAnswer) {
      const late = deaf ? -1 : now - this.#silentAt;
      // After a sleep, or in a page whose timers are held back, what the peer said may still wait to be read.
      if (late > LATE && !this.#isProbed) this.probe(now);
      else if (late >= 0) {
        const reason = closeReason(CLOSE.peerSilent, 'the peer is silent');
        this.detach(port, reason, now);
        port.close(reason);
        return;
      }
      if (now >= Math.max(this.#heardAt, this.#pingedAt) + this.#settings.heartbeat) this.ping(now);
      if (deaf) this.#heardAt = now;
    }
    if (this.#ackDue !== undefined && now >= this.#ackDue) this.#sendAck();
  }

  get #downDeadline(): Instant {
    return this.#downAt === undefined ? Infinity : this.#downAt + this.#settings.resumeWindow;
  }

  get #upDeadline(): Instant {
    const ack = this.#ackDue ?? Infinity;
    if (!this.#mustAnswer) return ack;
    return Math.min(ack, Math.max(this.#heardAt, this.#pingedAt) + this.#settings.heartbeat, this.#silentAt);
  }

  get #isProbed(): boolean {
    return this.#probedAt > this.#heardAt;
  }

  /** When the peer counts as dead. */
  get #silentAt(): Instant {
    const { readWait } = this.#settings;
    return this.#isProbed ? this.#probedAt + Math.min(readWait, PROBE_WAIT) : this.#heardAt + readWait;
  }

  /** Whether there has been a link. */
  get #hasBegun(): boolean {
    return this.#port !== undefined || this.#downAt !== undefined;
  }

  /** Whether silence means anything: a peer on plain lines has no way to answer a ping. */
  get #mustAnswer(): boolean {
    return ON_PAGE || this.#codec.acknowledges || this.#port?.ping !== undefined;
  }

  #arm(): void {
    const at = this.deadline;
    if (at === undefined || at === this.#armed) return;
    this.#armed = at;
    this.#handler.wakeAt(at);
  }

  #write(message: Outbound, lane: number = LANE.main): void {
    if (!ON_PAGE && message === UNSAID) return;
    if (this.#port?.send(message, lane) === false) this.#linkFull = true;
  }

  #isOverfull(port: SessionPort | undefined): boolean {
    const { resumeBytes, backlogBytes } = this.#settings;
    if (!port) return this.#ledger.kept >= resumeBytes;
    return (port.queued > backlogBytes && !this.#replaying) || this.#ledger.kept > resumeBytes + backlogBytes;
  }

  #overflow(overflow: Overflow = ON_PAGE || this.#settings.role === 'client' ? 'block' : 'disconnect'): boolean {
    if (overflow === 'block') throw new HawserError('ERR_BACKLOG_FULL');
    this.end(backlogFull());
    return false;
  }

  #drainIfRoom(): void {
    if (this.#owesRoom && this.takesMore()) this.#handler.onRoom?.();
    if (!this.#owesDrain || this.#linkFull || this.#ledger.kept >= this.#settings.resumeBytes || !this.#port) return;
    this.#owesDrain = false;
    this.#handler.onDrain();
  }

  /** Whether a close with this code leaves nothing to wait for. */
  #isForGood(code: number): boolean {
    if ((!ON_PAGE && !this.#codec.acknowledges) || this.#settings.resumeWindow === 0 || !mayComeBack(code)) return true;
    return !ON_PAGE && code === CLOSE.goingAway && this.#settings.role === 'server';
  }

  #replay(queue: Unacknowledged): void {
    for (const { message, channel } of queue.left(queue.acknowledged, queue.end)) this.#write(message, channel);
    if (queue.sentLast) this.#port?.endLane?.(queue.channel);
    queue.markSent();
  }
}
