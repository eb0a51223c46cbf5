import type { Instant } from '../../core/index.ts';
import type { Fault } from '../faults.ts';
import { type FrameWriter, STREAM } from '../frames.ts';
import type { Parameters } from '../options.ts';
import type { FrameSource, SentFrame } from '../sent.ts';
import { Control } from './control.ts';
import { ReceiveCredit } from './credit.ts';
import { Datagrams } from './datagrams.ts';
import { EventQueue, type StreamEvent } from './events.ts';
import { Expiries } from './expiries.ts';
import { kindOf, numberOf, STREAM_NUMBER_MOST, type StreamKind } from './ids.ts';
import { Inflow } from './inflow.ts';
import { Outflow } from './outflow.ts';
import { EVENTS_MOST } from './receive-stream.ts';
import { PRIORITIES, PRIORITY_DEFAULT } from './schedule.ts';
import { type Stream, Table } from './table.ts';
import type { StreamsInit, StreamsMemory, WriteOptions, WriteRefusal } from './types.ts';
import { Write } from './writes.ts';

/** Bit 1 of STREAM has no meaning. */
const RESERVED = 0x02;

/** Events that wait while `held`; one takes far more memory than the byte of credit that may have brought it. */
export const HELD_EVENTS_MOST = 1000;
/** Likewise the streams of each kind that may be opened, and the bytes that may come: who is not let in yet takes little. */
export const HELD_STREAMS_MOST = 64;
export const HELD_BYTES_MOST = 262_144;

const NEVER: Instant = Number.POSITIVE_INFINITY;

/**
 * The streams of one session, and its unreliable datagrams: flow control, order, packets, and what to send next. Frames come in by the
 * `on…` methods, which return a fault that closes the session; they go out by `fill`. After every call, take the events with `poll`.
 */
export class Streams implements FrameSource {
  /**
   * Bytes that a whole datagram has for frames, told by the session: longer unreliable datagrams can't be sent. Default 1163, what
   * the smallest datagram has.
   */
  room = 1163;
  /** While nobody takes events, since the peer's token is not judged: frames beyond some are left out, as if they had been lost. */
  held: boolean;
  readonly #unreliableBytes: number;
  readonly #onWork: () => void;
  readonly #events: EventQueue = new EventQueue();
  readonly #control: Control;
  readonly #outflow: Outflow;
  readonly #inflow: Inflow;
  readonly #table: Table;
  readonly #datagrams: Datagrams;
  readonly #expiries = new Expiries();
  #peer: Parameters | undefined;
  #writes = 0;
  /** What `resume` found. */
  #fault: Fault | undefined;
  #leftOut = false;
  #heldBytes = 0;
  /** The longest unreliable datagram that was refused because the path takes none of that size. */
  #longest = 0;
  /** Nothing is held back any more. */
  #over = false;

  constructor(init: StreamsInit) {
    const { limits, onWork, role, held = false } = init;
    this.held = held;
    this.#unreliableBytes = init.unreliableBytes ?? (limits.datagramBytes === 0 ? 0 : 65_535);
    this.#onWork = onWork;
    const events = this.#events;
    const credit = new ReceiveCredit(limits.sessionWindow, limits.sessionWindowMost);
    const control = new Control(credit, onWork);
    const onDone = (stream: number): void => this.#table.finish(stream);
    const outflow = new Outflow({ backlogBytes: limits.backlogBytes, events, control, onWork, onDone });
    const inflow = new Inflow(limits, events, credit, control);
    this.#control = control;
    this.#outflow = outflow;
    this.#inflow = inflow;
    this.#table = new Table({ role, limits, events, control, outflow, inflow });
    this.#datagrams = new Datagrams(limits.datagramBytes, events);
  }

  /** Round-trip time in ms, told by the session: by it windows grow. Default 100. */
  get rtt(): number {
    return this.#control.rtt;
  }

  set rtt(value: number) {
    this.#control.rtt = value;
  }

  /** Whether so much waits to be acknowledged (`backlogBytes`) that a writer should wait for `drain`. */
  get full(): boolean {
    return this.#outflow.full;
  }

