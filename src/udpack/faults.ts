/**
 * Why a session is closed on account of what its peer sent, or by this side's own machine. The number goes into CLOSE; docs/UDPACK.md
 * has the table.
 */
export const FAULT_CODES = {
  /** No fault: the endpoint or the session was closed. */
  none: 0,
  internal: 1,
  /** A frame ends after its datagram does, or its numbers can't be. */
  'frame-malformed': 2,
  'frame-unknown': 3,
  /** More data than credit was given for. */
  'credit-exceeded': 4,
  /** More streams than credit was given for. */
  'streams-exceeded': 5,
  /** Something for a stream that has not been opened, or that can't be said of it. */
  'stream-state': 6,
  /** A stream's end moved, or data reach past it. */
  'final-size': 7,
  /** A packet longer than `packetBytes`. */
  'packet-too-long': 8,
  /** An ack of a number that was not sent. */
  'ack-of-unsent': 9,
  /** More connection ids than were asked for, or one that changed. */
  'id-limit': 10,
  /** A parameter of the handshake that can't be. */
  'parameter-malformed': 11,
  /** Frames that this side of a session never sends. */
  'frame-unexpected': 12,
  /** The token was refused, or is too long. */
  'token-refused': 13,
  /** More datagrams failed to open than a key may stand. */
  'forgery-limit': 14,
  /** Nothing was heard for the idle time; never on the wire. */
  idle: 15,
  /** The peer knows nothing of the session any more; never on the wire. */
  'stateless-reset': 16,
  /** The handshake found no answer; never on the wire. */
  'handshake-timeout': 17,
  /** The peer speaks no version of ours; never on the wire. */
  version: 18,
  /** The server has no room for a further session. */
  busy: 19,
  /** More holes in the streams than a receiver keeps book of. */
  'gaps-exceeded': 20,
} as const;

export type Fault = Exclude<keyof typeof FAULT_CODES, 'none'>;
export type CloseName = keyof typeof FAULT_CODES;
