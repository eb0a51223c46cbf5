import {
  CLOSE,
  type CloseReason,
  closeReason,
  HawserError,
  type Instant,
  type Outbound,
  varintLength,
} from '../../core/index.ts';
import { Deadline, type DeadlineOwner, type LinkGroup, type TurnTaker } from '../../runtime/index.ts';
import { type FramingSink, LengthFraming, type Link, type LinkHandler, type Peer } from '../../transport/index.ts';
import { type Letter, readLetter, type ThreadEnd, WINDOW_BYTES } from './letter.ts';
import { WaitingFrames } from './waiting-frames.ts';

/** A port to another thread, as a link needs it: of Node, of a browser, or of a test. */
export interface ThreadPort {
  /** Posts a value; `moved` change hands instead of being copied. */
  post(value: unknown, moved: ArrayBuffer[]): void;
  close(): void;
}

/** What hears of a port. */
export interface ThreadPortUser {
  onPosted(value: unknown): void;
  /** The other side closed the port, or its thread is gone. */
  onGone(): void;
}

export const HERE: Peer = { address: '', port: 0, local: true, path: undefined, query: {}, headers: {} };

/** The stages of a link's life; it only ever moves on. */
const STAGE = {
  open: 0,
  /** What waits is still to be posted, the goodbye last. */
  leaving: 1,
  ended: 2,
} as const;
type Stage = (typeof STAGE)[keyof typeof STAGE];

/** Why a link doesn't read, as bits. */
const PAUSE = { unstarted: 1, asked: 2 } as const;

/** Acknowledged at once from here on; less waits for the next letter, which costs nothing. */
const ACK_BYTES = WINDOW_BYTES / 4;
const NO_BYTES = new Uint8Array(0);
/** Frames are posted before the turn ends once this many bytes wait, so that a long turn doesn't hoard. */
const EARLY_POST_BYTES = 131_072;

/** A link over a message port. What is sent in one turn is one letter; `WINDOW_BYTES` are on their way at the most. */
export class WorkerLink implements Link, FramingSink, ThreadPortUser, TurnTaker, DeadlineOwner {
  readonly transport = 'worker';
  readonly protocol: string;
  readonly peer: Peer = HERE;
  readonly #group: LinkGroup;
  readonly #port: ThreadPort;
  readonly #framing: LengthFraming;
  readonly #waiting: WaitingFrames = new WaitingFrames();
  #handler: LinkHandler | undefined;
  #stage: Stage = STAGE.open;
  #paused: number = PAUSE.unstarted;
  #reading = false;
  /** The chunk that is being read. */
  #chunk: Uint8Array = NO_BYTES;
  #givesMemory = false;
  #turnAsked = false;
  #overMark = false;
  #peerLeft = false;
  #told = false;
  #stalledSince: Instant | undefined;
  /** Chunks that came while nothing is to be read; the window bounds them. */
  #held: Uint8Array[] = [];
  /** Bytes posted and not acknowledged. */
  #onTheWay = 0;
  /** Bytes that came and were not acknowledged, and how many of them were handed on. */
  #came = 0;
  #taken = 0;
  #reason: CloseReason | undefined;
  #deadline: Deadline | undefined;
  #closed: Promise<CloseReason> | undefined;
  #resolveClosed: ((reason: CloseReason) => void) | undefined;

  constructor(group: LinkGroup, port: ThreadPort, protocol: string) {
    this.#group = group;
    this.#port = port;
    this.protocol = protocol;
    this.#framing = new LengthFraming(group.options.messageBytes);
  }

  /** Bytes that were not posted yet. */
  get queued(): number {
    return this.#waiting.bytes;
  }

  get stalledSince(): Instant | undefined {
    return this.#stalledSince;
  }