  /** Whether all that was written, ended and reset is acknowledged or given up. */
  get quiet(): boolean {
    if (this.#outflow.buffered > 0 || this.#datagrams.bytes > 0) return false;
    for (const { send } of this.#table.values()) if (send.closed && !send.finished) return false;
    return true;
  }

  /** Whether `fill` has something to write, as far as can be told without trying. */
  get pending(): boolean {
    if (this.#peer === undefined) return false;
    return !this.#control.empty || !this.#datagrams.empty || this.#outflow.pending;
  }

  /** Whether longer datagrams would be of use. */
  get cramped(): boolean {
    return Math.max(this.#outflow.buffered, this.#longest) > this.room;
  }

  /** Bytes of streams that left for the first time, in all; so many, with the marks of packets, were written or more. */
  get sent(): number {
    return this.#outflow.flow.sent;
  }

  /** How many streams are open or wait to be. */
  get count(): number {
    return this.#table.size;
  }

  /** When `tick` has something to do: a write or a datagram grows too old. */
  get deadline(): Instant | undefined {
    return this.#expiries.next;
  }

  tick(now: Instant): void {
    this.#expiries.run(now);
  }

  /** What the peer allows is known: sending may begin. */
  start(peer: Parameters): void {
    this.#peer = peer;
    this.#outflow.started = true;
    this.#outflow.allow(peer.credit);
    this.#table.start(peer.streamCredit);
    this.#table.allow('packets', peer.packetStreams);
    this.#table.allow('bytes', peer.byteStreams);
    for (const { send } of this.#table.values()) send.dropLonger(peer.packetBytes);
  }

  /** The next thing the application should hear of. Credit for data goes back to the peer now. */
  poll(): StreamEvent | undefined {
    do {
      for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
        if (this.#pass(event)) return event;
      }
    } while (this.#readOn());
    return undefined;
  }

  /**
   * Opens a stream and returns its id. Beyond what the peer allows it waits, and `opened` tells; what is written meanwhile waits too.
   * @param priority 0, which goes first, to 7. Default 3.
   */
  open(kind: StreamKind, options: { readonly priority?: number | undefined } = {}): number {
    return this.#table.open(kind, priorityOf(options.priority));
  }

  /** Whether it still waits for the peer's leave. */
  waits(stream: number): boolean {
    return this.#table.get(stream)?.send.waiting === true;
  }

  prioritize(stream: number, priority: number): void {
    const send = this.#table.get(stream)?.send;
    if (send !== undefined) this.#outflow.prioritize(send, priorityOf(priority));
  }

  /**
   * Writes a packet, or bytes. They are kept by reference until they are acknowledged or given up: don't change them. Returns the
   * number with which `written` or `dropped` tells of them. It writes even when `full` is true; then wait for `drain`. A packet
   * that is written before `start`, and is too long as it turns out there, is dropped.
   */
  write(stream: number, bytes: Uint8Array, options: WriteOptions, now: Instant): number | WriteRefusal {
    const send = this.#table.get(stream)?.send;
    if (send === undefined) return 'unknown';
    if (send.closed) return 'ended';
    const packet = kindOf(stream) === 'packets';
    if (packet && bytes.length > (this.#peer?.packetBytes ?? NEVER)) return 'too-long';
    const expires = packet ? now + (options.maxAge ?? NEVER) : NEVER;
    const write = new Write(send, ++this.#writes, bytes, packet, packet && options.ordered === false, expires);
    write.untold = options.untold === true;
    if (write.units === 0) {
      if (!write.untold) this.#events.push({ type: 'written', stream, write: write.number });
    } else {
      if (expires < NEVER) this.#expiries.add(write);
      this.#outflow.write(send, write);
    }
    return write.number;
  }

  /** Bytes written to a stream, or to all, that are neither acknowledged nor given up, with the few that mark packets. */
  buffered(stream?: number): number {
    return stream === undefined ? this.#outflow.buffered : (this.#table.get(stream)?.send.buffered ?? 0);
  }

  /** Ends our direction after what is written. */
  end(stream: number): void {
    this.#table.get(stream)?.send.end();
  }

  /** Gives our direction up: what is not acknowledged is dropped. */
  reset(stream: number, code: number): void {
    this.#table.get(stream)?.send.reset(code);
  }

  /** Asks the peer to give up its direction; nothing more of it is told. */
  stop(stream: number, code: number): void {
    const found = this.#table.get(stream);
    if (found === undefined) return;
    found.receive.stop(code);
    if (found.receive.stopDue && !found.send.waiting) this.#control.stop(found.receive);
    this.#table.finish(stream);
  }

  /** Holds back what comes on the stream, its end too, and gives no more credit for it. A reset is told all the same. */
  pause(stream: number): void {
    const receive = this.#table.get(stream)?.receive;
    if (receive === undefined || receive.paused || this.#over) return;
    receive.paused = true;
    this.#inflow.eased();
  }

  /** Goes on reading. What waited may turn out to be at fault; if nobody acts on that, the next frame of a stream says so again. */
  resume(stream: number): Fault | undefined {
    const receive = this.#table.get(stream)?.receive;
    if (receive?.paused !== true) return undefined;
    this.#events.unshift(receive.kept);
    receive.kept.length = 0;
    this.#fault ??= receive.resume();
    // What was held back is there to be polled.
    this.#onWork();
    return this.#fault;
  }

  /** Holds nothing back any more: of a session that is over nothing that was acknowledged may be lost. */
  resumeAll(): void {
    this.#over = true;
    for (const { id } of this.#table.values()) this.resume(id);
  }

  /**
   * Sends an unreliable datagram; false if it is longer than the peer takes, or the path as far as it is known: then the search for
   * longer datagrams begins (`cramped`). Not copied: don't change it.
   */
  sendDatagram(bytes: Uint8Array, options: { readonly maxAge?: number | undefined }, now: Instant): boolean {
    if (this.#peer === undefined || bytes.length > this.#peer.unreliableBytes) return false;
    if (this.#peer.unreliableBytes === 0) return false;
    if (Datagrams.size(bytes) > this.room) {
      this.#longest = Math.max(this.#longest, Datagrams.size(bytes));
      this.#onWork();
      return false;
    }
    const expires = now + (options.maxAge ?? NEVER);
    const waiting = this.#datagrams.add(bytes, expires);
    if (expires < NEVER) this.#expiries.add(waiting);
    this.#onWork();
    return true;
  }

  memory(): StreamsMemory {
    let waiting = 0;
    for (const { receive } of this.#table.values()) waiting += receive.waiting;
    return {
      written: this.#outflow.buffered,
      datagrams: this.#datagrams.bytes,
      waiting,
      assembly: this.#inflow.assembly.bytes,
      unreleased: this.#inflow.credit.received - this.#inflow.credit.released,
      streams: this.#table.size,
      gaps: this.#inflow.gaps,
      events: this.#events.count,
    };
  }

  /** Control frames, then unreliable datagrams, then streams by priority. */
  fill(writer: FrameWriter, sent: SentFrame[], now: Instant): boolean {
    if (this.#peer === undefined) return false;
    const before = writer.at;
    const told = this.#events.count;
    this.#expiries.run(now);
    this.#control.fill(writer, sent, now);
    this.#datagrams.fill(writer, sent, this.room);
    this.#outflow.fill(writer, sent, now);
    // What was too old or had no room is to be told, though nothing may leave for long.
    if (this.#events.count > told) this.#onWork();
    return writer.at > before;
  }

  /**
   * Repeats frames of earlier times that are not acknowledged, each once, if no more than 16 KiB is on its way: one loss then costs no
   * round trip. To be called behind `fill`, when that wrote something or `lacking` says that not all had room in the datagram before.
   */
  fillAgain(writer: FrameWriter, sent: SentFrame[]): boolean {
    return this.#outflow.fillAgain(writer, sent);
  }

  get lacking(): boolean {
    return this.#outflow.lacking;
  }

  /** Whether a frame was left out since this was asked last. Its datagram is not to be acknowledged, so that the peer sends it again. */
  leftOut(): boolean {
    const leftOut = this.#leftOut;
    this.#leftOut = false;
    return leftOut;
  }

  onStream(stream: number, flags: number, offset: number, data: Uint8Array): Fault | undefined {
    const loose = (flags & STREAM.loose) !== 0;
    if ((flags & RESERVED) !== 0 || (loose && kindOf(stream) === 'bytes')) return 'frame-malformed';
    if (this.#leavesOut(stream, data.length)) return undefined;
    const found = this.#fault ?? this.#table.find(stream);
    if (found === undefined || typeof found === 'string') return found;
    const fault = found.receive.onStream(flags, offset, data);
    if (found.receive.finished) this.#table.finish(stream);
    return fault;
  }

  onReset(stream: number, code: number, finalSize: number): Fault | undefined {
    return this.#of(stream, ({ receive }) => receive.onReset(code, finalSize));
  }

  onSkip(stream: number, from: number, to: number): Fault | undefined {
    return this.#of(stream, ({ receive }) => receive.onSkip(from, to));
  }

  onStop(stream: number, code: number): Fault | undefined {
    return this.#of(stream, ({ send }) => {
      if (send.reset(code)) this.#events.push({ type: 'stopped', stream, code });
      return undefined;
    });
  }

  onCredit(most: number): Fault | undefined {
    this.#outflow.allow(most);
    return undefined;
  }

  onStreamCredit(stream: number, most: number): Fault | undefined {
    return this.#of(stream, ({ send }) => {
      if (most <= send.most) return undefined;
      send.most = most;
      this.#outflow.ready(send);
      return undefined;
    });
  }

  onStreamsCredit(kind: number, most: number): Fault | undefined {
    if (kind > 1 || most > STREAM_NUMBER_MOST) return 'frame-malformed';
    this.#table.allow(kind === 1 ? 'bytes' : 'packets', most);
    return undefined;
  }

  onDatagram(data: Uint8Array): Fault | undefined {
    if (data.length > this.#unreliableBytes || this.#unreliableBytes === 0) return 'frame-malformed';
    // One that is left out need not come again.
    if (this.#holdsNoMore(data.length)) return undefined;
    if (this.#events.count < EVENTS_MOST) this.#events.push({ type: 'datagram', bytes: data });
    return undefined;
  }

  /** Whether there is no room for so many more bytes while nothing is taken; else they count. */
  #holdsNoMore(bytes: number): boolean {
    if (!this.held) return false;
    if (this.#events.count >= HELD_EVENTS_MOST || this.#heldBytes + bytes > HELD_BYTES_MOST) return true;
    this.#heldBytes += bytes;
    return false;
  }

  #leavesOut(stream: number, bytes: number): boolean {
    const leftOut = this.held && (numberOf(stream) >= HELD_STREAMS_MOST || this.#holdsNoMore(bytes));
    this.#leftOut ||= leftOut;
    return leftOut;
  }

  #of(id: number, run: (stream: Stream) => Fault | undefined): Fault | undefined {
    if (this.#leavesOut(id, 0)) return undefined;
    const stream = this.#fault ?? this.#table.find(id);
    if (stream === undefined || typeof stream === 'string') return stream;
    const fault = run(stream);
    if (stream.receive.finished) this.#table.finish(id);
    return fault;
  }

  /** All events were taken: goes on with streams that were held up by them. Whether there is more to tell. */
  #readOn(): boolean {
    for (const receive of this.#inflow.takeStalled()) {
      this.#fault ??= receive.readOn();
      if (receive.finished) this.#table.finish(receive.id);
    }
    return !this.#events.empty;
  }

  /** Whether an event goes to the application. */
  #pass(event: StreamEvent): boolean {
    switch (event.type) {
      case 'packet':
      case 'bytes':
      case 'end':
        return this.#passData(event);
      case 'reset': {
        const receive = this.#table.get(event.stream)?.receive;
        receive?.finish();
        this.#table.finish(event.stream);
        return receive?.stopCode === undefined;
      }
      default:
        return true;
    }
  }

  #passData(event: Extract<StreamEvent, { type: 'packet' | 'bytes' | 'end' }>): boolean {
    const receive = this.#table.get(event.stream)?.receive;
    if (receive === undefined) {
      // It was stopped, and is over.
      if (event.type !== 'end') this.#inflow.release(event.credit);
      return false;
    }
    if (receive.paused && receive.stopCode === undefined && !receive.finished) {
      receive.kept.push(event);
      return false;
    }
    // Behind a reset that was told, what still waits goes unheard.
    const over = receive.finished;
    if (event.type === 'end') {
      receive.finished = true;
      this.#table.finish(event.stream);
    } else receive.taken(event.credit);
    return receive.stopCode === undefined && !over;
  }
}

function priorityOf(priority: number | undefined): number {
  if (priority === undefined || Number.isNaN(priority)) return PRIORITY_DEFAULT;
  return Math.min(PRIORITIES - 1, Math.max(0, Math.trunc(priority)));
}
