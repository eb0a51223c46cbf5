import type { UdpackLimits } from '../options.ts';
import type { Role } from './ids.ts';

export interface StreamsInit {
  readonly role: Role;
  readonly limits: UdpackLimits;
  /** The longest unreliable datagram that this side takes in, as its parameters say. Default 65,535; 0 if `datagramBytes` is. */
  readonly unreliableBytes?: number;
  /** Whether few events are to wait, until `held` is made false. Default false. */
  readonly held?: boolean;
  /** Called when there may be something to send: from commands, from frames and from what became of them. */
  readonly onWork: () => void;
}

export interface WriteOptions {
  /** After so many ms a packet is given up where it stands, unless all of it is acknowledged. Default: never. Packets only. */
  readonly maxAge?: number | undefined;
  /** False: the packet is handed on as soon as it is whole, even before earlier ones. Default true. Packets only. */
  readonly ordered?: boolean | undefined;
  /** True: nobody is told what becomes of it, neither by `written` nor by `dropped`. Default false. */
  readonly untold?: boolean | undefined;
}

/** Why nothing was written: no such stream, its direction was ended or reset, or a packet longer than the peer takes in. */
export type WriteRefusal = 'unknown' | 'ended' | 'too-long';

/** What is held of a session's streams, in bytes unless said otherwise. */
export interface StreamsMemory {
  /** Written and neither acknowledged nor given up. */
  readonly written: number;
  /** Unreliable datagrams that wait to be sent. */
  readonly datagrams: number;
  /** Pages in which data wait for what is missing before them, or for a paused stream to go on. */
  readonly waiting: number;
  /** Memory of packets that are not whole yet. */
  readonly assembly: number;
  /** What came and was not released: it waits in pages, or in events that were not taken. */
  readonly unreleased: number;
  /** Streams, in number. */
  readonly streams: number;
  /** Holes that are kept book of, in number. */
  readonly gaps: number;
  /** Events that were not taken, in number. */
  readonly events: number;
}
