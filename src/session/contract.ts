import type { CloseReason, Instant, Outbound } from '../core/index.ts';
import type { Goaway, Incoming } from '../wire/index.ts';

export interface SessionSettings {
  /** `server` ends at once when its peer says goodbye for good, and cuts off a peer that takes nothing. */
  readonly role: 'server' | 'client';
  /** A link on which nothing was heard for this long gets a ping, ms. */
  readonly heartbeat: number;
  /** A link on which nothing was heard for this long is dead, ms. */
  readonly readWait: number;
  /** How long a session waits for its peer to come back, ms; 0 turns resume off. */
  readonly resumeWindow: number;
  /** Bytes kept until they are acknowledged: at this many `send` returns false; while the link is down it is the end. */
  readonly resumeBytes: number;
  /** Bytes that may wait beyond that, or in the link, for a peer that takes nothing. */
  readonly backlogBytes: number;
  /** How many channels the peer may have open at one time, beside the socket itself. */
  readonly channels: number;
}

export type SessionState = 'down' | 'up' | 'ended';

/** What may follow what; `down` is where a session begins. docs/PROTOCOL.md draws it. */
export const SESSION_TRANSITIONS: Readonly<Record<SessionState, readonly SessionState[]>> = {
  down: ['up', 'ended'],
  up: ['up', 'down', 'ended'],
  ended: [],
};

/** What a session writes to: a link, or what stands for one. */
export interface SessionPort {
  /** `lane`: the channel whose order the message keeps, where the link has such a thing; or one of `LANE`. */
  send(message: Outbound, lane?: number): boolean;
  /** Nothing more comes on the lane. */
  endLane?(lane: number): void;
  /** Sends what may be lost; false when it can't be sent so. */
  sendVolatile?(message: Outbound): boolean;
  /** Whether the memory of the message that it hands on now is the session's, and nothing else lies in it. Default false. */
  readonly givesMemory?: boolean | undefined;
  /** Bytes that wait in the link. */
  readonly queued: number;
  /** Leads to a sign of life; absent where the link knows no such thing. */
  readonly ping?: (() => void) | undefined;
  close(reason: CloseReason): unknown;
}

/** What a session tells the layer above; called synchronously. */
export interface SessionHandler {
  /**
   * An event, request, response, failure, or a word about a channel: exactly once, in order; volatile events and credits at most once. In
   * JSON also a hello that comes late. `size` is the message's length, bytes.
   */
  onMessage(message: Incoming, size: number): void;
  /** `send` may go on after it returned false. */
  onDrain(): void;
  /** There is room for bulk again after `takesMore` said no. */
  onRoom?(): void;
  /** The link is gone; the session waits for another. */
  onDown(reason: CloseReason): void;
  /** Another link goes on where the last one broke. */
  onUp(): void;
  /** The first word over a resumed link: the peer has had its WELCOME, and the ticket before the one in it may go. */
  onConfirmed?(): void;
  onGoaway(goaway: Goaway): void;
  /** The last call. */
  onEnd(reason: CloseReason): void;
  /** `tick` is wanted at `at`, earlier than was said before. */
  wakeAt(at: Instant): void;
}
