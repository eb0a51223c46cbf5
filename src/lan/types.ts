import type { Random } from '../core/index.ts';
import type { LanKey, Mac } from './keys.ts';
import type { LanLimits, LanTimes } from './options.ts';

/** Where datagrams come from and go to. Compared by value; the machine reads nothing into it. */
export interface LanAddress {
  /** An IP address without brackets, in the form that the system tells, with its scope if it has one. */
  readonly address: string;
  readonly port: number;
}

/** A datagram to send. Its bytes stay as they are: they may be sent at any time. */
export interface LanDatagram {
  readonly bytes: Uint8Array;
  /** Undefined: to the group, or whatever address the publisher has for all. */
  readonly to: LanAddress | undefined;
}

interface SideOptions {
  /** Chance, of cryptographic quality. */
  readonly random: Random;
  /** The pre-shared keys: the first one signs, any of them is taken. None: nothing is signed, and what is signed is dropped. */
  readonly keys?: readonly LanKey[] | undefined;
  readonly limits?: Partial<LanLimits> | undefined;
  readonly times?: Partial<LanTimes> | undefined;
}

export interface PublisherOptions extends SideOptions {
  /** The port on which this publisher takes requests, on the address that its datagrams come from; 0: nobody can ask. */
  readonly door: number;
  /** HMAC-SHA-256 under 32 random bytes that nobody else knows, made for this publisher: it proves addresses. */
  readonly prove: Mac;
}

export interface SubscriberOptions extends SideOptions {
  /**
   * Where to begin with a publisher that was there before: at the first message heard (with a key: at the first one after it has shown to be
   * there), or at the oldest in its store. Default `now`. Of a publisher that begins while this subscriber listens everything is heard.
   */
  readonly since?: 'now' | 'store' | undefined;
  /** Whether anybody wants messages of this topic; others are counted and not decoded. Default: all. */
  readonly wants?: ((topic: string) => boolean) | undefined;
  /** Tells the `session` of the publisher of the same bus, which is not listened to; undefined while there is none. */
  readonly except?: (() => string | undefined) | undefined;
}

/** Why messages are lost for good. */
export type GapReason =
  /** The publisher's store has let go of them. */
  | 'expired'
  /** The publisher didn't answer: it is gone, out of reach, or has no door. */
  | 'unanswered'
  /** A limit of this subscriber was crossed: `holes` or `behindMessages`. */
  | 'limits'
  /** They came and are parts of a message another part of which is lost. */
  | 'cut'
  /** They came, and are no messages. */
  | 'malformed';

/** Why a publisher is no longer listened to: it said so; nothing was heard for `times.silence`. */
export type EndReason = 'ended' | 'silent';

/** Why a datagram was dropped, or what else should be known. */
export type LanFault =
  /** No datagram of this protocol. */
  | 'foreign'
  /** Another version of this protocol. */
  | 'version'
  /** Its header or its blocks are against the rules. */
  | 'malformed'
  /** Signed, and there is no such key here; or not signed, and there must be. */
  | 'key'
  /** Signed wrongly. */
  | 'forged'
  /** Signed well by a publisher that did not show to be there now: a replay, or its door is out of reach. */
  | 'unproved'
  /** More publishers than `limits.publishers`. */
  | 'publishers'
  /** A request for another session, or for messages that don't exist. */
  | 'request'
  /** An answer to a question that this subscriber has not asked. */
  | 'unasked'
  /** Answers were dropped, since there were more than the limits allow. */
  | 'answers';

export interface LanMessageEvent {
  readonly type: 'message';
  readonly topic: string;
  readonly data: unknown;
  /** The publisher's session, as 24 hexadecimal digits; new with each start of a publisher. */
  readonly publisher: string;
  /** The number of its first part; numbers of a publisher begin at 1. A volatile message is counted apart from others. */
  readonly sequence: number;
  /** How many numbers it takes: 1, or more for a long one. */
  readonly parts: number;
  readonly volatile: boolean;
}

/** Told when a datagram was dropped, at most once in `times.faultInterval` for each reason. */
export interface LanFaultEvent {
  readonly type: 'fault';
  readonly reason: LanFault;
  /** How many since it was told last. */
  readonly count: number;
  /** Who sent the last of them. */
  readonly from: LanAddress;
}

export type SubscriberEvent =
  | LanMessageEvent
  /** These numbers of the publisher, the first and the last, are lost for good; told in their place in the order. */
  | {
      readonly type: 'gap';
      readonly publisher: string;
      readonly from: number;
      readonly to: number;
      readonly reason: GapReason;
    }
  /** These numbers were missing, were asked for, and have come; told before their messages. */
  | { readonly type: 'recovered'; readonly publisher: string; readonly from: number; readonly to: number }
  /** A publisher is listened to from now on; `sequence` is the first number that is expected of it. */
  | { readonly type: 'publisher'; readonly publisher: string; readonly address: LanAddress; readonly sequence: number }
  /** Nothing more comes from it, and all that was missing has been told. One that was silent may come back. */
  | { readonly type: 'end'; readonly publisher: string; readonly reason: EndReason }
  | LanFaultEvent;

export type PublisherEvent =
  /** `publish` said false, and less than half of `limits.backlogMark` waits now. */
  { readonly type: 'drain' } | LanFaultEvent;

/** What is known of one publisher. */
export interface HeardPublisher {
  readonly publisher: string;
  /** Its door; the port is 0 when it has none. */
  readonly address: LanAddress;
  /** `proving`: it was heard, and has not yet answered. */
  readonly state: 'proving' | 'live' | 'ending';
  /** The number that is delivered next. */
  readonly next: number;
  /** Numbers that are missing, known to have been published. */
  readonly missing: number;
  /** Bytes of datagrams that wait for what is missing. */
  readonly heldBytes: number;
}

export interface PublisherStats {
  /** The number of the next message. */
  readonly next: number;
  readonly messages: number;
  readonly volatile: number;
  /** Volatile messages that were dropped because of the backlog. */
  readonly dropped: number;
  readonly datagrams: number;
  readonly bytes: number;
  readonly heartbeats: number;
  readonly requests: number;
  readonly answers: number;
  readonly answerBytes: number;
  readonly welcomes: number;
  /** Messages that were asked for and are gone. */
  readonly gone: number;
  readonly storeMessages: number;
  readonly storeBytes: number;
  readonly backlogBytes: number;
  readonly faults: Readonly<Partial<Record<LanFault, number>>>;
}

export interface SubscriberStats {
  readonly datagrams: number;
  readonly bytes: number;
  readonly messages: number;
  readonly volatile: number;
  /** Messages that nobody wanted. */
  readonly unwanted: number;
  /** Datagrams that brought nothing new. */
  readonly duplicates: number;
  readonly requests: number;
  /** Numbers of messages. */
  readonly recovered: number;
  readonly lost: number;
  readonly publishers: number;
  readonly strangers: number;
  readonly heldBytes: number;
  readonly faults: Readonly<Partial<Record<LanFault, number>>>;
}
