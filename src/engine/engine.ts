import type { Overflow } from '../core/index.ts';
import type { Member, Meta } from '../wire/index.ts';

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
}

/** What an engine calls on its node. */
export interface EngineHost {
  /** A message that another node published, for this node's own sockets. */
  deliver(message: EngineMessage): void;
  /** A member entered or left a room, on whatever node, this one included. Called once per change; `count` members are in it now. */
  presence(namespace: string, room: string, member: Member, change: 'joined' | 'left', count: number): void;
  report(error: unknown, during: string): void;
}

/**
 * What makes rooms, users and presence one across nodes. A node delivers to its own sockets itself, at once; the engine carries
 * to the others. Calls that return nothing never throw and never wait: what fails later is told by `host.report`.
 */
export interface Engine extends AsyncDisposable {
  /** Such as `memory`, for logs and metrics. */
  readonly name: string;
  /** Called once, before anything else. @throws HawserError ERR_CONNECT_FAILED when its server can't be reached. */
  start(host: EngineHost): Promise<void>;
  /** Carries a message to the other nodes that have an interest. */
  publish(message: EngineMessage): void;
  /** This node now has, or no longer has, members in the room: only then does it need the room's traffic. */
  watchRoom(namespace: string, room: string): void;
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
  close(): Promise<void>;
}
