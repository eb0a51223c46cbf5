import type { Instant } from '../core/index.ts';
import type { Address } from './address.ts';
import type { ControllerName } from './congestion/index.ts';
import type { Crypto } from './crypto.ts';
import type { CloseName } from './faults.ts';
import type { Established } from './handshake/index.ts';
import type { Parameters, UdpackLimits, UdpackTimes } from './options.ts';
import type { KeyLimits } from './protection.ts';
import type { Session } from './session.ts';
import type { StreamEvent } from './streams/index.ts';

/** The endpoint, as a session sees it. */
export interface SessionHost {
  /** The session has something to transmit or to tell, or another deadline: look at it soon. Cheap, and may be called any number of times. */
  wake(session: Session): void;
  /** Eight random bytes under which the endpoint finds the session from now on. */
  newId(session: Session): Uint8Array;
  dropId(id: Uint8Array): void;
  /** The 16 bytes that end the session of this id when they come in a RESET. */
  resetToken(id: Uint8Array): Uint8Array;
  /** A RESET with this token is for the session: `Session.onStatelessReset`. */
  expectReset(token: Uint8Array, session: Session): void;
  forgetReset(token: Uint8Array): void;
}

/** Hears of what happens inside, for qlog. Times are the session's. */
export type Trace = (name: string, data: Readonly<Record<string, unknown>>, now: Instant) => void;

/** What sessions of one endpoint have in common. */
export interface SessionOptions {
  readonly host: SessionHost;
  readonly crypto: Crypto;
  readonly limits: UdpackLimits;
  readonly times: UdpackTimes;
  readonly keyLimits: KeyLimits;
  readonly congestion: ControllerName;
  /** The longest datagram that the interface can send, in bytes of UDP payload. */
  readonly datagramSize: number;
  readonly trace?: Trace | undefined;
}

export interface DialInit extends SessionOptions {
  readonly peer: Address;
  /** 32 bytes. */
  readonly serverKey: Uint8Array;
  readonly token: Uint8Array;
}

export interface AcceptInit extends SessionOptions {
  readonly peer: Address;
  readonly established: Established;
  /** The id that RESPONSE has told the client, and the client's own. */
  readonly id: Uint8Array;
  readonly remoteId: Uint8Array;
  /** Bytes of the INIT, and of the RESPONSE that answered it. */
  readonly initBytes: number;
  readonly responseBytes: number;
}

/** What a side with these options says of itself. */
export function parametersOf(
  { limits, times, datagramSize }: Pick<SessionOptions, 'limits' | 'times' | 'datagramSize'>,
  id: Uint8Array | undefined,
  resetToken: Uint8Array | undefined,
): Parameters {
  return {
    id,
    resetToken,
    credit: limits.sessionWindow,
    streamCredit: limits.streamWindow,
    packetStreams: limits.streams,
    byteStreams: limits.streams,
    packetBytes: limits.packetBytes,
    datagramSize,
    idle: times.idle,
    ackDelay: times.ackDelay,
    unreliableBytes: limits.datagramBytes === 0 ? 0 : 65_535,
    ids: 8,
  };
}

/** What the application should hear of. */
export type SessionEvent =
  /** A client's: the server has proved that it holds the key. Streams may be opened. */
  | { readonly type: 'established' }
  /** A server's: the client has shown this token. `Session.accept` or `Session.refuse` is to follow. */
  | { readonly type: 'auth'; readonly token: Uint8Array }
  /** The token is good, on both sides. */
  | { readonly type: 'open' }
  | { readonly type: 'goaway'; readonly code: number; readonly reason: string }
  /** The peer asked for a sign of life: its application, or UDPack itself. Several in a row may be told once. */
  | { readonly type: 'ping' }
  /** A `ping` of ours was acknowledged after so many ms. `token` is what `ping` returned. */
  | { readonly type: 'pong'; readonly token: number; readonly rtt: number }
  /** The peer is heard from another address now. */
  | { readonly type: 'moved'; readonly address: Address }
  | SessionClosed
  | StreamEvent;

/** Told once, and nothing after it. */
export interface SessionClosed {
  readonly type: 'closed';
  readonly by: 'peer' | 'self';
  /** True: `code` was chosen by an application; false: it is one of `FAULT_CODES`, by the name `fault`. */
  readonly application: boolean;
  readonly code: number;
  readonly fault: CloseName | undefined;
  readonly reason: string;
}

/** Figures of one session; times in ms, all else in bytes unless said otherwise. */
export interface SessionStats {
  readonly state: Session['state'];
  readonly address: Address;
  readonly rtt: number;
  readonly rttLeast: number;
  readonly rttVariation: number;
  readonly congestion: string;
  readonly window: number;
  readonly inFlight: number;
  /** Bytes a second that pacing allows; Infinity where it doesn't bound. */
  readonly pacingRate: number;
  readonly datagramSize: number;
  readonly datagramsSent: number;
  readonly datagramsReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Datagrams given up, and those of them that had arrived after all. */
  readonly datagramsLost: number;
  readonly datagramsLostInError: number;
  readonly probeTimeouts: number;
  /** Datagrams that could not be opened, and repeated ones. */
  readonly datagramsForged: number;
  readonly datagramsRepeated: number;
  readonly migrations: number;
  readonly keyUpdates: number;
}
