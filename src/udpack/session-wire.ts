import type { Instant } from '../core/index.ts';
import type { Acks } from './acks.ts';
import type { Address } from './address.ts';
import type { Control } from './control.ts';
import type { Fault } from './faults.ts';
import { FrameReader } from './frames.ts';
import type { Established } from './handshake/index.ts';
import type { RemoteId } from './ids.ts';
import { Intake, type IntakeOwner } from './intake.ts';
import type { Parameters } from './options.ts';
import type { Paths } from './paths.ts';
import { Protection } from './protection.ts';
import type { Session } from './session.ts';
import { makePaths } from './session-paths.ts';
import type { SessionOptions } from './session-types.ts';

/** Keys of a phase that is over are kept for so many probe time-outs (RFC 9001 6.5). */
const RETIRED_KEYS_FOR = 3;

export interface SessionWireInit {
  readonly options: SessionOptions;
  readonly established: Established;
  readonly acks: Acks;
  readonly control: Control;
  /** Our id that the handshake went by. */
  readonly id: Uint8Array;
  /** Where the peer is, and its first id. */
  readonly address: Address;
  readonly remote: RemoteId;
  readonly owner: IntakeOwner;
}

/** What a session has once keys are agreed on: the keys, the ways to the peer, and what takes its frames in. */
export class SessionWire {
  readonly peer: Parameters;
  readonly paths: Paths;
  readonly protection: Protection;

  readonly #reader = new FrameReader();
  readonly #intake: Intake;

  constructor(session: Session, init: SessionWireInit, now: Instant) {
    const { options, established, acks, control, address, remote } = init;
    const { crypto, keyLimits } = options;
    this.peer = established.peer;
    this.protection = new Protection({ ...established, crypto, limits: keyLimits }, now);
    this.paths = makePaths(session, { options, control, peer: this.peer, address, remote });
    this.paths.own.add(init.id);
    const { paths, protection } = this;
    const { ackDelay, ids: idsKept } = this.peer;
    this.#intake = new Intake({ acks, streams: session.streams, paths, protection, ackDelay, idsKept }, init.owner);
  }

  /** Of the path in use, in ms. */
  get probeTimeout(): number {
    return this.paths.current.recovery.trips.probeTimeout(this.peer.ackDelay);
  }

  /** When the datagram came that is read now. */
  get readAt(): Instant {
    return this.#intake.now;
  }

  /** Whether a frame of the datagram read last asked for an ack, and whether it had others than those that probe a path. */
  get asked(): boolean {
    return this.#reader.asked;
  }

  get moved(): boolean {
    return this.#reader.moved;
  }

  /** The frames of a datagram that came to the id with this sequence number; undefined: the peer has not sealed it. */
  open(datagram: Uint8Array, sequence: number, number: number, now: Instant): Uint8Array | undefined {
    return this.protection.open(datagram, sequence, number, now, this.probeTimeout * RETIRED_KEYS_FOR);
  }

  /** Hands frames on; the first fault ends that. */
  read(frames: Uint8Array, from: Address, sequence: number, now: Instant): Fault | undefined {
    this.#intake.now = now;
    this.#intake.from = from;
    this.#intake.sequence = sequence;
    return this.#reader.read(frames, this.#intake);
  }

  /**
   * When loss is known by time, or a probe is due; none is that may not leave (RFC 9002 6.2.2.1).
   * @param mayLeave Whether the peer's address lets a further datagram go there.
   */
  timeoutAt(mayLeave: boolean): Instant | undefined {
    const { recovery } = this.paths.current;
    if (recovery.lossAt !== undefined || !mayLeave) return recovery.lossAt;
    return recovery.probeAt(this.peer.ackDelay);
  }

  /** Finds losses by time, makes probes due, and sees to addresses that are to be proved. */
  tick(mayLeave: boolean, now: Instant): void {
    const { current } = this.paths;
    const timeoutAt = this.timeoutAt(mayLeave);
    if (timeoutAt !== undefined && now >= timeoutAt) {
      if (current.recovery.lossAt === undefined) current.onProbeTimeout(now);
      else current.onLossTime(now);
    }
    this.paths.tick(now, this.peer.ackDelay);
  }
}
