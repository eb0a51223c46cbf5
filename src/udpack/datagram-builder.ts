import type { Instant } from '../core/index.ts';
import type { Acks } from './acks.ts';
import type { Closing } from './closing.ts';
import type { Control } from './control.ts';
import { type Crypto, TAG_BYTES } from './crypto.ts';
import { FRAME, FrameWriter } from './frames.ts';
import { MTU_LEAST } from './mtu.ts';
import type { Path } from './path.ts';
import type { Paths } from './paths.ts';
import { type Protection, SEALED_HEADER_BYTES, SEALED_OVERHEAD, writeSealedHeader } from './protection.ts';
import { SentDatagram } from './recovery/sent-datagram.ts';
import type { SentFrame } from './sent.ts';
import type { Streams } from './streams/index.ts';

/** Below this, a datagram isn't worth making: a header, a tag, and a frame or two. */
const ROOM_LEAST: number = SEALED_OVERHEAD + 24;
/** What asks for an ack is at least so long: who has forgotten the session can answer it by a RESET, which is shorter (RFC 9000 10.3). */
const ASKING_LEAST = 41;
/** What CLOSE takes at most, with its reason; before it there is room for an ACK. */
const CLOSE_MOST = 300;
/** Acks that leave alone are never acknowledged themselves; so many in a row, over so many ranges, carry a PING. */
const LONELY_MOST = 16;
const LONELY_RANGES = 4;
/** Numbers are left out, one of so many at first and ever fewer, so that who acknowledges what he did not get is found out. */
const SKIP_FIRST = 64;
const SKIP_MOST = 65_536;
/** Where a round trip is shorter, in ms, what is lost is sent again soon enough. */
const REPEAT_TRIP_LEAST = 5;
/** Acks per window that the peer is asked for. */
const ACKS_PER_WINDOW = 8;
const ACK_EVERY_MOST = 64;

export interface DatagramBuilderInit {
  readonly acks: Acks;
  readonly control: Control;
  readonly streams: Streams;
  readonly random: Pick<Crypto, 'random'>;
}

/** What a datagram that is about to be sealed is. */
interface Leaving {
  readonly path: Path;
  readonly protection: Protection;
  /** It asks for an ack. */
  readonly asks: boolean;
  /** It only tries a size. */
  readonly probe: boolean;
  /** It has the ACK that `Acks` wrote last. */
  readonly acked: boolean;
  readonly frames: SentFrame[];
}

/** Decides what leaves next, and puts it into a datagram: acks, frames of the session, streams, probes. */
export class DatagramBuilder {
  /** Whether streams may send: a client's may at once, a server's once the token is accepted. */
  mayStream = false;
  /** Whether the datagram written last asks for an ack. */
  asked = false;
  /** When pacing lets the next one leave; undefined while it doesn't hold any back. */
  pacedAt: Instant | undefined;
  datagrams = 0;
  bytes = 0;

  readonly #acks: Acks;
  readonly #control: Control;
  readonly #streams: Streams;
  readonly #random: Pick<Crypto, 'random'>;
  #lonely = 0;
  #skipEvery: number = SKIP_FIRST;
  #skipIn: number;
  #rateSequence = 0;
  #rateAsked = 0;

  constructor({ acks, control, streams, random }: DatagramBuilderInit) {
    this.#acks = acks;
    this.#control = control;
    this.#streams = streams;
    this.#random = random;
    this.#skipIn = this.#gap();
  }

  /** Whether the peer's address is proved, or has sent enough for a further datagram. */
  mayLeave(path: Path): boolean {
    return path.allowance >= ROOM_LEAST;
  }

  /** Writes the next datagram of an open session; 0: there is none now. */
  next(out: Uint8Array, paths: Paths, protection: Protection, now: Instant): number {
    const path = paths.current;
    this.pacedAt = undefined;
    if (!this.mayLeave(path)) return 0;
    const size = Math.min(path.mtu.size, out.length, path.allowance);
    const flies = this.#mayFly(path, paths, size, now);
    const probe = flies ? this.#probe(path, now) : undefined;
    if (probe !== undefined && probe <= out.length) return this.#mtuProbe(out, path, protection, probe, now);
    const { ackAt } = this.#acks;
    if (!flies && (ackAt === undefined || ackAt > now)) return 0;
    return this.#ordinary(out, paths, protection, size, flies, now);
  }

  /** CLOSE, behind a last ACK; the datagram asks for no ack itself. */
  close(out: Uint8Array, path: Path, protection: Protection, closing: Closing, now: Instant): number {
    const writer = framesOf(out, Math.min(MTU_LEAST, out.length, path.allowance));
    if (writer.room > CLOSE_MOST) {
      writer.end -= CLOSE_MOST;
      this.#acks.writeLast(writer, now);
      writer.end += CLOSE_MOST;
    }
    const before = writer.at;
    closing.write(writer, now);
    if (writer.at === before) return 0;
    return this.#send(writer, { path, protection, asks: false, probe: false, acked: false, frames: [] }, now);
  }

