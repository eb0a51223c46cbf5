import type { Latency } from '../asking.ts';

/** What joins the nodes. */
export type EngineName = 'none' | 'cluster' | 'nats' | 'redis';
export type PeerName = 'hawser' | 'socket.io';

/** What a node does with what comes: `go` has so many messages sent to everybody in the room `all`. */
export interface Task {
  readonly peer: PeerName;
  readonly engine: EngineName;
  /** Where the engine's server is; undefined where it has none. */
  readonly server: string | undefined;
  /** Whether the room keeps history. */
  readonly history: boolean;
  readonly burst: number;
  /** Bytes of a message. */
  readonly size: number;
}

export type NodeOrder =
  | { readonly do: 'serve'; readonly task: Task }
  /** How many members of `all` the node knows, on all nodes. */
  | { readonly do: 'count' }
  /** Has each socket join so many rooms of its own. Answers when all nodes know of them, as far as that can be known. */
  | { readonly do: 'join'; readonly each: number }
  /** Publishes once to each of these rooms of the other nodes: `room-SOCKET-NUMBER`. */
  | { readonly do: 'address'; readonly rooms: readonly string[] }
  | { readonly do: 'collect' };

export type Load =
  /** The first connection asks for the next burst when everybody has had the last one. */
  | { readonly kind: 'bursts'; readonly burst: number }
  /** Every so often the first connection asks for a message to everybody; how long those on other nodes wait is measured. */
  | { readonly kind: 'announcements'; readonly everyMs: number };

export type MembersOrder =
  /** With `anyLength` what comes may be of any length; otherwise another one than that of the news is a failure. */
  | { readonly do: 'aim'; readonly task: Task; readonly ports: readonly number[]; readonly anyLength: boolean }
  | { readonly do: 'open'; readonly connections: number }
  | { readonly do: 'begin'; readonly load: Load }
  /** Counts what comes, and says nothing. */
  | { readonly do: 'count' }
  | { readonly do: 'mark' };

/** The members at one moment. */
export interface Mark {
  readonly atMs: number;
  readonly messages: number;
  readonly latency: Latency | undefined;
}
