import { varintLength } from '../../core/index.ts';
import { FRAME, type FrameWriter, STREAM } from '../frames.ts';
import { Ranges } from '../ranges.ts';
import type { SentFrame } from '../sent.ts';
import { type Write, type WriteOwner, Writes } from './writes.ts';

/** Credit of a session that the peer gave, and what of it is used. */
export interface Flow {
  most: number;
  sent: number;
}

/** What the sending halves of a session's streams share. */
export interface SendHost {
  readonly flow: Flow;
  /** All of a write was acknowledged, or it was given up. */
  told(stream: SendStream, write: Write, acknowledged: boolean): void;
  /** It may have something to send again. */
  ready(stream: SendStream): void;
  /** It has a RESET or SKIPs to send. */
  urgent(stream: SendStream): void;
  /** A frame of its data left. */
  sent(frame: SentStream): void;
  /** A frame of its data is not outstanding any more. */
  settled(frame: SentStream): void;
  /** All of it was acknowledged, or its end by RESET was. */
  done(stream: SendStream): void;
}

/** Units that the peer is told to do without. */
export interface Skip {
  readonly from: number;
  readonly to: number;
  acked: boolean;
}

/** What `SendStream.fill` found. */
export const FILL = { blocked: -1, noRoom: 0 } as const;

/** A piece that is not all there is to send is not worth a frame below this many bytes. */
const PIECE_LEAST = 16;

/**
 * The sending half of a stream: writes that wait, what of them was sent and not acknowledged, what was lost. Lost ranges go first.
 * Bytes are kept by reference until they are acknowledged or given up.
 */
export class SendStream implements WriteOwner {
  readonly id: number;
  priority: number;
  /** How far the peer lets this stream go. */
  most = 0;
  /** Ours, and the peer has not allowed it yet. */
  waiting = false;
  /** Where in the schedule it stands; the schedule's own. */
  scheduled = false;
  turn = 0;
  previous: SendStream | undefined;
  following: SendStream | undefined;
  /** The application has ended it. */
  ended = false;
  /** The code of our RESET. */
  resetCode: number | undefined;
  resetDue = false;
  finished = false;
  /** Bytes that are not acknowledged or given up. */
  buffered = 0;
  readonly skips: Skip[] = [];
  readonly #host: SendHost;
  readonly #writes = new Writes();
  readonly #acked = new Ranges();
  readonly #lost = new Ranges();
  /** The first offset that was not sent. */
  #next = 0;
  /** A packet that was given up when a part of it was sent: it is to end, one unit later, where sending stopped. */
  #cut: Write | undefined;
  #skipsOut = 0;
  #finDue = false;
  #finAcked = false;

  constructor(host: SendHost, id: number, priority: number) {
    this.#host = host;
    this.id = id;
    this.priority = priority;
  }

  /** Whether nothing more can be written. */
  get closed(): boolean {
    return this.ended || this.resetCode !== undefined;
  }

  /** What was sent of it, which is its final size once it was reset. */
  get size(): number {
    return this.#next;
  }

  /** Whether there is something that needs no credit, or credit enough of its own. */
  get sendable(): boolean {
    if (this.finished || this.resetCode !== undefined) return false;
    if (!this.#lost.empty) return true;
    return this.#fresh ? this.most > this.#next : this.#finDue;
  }

  get #fresh(): boolean {
    return this.#cut !== undefined || this.#next < this.#writes.end || this.#writes.waiting.length > 0;
  }

  write(write: Write): void {
    this.buffered += write.units;
    this.#writes.waiting.push(write);
    this.#host.ready(this);
  }

  /** Half-closes: FIN follows what is written. */
  end(): void {
    if (this.closed) return;
    this.ended = true;
    this.#finDue = true;
    this.#host.ready(this);
  }

