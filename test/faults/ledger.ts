/** What was said and heard in one run. Times are ms of the clock of who writes it down, and only compared with each other. */

export interface HeardMessage {
  readonly kind: 'message';
  readonly at: number;
  readonly room: string;
  readonly publisher: string;
  readonly number: number;
  /** The socket by which it was published: another one after the publisher's session was lost. */
  readonly by: string;
  /** Its place in the room's log; undefined in rooms without history. */
  readonly offset: number | undefined;
}

/** What the server told of the member's place in a room's log: it begins here, it got all that it had missed, or it can't. */
export interface HeardPlace {
  readonly kind: 'positioned' | 'recovered' | 'gap';
  readonly at: number;
  readonly room: string;
  readonly offset: number;
  readonly epoch: string;
  readonly missed: number | undefined;
  readonly reason: string | undefined;
}

/** Another member came or went. */
export interface HeardChange {
  readonly kind: 'joined' | 'left';
  readonly at: number;
  readonly room: string;
  /** The id of its socket. */
  readonly member: string;
}

/** There is a link, again. `id` of the socket is another one when the session was lost. */
export interface HeardUp {
  readonly kind: 'up';
  readonly at: number;
  readonly id: string;
  readonly transport: string;
}

/** The application on a node says that the member is in its rooms. */
export interface HeardIn {
  readonly kind: 'in';
  readonly at: number;
  readonly node: string;
}

export interface HeardDown {
  readonly kind: 'down';
  readonly at: number;
}

export type Heard = HeardMessage | HeardPlace | HeardChange | HeardUp | HeardIn | HeardDown;

/** All that one member heard, in the order in which it came. */
export interface MemberLog {
  readonly name: string;
  /** It went before the end: nothing of what came later is its business. */
  readonly hasLeft: boolean;
  readonly heard: readonly Heard[];
}

/** One message of a publisher: it counts them by room, and publishes the next when this one is confirmed or given up. */
export interface Published {
  readonly publisher: string;
  readonly room: string;
  readonly number: number;
  readonly askedAt: number;
  /** When it was confirmed; undefined when it never was. */
  readonly doneAt: number | undefined;
  readonly tries: number;
  /** Where the log has it; undefined in rooms without history, and when it was not confirmed. */
  readonly place: { readonly offset: number; readonly epoch: string } | undefined;
}

export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Who really is in a room at the end, and who the nodes say is. Ids of sockets. */
export interface Presence {
  readonly room: string;
  readonly truth: readonly string[];
  readonly answers: readonly { readonly node: string; readonly ids: readonly string[] }[];
}

export interface Ledger {
  readonly historyRooms: readonly string[];
  readonly plainRooms: readonly string[];
  readonly members: readonly MemberLog[];
  readonly published: readonly Published[];
  /** While nothing was wrong: what is published then in a room without history reaches all. */
  readonly calm: readonly Span[];
  readonly presence: readonly Presence[];
  /** Why members may be told `gap`, in which room, and from when on. */
  readonly mayGap: readonly { readonly room: string; readonly reason: string; readonly from: number }[];
}

export type FindingKind =
  /** A member never got a message that others have, or that was confirmed, and was told of no gap. */
  | 'lost'
  /** A member got a message again. */
  | 'doubled'
  /** A member got messages in an order that is not that of the log, or of their publisher. */
  | 'swapped'
  /** Two members saw different messages at one place, or the confirmation named another place. */
  | 'two-orders'
  /** A message is in the log at two places. */
  | 'appended-twice'
  /** A message of a room with history came without a place, or before any. */
  | 'unplaced'
  /** The member was told that it missed something, for a reason that nothing in this run gives. */
  | 'needless-gap'
  /** A message that nobody published. */
  | 'invented'
  /** After quiet, a node doesn't know who is in a room. */
  | 'presence'
  /** Told twice that somebody joined, or left. */
  | 'flapping';

export interface Finding {
  readonly kind: FindingKind;
  readonly room: string;
  /** The member, or the node. */
  readonly who: string;
  readonly words: string;
}

export interface Verdict {
  readonly findings: readonly Finding[];
  readonly published: number;
  readonly confirmed: number;
  readonly heard: number;
  /** By reason. */
  readonly gaps: Readonly<Record<string, number>>;
  readonly recovered: number;
  /** In rooms without history, while something was wrong: when each message was asked for that a member didn't get. */
  readonly lostPlain: readonly number[];
  /** In rooms without history: messages that a member got again in a new session. */
  readonly againPlain: number;
}
