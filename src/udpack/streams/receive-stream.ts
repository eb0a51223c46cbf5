import { readVarint, varintLengthAt } from '../../core/index.ts';
import type { Fault } from '../faults.ts';
import { STREAM } from '../frames.ts';
import { Ranges } from '../ranges.ts';
import type { Assembly } from './assembly.ts';
import type { ReceiveCredit } from './credit.ts';
import type { EventQueue, StreamEvent } from './events.ts';
import { PacketReader, type PacketSink } from './packet-reader.ts';
import { Reorder } from './reorder.ts';

/** What the receiving halves of a session's streams share. */
export interface ReceiveHost {
  readonly events: EventQueue;
  /** Credit of the session. */
  readonly credit: ReceiveCredit;
  readonly assembly: Assembly;
  readonly packetBytesMost: number;
  /** Holes that all streams keep book of. */
  gaps: number;
  /** Credit of the stream or the session may be due. */
  released(stream: ReceiveStream): void;
  /** Packets that are not whole take less, or another one is the oldest. */
  eased(): void;
  /** More of the stream could be told, when what waits to be has been. */
  stalled(stream: ReceiveStream): void;
}

/** More holes than this in what came out of order, in all streams of a session, close it. */
export const GAPS_MOST = 16_384;

/**
 * Events that wait to be taken, of all streams: beyond, what comes waits as bytes in its pages. A byte that is an empty packet takes a
 * hundred as an event.
 */
export const EVENTS_MOST = 4096;

/** Loose packets of one stream that are partly here; further ones wait for their turn. */
const PENDING_MOST = 256;

/** A loose packet whose length is known and that is not whole. */
interface Pending {
  readonly start: number;
  readonly end: number;
  readonly length: number;
}

/**
 * The receiving half of a stream. What comes in order is read at once; the rest waits in pages. Credit is given back as bytes leave:
 * into a packet that is being put together, or to the application, when it takes the event.
 */
export class ReceiveStream implements PacketSink {
  readonly id: number;
  readonly credit: ReceiveCredit;
  paused = false;
  /** Its end is known here and told, or nothing of it matters any more. */
  finished = false;
  /** The code with which the application asked the peer to stop. */
  stopCode: number | undefined;
  stopDue = false;
  /** Events that were on their way to the application when it paused. */
  readonly kept: StreamEvent[] = [];
  readonly #host: ReceiveHost;
  readonly #reader: PacketReader | undefined;
  readonly #reorder: Reorder = new Reorder();
  /** Ranges ahead that were handed on, or given up by the peer. */
  readonly #passed: Ranges = new Ranges();
  #pending: Pending[] = [];
  /** All below it was read. */
  #at = 0;
  #finalSize: number | undefined;
  #endTold = false;
  /** Credit of events that the application has not taken. */
  #owed = 0;
  #gaps = 0;

  constructor(host: ReceiveHost, id: number, packets: boolean, credit: ReceiveCredit) {
    this.#host = host;
    this.id = id;
    this.credit = credit;
    this.#reader = packets ? new PacketReader(this, host.packetBytesMost) : undefined;
  }

  /** Whether a packet of it is partly here. */
  get collecting(): boolean {
    return this.#reader?.collecting === true;
  }

  /** Bytes of memory in which data wait for their turn. */
  get waiting(): number {
    return this.#reorder.bytes;
  }

  /** Whether its size is known: no more credit is of use. */
  get sized(): boolean {
    return this.#finalSize !== undefined;
  }