  /** Gives up what is not acknowledged. A stream that is acknowledged to its end is not reset any more. */
  reset(code: number): boolean {
    if (this.resetCode !== undefined || this.finished) return false;
    this.resetCode = code;
    this.resetDue = true;
    this.#lost.clear();
    this.skips.length = 0;
    this.#cut = undefined;
    for (const queue of [this.#writes.begun, this.#writes.waiting]) {
      for (let at = 0; at < queue.length; at++) this.#drop(queue.at(at));
    }
    this.#writes.clear();
    this.#host.urgent(this);
    return true;
  }

  giveUp(write: Write): void {
    if (write.told) return;
    this.#drop(write);
    if (write.start < 0) {
      write.bury();
      this.#writes.buried();
      this.#host.ready(this);
      return;
    }
    if (write.end <= this.#next) {
      this.#acked.add(write.start, write.end);
      this.#lost.remove(write.start, write.end);
      this.#skip(write);
    } else {
      this.#cut = write;
      this.#host.ready(this);
    }
  }

  /** Drops packets that wait and are too long for the peer, as was not known when they were written. */
  dropLonger(packetBytes: number): void {
    const { waiting } = this.#writes;
    const longer: Write[] = [];
    for (let at = 0; at < waiting.length; at++) {
      const write = waiting.at(at);
      if (write?.packet === true && write.bytes.length > packetBytes) longer.push(write);
    }
    for (const write of longer) this.giveUp(write);
  }

  skipAcked(skip: Skip): void {
    if (skip.acked) return;
    skip.acked = true;
    this.#skipsOut--;
    this.#finish();
  }

  skipLost(skip: Skip): void {
    if (skip.acked || this.resetCode !== undefined) return;
    this.skips.push(skip);
    this.#host.urgent(this);
  }

  resetAcked(): void {
    if (this.finished) return;
    this.finished = true;
    this.#host.done(this);
  }

  /**
   * Writes one frame, and its entry into `sent`. Returns how many bytes it took, `FILL.noRoom` if they are too few, `FILL.blocked` if
   * there is nothing that may be sent.
   */
  fill(writer: FrameWriter, sent: SentFrame[]): number {
    if (this.finished || this.resetCode !== undefined) return FILL.blocked;
    if (this.#cut !== undefined && this.#credit() > 0) this.#cutOff(this.#cut);
    const from = this.#lost.first;
    if (from !== undefined) return this.#frame(writer, sent, from, this.#lost.toAt(0));
    const { flow } = this.#host;
    if (!this.#fresh) return this.#finDue ? this.#frame(writer, sent, this.#next, this.#next) : FILL.blocked;
    const credit = this.#credit();
    if (credit <= 0) return FILL.blocked;
    const before = this.#next;
    const taken = this.#frame(writer, sent, before, before + credit);
    flow.sent += this.#next - before;
    return taken;
  }

  /** Sends a frame's bytes once more, if none of them was acknowledged; its own fate stays that of the first. */
  repeat(writer: FrameWriter, sent: SentFrame[], frame: SentStream): boolean {
    if (this.resetCode !== undefined || this.#acked.overlaps(frame.from, frame.to)) return false;
    if (frame.from === frame.to && this.#finAcked) return false;
    const length = frame.to - frame.from;
    if (this.#overhead(frame.from) + varintLength(length) + length > writer.room) return false;
    this.#header(writer, frame.flags | STREAM.length, frame.from, length);
    this.#writes.copy(writer, frame.from, frame.to);
    sent.push(new SentAgain(this, frame));
    return true;
  }

  frameAcked(frame: SentStream): void {
    if (this.finished || this.resetCode !== undefined) return;
    if ((frame.flags & STREAM.fin) !== 0) {
      this.#finAcked = true;
      this.#finDue = false;
    }
    if (frame.from < frame.to) {
      this.#acked.add(frame.from, frame.to);
      this.#lost.remove(frame.from, frame.to);
      this.#tell(frame.from, frame.to);
      this.#release();
    }
    this.#finish();
  }

  frameLost(frame: SentStream): void {
    if (this.finished || this.resetCode !== undefined) return;
    if ((frame.flags & STREAM.fin) !== 0 && !this.#finAcked) this.#finDue = true;
    this.#lose(frame.from, frame.to);
    this.#host.ready(this);
  }

  #credit(): number {
    const { flow } = this.#host;
    return Math.min(this.most - this.#next, flow.most - flow.sent);
  }

  #overhead(offset: number): number {
    return 1 + varintLength(this.id) + varintLength(offset);
  }

  #header(writer: FrameWriter, flags: number, offset: number, length: number): void {
    writer.byte(FRAME.stream | flags);
    writer.varint(this.id);
    writer.varint(offset);
    if ((flags & STREAM.length) !== 0) writer.varint(length);
  }

  /** A frame of what lies from `from` on, to `most` at the farthest. */
  #frame(writer: FrameWriter, sent: SentFrame[], from: number, most: number): number {
    const room = writer.room - this.#overhead(from);
    if (room < 1) return FILL.noRoom;
    const reach = this.#reach(from, Math.min(most, from + room));
    if (reach === from && from < most) return FILL.blocked;
    let to = reach;
    // Without a length it must fill the datagram; so the few bytes that a length takes may have to stay behind.
    const counted = to - from < room;
    if (counted) to = Math.min(to, from + room - varintLength(to - from));
    if (to - from < PIECE_LEAST && (to < reach || !counted)) return FILL.noRoom;
    while (this.#writes.end < to) this.#writes.begin();
    return this.#send(writer, sent, from, to, counted);
  }

  #send(writer: FrameWriter, sent: SentFrame[], from: number, to: number, counted: boolean): number {
    const before = writer.at;
    const begun = this.#writes.begun.at(this.#writes.find(from));
    let flags = counted ? STREAM.length : 0;
    if (from < to && begun?.loose === true && begun.start === from) flags |= STREAM.loose;
    this.#header(writer, flags, from, to - from);
    this.#writes.copy(writer, from, to);
    this.#next = Math.max(this.#next, to);
    this.#lost.remove(from, to);
    if (this.#finDue && to === this.#next && !this.#fresh) {
      flags |= STREAM.fin;
      writer.bytes[before] = FRAME.stream | flags;
      this.#finDue = false;
    }
    const frame = new SentStream(this, from, to, flags, this.#host);
    sent.push(frame);
    this.#host.sent(frame);
    return writer.at - before;
  }

  /**
   * How far a frame may go: a loose packet begins a frame of its own, unless loose ones alone are before it in the frame. Looks ahead
   * to writes that are not begun yet.
   */
  #reach(from: number, most: number): number {
    const { begun, waiting } = this.#writes;
    const first = this.#writes.find(from);
    let loose: boolean | undefined;
    let to = from;
    for (let index = first; to < most; index++) {
      const write = begun.at(index) ?? waiting.at(index - begun.length);
      if (write === undefined) break;
      const end = write.start < 0 ? to + write.units : write.end;
      const begins = write.start < 0 || write.start === to;
      if (loose === undefined) loose = write.loose && begins;
      else if (write.loose !== loose) break;
      to = Math.min(end, most);
    }
    return to;
  }

  #lose(from: number, to: number): void {
    if (from >= to) return;
    this.#lost.add(from, to);
    const acked = this.#acked;
    for (let at = acked.indexAt(from); at < acked.count && acked.fromAt(at) < to; at++) {
      this.#lost.remove(acked.fromAt(at), acked.toAt(at));
    }
  }

  /** Tells of the writes of a range that are all acknowledged now. */
  #tell(from: number, to: number): void {
    const { begun } = this.#writes;
    for (let index = this.#writes.find(from); index < begun.length; index++) {
      const write = begun.at(index);
      if (write === undefined || write.start >= to) return;
      if (write.told || !this.#acked.covers(write.start, write.end)) continue;
      this.buffered -= write.units;
      write.settle();
      this.#host.told(this, write, true);
    }
  }

  #drop(write: Write | undefined): void {
    if (write === undefined || write.told) return;
    this.buffered -= write.units;
    write.told = true;
    this.#host.told(this, write, false);
  }

  /** Forgets the writes at the front that are acknowledged or given up. */
  #release(): void {
    const { begun } = this.#writes;
    for (let write = begun.at(0); write !== undefined; write = begun.at(0)) {
      if (write === this.#cut || !this.#acked.covers(write.start, write.end)) return;
      begun.shift();
    }
  }

  /**
   * Ends a packet that was sent in part: the unit after it is never sent, so that nobody takes what follows for its rest. Until there is
   * credit for that unit, what was sent of the packet is not given up: the peer must get on to give credit.
   */
  #cutOff(write: Write): void {
    this.#cut = undefined;
    this.#next++;
    this.#host.flow.sent++;
    write.end = this.#next;
    this.#writes.end = this.#next;
    this.#acked.add(write.start, write.end);
    this.#lost.remove(write.start, write.end);
    this.#skip(write);
  }

  #skip(write: Write): void {
    write.settle();
    this.skips.push({ from: write.start, to: write.end, acked: false });
    this.#skipsOut++;
    this.#host.urgent(this);
    this.#release();
  }

