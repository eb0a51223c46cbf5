import type {
  HawserError,
  Limits,
  Outbound,
  Overflow,
  RequestAnswer,
  RequestData,
  Times,
  World,
} from '../core/index.ts';
import type { Codec, Meta } from '../wire/index.ts';

export interface SendOptions {
  /** May be dropped when the link is slow or down, and is never sent again. Default false. */
  readonly volatile?: boolean;
  /** What to do when the peer is slower than we are; default the conversation's `overflow`. */
  readonly overflow?: Overflow;
  /** With `latest`: what else tells messages of one event apart, such as the symbol of a price. */
  readonly key?: string;
  /**
   * Gives the memory of what is sent away: to another thread it then goes without a copy, and bytes in `data` may be gone afterwards. Heeded where
   * nothing is kept for a resume: with `volatile`, and in dialects that don't acknowledge. Default false.
   */
  readonly move?: boolean;
}

/** What came with a message beside its data, set by the room layer. */
export type MessageInfo = Meta;

export type EventListener<Data> = (data: Data, info: MessageInfo) => unknown;
export type RequestHandler<F> = (
  data: RequestData<F>,
  info: MessageInfo,
) => RequestAnswer<F> | Promise<RequestAnswer<F>>;
export type AnyListener = (name: string, data: unknown, info: MessageInfo) => unknown;

/** The peer's requests that handlers are at work on, of a socket and all its channels together. */
export interface Load {
  handling: number;
}

/** Where a conversation's messages go, and what it needs of the world. */
export interface Outlet {
  readonly load: Load;
  readonly world: World;
  readonly codec: Codec;
  readonly limits: Pick<Limits, 'pendingRequests' | 'nameLength' | 'backlogBytes'>;
  readonly times: Pick<Times, 'requestTimeout'>;
  /**
   * Queues a message of the acknowledged order; `tag` is the id of a request, 0 for all else. A full backlog is an error that is
   * thrown (`block`) or the end (`disconnect`); without a word it is what this side usually does.
   */
  send(message: Outbound, tag: number, overflow?: Overflow): boolean;
  /** Queues an answer; it may pass events and requests. @throws HawserError ERR_CLOSED, ERR_BACKLOG_FULL. */
  reply(message: Outbound): void;
  /** Sends now or never. */
  sendVolatile(message: Outbound): boolean;
  /** Whether a message had better wait: the backlog is over its mark, or `orDown` there is no link. After true `onDrain` follows. */
  mustWait(orDown: boolean): boolean;
  /** A message was left out, or replaced. */
  onDropped?(): void;
  /** Hears what an application's handler threw. */
  report(error: unknown, during: string): void;
  /** Whether what a message says beside its data can be believed: a server's word, not a client's. */
  readonly trustsInfo: boolean;
  /** No handler is at work any more. */
  onIdle?(): void;
  /** Hears an error that the peer sent about no request in particular. */
  refused(error: HawserError): void;
}
