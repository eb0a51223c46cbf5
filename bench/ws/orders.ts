import type { Latency } from '../asking.ts';
import type { LoadOrder } from './loads.ts';
import type { PeerName } from './peers/index.ts';

/** What a server does with what comes. */
export interface Task {
  /**
   * `echo`: what comes goes back. `broadcast`: whatever comes has `burst` messages sent to everybody. `request`: questions are answered
   * with what they say. `join`: the question `join` or `part` has its sender join or leave the room that it names.
   */
  readonly kind: 'echo' | 'broadcast' | 'request' | 'join';
  readonly burst: number;
  /** Bytes of a broadcast message. */
  readonly size: number;
}

/** How a server is reached. */
export type Target = { readonly port: number } | { readonly path: string };

/** What the conductor orders a process to do; each is answered by one `Answer`. */
export type ServerOrder =
  | { readonly do: 'serve'; readonly peer: PeerName; readonly task: Task }
  | { readonly do: 'collect' };

export type GeneratorOrder =
  | { readonly do: 'aim'; readonly peer: PeerName; readonly task: Task; readonly target: Target }
  | { readonly do: 'verify' }
  | { readonly do: 'open'; readonly connections: number }
  | { readonly do: 'begin'; readonly load: LoadOrder }
  | { readonly do: 'mark' };

export type Order = ServerOrder | GeneratorOrder;

/** The load generator at one moment. */
export interface Mark {
  readonly atMs: number;
  readonly messages: number;
  /** Since the last mark, in ms; undefined where nobody measures. */
  readonly latency: Latency | undefined;
}