  #finish(): void {
    if (!this.#finAcked || this.finished || this.#skipsOut > 0 || this.resetCode !== undefined) return;
    if (this.#fresh || !this.#acked.covers(0, this.#next)) return;
    this.finished = true;
    this.#host.done(this);
  }
}

/** A STREAM frame on its way. */
export class SentStream implements SentFrame {
  readonly stream: SendStream;
  readonly from: number;
  readonly to: number;
  readonly flags: number;
  /** Whether it was acknowledged or lost. */
  settled = false;
  readonly #host: SendHost;

  constructor(stream: SendStream, from: number, to: number, flags: number, host: SendHost) {
    this.stream = stream;
    this.from = from;
    this.to = to;
    this.flags = flags;
    this.#host = host;
  }

  acked(): void {
    this.#settle();
    this.stream.frameAcked(this);
  }

  lost(): void {
    this.#settle();
    this.stream.frameLost(this);
  }

  #settle(): void {
    if (this.settled) return;
    this.settled = true;
    this.#host.settled(this);
  }
}

/** A frame that was sent once more for good measure: if it is lost, nothing is. */
class SentAgain implements SentFrame {
  readonly #stream: SendStream;
  readonly #frame: SentStream;

  constructor(stream: SendStream, frame: SentStream) {
    this.#stream = stream;
    this.#frame = frame;
  }

  acked(): void {
    this.#stream.frameAcked(this.#frame);
  }

  lost(): void {
    // The first one tells.
  }
}
