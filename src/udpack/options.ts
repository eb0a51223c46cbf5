/** Bounds of an endpoint and its sessions. All are maxima; docs/LIMITS.md has them too. */
export interface UdpackLimits {
  /** One packet taken in, in bytes. Default 16 MiB. */
  readonly packetBytes: number;
  /** Streams that the peer has open at one time, of each kind. Default 1,000. */
  readonly streams: number;
  /** Credit that a stream begins with, in bytes. Default 256 KiB. It grows with use up to `streamWindowMost`, default 16 MiB. */
  readonly streamWindow: number;
  readonly streamWindowMost: number;
  /** Credit that a session begins with, in bytes. Default 1 MiB. It grows with use up to `sessionWindowMost`, default 48 MiB. */
  readonly sessionWindow: number;
  readonly sessionWindowMost: number;
  /** Packets of one session that are not whole yet, in bytes together; one packet is always let in. Default 64 MiB. */
  readonly assemblyBytes: number;
  /** Bytes that are written and not yet acknowledged, per session, from which on `write` says false. Default 4 MiB. */
  readonly backlogBytes: number;
  /** Unreliable datagrams that wait to be sent, in bytes; the oldest give way. Default 256 KiB. */
  readonly datagramBytes: number;
  /** Sessions of one endpoint. Default 100,000. */
  readonly sessions: number;
  /** Handshakes that have not shown their address to be theirs. Default 1,000; the oldest gives way, or the new one is dropped. */
  readonly halfOpen: number;
  /** Half-open handshakes from which on a cookie is asked for. Default 100. */
  readonly halfOpenFree: number;
  /** Handshakes a second of one address (IPv6: of one /64), in the long run. Default 50, after a burst of 200. */
  readonly handshakeRate: number;
  readonly handshakeBurst: number;
  /** Bytes of a token. Default 1,024, which is the most that one datagram surely holds. */
  readonly tokenBytes: number;
}

export const UDPACK_LIMITS: UdpackLimits = {
  packetBytes: 16 * 1024 * 1024,
  streams: 1000,
  streamWindow: 256 * 1024,
  streamWindowMost: 16 * 1024 * 1024,
  sessionWindow: 1024 * 1024,
  sessionWindowMost: 48 * 1024 * 1024,
  assemblyBytes: 64 * 1024 * 1024,
  backlogBytes: 4 * 1024 * 1024,
  datagramBytes: 256 * 1024,
  sessions: 100_000,
  halfOpen: 1000,
  halfOpenFree: 100,
  handshakeRate: 50,
  handshakeBurst: 200,
  tokenBytes: 1024,
};

/** Times of an endpoint and its sessions, in ms. */
export interface UdpackTimes {
  /** From the first datagram to the acceptance of the token. Default 10,000. */
  readonly handshakeWait: number;
  /** Silence after which a session ends. The lesser of both sides' holds. Default 30,000. */
  readonly idle: number;
  /** Silence after which a PING goes out, or after half of the idle time where that is less; 0 turns it off. Default 10,000. */
  readonly keepalive: number;
  /** The longest that an ack is held back. Default 20. */
  readonly ackDelay: number;
  /** The longest that a polite close waits for what is written to be acknowledged. Default 5,000. */
  readonly closeWait: number;
  /** Age of a key at which the next one is used. Default 600,000. */
  readonly keyUpdate: number;
}

export const UDPACK_TIMES: UdpackTimes = {
  handshakeWait: 10_000,
  idle: 30_000,
  keepalive: 10_000,
  ackDelay: 20,
  closeWait: 5000,
  keyUpdate: 600_000,
};

/** What a side says of itself in the handshake; docs/UDPACK.md, "Parameters". */
export interface Parameters {
  /** The server's id and its reset token; undefined from a client. */
  readonly id: Uint8Array | undefined;
  readonly resetToken: Uint8Array | undefined;
  readonly credit: number;
  readonly streamCredit: number;
  readonly packetStreams: number;
  readonly byteStreams: number;
  readonly packetBytes: number;
  readonly datagramSize: number;
  readonly idle: number;
  readonly ackDelay: number;
  readonly unreliableBytes: number;
  readonly ids: number;
}
