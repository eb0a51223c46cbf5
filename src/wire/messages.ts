import { type ErrorCode, Outbound } from '../core/index.ts';

/** Names of the two dialects of docs/PROTOCOL.md; also their WebSocket subprotocols (RFC 6455 1.9). */
export const PROTOCOL = { hawser: 'hawser.v1', json: 'hawser.v1.json' } as const;

/** The only version there is. */
export const PROTOCOL_VERSION = 1;

/** Type bytes of the Hawser protocol, version 1. */
export const MESSAGE = {
  hello: 1,
  welcome: 2,
  event: 3,
  /** An event outside the acknowledged order: it may be dropped, and is never sent again. */
  volatile: 4,
  request: 5,
  response: 6,
  /** The answer to a request that failed; with id 0, an error about the socket as a whole. */
  failure: 7,
  channelOpen: 8,
  /** Bytes of the channel's byte stream. */
  channelData: 9,
  /** How many bytes the peer may send on the channel, counted from its beginning; outside the acknowledged order. */
  channelCredit: 10,
  /** The sender's last counted message on the channel. */
  channelClose: 11,
  ack: 12,
  ping: 13,
  pong: 14,
  goaway: 15,
} as const;
export type MessageKind = (typeof MESSAGE)[keyof typeof MESSAGE];

/** Who sent a message, as the room layer vouches for it. */
export interface From {
  readonly id: string;
  readonly user: string | null;
}

/** One device in a room, as presence shows it. */
export interface Member {
  readonly id: string;
  readonly user: string | null;
}

/** What the room layer writes beside the data; never set by the sender. */
export interface Meta {
  readonly room?: string;
  readonly from?: From;
  readonly member?: Member;
  /** Where the message is in the log of a room with history. */
  readonly offset?: number;
}

/** How far a peer has come in the log of a room: the last message that it had, and which log that was. */
export type ShownPosition = readonly [room: string, offset: number, epoch: string];

/** How many positions a HELLO shows at the most, and how long the epoch of one is, in UTF-16 code units. */
export const POSITIONS_MOST = 1000;
export const EPOCH_LENGTH = 64;

/** How many messages of a channel were handed on: `[channel, count]`. */
export type ChannelCount = readonly [channel: number, count: number];

/**
 * What a message takes of a channel's credit beside its length, bytes: about what it costs to keep it until it is read, so that many small
 * ones take no more memory than a few long ones.
 */
export const MESSAGE_COST = 64;

/** The longest CHANNEL_OPEN, bytes: its data is kept as long as the channel, outside any credit. */
export const OPEN_MOST: number = 16 * 1024;

/** Who takes shorter messages than this takes no channels: a byte stream can't be cut into crumbs on a peer's word. */
export const ROOM_LEAST = 256;

/** What one side takes on channels that its peer opens. Absent: none. */
export interface ChannelRoom {
  /** How many may be open at one time. */
  readonly most: number;
  /** Bytes that may be sent on each before its first credit. */
  readonly bytes: number;
  /** The longest message taken in, bytes, at least `ROOM_LEAST`: a byte stream is cut into shorter ones. */
  readonly message: number;
}

export interface Hello {
  readonly version: number;
  /** Absent in JSON where the link has named it already. */
  readonly namespace?: string | undefined;
  readonly token?: string | undefined;
  /** A name for oneself, where the server lets peers choose. */
  readonly user?: string | undefined;
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly channels?: ChannelRoom | undefined;
  /** Where the client stands in rooms with history, for when no session brings it back. */
  readonly positions?: readonly ShownPosition[] | undefined;
  readonly resume?:
    | undefined
    | {
        readonly ticket: Uint8Array;
        readonly counts: readonly ChannelCount[];
        /** Counts the HELLOs of one client, from 1: one that was overtaken by a later one brings nothing back. */
        readonly attempt?: number;
      };
}

export interface Welcome {
  readonly version: number;
  /** The socket's id. */
  readonly id: string;
  readonly user: string | null;
  /** The server's name and version, for people. */
  readonly server: string;
  /** True when the session of the ticket goes on; false when it could not; absent when none was asked for. */
  readonly recovered?: boolean | undefined;
  /** To be shown at the next resume; absent when this peer can't resume. 16 bytes. */
  readonly ticket?: Uint8Array | undefined;
  /** What the server had been handed on each channel before the link broke. */
  readonly counts?: readonly ChannelCount[] | undefined;
  /** The server's times and limits that the client must know, ms and bytes. */
  readonly heartbeat: number;
  readonly readWait: number;
  readonly resumeWindow: number;
  readonly messageBytes: number;
  readonly channels?: ChannelRoom | undefined;
}

