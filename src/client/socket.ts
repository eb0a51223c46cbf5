import { type Channel, type ChannelFrom, type ChannelOptions, Conversation } from '../channel/index.ts';
import type {
  AnyApi,
  ApiShape,
  ChannelsOf,
  CloseReason,
  DataArguments,
  HawserError,
  Name,
  ToClient,
  ToServer,
} from '../core/index.ts';
import { CLOSE, closeReason } from '../core/index.ts';
import type { Traffic } from '../transport/index.ts';
import type { Goaway } from '../wire/index.ts';
import type { ClientCore } from './core.ts';

/** An event that went out and was never acknowledged: the server may have seen it, or not. */
export interface UnacknowledgedEvent {
  readonly event: string;
  readonly data: unknown;
}

export interface Up {
  /** The scheme of the link, such as `ws`. */
  readonly transport: string;
  /** True when the session went on where it broke; false when it was lost and a new one began; undefined at the first connection. */
  readonly recovered: boolean | undefined;
  /** After a lost session: events that are not sent again, since they may have arrived. */
  readonly unacknowledged: readonly UnacknowledgedEvent[];
}

/** A place in the log of a room with history. */
export interface RoomPosition {
  readonly offset: number;
  /** Names the log: one that began anew has another. */
  readonly epoch: string;
}

/** All that was missed in a room has come, before this. */
export interface RoomRecovered extends RoomPosition {
  /** How many messages that was. */
  readonly missed: number;
}

/** Messages of a room may be missing here: what the application knows of it is to be fetched anew. */
export interface RoomGap extends Partial<RoomPosition> {
  /**
   * They are no longer kept (`expired`), are of a log that began anew (`epoch`) or more than are given at once (`too-many`); or the log never
   * came to this client's position (`unknown`), or the room has none (`no-history`).
   */
  readonly reason: 'expired' | 'epoch' | 'too-many' | 'unknown' | 'no-history' | (string & {});
}

/** What the room layer tells; `info.room` says where. */
export interface RoomEvents {
  readonly events: {
    /** Somebody (`info.member`) came or went; when the server has presence on. */
    readonly joined: undefined;
    readonly left: undefined;
    /** The socket is in a room with history, and gets what comes after this place. */
    readonly positioned: RoomPosition;
    /** It is again, and has got what it had missed. */
    readonly recovered: RoomRecovered;
    readonly gap: RoomGap;
  };
}

/** What a socket tells of itself, under names that no peer can send. */
export interface ClientSocketEvents<A extends ApiShape = AnyApi> {
  /**
   * The server opened a channel; without a listener it is refused. When the listener returns a promise, the channel ends with it; what
   * it throws resets the channel, with the code of a HawserError.
   */
  channel: (channel: ChannelFrom<ToClient<A>>) => unknown;
  /** There is a link, and everything that waited has been sent. */
  up: (up: Up) => unknown;
  /** The link broke; the socket reconnects by itself. */
  down: (reason: CloseReason) => unknown;
  /** The next attempt starts in `delay` ms. */
  reconnecting: (info: {
    readonly attempt: number;
    readonly delay: number;
    readonly error: HawserError | undefined;
  }) => unknown;
  /** The server will go away soon. */
  goaway: (goaway: Goaway) => unknown;
  /** `send` may go on after it returned false. */
  drain: () => unknown;
  /** The server told of an error that belongs to no request. */
  error: (error: HawserError) => unknown;
  /** The server sends no more, and goes on listening; without a listener the socket ends. Plain dialects on byte streams only. */
  end: () => unknown;
  /** The socket has ended and will not come back; `error` says why when it was not asked to. */
  close: (reason: CloseReason, error: HawserError | undefined) => unknown;
}

const OWN_EVENTS: ReadonlySet<string> = new Set([
  'channel',
  'end',
  'up',
  'down',
  'reconnecting',
  'goaway',
  'drain',
  'error',
  'close',
]);

/** The conversation with a server. It outlives a broken link: it reconnects, and resumes where it was cut. */
export class ClientSocket<A extends ApiShape = AnyApi>
  extends Conversation<ToClient<A> & RoomEvents, ToServer<A>, ClientSocketEvents<A>>
  implements AsyncDisposable
{
  readonly #core: ClientCore;

  constructor(core: ClientCore) {
    super(0, core, OWN_EVENTS);
    this.#core = core;
    core.socket = this;
  }

  /** The id that the server gave; it changes when a session is lost. */
  get id(): string {
    return this.#core.welcome?.id ?? '';
  }

  /** Who the server says this peer is. */
  get user(): string | null {
    return this.#core.welcome?.user ?? null;
  }

  get state(): 'up' | 'down' | 'ended' {
    return this.#core.session.state;
  }

  /** The scheme of the link, such as `ws`; of the last one while there is none. */
  get transport(): string {
    return this.#core.transport;
  }

  /** Where it is in a room with history: what it shows to the server when its session is lost, to be given what it has missed. */
  position(room: string): RoomPosition | undefined {
    const known = this.#core.standings.get(room);
    return known && { offset: known[1], epoch: known[2] };
  }

  /** Bytes of its link, or of its last one. */
  get traffic(): Traffic {
    return this.#core.traffic;
  }

  /** Milliseconds from a ping to its pong, measured last; undefined before the first. */
  get rtt(): number | undefined {
    return this.#core.session.rtt;
  }

  /** Measures `rtt` anew. */
  ping(): void {
    this.#core.ping();
  }

  /**
   * Opens a channel, without a round trip: it can be used at once, and ends with ERR_NO_SUCH_CHANNEL or ERR_TOO_MANY_CHANNELS when the
   * server does not take it.
   * @throws HawserError ERR_UNSUPPORTED (the server takes none), ERR_TOO_MANY_CHANNELS, ERR_UNENCODABLE, ERR_ARGUMENT, ERR_ABORTED,
   *   ERR_CLOSED, ERR_BACKLOG_FULL.
   */
  openChannel<N extends Name<ChannelsOf<ToServer<A>>>>(
    name: N,
    ...[data, options]: DataArguments<ChannelsOf<ToServer<A>>[N], ChannelOptions>
  ): Channel<ChannelsOf<ToServer<A>>[N]> {
    return this.#core.channels.open(name, data, options?.signal) as Channel<ChannelsOf<ToServer<A>>[N]>;
  }

  /** Resolves with the reason when the socket has ended. Never rejects. */
  get closed(): Promise<CloseReason> {
    return this.#core.closed;
  }

  /** Stops reading from the server until `resume`, so that it feels back-pressure; a browser goes on reading. */
  pause(): void {
    this.#core.read(false);
  }

  resume(): void {
    this.#core.read(true);
  }

  /** Says, behind what is queued, that nothing more will be sent; the server may go on. @throws HawserError ERR_UNSUPPORTED (docs/guides/dialects.md). */
  end(): void {
    this.#core.end();
  }

  /** Sends what is queued, says goodbye and ends. Resolves when the link is gone. Quiet the second time. */
  async close(reason = ''): Promise<void> {
    await this.#core.close(closeReason(CLOSE.normal, reason));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
