import type { HawserError, WaitOptions } from '../core/index.ts';

/** What a node says of itself. */
export interface NodeNotice {
  /** For people. Default: host name and process id. */
  readonly name?: string;
  /** `draining`: it is going, and wants nobody new. */
  readonly state: 'up' | 'draining';
  /** Where clients reach it. */
  readonly endpoints: readonly string[];
  readonly sockets: number;
  /** Anything the application wants to say, such as a zone or a version; at most 4 KiB. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface NodeInfo extends Required<NodeNotice> {
  readonly id: string;
  readonly isSelf: boolean;
  /** ms since it was last heard; 0 for this one. */
  readonly heardAgo: number;
  /** Its lease has not run out. */
  readonly isAlive: boolean;
}

export interface AskOptions extends WaitOptions {
  /** Ids. Default: all others. */
  readonly nodes?: readonly string[];
}

/** What became of a question to many nodes. */
export interface Polled {
  readonly answers: readonly { readonly node: string; readonly data: unknown }[];
  readonly errors: readonly { readonly node: string; readonly error: HawserError }[];
  /** Ids of those that didn't answer in time, or are gone. */
  readonly silent: readonly string[];
}

export interface Whereabouts {
  readonly node: string;
  readonly socket: string;
}