  onStream(flags: number, offset: number, data: Uint8Array): Fault | undefined {
    const fault = this.#bound(offset + data.length, (flags & STREAM.fin) !== 0);
    // Behind a RESET nothing is read, though the application has not heard of it yet.
    if (fault !== undefined || this.finished || this.#endTold) return fault;
    if (this.stopCode !== undefined) return this.#swallow();
    const wrong = this.#take(flags, offset, data) ?? this.#advance();
    return wrong ?? this.#countGaps();
  }

  onReset(code: number, finalSize: number): Fault | undefined {
    const fault = this.#bound(finalSize, true);
    if (fault !== undefined || this.finished || this.#endTold) return fault;
    if (this.stopCode === undefined) this.#host.events.push({ type: 'reset', stream: this.id, code });
    else this.finished = true;
    this.#endTold = true;
    this.#discard();
    return undefined;
  }

  onSkip(from: number, to: number): Fault | undefined {
    const reader = this.#reader;
    if (reader === undefined) return 'stream-state';
    if (from >= to) return 'frame-malformed';
    const fault = this.#bound(to, false);
    if (fault !== undefined || this.finished || this.#endTold) return fault;
    if (this.stopCode !== undefined) return this.#swallow();
    if (to <= this.#at || this.#passed.covers(from, to)) return undefined;
    return this.#skip(reader, from, to) ?? this.#advance() ?? this.#countGaps();
  }

  /** Asks for no more: what is here and what still comes is thrown away. */
  stop(code: number): void {
    if (this.stopCode !== undefined || this.finished) return;
    this.stopCode = code;
    if (this.#endTold) {
      // All of it is here, and on its way to the application: it goes unheard.
      if (this.kept.some(({ type }) => type === 'end')) this.finished = true;
      this.#swallowKept();
      return;
    }
    this.stopDue = this.#finalSize === undefined;
    this.#discard();
    this.#swallow();
  }

  resume(): Fault | undefined {
    this.paused = false;
    if (this.#endTold || this.finished) return undefined;
    this.#host.released(this);
    return this.readOn();
  }

  /** Goes on telling what is here. */
  readOn(): Fault | undefined {
    return this.#endTold || this.finished ? undefined : (this.#advance() ?? this.#countGaps());
  }

  /** The application has taken an event with so much credit. */
  taken(credit: number): void {
    this.#owed -= credit;
    this.consumed(credit);
  }

  packet(bytes: Uint8Array, credit: number): void {
    this.#owed += credit;
    this.#host.events.push({ type: 'packet', stream: this.id, bytes, credit });
  }

  gravestone(): void {
    this.#host.events.skipped(this.id, 1);
  }

  consumed(units: number): void {
    this.credit.released += units;
    this.#host.credit.released += units;
    this.#host.released(this);
  }

  reserve(bytes: number): void {
    this.#host.assembly.reserve(this, bytes);
    if (bytes < 0) this.#host.eased();
  }

  /** The peer has reset it, and the application is told: nothing more is. */
  finish(): void {
    this.finished = true;
    this.#swallowKept();
  }

  /** Lets go of all; the session forgets it. */
  close(): void {
    this.#discard();
    this.credit.close();
    this.#host.assembly.forget(this);
    this.#host.eased();
  }

  /** So much waits for the application that more is not told. */
  get #full(): boolean {
    return this.#host.events.count >= EVENTS_MOST;
  }

  /** The rules of RFC 9000 4.1 and 4.5: credit, and a final size that stands. */
  #bound(end: number, final: boolean): Fault | undefined {
    const { credit } = this;
    if (this.#finalSize !== undefined && (end > this.#finalSize || (final && end !== this.#finalSize)))
      return 'final-size';
    if (final && end < credit.received) return 'final-size';
    const more = end - credit.received;
    if (more > 0) {
      const session = this.#host.credit;
      if (end > credit.announced || session.received + more > session.announced) return 'credit-exceeded';
      credit.received = end;
      session.received += more;
    }
    if (final) this.#finalSize = end;
    return undefined;
  }

  #take(flags: number, offset: number, data: Uint8Array): Fault | undefined {
    const end = offset + data.length;
    if (end <= this.#at) return undefined;
    if (offset > this.#at || this.paused || this.#full) return this.#keep(flags, offset, data);
    // In order: read as it is, but for what was handed on before.
    const stop = Math.min(end, this.#passed.first ?? end);
    const whole = offset === this.#at && stop === end;
    const fault = this.#read(whole ? data : data.subarray(this.#at - offset, stop - offset));
    if (fault !== undefined) return fault;
    if (stop < end) this.#insert(stop, data.subarray(stop - offset));
    return undefined;
  }

  #read(data: Uint8Array): Fault | undefined {
    const from = this.#at;
    this.#at += data.length;
    if (!this.#reorder.held.empty) this.#reorder.drop(from, this.#at);
    if (this.#reader !== undefined) return this.#reader.read(data);
    this.#owed += data.length;
    this.#host.events.push({ type: 'bytes', stream: this.id, bytes: data, credit: data.length });
    return undefined;
  }

  #insert(offset: number, data: Uint8Array): void {
    const hidden = Math.max(0, this.#at - offset);
    if (hidden < data.length) this.#reorder.insert(offset + hidden, data.subarray(hidden));
  }

  /** Out of order. */
  #keep(flags: number, offset: number, data: Uint8Array): Fault | undefined {
    const loose = (flags & STREAM.loose) !== 0 && !this.paused && !this.#full;
    const rest = loose ? this.#readLoose(offset, data) : 0;
    if (rest < 0) return 'packet-too-long';
    if (rest < data.length) this.#insert(offset + rest, data.subarray(rest));
    if (this.#pending.length > 0) this.#finishLoose(offset, offset + data.length);
    return undefined;
  }

  /** Hands on the packets that are whole in this frame. Returns how much they took; -1 if one is too long. */
  #readLoose(offset: number, data: Uint8Array): number {
    let at = 0;
    while (at < data.length) {
      const head = varintLengthAt(data[at] ?? 0);
      if (at + head > data.length) return at;
      const length = readVarint(data, at) - 1;
      if (length > this.#host.packetBytesMost || length < -1) return -1;
      const end = at + head + Math.max(0, length);
      if (end > data.length) {
        this.#await({ start: offset + at, end: offset + end, length });
        return at;
      }
      this.#handOn(offset + at, offset + end, length < 0 ? undefined : data.subarray(at + head, end));
      at = end;
    }
    return at;
  }

  #await(packet: Pending): void {
    const pending = this.#pending;
    if (pending.length >= PENDING_MOST || this.#passed.overlaps(packet.start, packet.end)) return;
    if (this.#finalSize !== undefined && packet.end > this.#finalSize) return;
    let index = pending.length;
    while (index > 0 && (pending[index - 1]?.start ?? 0) > packet.start) index--;
    // One that overlaps another can't be: the order of the stream will tell.
    if ((pending[index - 1]?.end ?? 0) > packet.start || (pending[index]?.start ?? packet.end) < packet.end) return;
    pending.splice(index, 0, packet);
  }

  /** Hands on loose packets that have become whole. */
  #finishLoose(from: number, to: number): void {
    const whole = (packet: Pending): boolean =>
      packet.start < to && packet.end > from && this.#reorder.held.covers(packet.start, packet.end);
    const ready = this.#pending.filter(whole);
    if (ready.length === 0) return;
    this.#pending = this.#pending.filter((packet) => !ready.includes(packet));
    for (const packet of ready) {
      const { start, end, length } = packet;
      if (this.#passed.overlaps(start, end)) continue;
      this.#handOn(start, end, this.#reorder.copy(end - length, end));
    }
  }

  /**
   * A packet ahead of its turn; a gravestone if there are no bytes. Its credit goes back when its turn comes: so a stream never keeps
   * book of more than its window.
   */
  #handOn(start: number, end: number, bytes: Uint8Array | undefined): void {
    if (this.#passed.overlaps(start, end)) return;
    this.#passed.add(start, end);
    this.#reorder.held.add(start, end);
    if (bytes !== undefined) this.packet(bytes, 0);
    else this.gravestone();
    if (this.#pending.length > 0) this.#pending = this.#pending.filter((packet) => packet.start !== start);
  }

  #skip(reader: PacketReader, from: number, to: number): Fault | undefined {
    if (from >= this.#at) {
      if (from > this.#at && this.#passed.overlaps(from, to)) return 'frame-malformed';
      this.#passed.add(from, to);
      this.#pending = this.#pending.filter((packet) => packet.end <= from || packet.start >= to);
      this.gravestone();
      return undefined;
    }
    // It must be the packet that is being read, and end within it.
    if (reader.between || from !== reader.start || to > (reader.end ?? to)) return 'frame-malformed';
    const owed = reader.abandon(to) + to - this.#at;
    this.#reorder.drop(this.#at, to);
    this.#at = to;
    this.gravestone();
    this.consumed(owed);
    return undefined;
  }

  /** Reads on in what came before its turn, and tells the end when it is reached. */
  #advance(): Fault | undefined {
    for (;;) {
      const passed = this.#passed.first;
      if (passed !== undefined && passed <= this.#at) {
        const fault = this.#jump();
        if (fault !== undefined) return fault;
        continue;
      }
      const { held } = this.#reorder;
      if (this.paused || held.empty || held.fromAt(0) > this.#at) break;
      if (this.#full) {
        this.#host.stalled(this);
        break;
      }
      const fault = this.#readHeld(Math.min(held.toAt(0), passed ?? Number.POSITIVE_INFINITY));
      if (fault !== undefined) return fault;
    }
    while ((this.#pending[0]?.start ?? this.#at) < this.#at) this.#pending.shift();
    this.#tellEnd();
    return undefined;
  }

  #readHeld(to: number): Fault | undefined {
    const piece = this.#reorder.piece(this.#at, to);
    return this.#read(piece);
  }

  /** Over what was handed on or given up; packets must end where it begins. */
  #jump(): Fault | undefined {
    if (this.#reader?.between === false) return 'frame-malformed';
    const to = this.#passed.toAt(0);
    this.#passed.dropFirst(1);
    if (to <= this.#at) return undefined;
    const from = this.#at;
    this.#reorder.drop(from, to);
    this.#at = to;
    this.#reader?.abandon(to);
    this.consumed(to - from);
    return undefined;
  }

  #tellEnd(): void {
    // A packet that is cut short here waits for a SKIP.
    if (this.#at !== this.#finalSize || this.#reader?.between === false || this.#endTold || this.paused) return;
    this.#endTold = true;
    this.#host.events.push({ type: 'end', stream: this.id });
  }

  /** What the peer sent is of no use: it counts as released. */
  #swallow(): undefined {
    this.consumed(this.credit.received - this.credit.released - this.#owed);
    if (this.#finalSize !== undefined) this.finished = true;
    return undefined;
  }

  #discard(): void {
    this.#reorder.clear();
    this.#passed.clear();
    this.#pending = [];
    this.#reader?.abandon(0);
    this.#countGaps();
    this.#swallowKept();
    const rest = this.credit.received - this.credit.released - this.#owed;
    if (rest > 0) this.consumed(rest);
  }

  #swallowKept(): void {
    for (const event of this.kept) if (event.type === 'packet' || event.type === 'bytes') this.taken(event.credit);
    this.kept.length = 0;
  }

  #countGaps(): Fault | undefined {
    const gaps = this.#reorder.held.count + this.#passed.count + this.#pending.length;
    this.#host.gaps += gaps - this.#gaps;
    this.#gaps = gaps;
    return this.#host.gaps > GAPS_MOST ? 'gaps-exceeded' : undefined;
  }
}
