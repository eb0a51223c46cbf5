import { HawserError } from './errors.ts';

/** What one side takes in or keeps at the most. Each bound has a row in docs/LIMITS.md and a test that crosses it. */
export interface Limits {
  /** The longest message taken in, in bytes. */
  readonly messageBytes: number;
  /** Bytes queued for one peer and not taken by its link; over it a server cuts the peer off, a client's `send` throws. */
  readonly backlogBytes: number;
  /** Bytes kept for one peer until it acknowledges them; over it `send` returns false, or the session ends while the link is down. */
  readonly resumeBytes: number;
  /** Requests of one peer that wait for an answer, at one time. */
  readonly pendingRequests: number;
  /** Channels that one peer has open, at one time. */
  readonly channels: number;
  /** Bytes that a peer may send on one channel ahead of its reader. */
  readonly channelBytes: number;
  /** The longest name of a room, a user or an event, in UTF-16 code units. */
  readonly nameLength: number;
}

/** What only a server bounds, beside `Limits`. Kept apart so that a page doesn't load their defaults. */
export interface ServerLimits extends Limits {
  /** Sockets of one address off loopback, at one time. */
  readonly socketsPerAddress: number;
  /** Sockets of one server, at one time. */
  readonly sockets: number;
  /** Rooms that one socket is in, at one time. */
  readonly roomsPerSocket: number;
  /** Namespaces that patterns have made and that exist at one time. */
  readonly namespaces: number;
  /** In rooms with more members than this nobody is told who joins and leaves. */
  readonly presenceMembers: number;
  /** Sockets that one `requestAll` may ask. */
  readonly requestAll: number;
  /** Messages that a socket that comes back to a room with history is given, and a node that reads a log on; of more it is told a gap. */
  readonly recovery: number;
  /** Messages that are on their way into logs of rooms with history, at one time. */
  readonly appends: number;
  /** Messages a second that one peer may send in the long run, and how many at once; beyond it the peer is slowed, then sent away. */
  readonly messageRate: number;
  readonly messageBurst: number;
}

/** Times, in ms. */
export interface Times {
  /** A peer may take this long from the link's beginning to a valid HELLO. */
  readonly loginWait: number;
  /** A link on which nothing was heard for this long gets a ping. */
  readonly heartbeat: number;
  /** A link on which nothing was heard for this long is dead. */
  readonly readWait: number;
  /** A link that has taken no byte of what is queued for this long is dead. */
  readonly writeWait: number;
  /** A broken session waits this long for its peer to come back; 0 turns resume off. */
  readonly resumeWindow: number;
  /** A polite close may take this long. */
  readonly closeWait: number;
  /** The default for `request`. */
  readonly requestTimeout: number;
}

/** What only a server has, beside `Times`. */
export interface ServerTimes extends Times {
  /** A namespace that a pattern has made and that nobody is in any more lives on for this long. */
  readonly namespaceGrace: number;
  /** A peer over `messageRate` is slowed for this long, then sent away. */
  readonly rateWait: number;
}

export const DEFAULT_LIMITS: Limits = {
  messageBytes: 1 << 20,
  backlogBytes: 1 << 20,
  resumeBytes: 1 << 20,
  pendingRequests: 1000,
  channels: 100,
  channelBytes: 1 << 18,
  nameLength: 256,
};

export const DEFAULT_TIMES: Times = {
  loginWait: 10_000,
  heartbeat: 20_000,
  readWait: 45_000,
  writeWait: 30_000,
  resumeWindow: 120_000,
  closeWait: 5_000,
  requestTimeout: 30_000,
};

export const SERVER_LIMITS: Omit<ServerLimits, keyof Limits> = {
  socketsPerAddress: 100,
  sockets: 100_000,
  roomsPerSocket: 1000,
  namespaces: 10_000,
  presenceMembers: 1000,
  requestAll: 1000,
  recovery: 1000,
  appends: 10_000,
  messageRate: 10_000,
  messageBurst: 20_000,
};

export const SERVER_TIMES: Omit<ServerTimes, keyof Times> = {
  namespaceGrace: 10_000,
  rateWait: 10_000,
};

/** Fills what is left out with the defaults. @throws HawserError ERR_OPTION for what is no number from 0, or unknown. */
export function fillNumbers<T extends object>(
  defaults: T,
  given: { readonly [N in keyof T]?: T[N] | undefined } | undefined,
  what: string,
): T {
  const filled: Record<string, number> = { ...(defaults as Record<string, number>) };
  for (const [name, value] of Object.entries(given ?? {})) {
    if (value === undefined) continue;
    if (!Object.hasOwn(filled, name) || typeof value !== 'number' || !(value >= 0)) {
      throw new HawserError('ERR_OPTION', `${what}.${name} is no option, or no number from 0`);
    }
    filled[name] = value;
  }
  return filled as T;
}

/** A limit may be infinite, or have a fraction; what is said of it can't. */
export function whole(limit: number): number {
  return Math.min(Math.floor(limit), Number.MAX_SAFE_INTEGER);
}