  /** A letter's memory changed hands. A message that shares it with none can have it: who gets it may give it away in turn. */
  get givesMemory(): boolean {
    return this.#givesMemory;
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
    if (this.#stage !== STAGE.open) return false;
    const frame = this.#framing.encode(message);
    this.#waiting.push(frame, message.movable === true);
    if (this.queued >= EARLY_POST_BYTES) this.#post();
    if (!this.#reading) this.#askTurn();
    if (this.queued < this.#group.options.backlogMark) return true;
    this.#overMark = true;
    return false;
  }

  pause(): void {
    this.#paused |= PAUSE.asked;
  }

  resume(): void {
    this.#read(PAUSE.asked);
  }

  async close(reason: CloseReason = { code: CLOSE.normal, reason: '' }): Promise<void> {
    if (this.#stage === STAGE.open) {
      this.#waiting.push(this.#framing.goodbye(reason), false);
      this.#leave(closeReason(reason.code, reason.reason));
    }
    await this.closed;
  }

  abort(cause: Error): void {
    if (this.#stage === STAGE.ended) return;
    this.#tell(['broken', cause.message]);
    this.#end(closeReason(CLOSE.abnormal, cause.message));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // ThreadPortUser

  onPosted(value: unknown): void {
    if (this.#stage === STAGE.ended) return;
    const letter = readLetter(value);
    if (letter === undefined) this.#refuse('what was posted is no letter');
    else this.#receive(letter);
  }

  onGone(): void {
    if (this.#stage === STAGE.leaving && this.queued === 0) this.#end(this.#reason);
    else this.#endWith({ exitCode: 1 });
  }

  // FramingSink

  onMessage(bytes: Uint8Array, text: boolean): void {
    this.#givesMemory = varintLength(bytes.length * 4) + bytes.length === this.#chunk.length;
    if (this.#stage === STAGE.open) this.#handler?.onMessage(bytes, text);
  }

  onReply(bytes: Uint8Array): void {
    this.#waiting.push(bytes, false);
  }

  onPong(): void {}

  onClose(reason: CloseReason): void {
    this.#peerLeft = true;
    if (this.#stage === STAGE.open) this.#leave(reason);
  }

  onTurn(): void {
    this.#turnAsked = false;
    this.#readHeld();
    this.#flush();
    if (this.#stage === STAGE.ended) this.#tellEnd();
  }

  /** The time for a polite close is over. */
  onDeadline(): void {
    if (this.queued === 0) this.#end(this.#reason);
    else this.abort(new HawserError('ERR_TIMEOUT', 'the peer did not take what was sent before the close'));
  }

  #receive(letter: Letter): void {
    switch (letter.kind) {
      case 'data':
        if (letter.taken > this.#onTheWay) this.#refuse('more was acknowledged than sent');
        else this.#receiveData(letter.taken, letter.chunks);
        return;
      case 'broken':
        this.#end(closeReason(CLOSE.abnormal, `the other side broke the link: ${letter.why}`));
        return;
      case 'ended':
        this.#endWith(letter.end);
    }
  }

  #receiveData(taken: number, chunks: readonly Uint8Array[]): void {
    this.#onTheWay -= taken;
    for (const chunk of chunks) {
      if (this.#came >= WINDOW_BYTES) {
        this.#refuse('more was posted than the window takes');
        return;
      }
      this.#came += chunk.length;
      this.#held.push(chunk);
    }
    this.#readHeld();
    this.#flush();
  }

  /** Once the link is leaving all is read, for the goodbye and its acknowledgements: nobody hears the rest. */
  #readHeld(): void {
    if (this.#held.length === 0 || !this.#mayRead) return;
    this.#reading = true;
    try {
      for (
        let chunk = this.#held.shift();
        chunk !== undefined;
        chunk = this.#mayRead ? this.#held.shift() : undefined
      ) {
        this.#taken += chunk.length;
        this.#chunk = chunk;
        this.#framing.receive(chunk, this);
      }
      if (this.#stage === STAGE.open) this.#handler?.onIdle();
    } catch (error) {
      this.#failed(error);
    }
    this.#reading = false;
    this.#chunk = NO_BYTES;
  }

  get #mayRead(): boolean {
    return this.#stage === STAGE.leaving || (this.#stage === STAGE.open && this.#paused === 0);
  }

  #flush(): void {
    if (this.#stage === STAGE.ended) return;
    this.#post();
    if (this.#stage === STAGE.leaving && this.#peerLeft && this.queued === 0) this.#end(this.#reason);
    if (this.#overMark && this.queued <= this.#group.options.backlogMark / 2) this.#drained();
  }

  /** One letter with what waits and the window takes, and what is to be acknowledged. */
  #post(): void {
    const room = WINDOW_BYTES - this.#onTheWay;
    if (this.queued > 0 && room > 0) {
      const { chunks, moved, bytes } = this.#waiting.take(room);
      this.#onTheWay += bytes;
      this.#stalledSince = undefined;
      this.#tell([this.#acknowledge(), ...chunks], moved);
    } else if (this.#taken >= ACK_BYTES) {
      this.#tell([this.#acknowledge()]);
    }
    if (this.queued > 0) this.#stalledSince ??= this.#group.world.now();
  }

  #acknowledge(): number {
    const taken = this.#taken;
    this.#taken = 0;
    this.#came -= taken;
    return taken;
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
    this.#askTurn();
  }

  /** The other side breaks the rules: it is told, and nothing more is heard of it. */
  #refuse(why: string): void {
    const reason = closeReason(CLOSE.protocol, why);
    this.#tell([0, this.#framing.goodbye(reason)]);
    this.#end(reason);
  }

  #endWith(end: ThreadEnd): void {
    const { exitCode, error } = end;
    const why = error === undefined ? '' : `: ${error.name}: ${error.message}`;
    const message = `the thread at the other end ended with exit code ${exitCode}${why}`;
    const cause = new HawserError('ERR_THREAD_ENDED', message, { data: end });
    this.#end({ ...closeReason(CLOSE.abnormal, message), cause });
  }

  #end(reason: CloseReason = { code: CLOSE.abnormal, reason: '' }): void {
    if (this.#stage === STAGE.ended) return;
    this.#stage = STAGE.ended;
    this.#reason = reason;
    this.#waiting.clear();
    this.#held = [];
    this.#stalledSince = undefined;
    if (this.#deadline !== undefined) this.#group.wheel.cancel(this.#deadline);
    this.#port.close();
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

  #tell(value: unknown[], moved: ArrayBuffer[] = []): void {
    this.#port.post(value, moved);
  }

  /** Takes away one reason not to read. */
  #read(reason: number): void {
    this.#paused &= ~reason;
    this.#askTurn();
  }

  #askTurn(): void {
    if (this.#turnAsked) return;
    this.#turnAsked = true;
    this.#group.later(this);
  }
}