  /** Whether what asks for an ack may leave now, and there is some: probes at once, all else within window and pace. */
  #mayFly(path: Path, paths: Paths, size: number, now: Instant): boolean {
    if (path.probes > 0) return true;
    if (!path.hasWindow(size)) return false;
    const waits = !this.#control.empty || (this.mayStream && this.#streams.pending) || paths.pending;
    if (!waits && this.#probe(path, now) === undefined) {
      path.controller.onAppLimited(path.recovery.inFlight);
      return false;
    }
    const pacedAt = path.pacedAt(now);
    if (pacedAt <= now) return true;
    this.pacedAt = pacedAt;
    return false;
  }

  #probe(path: Path, now: Instant): number | undefined {
    return path.proved && this.mayStream ? path.mtu.probe(now, this.#streams.cramped) : undefined;
  }

  #ordinary(out: Uint8Array, paths: Paths, protection: Protection, size: number, flies: boolean, now: Instant): number {
    const path = paths.current;
    const writer = framesOf(out, size);
    const frames: SentFrame[] = [];
    const acked = this.#acks.write(writer, now);
    let asks = false;
    let proves = false;
    if (flies) {
      proves = paths.fill(writer, now);
      asks = this.#control.fill(writer, frames) || proves;
      if (this.mayStream) asks = this.#fillStreams(writer, frames, path, asks, now) || asks;
      if (!asks && path.probes > 0) asks = writer.numbers(FRAME.ping);
    }
    if (!asks && acked && ++this.#lonely >= LONELY_MOST && this.#acks.ranges > LONELY_RANGES && path.hasWindow(size)) {
      asks = writer.numbers(FRAME.ping);
    }
    if (writer.at === SEALED_HEADER_BYTES) return 0;
    if (asks) {
      this.#lonely = 0;
      if (path.probes > 0) path.probes--;
      pad(writer, Math.min(size, ASKING_LEAST));
    }
    if (proves) pad(writer, Math.min(size, MTU_LEAST));
    return this.#send(writer, { path, protection, asks, probe: false, acked, frames }, now);
  }

  #fillStreams(writer: FrameWriter, frames: SentFrame[], path: Path, asks: boolean, now: Instant): boolean {
    this.#askForAcks(writer, frames, path);
    const { lacking } = this.#streams;
    let wrote = this.#streams.fill(writer, frames, now);
    // Not at the cost of what is written next.
    const spare = path.recovery.trips.smoothed >= REPEAT_TRIP_LEAST && path.hasWindow(2 * path.mtu.size);
    if ((wrote || asks || lacking) && spare) {
      wrote = this.#streams.fillAgain(writer, frames) || wrote;
    }
    return wrote;
  }

  /** ACK_RATE, when the window has become another by a factor of two. */
  #askForAcks(writer: FrameWriter, frames: SentFrame[], path: Path): void {
    const wanted = Math.floor(path.controller.window / path.mtu.size / ACKS_PER_WINDOW);
    const every = Math.max(2, Math.min(ACK_EVERY_MOST, wanted));
    if (every < this.#rateAsked * 2 && every * 2 > this.#rateAsked) return;
    if (this.#rateAsked === 0 && every === 2) return;
    const sequence = this.#rateSequence++;
    // A quarter of a round trip: acks at the window's pace, however few datagrams are under way.
    const delay = Math.max(1, Math.round(path.recovery.trips.smoothed / 4));
    this.#rateAsked = every;
    this.#control.push({
      write: (target) => target.numbers(FRAME.ackRate, sequence, every, delay),
      stale: () => sequence !== this.#rateSequence - 1,
    });
    this.#control.fill(writer, frames);
  }

  #mtuProbe(out: Uint8Array, path: Path, protection: Protection, size: number, now: Instant): number {
    const writer = framesOf(out, size);
    writer.numbers(FRAME.ping);
    pad(writer, size);
    path.mtu.onProbeSent();
    return this.#send(writer, { path, protection, asks: true, probe: true, acked: false, frames: [] }, now);
  }

  /** Seals what was written, and keeps book of it. */
  #send({ bytes, at }: FrameWriter, { path, protection, asks, probe, acked, frames }: Leaving, now: Instant): number {
    if (--this.#skipIn <= 0) {
      this.#skipIn = this.#gap();
      path.recovery.skip();
    }
    const number = path.nextNumber;
    const { id, sequence } = path.space.remote;
    writeSealedHeader(bytes, id, number);
    const size = protection.seal(bytes, at, sequence, number, now);
    this.asked = asks;
    this.datagrams++;
    this.bytes += size;
    const datagram = new SentDatagram(path.recovery.next, now, size, asks, protection.sendPhase, probe, frames);
    if (acked) {
      datagram.ackSequence = this.#acks.sequence;
      datagram.ackLargest = this.#acks.largest;
      this.#acks.done();
    }
    path.onSent(datagram);
    return size;
  }

  /** Datagrams until the next number that is left out. */
  #gap(): number {
    const [a = 0, b = 0] = this.#random.random(2);
    const gap = this.#skipEvery + Math.floor((this.#skipEvery * (a * 256 + b)) / 65_536);
    this.#skipEvery = Math.min(SKIP_MOST, this.#skipEvery * 2);
    return gap;
  }
}

/** Room for the frames of a datagram that has `size` bytes at most when it is sealed. */
function framesOf(out: Uint8Array, size: number): FrameWriter {
  return new FrameWriter(out, SEALED_HEADER_BYTES, Math.max(SEALED_HEADER_BYTES, size - TAG_BYTES));
}

/** Fills up with PADDING, so that the sealed datagram has `size` bytes. */
function pad(writer: FrameWriter, size: number): void {
  const end = Math.min(writer.end, size - TAG_BYTES);
  if (end <= writer.at) return;
  writer.bytes.fill(FRAME.padding, writer.at, end);
  writer.at = end;
}
