import type { Instant } from '../core/index.ts';
import type { Acks } from './acks.ts';
import type { Address } from './address.ts';
import type { Fault } from './faults.ts';
import type { AckRanges, FrameHandler } from './frames.ts';
import type { Paths } from './paths.ts';
import type { Protection } from './protection.ts';
import type { Streams } from './streams/index.ts';

/** What frames speak to, besides the session. */
export interface IntakeParts {
  readonly acks: Acks;
  readonly streams: Streams;
  readonly paths: Paths;
  readonly protection: Protection;
  /** The longest that the peer says it holds acks back, in ms, and how many ids of ours it keeps. */
  readonly ackDelay: number;
  readonly idsKept: number;
}

/** What frames tell the session itself. */
export interface IntakeOwner {
  onPing(): void;
  onAuth(token: Uint8Array): Fault | undefined;
  onAccept(): Fault | undefined;
  onClose(application: boolean, code: number, reason: Uint8Array): void;
  onGoaway(code: number, reason: Uint8Array): void;
}

/** Hands each frame of a datagram to the part of the session that it is for. */
export class Intake implements FrameHandler {
  /** When the datagram came, from where, and to which of our ids: set before its frames are read. */
  now: Instant = 0;
  from: Address = { address: '', port: 0 };
  sequence = 0;

  readonly #parts: IntakeParts;
  readonly #owner: IntakeOwner;
  #peerLeaves = false;

  constructor(parts: IntakeParts, owner: IntakeOwner) {
    this.#parts = parts;
    this.#owner = owner;
  }

  onPing(): undefined {
    this.#owner.onPing();
  }

  onAck(sequence: number, ranges: AckRanges, delay: number): Fault | undefined {
    const { paths, protection, acks, ackDelay } = this.#parts;
    const used = paths.spaceOf(sequence);
    if (used === undefined) return undefined;
    if ((ranges.to[0] ?? 0) > used.end) return 'ack-of-unsent';
    const outcome = used.path.onAck(ranges, used.base, Math.min(delay, ackDelay), this.now);
    if (outcome === undefined) return 'ack-of-unsent';
    for (const { phase, ackSequence, ackLargest } of outcome.acked) {
      protection.onAcked(phase);
      if (ackSequence >= 0) acks.confirmed(ackSequence, ackLargest);
    }
    return undefined;
  }

  onAuth(token: Uint8Array): Fault | undefined {
    return this.#owner.onAuth(token);
  }

  onAccept(): Fault | undefined {
    return this.#owner.onAccept();
  }

  onClose(application: boolean, code: number, reason: Uint8Array): undefined {
    this.#owner.onClose(application, code, reason);
  }

  onGoaway(code: number, reason: Uint8Array): undefined {
    // It comes again where its ack was late.
    if (!this.#peerLeaves) this.#owner.onGoaway(code, reason);
    this.#peerLeaves = true;
  }

  onNewId(sequence: number, retirePrior: number, id: Uint8Array, resetToken: Uint8Array): Fault | undefined {
    const remote = { sequence, id: new Uint8Array(id), resetToken: new Uint8Array(resetToken) };
    return this.#parts.paths.onNewId(remote, retirePrior);
  }

  onRetireId(sequence: number): Fault | undefined {
    const { acks, paths, idsKept } = this.#parts;
    const fault = paths.onRetireId(sequence, this.sequence, idsKept);
    if (fault === undefined) acks.forget(sequence);
    return fault;
  }

  onChallenge(data: Uint8Array): undefined {
    this.#parts.paths.onChallenge(data, this.from);
  }

  onAnswer(data: Uint8Array): undefined {
    this.#parts.paths.onAnswer(data);
  }

  onAckRate(sequence: number, datagrams: number, delay: number): undefined {
    this.#parts.acks.onRate(sequence, datagrams, delay);
  }

  onCredit(most: number): Fault | undefined {
    return this.#parts.streams.onCredit(most);
  }

  onStreamCredit(stream: number, most: number): Fault | undefined {
    return this.#parts.streams.onStreamCredit(stream, most);
  }

  onStreamsCredit(kind: number, most: number): Fault | undefined {
    return this.#parts.streams.onStreamsCredit(kind, most);
  }

  onReset(stream: number, code: number, finalSize: number): Fault | undefined {
    return this.#parts.streams.onReset(stream, code, finalSize);
  }

  onStop(stream: number, code: number): Fault | undefined {
    return this.#parts.streams.onStop(stream, code);
  }

  onSkip(stream: number, from: number, to: number): Fault | undefined {
    return this.#parts.streams.onSkip(stream, from, to);
  }

  onDatagram(data: Uint8Array): Fault | undefined {
    return this.#parts.streams.onDatagram(data);
  }

  onStream(stream: number, flags: number, offset: number, data: Uint8Array): Fault | undefined {
    return this.#parts.streams.onStream(stream, flags, offset, data);
  }
}
