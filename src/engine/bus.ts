import type { WaitOptions } from '../core/index.ts';
import type { Appended, GapReason, HistoryRule, Position, ReadOptions } from './history.ts';

/** Whom bytes between nodes are for. */
export type Subject =
  | { readonly kind: 'all' }
  | { readonly kind: 'room'; readonly namespace: string; readonly room: string }
  | { readonly kind: 'user'; readonly namespace: string; readonly user: string }
  | { readonly kind: 'node'; readonly node: string };

/** One entry of a room's log, as the bus keeps it. */
export interface LoggedBytes {
  readonly bytes: Uint8Array;
  readonly offset: number;
  /** The offset of the entry before it, 0 for the first. */
  readonly previous: number;
}

/** As `Reading`, with bytes instead of messages. */
export type BytesRead =
  | { readonly isWhole: true; readonly entries: readonly LoggedBytes[]; readonly position: Position }
  | { readonly isWhole: false; readonly reason: GapReason; readonly position: Position };

/** What a bus calls. Bytes are the receiver's to keep. */
export interface BusHost {
  /** Somebody published to a subject that this node has subscribed to; this node itself included. One publisher's come in its order. */
  received(bytes: Uint8Array): void;
  /** An entry was added to a log that this node watches, by whomever. In the log's order; twice does no harm. */
  logged(namespace: string, room: string, entry: LoggedBytes, epoch: string): void;
  /**
   * The server is there again, and all is subscribed to again; what came between may be lost. Not called for the first time. Also called where
   * something may be lost although the connection held.
   */
  reconnected(): void;
  /** The server is gone; the bus goes on trying to reach it. Again before `reconnected` says nothing new. */
  disconnected(error: unknown): void;
  /** The process of a node that had subscribed to itself has ended for certain. Only a bus that can know this calls it; leases do the rest. */
  ended?(node: string): void;
  /** As `EngineHost.pushed`, of what came by a subject or channel that is for programs that are no nodes. */
  pushed?(json: Uint8Array, heardBy: 'one' | 'all'): Promise<Uint8Array>;
  report(error: unknown, during: string): void;
}

/**
 * What carries bytes between nodes, and keeps the logs of rooms: the part of an engine that its server does. Publishing is at most once.
 * While there is no server, what is published is lost without a word; what is subscribed to and watched is kept in mind for `reconnected`.
 *
 * Of a `JoinedEngine`: publishing, subscribing and watching begin when `start` has resolved, and end before `close`; `append` and `read` may come
 * at any time, and reject with ERR_ENGINE_DOWN before `start` and after `close`. What returns nothing throws nothing and waits for nothing; what fails is
 * told by `report`. What the host is told after `close` is not heard.
 */
export interface Bus extends AsyncDisposable {
  /** Such as `nats`, for logs and metrics. */
  readonly name: string;
  /** The most bytes that one `publish` or `append` takes; at least 256. */
  readonly payloadBytes: number;
  /**
   * Called once, and again only where it rejected; then `close` may be called, too.
   * @throws HawserError ERR_CONNECT_FAILED, ERR_AUTH_FAILED, ERR_TLS, ERR_VERSION, ERR_UNSUPPORTED, ERR_OPTION.
   */
  start(host: BusHost): Promise<void>;
  /** The publisher hears it too, if it has subscribed: leases are counted by that. `bytes` are not changed afterwards, and not to be changed. */
  publish(subject: Subject, bytes: Uint8Array): void;
  /** Each subject once, until `unsubscribe`. */
  subscribe(subject: Subject): void;
  unsubscribe(subject: Subject): void;
  /** Has `logged` called. What is added after it began is in the first `read` that follows, or is told by `logged`, or is in both. */
  watchLog(namespace: string, room: string, rule: HistoryRule): void;
  unwatchLog(namespace: string, room: string, rule: HistoryRule): void;
  /**
   * Adds to a log and tells those who watch it, in one step; what one node adds to one log, in the order of the calls. By an `id` that it had
   * within the last 2 minutes nothing is added.
   * @throws HawserError ERR_ENGINE_DOWN, ERR_TIMEOUT and ERR_ABORTED, each with `delivered`; ERR_MESSAGE_TOO_LARGE.
   */
  append(
    namespace: string,
    room: string,
    rule: HistoryRule,
    bytes: Uint8Array,
    options: WaitOptions & { readonly id?: string | undefined },
  ): Promise<Appended>;
  /** At most `most` entries (default 1000): more than that is a gap. @throws HawserError ERR_ENGINE_DOWN, ERR_TIMEOUT, ERR_ABORTED. */
  read(namespace: string, room: string, rule: HistoryRule, options: ReadOptions): Promise<BytesRead>;
  /** Quiet when called twice. What was published before still leaves, if that takes no longer than a second. */
  close(): Promise<void>;
}
