import {
  type AnyDirection,
  type ChannelsOf,
  type Direction,
  type HawserError,
  type Name,
  wordsOf,
} from '../core/index.ts';
import type { BytePort, ChannelCore } from './channel-core.ts';
import { Conversation } from './conversation.ts';
import { readableOf, writableOf } from './web-streams.ts';

/** What a channel tells of itself, under names that no peer can send. */
export interface ChannelEvents {
  /** The peer has sent its last event, request and byte. */
  end: () => unknown;
  /** `send` may go on after it returned false. */
  drain: () => unknown;
  /** The peer told of an error that belongs to no request. */
  error: (error: HawserError) => unknown;
  /** Both sides have ended; `error` says why when it was not the ordinary way. */
  close: (error: HawserError | undefined) => unknown;
}

const OWN_EVENTS: ReadonlySet<string> = new Set(['end', 'drain', 'error', 'close']);

/**
 * A conversation of its own inside a socket: events, requests and a byte stream each way, apart from those of its neighbours. It is open as
 * soon as it is made. What a reader does not take (`pause`, an unread `readable`) holds up the sender of this channel alone. It
 * lives as long as its socket's session, over however many links.
 */
export class Channel<Data = unknown>
  extends Conversation<AnyDirection, AnyDirection, ChannelEvents>
  implements AsyncDisposable
{
  /** What the opener called it. */
  readonly name: string;
  /** What the opener gave with it. */
  readonly data: Data;
  readonly #core: ChannelCore;
  #readable: ReadableStream<Uint8Array> | undefined;
  #writable: WritableStream<Uint8Array> | undefined;

  constructor(core: ChannelCore, name: string, data: Data) {
    super(core.number, core, OWN_EVENTS);
    this.name = name;
    this.data = data;
    this.#core = core;
    core.face = this;
  }

  /** Its number in the socket: odd when the client opened it, even when the server did. */
  get id(): number {
    return this.#core.number;
  }

  /** Resolves when both sides have ended: with the error when it was not the ordinary way. Never rejects. */
  get closed(): Promise<HawserError | undefined> {
    return this.#core.closed;
  }

  /**
   * The bytes that the peer writes, in its order and cut anywhere; the peer waits when `limits.channelBytes` are unread. Ends with the
   * peer's end; errors with its reset. Cancelled without a reason it drops what still comes; with one it resets the channel.
   */
  get readable(): ReadableStream<Uint8Array> {
    this.#readable ??= readableOf(this.#core);
    return this.#readable;
  }

  /** Bytes to the peer; a write is done when its bytes are on their way. Closing it is `end`, aborting it `reset`. */
  get writable(): WritableStream<Uint8Array> {
    this.#writable ??= writableOf(this.#core);
    return this.#writable;
  }

  /** Hands on no more events and requests until `resume`; what comes meanwhile waits, and soon so does the sender. */
  pause(): void {
    this.#core.pause();
  }

  resume(): void {
    this.#core.resume();
  }

  /** Says that nothing more will be sent, behind what is queued and the answers that handlers still owe. The peer may go on. */
  end(): void {
    this.#core.end();
  }

  /** Ends both directions at once; what was not sent or read is lost. The peer sees `code` (default ERR_CHANNEL_RESET) and `message` (default the words of the code). */
  reset(code = 'ERR_CHANNEL_RESET', message: string = wordsOf(code)): void {
    this.#core.reset({ code, message });
  }

  /** Ends this side, and waits until the peer has ended its own. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
    await this.closed;
  }

  /** @internal For adapters of byte streams. */
  get port(): BytePort {
    return this.#core;
  }
}

/** The channels that the sender of `D` opens: `name` tells which, and so the type of `data`. */
export type ChannelFrom<D extends Direction> = {
  [N in Name<ChannelsOf<D>>]: Channel<ChannelsOf<D>[N]> & { readonly name: N };
}[Name<ChannelsOf<D>>];

/** The options of `openChannel`. */
export interface ChannelOptions {
  /** Resets the channel with ERR_ABORTED. */
  readonly signal?: AbortSignal;
}
