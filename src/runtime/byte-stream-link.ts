import { CLOSE, type CloseReason, closeReason, HawserError, type Instant, type Outbound } from '../core/index.ts';
import type { Framing, FramingSink, Link, LinkHandler, Peer } from '../transport/index.ts';
import type { BytePort, PortUser } from './byte-port.ts';
import type { LinkGroup, TurnTaker } from './link-group.ts';
import { Outbox } from './outbox.ts';
import { Deadline, type DeadlineOwner } from './timer-wheel.ts';

/** The stages of a link's life; it only ever moves on. */
const STAGE = {
  open: 0,
  /** What is queued is still being written, the goodbye last. */
  leaving: 1,
  /** All is written; the peer's goodbye is awaited. */
  waved: 2,
  /** Our direction is ended; the peer's end is awaited, and what it still says is dropped. */
  ending: 3,
  ended: 4,
} as const;
type Stage = (typeof STAGE)[keyof typeof STAGE];

/** Why a link doesn't read, as bits. */
const PAUSE = { unstarted: 1, asked: 2, replies: 4 } as const;

/** Frames are written before the turn ends once this many bytes wait, so that a long turn doesn't hoard. */
const EARLY_FLUSH_BYTES = 131_072;
/** To copy a message from this length on costs more than to write its header apart. */
const UNCOPIED_BYTES = 65_536;
const NO_BYTES = new Uint8Array(0);

export interface ByteStreamLinkParts {
  readonly group: LinkGroup;
  readonly port: BytePort;
  readonly framing: Framing;
  readonly protocol: string;
  readonly peer: Peer;
  /** Whether what the peer sends still arrives when the port has ended our direction. Default true. */
  readonly halfCloses?: boolean;
}

/** A link on a byte stream; it has `ping` when its framing has, and `end` when its framing and its port know what that is. */
export function byteStreamLink(parts: ByteStreamLinkParts): ByteStreamLink {
  const { framing, halfCloses = true } = parts;
  if (framing.ping !== undefined) return new PingingLink(parts);
  return framing.ended === undefined || !halfCloses ? new ByteStreamLink(parts) : new EndingLink(parts);
}

/**
 * Drives a framing over a byte port. Frames of one turn are written together: right after the chunk that is being read
 * is used up, or else once the turn is over.
 */
export class ByteStreamLink implements Link, FramingSink, PortUser, TurnTaker, DeadlineOwner {
  readonly protocol: string;
  readonly peer: Peer;
  readonly #group: LinkGroup;
  readonly #port: BytePort;
  readonly #framing: Framing;
  readonly #outbox: Outbox = new Outbox();
  #handler: LinkHandler | undefined;
  #stage: Stage = STAGE.open;
  #paused: number = PAUSE.unstarted;
  #reading = false;
  #turnAsked = false;
  #overMark = false;
  /** The port will call `writable`. */
  #portTells = false;
  #peerLeft = false;
  /** The peer's end came while nothing is to be read: it is read after what is held. */
  #endHeld = false;
  /** The peer has ended, and our direction lives on. */
  #halfOpen: CloseReason | undefined;
  /** We send no more. */
  #endAsked = false;
  #portEnded = false;
  #told = false;
  #stalledSince: Instant | undefined;
  /** Bytes that came while nothing is to be read. */
  #held: Uint8Array | undefined;
  #reason: CloseReason | undefined;
  #deadline: Deadline | undefined;
  /** Made when someone asks for it: most links live without. */
  #closed: Promise<CloseReason> | undefined;
  #resolveClosed: ((reason: CloseReason) => void) | undefined;

  constructor(parts: ByteStreamLinkParts) {
    this.#group = parts.group;
    this.#port = parts.port;
    this.#framing = parts.framing;
    this.protocol = parts.protocol;
    this.peer = parts.peer;
  }

  get transport(): string {
    return this.#group.options.transport;
  }

  get queued(): number {
    return this.#stage === STAGE.ended ? 0 : this.#outbox.bytes + this.#port.writableLength;
  }

  get stalledSince(): Instant | undefined {
    return this.#stalledSince;
  }

  get bytesRead(): number {
    return this.#port.bytesRead ?? 0;
  }

  get bytesWritten(): number {
    return this.#port.bytesWritten ?? 0;
  }

  ref(): void {
    this.#port.ref?.();
  }

  unref(): void {
    this.#port.unref?.();
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
    this.#read(PAUSE.unstarted);
  }

