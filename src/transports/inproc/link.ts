import { CLOSE, type CloseReason, closeReason, HawserError, type Instant, type Outbound } from '../../core/index.ts';
import type { Link, LinkHandler, LinkOptions, Peer } from '../../transport/index.ts';

const HERE: Peer = { address: '', port: 0, local: true, path: undefined, query: {}, headers: {} };

/** What one end says to the other, in order: a message, that nothing more follows, or goodbye. */
type Said = Outbound | typeof END | { readonly goodbye: CloseReason };
const END = { ends: true } as const;
const ENDED: CloseReason = { code: CLOSE.noStatus, reason: '' };

/** One end of a link within this process: messages are handed over by reference, a turn of the event loop later. */
export class InprocLink implements Link {
  readonly transport = 'inproc';
  readonly protocol: string;
  readonly peer: Peer = HERE;
  readonly #options: LinkOptions;
  #other: InprocLink | undefined;
  #handler: LinkHandler | undefined;
  /** What the other end said and this one hasn't heard. */
  #inbox: Said[] = [];
  /** Bytes of ours that lie in the other end's inbox. */
  #queued = 0;
  #stalledSince: Instant | undefined;
  #overMark = false;
  #paused = false;
  #turnAsked = false;
  #told = false;
  #reason: CloseReason | undefined;
  /** The goodbye is on its way; nothing more is sent or heard. */
  #leaving = false;
  #ended = false;
  #otherEnded = false;
  #closed: Promise<CloseReason> | undefined;
  #resolveClosed: ((reason: CloseReason) => void) | undefined;

  /** Two ends, each with its own options. */
  static pair(protocol: string, ours: LinkOptions, theirs: LinkOptions): [InprocLink, InprocLink] {
    const a = new InprocLink(protocol, ours);
    const b = new InprocLink(protocol, theirs);
    a.#other = b;
    b.#other = a;
    return [a, b];
  }

  constructor(protocol: string, options: LinkOptions) {
    this.protocol = protocol;
    this.#options = options;
  }

  get queued(): number {
    return this.#queued;
  }

  get stalledSince(): Instant | undefined {
    return this.#stalledSince;
  }

  get closed(): Promise<CloseReason> {
    this.#closed ??= new Promise((resolve) => {
      if (this.#reason !== undefined) resolve(this.#reason);
      else this.#resolveClosed = resolve;
    });
    return this.#closed;
  }

  start(handler: LinkHandler): void {
    this.#handler = handler;
    this.#askTurn();
  }

  send(message: Outbound): boolean {
    if (this.#leaving || this.#ended || this.#reason !== undefined) return false;
    this.#queued += message.length;
    this.#stalledSince ??= this.#options.world.now();
    this.#say(message);
    if (this.#queued < this.#options.backlogMark) return true;
    this.#overMark = true;
    return false;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#askTurn();
  }

  end(): void {
    if (this.#leaving || this.#ended || this.#reason !== undefined) return;
    this.#ended = true;
    this.#say(END);
    if (this.#otherEnded) this.#leave(ENDED);
  }

  async close(reason: CloseReason = { code: CLOSE.normal, reason: '' }): Promise<void> {
    if (!this.#leaving && this.#reason === undefined) this.#leave(closeReason(reason.code, reason.reason));
    await this.closed;
  }

  abort(cause: Error): void {
    this.#end(closeReason(CLOSE.abnormal, cause.message));
    if (this.#other !== undefined) this.#other.#lost();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #leave(reason: CloseReason): void {
    const { world, closeWait } = this.#options;
    this.#leaving = true;
    this.#say({ goodbye: reason });
    const timer = world.timer(world.now() + closeWait, () => {
      this.abort(new HawserError('ERR_TIMEOUT', 'the peer did not take what was sent before the close'));
    });
    void this.closed.then(() => timer.cancel());
  }

  #say(said: Said): void {
    const other = this.#other;
    if (other === undefined || other.#reason !== undefined) return;
    other.#inbox.push(said);
    other.#askTurn();
  }

  #lost(): void {
    this.#end({ code: CLOSE.abnormal, reason: 'the connection was lost' });
  }

  #askTurn(): void {
    if (this.#turnAsked) return;
    this.#turnAsked = true;
    this.#options.world.soon(() => this.#turn());
  }

  #turn(): void {
    this.#turnAsked = false;
    try {
      if (this.#reason === undefined) this.#hear();
      if (this.#reason !== undefined) this.#tellEnd(this.#reason);
    } catch (error) {
      this.#options.world.report?.(error);
      this.abort(new HawserError('ERR_INTERNAL', 'a handler failed'));
    }
  }

  #hear(): void {
    const handler = this.#handler;
    if (handler === undefined && !this.#leaving) return;
    let heard = 0;
    const inbox = this.#inbox;
    let at = 0;
    for (; at < inbox.length && (!this.#paused || this.#leaving) && this.#reason === undefined; at++) {
      const said = inbox[at] as Said;
      if ('goodbye' in said) {
        this.#answer(said.goodbye);
      } else if ('ends' in said) {
        this.#hearEnd(handler);
      } else {
        heard += said.length;
        if (!this.#leaving) this.#take(said, handler);
      }
    }
    inbox.splice(0, at);
    if (heard > 0 && this.#other !== undefined) this.#other.#taken(heard);
    if (at > 0 && this.#reason === undefined && !this.#leaving) handler?.onIdle();
  }

  #hearEnd(handler: LinkHandler | undefined): void {
    this.#otherEnded = true;
    if (this.#leaving) return;
    const told = this.#options.halfOpen === true && handler?.onEnd !== undefined;
    if (told) handler?.onEnd?.();
    if (!told || this.#ended) this.#leave(ENDED);
  }

  #take(message: Outbound, handler: LinkHandler | undefined): void {
    const { messageBytes } = this.#options;
    if (message.length > messageBytes) {
      this.#leave({ code: CLOSE.messageTooLarge, reason: `over ${messageBytes} bytes` });
    } else {
      handler?.onMessage(message.bytes, message.text);
    }
  }

  /** The other end heard so many bytes of ours. */
  #taken(bytes: number): void {
    if (this.#reason !== undefined) return;
    this.#queued -= bytes;
    this.#stalledSince = this.#queued > 0 ? this.#options.world.now() : undefined;
    if (!this.#overMark || this.#queued > this.#options.backlogMark / 2) return;
    this.#overMark = false;
    if (!this.#leaving) this.#handler?.onDrain();
  }

  /** The other end's goodbye comes after all it said: both ends are done. */
  #answer(goodbye: CloseReason): void {
    this.#end(goodbye);
    if (this.#other !== undefined) this.#other.#end(goodbye);
  }

  #end(reason: CloseReason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#inbox = [];
    this.#queued = 0;
    this.#stalledSince = undefined;
    this.#askTurn();
  }

  #tellEnd(reason: CloseReason): void {
    this.#resolveClosed?.(reason);
    if (this.#told || this.#handler === undefined) return;
    this.#told = true;
    this.#handler.onClosed(reason);
  }
}