/** URLs in one GOAWAY. */
export const ALTERNATIVES_MOST = 16;

export interface Goaway {
  readonly code: number;
  readonly reason: string;
  /** When to come back, in ms; the client adds chance to it. */
  readonly retryAfter?: number;
  /** URLs of other servers that serve the same, without path or parameters, the best first; at most 16. A client decides whether it believes them. */
  readonly alternatives?: readonly string[];
}

/** What a request can be numbered with: a number in the Hawser dialect, what the peer likes in JSON. */
export type RequestId = number | string;

/**
 * One decoded message. A single shape for all kinds keeps the hot path monomorphic; which fields mean something depends
 * on `kind`.
 */
export class Incoming {
  declare readonly kind: MessageKind;
  /** 0 is the socket itself. */
  declare readonly channel: number;
  /** Requests, responses and failures; 0 when there is none. */
  declare readonly id: RequestId;
  /** Events, requests and channels: the name. Failures: the code. */
  declare readonly name: string;
  /** The payload; of a channel its bytes, its credit, or why it was reset (undefined: it just ended); for `hello`, `welcome`, `goaway` the structure of that name, for `ack` the counts, for ping and pong the stamp. */
  declare readonly data: unknown;
  declare readonly meta: Meta | undefined;

  constructor(kind: MessageKind, channel: number, id: RequestId, name: string, data: unknown, meta?: Meta) {
    this.kind = kind;
    this.channel = channel;
    this.id = id;
    this.name = name;
    this.data = data;
    this.meta = meta;
  }
}

/** Why bytes were no message. In the JSON dialect the peer is told and lives; in the Hawser dialect the link closes. */
export interface WireFailure {
  readonly kind: 0;
  readonly code: ErrorCode;
  readonly message: string;
  /** The request that the failure is about, where there is one and it can be told. */
  readonly id: RequestId | undefined;
}

/** The payload of a failure: what is said beside the code. */
export interface FailureData {
  readonly message: string;
  readonly data?: unknown;
}

/** What a dialect has no word for. It is never written. */
export const UNSAID: Outbound = new Outbound(new Uint8Array(0), false);

/** One dialect: messages to bytes and back. Stateless; one instance serves every link. */
export interface Codec {
  readonly protocol: string;
  /** Whether this dialect has acknowledgement, and hence resume. */
  readonly acknowledges: boolean;
  /** Whether a peer can say HELLO in it. */
  readonly greets: boolean;
  /** Never throws, whatever the bytes. With `given` their memory is the message's to keep, so that long bytes in it need no copy. */
  decode(bytes: Uint8Array, text: boolean, given?: boolean): Incoming | WireFailure;
  /** @throws HawserError ERR_UNENCODABLE for data that the dialect can't say (functions, cycles, too deep). */
  event(channel: number, name: string, data: unknown, meta?: Meta): Outbound;
  volatile(channel: number, name: string, data: unknown, meta?: Meta): Outbound;
  request(channel: number, id: number, name: string, data: unknown): Outbound;
  /** `name` is the request's; only JSON repeats it. */
  response(channel: number, id: RequestId, name: string, data: unknown): Outbound;
  failure(channel: number, id: RequestId | undefined, code: string, failure: FailureData): Outbound;
  hello(hello: Hello): Outbound;
  welcome(welcome: Welcome): Outbound;
  ack(counts: readonly ChannelCount[]): Outbound;
  ping(stamp: number): Outbound;
  pong(stamp: number): Outbound;
  goaway(goaway: Goaway): Outbound;
  /** Absent in dialects that have no channels but the socket itself. */
  readonly channels?: ChannelCodec;
}

/** The messages that open, feed and end a channel. */
export interface ChannelCodec {
  /** @throws HawserError ERR_UNENCODABLE. */
  open(channel: number, name: string, data: unknown): Outbound;
  /** Copies the bytes. */
  data(channel: number, bytes: Uint8Array): Outbound;
  credit(channel: number, total: number): Outbound;
  /** Without `failure` the end of what this side sends; with one the end of both directions. */
  close(channel: number, failure?: ChannelFailure): Outbound;
}

/** Why a channel was reset. */
export interface ChannelFailure {
  readonly code: string;
  readonly message: string;
}