  send(message: Outbound): boolean {
    if (this.#stage !== STAGE.open || this.#endAsked) return false;
    if (message.length >= UNCOPIED_BYTES) this.#sendLong(message);
    else if (!this.#reading || !this.#outbox.put(message, this.#framing, this.#group.gather)) {
      this.#queue(this.#framing.encode(message));
    }
    if (this.#backlog() < this.#group.options.backlogMark) return true;
    this.#overMark = true;
    return false;
  }

  pause(): void {
    this.#paused |= PAUSE.asked;
    if (this.#stage === STAGE.open) this.#port.pause();
  }

  resume(): void {
    this.#read(PAUSE.asked);
  }

  async close(reason: CloseReason = { code: CLOSE.normal, reason: '' }): Promise<void> {
    if (this.#stage === STAGE.open) {
      if (!this.#endAsked) this.#queue(this.#framing.goodbye(reason));
      this.#leave(reason);
    }
    await this.closed;
  }

  abort(cause: Error): void {
    this.#end(closeReason(CLOSE.abnormal, cause.message));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  receive(chunk: Uint8Array): void {
    if (this.#stage >= STAGE.ending) return;
    if (this.#stage === STAGE.open && this.#paused !== 0) {
      this.#hold(chunk);
      return;
    }
    this.#reading = true;
    try {
      this.#framing.receive(chunk, this);
      if (this.#stage === STAGE.open) this.#handler?.onIdle();
    } catch (error) {
      this.#failed(error);
    }
    this.#reading = false;
    this.#flush();
  }

  writable(): void {
    this.#portTells = false;
    this.#stalledSince = undefined;
    // Otherwise `#flush` does so when it writes.
    if (this.#outbox.bytes === 0) this.#watchPort(true);
    this.#flush();
  }

  ended(): void {
    if (this.#stage === STAGE.open) {
      if (this.#held !== undefined || (this.#paused !== 0 && this.#framing.ended !== undefined)) {
        this.#endHeld = true;
        return;
      }
      this.#peerEnded();
    }
    this.#peerLeft = true;
    this.#flush();
  }

  idle(): void {
    void this.close({ code: CLOSE.peerSilent, reason: 'nothing was said or heard for too long' });
  }

  gone(error: Error | undefined): void {
    const lost = closeReason(CLOSE.abnormal, error?.message ?? 'the connection was lost');
    this.#end(this.#stage > STAGE.leaving || this.#peerLeft ? (this.#reason ?? lost) : lost);
  }

  onMessage(bytes: Uint8Array, text: boolean): void {
    if (this.#stage === STAGE.open) this.#handler?.onMessage(bytes, text);
  }

  onReply(bytes: Uint8Array): void {
    if (this.#stage >= STAGE.ending || this.#endAsked) return;
    this.#queue(bytes);
    // A peer that asks for more than it takes is not read until it has taken some.
    if (this.#stage !== STAGE.open || this.#backlog() < this.#group.options.backlogMark) return;
    this.#paused |= PAUSE.replies;
    this.#port.pause();
  }

  onPong(): void {
    if (this.#stage === STAGE.open) this.#handler?.onPong();
  }

  onClose(reason: CloseReason): void {
    this.#peerLeft = true;
    if (this.#stage === STAGE.open) this.#leave(reason);
  }

  onTurn(): void {
    this.#turnAsked = false;
    const held = this.#held;
    if (held !== undefined && (this.#paused === 0 || this.#stage !== STAGE.open)) {
      this.#held = undefined;
      this.receive(held);
      if (this.#paused === 0 || this.#stage !== STAGE.open) this.#port.resume();
    }
    if (this.#endHeld && this.#held === undefined && (this.#paused === 0 || this.#stage !== STAGE.open)) {
      this.#endHeld = false;
      this.ended();
    }
    this.#flush();
    if (this.#stage === STAGE.ended) this.#tellEnd();
  }

  /** The time for a polite close is over. */
  onDeadline(): void {
    if (this.queued === 0 && this.#reason !== undefined) this.#end(this.#reason);
    else this.abort(new HawserError('ERR_TIMEOUT', 'the peer did not take what was sent before the close'));
  }

  /** Writes bytes of the framing's own. */
  protected write(bytes: Uint8Array): void {
    if (this.#stage === STAGE.open) this.#queue(bytes);
  }

  protected get framing(): Framing {
    return this.#framing;
  }

  /** Ends our direction once all is written. */
  protected endOurs(): void {
    if (this.#stage !== STAGE.open || this.#endAsked) return;
    this.#endAsked = true;
    if (this.#halfOpen !== undefined) this.#leave(this.#halfOpen);
    else if (!this.#reading) this.#askTurn();
  }

  #sendLong(message: Outbound): void {
    const head = this.#framing.head?.(message);
    if (head === undefined) {
      this.#queue(this.#framing.encode(message));
    } else {
      this.#queue(head);
      this.#queue(message.bytes);
    }
  }

  #queue(bytes: Uint8Array): void {
    this.#outbox.push(bytes, this.#group.gather);
    if (this.#outbox.bytes >= EARLY_FLUSH_BYTES) this.#writeOut();
    if (!this.#reading) this.#askTurn();
  }

  #flush(): void {
    if (this.#stage === STAGE.ended) return;
    if (this.#outbox.bytes > 0) this.#writeOut();
    if (this.#outbox.bytes === 0) {
      if (this.#stage !== STAGE.open) this.#moveOn();
      else if (this.#endAsked && this.#port.writableLength === 0) this.#endPort();
    }
    if ((this.#paused & PAUSE.replies) === 0 && !this.#overMark) return;
    if (this.queued > this.#group.options.backlogMark / 2) return;
    if ((this.#paused & PAUSE.replies) !== 0) this.#read(PAUSE.replies);
    if (this.#overMark) this.#drained();
  }

  #writeOut(): void {
    this.#watchPort(this.#outbox.flush(this.#port, this.#group.gather));
  }

  /** Sees to it that we hear when the port has taken all; `untold` says that it won't tell by itself. */
  #watchPort(untold: boolean): void {
    if (this.#port.writableLength === 0) return;
    this.#stalledSince ??= this.#group.world.now();
    if (this.#portTells) return;
    this.#portTells = true;
    if (untold) this.#port.write(NO_BYTES, () => this.writable());
  }

  /** What is queued, without asking a port that is known to hold nothing. */
  #backlog(): number {
    return this.#portTells ? this.queued : this.#outbox.bytes;
  }

  #drained(): void {
    this.#overMark = false;
    if (this.#stage !== STAGE.open) return;
    try {
      this.#handler?.onDrain();
    } catch (error) {
      this.#failed(error);
    }
  }

  #leave(reason: CloseReason): void {
    this.#reason = reason;
    this.#stage = STAGE.leaving;
    this.#deadline = new Deadline(this);
    this.#group.wheel.schedule(this.#deadline, this.#group.world.now() + this.#group.options.closeWait);
    if (this.#held === undefined) this.#port.resume();
    if (!this.#reading) this.#askTurn();
  }

  /** All is handed to the port: wait for the peer's goodbye, where it sends one, then end our direction. */
  #moveOn(): void {
    if (this.#stage === STAGE.leaving) this.#stage = STAGE.waved;
    if (this.#stage !== STAGE.waved || (this.#framing.answersGoodbye && !this.#peerLeft)) return;
    this.#stage = STAGE.ending;
    this.#endPort();
  }

  #endPort(): void {
    if (this.#portEnded) return;
    this.#portEnded = true;
    this.#port.end();
  }

  #peerEnded(): void {
    const reason = this.#framing.ended?.() ?? { code: CLOSE.abnormal, reason: 'the peer left without a goodbye' };
    const handler = this.#handler;
    if (reason.code === CLOSE.abnormal) {
      this.#end(reason);
    } else if (this.#group.options.halfOpen !== true || handler?.onEnd === undefined) {
      this.#leave(reason);
    } else {
      this.#halfOpen = reason;
      try {
        handler.onEnd();
      } catch (error) {
        this.#failed(error);
      }
      if (this.#endAsked && this.#stage === STAGE.open) this.#leave(reason);
    }
  }

  #end(reason: CloseReason): void {
    if (this.#stage === STAGE.ended) return;
    this.#stage = STAGE.ended;
    this.#reason = reason;
    this.#outbox.clear(this.#group.gather);
    this.#held = undefined;
    this.#stalledSince = undefined;
    if (this.#deadline !== undefined) this.#group.wheel.cancel(this.#deadline);
    this.#port.destroy();
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

  #failed(error: unknown): void {
    this.#group.world.report?.(error);
    this.abort(new HawserError('ERR_INTERNAL', 'a handler failed'));
  }

  #hold(chunk: Uint8Array): void {
    this.#held = this.#held === undefined ? chunk : joined(this.#held, chunk);
    this.#port.pause();
  }

  /** Takes away one reason not to read. */
  #read(reason: number): void {
    this.#paused &= ~reason;
    if (this.#held !== undefined || this.#endHeld || this.#stage === STAGE.ended) this.#askTurn();
    else if (this.#paused === 0) this.#port.resume();
  }

  #askTurn(): void {
    if (this.#turnAsked) return;
    this.#turnAsked = true;
    this.#group.later(this);
  }
}

class PingingLink extends ByteStreamLink {
  ping(): void {
    this.write(this.framing.ping?.() ?? NO_BYTES);
  }
}

class EndingLink extends ByteStreamLink {
  end(): void {
    this.endOurs();
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}
