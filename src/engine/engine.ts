import type { Instant, Overflow, WaitOptions } from '../core/index.ts';
import type { Member, Meta } from '../wire/index.ts';
import type { Appended, Entry, HistoryRule, Reading, ReadOptions } from './history.ts';
import type { AskOptions, NodeInfo, NodeNotice, Polled, Whereabouts } from './nodes.ts';

/** Whom a message is for, on whatever node they are. */
export interface Target {
  readonly namespace: string;
  /** Members of any of these rooms; with no rooms and no users, everybody in the namespace. */
  readonly rooms: readonly string[];
  /** All sockets of any of these users. */
  readonly users: readonly string[];
  /** But not the members of these rooms. */
  readonly exceptRooms: readonly string[];
  /** Nor these sockets, by id. */
  readonly exceptSockets: readonly string[];
}

/** A message between nodes: data, not bytes, since each node knows the dialects of its own sockets. */
export interface EngineMessage {
  readonly target: Target;
  readonly event: string;
  readonly data: unknown;
  readonly meta: Meta;
  readonly volatile: boolean;
  /** What to do for members that are slower than we are; default each member's own. */
  readonly overflow?: Overflow | undefined;
  /** With `latest`: what else tells messages of one event apart. */
  readonly key?: string | undefined;
  /** Who publishes again by the same id, on whatever node, within a few minutes, publishes nothing. */
  readonly id?: string | undefined;
}

/** What an engine calls on its node. */
export interface EngineHost {
  /**
   * A message of a room with history that this node watches, this node's own included: the order of the room's log. What was missed while
   * the engine had no server shows as a `previous` that is not the last offset, or by `interrupted`.
   */
  entered(entry: Entry): void;
  /** What was published up to now may not all have come: rooms with history are to be read on from where they are. */
  interrupted(): void;
  /** Another node asks: what is returned, or the promise of it, is the answer. Throwing answers with the error. */
  answer(question: unknown, node: string): unknown;
  /**
   * A user has a socket here and another one on another node. Told on both nodes, once for each pair of sockets (and again when the other node
   * had been given up in between), and with the same word for which of them came later, whatever the clocks say.
   */
  rival(namespace: string, user: string, mine: string, theirs: string, later: 'mine' | 'theirs'): void;
  /** A message that another node published, for this node's own sockets. */
  deliver(message: EngineMessage): void;
  /** A member entered or left a room, on whatever node, this one included. Called once per change; `count` members are in it now. */
  presence(namespace: string, room: string, member: Member, change: 'joined' | 'left', count: number): void;
  /**
   * A program that is no node pushes through the engine's server: JSON in UTF-8, one message or a list of them, as `POST /api/publish` takes it. Resolves with
   * what that would answer, in JSON, for where there is a way back. `heardBy` says whether this node alone has it, or every node of the cluster
   * has the same. Never throws or rejects.
   */
  pushed?(json: Uint8Array, heardBy: 'one' | 'all'): Promise<Uint8Array>;
  report(error: unknown, during: string): void;
}

/**
 * What makes rooms, users and presence one across nodes. A node delivers to its own sockets itself, at once; the engine carries
 * to the others. Calls that return nothing never throw and never wait: what fails later is told by `host.report`.
 */
export interface Engine extends AsyncDisposable {
  /** Such as `memory`, for logs and metrics. */
  readonly name: string;
  /** Since when its server can't be reached; undefined while it can, and for an engine that has none. */
  readonly downSince?: Instant | undefined;
  /**
   * Called by the first `listen`, and again only where it rejected; `announce`, `watchRoom`, `enter` and the like may come before it.
   * @throws HawserError ERR_CONNECT_FAILED when its server can't be reached; ERR_AUTH_FAILED, ERR_TLS, ERR_VERSION, ERR_UNSUPPORTED, ERR_OPTION.
   */
  start(host: EngineHost): Promise<void>;
  /** Carries a message to the other nodes that have an interest. */
  publish(message: EngineMessage): void;
  /**
   * Adds to the log of the room that the target names, and to no other, and has all nodes that watch it told by `entered`, this one
   * included: one step that succeeds or fails as a whole. What this node adds to one room is added in the order of the calls, with the data that it had
   * when it was called. By an `id` that the log had lately nothing is added, and the first one's place is
   * the answer.
   * @throws HawserError ERR_ENGINE_DOWN, ERR_TIMEOUT and ERR_ABORTED (`delivered` says whether it can be there), ERR_MESSAGE_TOO_LARGE,
   *   ERR_UNENCODABLE.
   */
  append(message: EngineMessage, rule: HistoryRule, options?: WaitOptions): Promise<Appended>;
  /**
   * What a room's log has after `since`; without it, where the log stands. At most `most` messages (default 1000): more than that is a gap.
   * It knows of all that was added before the call, as far as `entered` or `append` have told of it; what is added once a call of `watchRoom` was
   * followed by a reading is either in that reading or is told by `entered`.
   * @throws HawserError ERR_ENGINE_DOWN, ERR_TIMEOUT, ERR_ABORTED.
   */
  read(namespace: string, room: string, rule: HistoryRule, options?: ReadOptions): Promise<Reading>;
  /**
   * This node now has, or no longer has, members in the room: only then does it need the room's traffic. With a rule the room's log is
   * heard, by `entered`.
   */
  watchRoom(namespace: string, room: string, rule?: HistoryRule): void;
  unwatchRoom(namespace: string, room: string): void;
  /** Likewise for a user who has a socket here. */
  watchUser(namespace: string, user: string): void;
  unwatchUser(namespace: string, user: string): void;
  /** Presence: a socket of this node entered or left a room. */
  enter(namespace: string, room: string, member: Member): void;
  leave(namespace: string, room: string, member: Member): void;
  /** Who is in a room, on all nodes; `most` bounds the answer (default 1000). */
  members(namespace: string, room: string, most?: number): Promise<readonly Member[]>;
  /** How many are in a room, on all nodes; takes no longer for a large one. */
  count(namespace: string, room: string): Promise<number>;
  /** The rooms that have members, and how many each, on all nodes. */
  rooms(namespace: string, most?: number): Promise<ReadonlyMap<string, number>>;
  /** A socket of a user came or went. */
  arrive(namespace: string, user: string, socket: string): void;
  depart(namespace: string, user: string, socket: string): void;
  /** The users who have a socket, and how many each, on all nodes. */
  users(namespace: string, most?: number): Promise<ReadonlyMap<string, number>>;
  /** How many users have a socket, on all nodes; takes no longer for many. */
  countUsers(namespace: string): Promise<number>;
  /** How many sockets a user has, on all nodes. */
  countUser(namespace: string, user: string): Promise<number>;
  /** Where a user's sockets are, the one that came last at the end. */
  whereIs(namespace: string, user: string): Promise<readonly Whereabouts[]>;
  /** What the other nodes are to know of this one. May be called again, also before `start`. */
  announce(notice: NodeNotice): void;
  /** All nodes that are known, this one first; one whose lease ran out is listed for another minute, as not alive. */
  nodes(): Promise<readonly NodeInfo[]>;
  /**
   * Asks the other nodes, or those that are named. Resolves with what came within `timeout` (ms, default 2000) and names who was silent;
   * a node that is known to be dead is not waited for.
   * @throws HawserError ERR_ABORTED, ERR_UNENCODABLE, ERR_TOO_MANY_REQUESTS (1000 questions wait).
   */
  ask(question: unknown, options?: AskOptions): Promise<Polled>;
  close(): Promise<void>;
}
