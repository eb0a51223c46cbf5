import type { Instant } from '../../core/index.ts';
import type { Fault } from '../faults.ts';
import { type FrameWriter, STREAM } from '../frames.ts';
import type { Parameters, UdpackLimits } from '../options.ts';
import type { FrameSource, SentFrame } from '../sent.ts';
import { Control, StreamsCredit } from './control.ts';
import { type GrowthPool, ReceiveCredit } from './credit.ts';
import { Datagrams } from './datagrams.ts';
import { EventQueue, type StreamEvent } from './events.ts';
import { Expiries } from './expiries.ts';
import {
  kindBit,
  kindOf,
  numberOf,
  openerOf,
  type Role,
  STREAM_NUMBER_MOST,
  type StreamKind,
  streamId,
} from './ids.ts';
import { Assembly, type ReceiveHost } from './intake.ts';
import { ReceiveStream } from './receive-stream.ts';
import { PRIORITIES, PRIORITY_DEFAULT, Schedule } from './schedule.ts';
import { type SendHost, SendStream, type SentStream } from './send-stream.ts';
import { Thin } from './thin.ts';
import type { StreamsInit, StreamsMemory, WriteOptions, WriteRefusal } from './types.ts';
import { Write } from './writes.ts';

/** One stream, both directions. */
interface Stream {
  readonly id: number;
  readonly send: SendStream;
  readonly receive: ReceiveStream;
  /** Ours, and the peer has not allowed it yet. */
  waiting: boolean;
}

/**
 * The streams of one session, and its unreliable datagrams: flow control, order, packets, and what to send next. Frames come in by the
 * `on…` methods, which return a fault that closes the session; they go out by `fill`. After every call, take the events with `poll`.
 */
export class Streams implements FrameSource, SendHost, ReceiveHost {
  readonly flow: { most: number; sent: number } = { most: 0, sent: 0 };
  readonly events: EventQueue = new EventQueue();
  readonly credit: ReceiveCredit;
  readonly assembly: Assembly;
  readonly packetBytesMost: number;
  gaps = 0;
  /** Bytes that a whole datagram has for frames, as the session finds out: longer unreliable datagrams can't be sent. */
  room = 1163;
  readonly #role: Role;
  readonly #limits: UdpackLimits;
  readonly #unreliableBytes: number;
  readonly #onWork: () => void;
  readonly #pool: GrowthPool;
  readonly #streams: Map<number, Stream> = new Map();
  readonly #schedule = new Schedule();
  readonly #starved: Set<SendStream> = new Set();
  readonly #control: Control;
  readonly #datagrams: Datagrams;
  readonly #expiries = new Expiries();
  readonly #thin = new Thin();
  readonly #theirs: readonly [StreamsCredit, StreamsCredit];
  /** Per kind: how many we have asked for, are open, and may be. */
  readonly #ours: readonly [OwnStreams, OwnStreams];
  #peer: Parameters | undefined;
  #writes = 0;
  #buffered = 0;
  #full = false;

  constructor(init: StreamsInit) {
    const { limits } = init;
    this.#role = init.role;
    this.#limits = limits;
    this.#unreliableBytes = init.unreliableBytes ?? 65_535;
    this.#onWork = init.onWork;
    this.packetBytesMost = limits.packetBytes;
    this.credit = new ReceiveCredit(limits.sessionWindow, limits.sessionWindowMost);
    this.assembly = new Assembly(limits.assemblyBytes);
    this.#pool = { left: limits.sessionWindowMost };
    this.#control = new Control(this.credit, init.onWork);
    this.#datagrams = new Datagrams(limits.datagramBytes, this.events);
    this.#theirs = [new StreamsCredit('packets', limits.streams), new StreamsCredit('bytes', limits.streams)];
    this.#ours = [new OwnStreams(), new OwnStreams()];
  }

  /** Round-trip time in ms, told by the session: by it windows grow. Default 100. */
  get rtt(): number {
    return this.#control.rtt;
  }

  set rtt(value: number) {
    this.#control.rtt = value;
  }

  /** Whether so much waits to be acknowledged that a writer should wait for `drain`. */
  get full(): boolean {
    return this.#buffered >= this.#limits.backlogBytes;
  }

  /** Whether all that was written, ended and reset is acknowledged or given up. */
  get quiet(): boolean {
    if (this.#buffered > 0 || this.#datagrams.bytes > 0) return false;
    for (const { send } of this.#streams.values()) if (send.closed && !send.finished) return false;
    return true;
  }

  /** How many streams are open or wait to be. */
  get count(): number {
    return this.#streams.size;
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
    this.flow.most = Math.max(this.flow.most, peer.credit);
    for (const { send } of this.#streams.values()) send.most = Math.max(send.most, peer.streamCredit);
    this.#allow(0, peer.packetStreams);
    this.#allow(1, peer.byteStreams);
    for (const { send, waiting } of this.#streams.values()) if (!waiting) this.ready(send);
  }

  /** The next thing the application should hear of. Credit for data goes back to the peer now. */
  poll(): StreamEvent | undefined {
    for (let event = this.events.shift(); event !== undefined; event = this.events.shift()) {
      if (this.#pass(event)) return event;
    }
    return undefined;
  }

  /**
   * Opens a stream and returns its id. Beyond what the peer allows it waits, and `opened` tells; what is written meanwhile waits too.
   * @param priority 0, which goes first, to 7. Default 3.
   */
  open(kind: StreamKind, options: { readonly priority?: number | undefined } = {}): number {
    const own = this.#ours[kindBit(kind)];
    const id = streamId(own.asked++, kind, this.#role);
    const stream = this.#create(id, priorityOf(options.priority));
    stream.waiting = this.#peer === undefined || numberOf(id) >= own.most;
    if (!stream.waiting) own.opened++;
    return id;
  }

  /** Whether it still waits for the peer's leave. */
  waits(stream: number): boolean {
    return this.#streams.get(stream)?.waiting === true;
  }

  prioritize(stream: number, priority: number): void {
    const send = this.#streams.get(stream)?.send;
    if (send === undefined) return;
    this.#schedule.remove(send);
    send.priority = priorityOf(priority);
    this.ready(send);
  }

  /**
   * Writes a packet, or bytes. They are kept by reference until they are acknowledged or given up: don't change them. Returns the
   * number with which `written` or `dropped` tells of them. It writes even when `full` is true; then wait for `drain`.
   */
  write(stream: number, bytes: Uint8Array, options: WriteOptions, now: Instant): number | WriteRefusal {
    const send = this.#streams.get(stream)?.send;
    if (send === undefined) return 'unknown';
    if (send.closed) return 'ended';
    const packets = kindOf(stream) === 'packets';
    if (packets && bytes.length > (this.#peer?.packetBytes ?? Number.POSITIVE_INFINITY)) return 'too-long';
    const expires = packets && options.maxAge !== undefined ? now + options.maxAge : Number.POSITIVE_INFINITY;
    const write = new Write(send, ++this.#writes, bytes, packets, packets && options.ordered === false, expires);
    if (write.units === 0) {
      this.events.push({ type: 'written', stream, write: write.number });
      return write.number;
    }
    this.#buffered += write.units;
    this.#full ||= this.full;
    if (expires < Number.POSITIVE_INFINITY) this.#expiries.add(write);
    send.write(write);
    return write.number;
  }

  /** Bytes written to a stream, or to all, that are neither acknowledged nor given up. */
  buffered(stream?: number): number {
    return stream === undefined ? this.#buffered : (this.#streams.get(stream)?.send.buffered ?? 0);
  }

  /** Ends our direction after what is written. */
  end(stream: number): void {
    this.#streams.get(stream)?.send.end();
  }

  /** Gives our direction up: what is not acknowledged is dropped. */
  reset(stream: number, code: number): void {
    this.#streams.get(stream)?.send.reset(code);
  }

  /** Asks the peer to give up its direction; nothing more of it is told. */
  stop(stream: number, code: number): void {
    const found = this.#streams.get(stream);
    if (found === undefined) return;
    found.receive.stop(code);
    if (found.receive.stopDue && !found.waiting) this.#control.stop(found.receive);
    this.#finish(found);
  }

  /** Holds what comes on the stream back, in the stream, and gives no more credit for it. */
  pause(stream: number): void {
    const receive = this.#streams.get(stream)?.receive;
    if (receive === undefined || receive.paused) return;
    receive.paused = true;
    this.#credit(receive);
  }

  /** Goes on reading. What waited may turn out to be at fault. */
  resume(stream: number): Fault | undefined {
    const receive = this.#streams.get(stream)?.receive;
    if (receive?.paused !== true) return undefined;
    this.events.unshift(receive.kept);
    receive.kept.length = 0;
    return receive.resume();
  }

  /** Sends an unreliable datagram; false if it is longer than the peer or the path takes. Not copied: don't change it. */
  sendDatagram(bytes: Uint8Array, options: { readonly maxAge?: number | undefined }, now: Instant): boolean {
    if (this.#peer === undefined || bytes.length > this.#peer.unreliableBytes) return false;
    if (Datagrams.size(bytes) > this.room) return false;
    const expires = now + (options.maxAge ?? Number.POSITIVE_INFINITY);
    const waiting = this.#datagrams.add(bytes, expires);
    if (expires < Number.POSITIVE_INFINITY) this.#expiries.add(waiting);
    this.#onWork();
    return true;
  }

  memory(): StreamsMemory {
    let waiting = 0;
    for (const { receive } of this.#streams.values()) waiting += receive.waiting;
    return {
      written: this.#buffered,
      datagrams: this.#datagrams.bytes,
      waiting,
      assembly: this.assembly.bytes,
      streams: this.#streams.size,
      gaps: this.gaps,
    };
  }

  /** Control frames, then unreliable datagrams, then streams by priority. */
  fill(writer: FrameWriter, sent: SentFrame[], now: Instant): boolean {
    if (this.#peer === undefined) return false;
    this.#expiries.run(now);
    const before = writer.at;
    this.#control.fill(writer, sent, now);
    this.#datagrams.fill(writer, sent, this.room);
    this.#schedule.fill(writer, sent, this.#blocked);
    return writer.at > before;
  }

  /**
   * Repeats small frames that are not acknowledged, if that is all that is on its way: one loss then costs no round trip. Each goes out
   * at most two more times.
   * @param budget How many bytes that may take.
   */
  fillAgain(writer: FrameWriter, sent: SentFrame[], budget: number): boolean {
    return this.#thin.fill(writer, sent, budget);
  }

  onStream(stream: number, flags: number, offset: number, data: Uint8Array): Fault | undefined {
    if ((flags & RESERVED) !== 0 || ((flags & STREAM.loose) !== 0 && kindOf(stream) !== 'packets'))
      return 'frame-malformed';
    const found = this.#find(stream);
    if (found === undefined || typeof found === 'string') return found;
    const fault = found.receive.onStream(flags, offset, data);
    if (found.receive.finished) this.#finish(found);
    return fault;
  }

  onReset(stream: number, code: number, finalSize: number): Fault | undefined {
    const found = this.#find(stream);
    if (found === undefined || typeof found === 'string') return found;
    const fault = found.receive.onReset(code, finalSize);
    if (found.receive.finished) this.#finish(found);
    return fault;
  }

  onStop(stream: number, code: number): Fault | undefined {
    const found = this.#find(stream);
    if (found === undefined || typeof found === 'string') return found;
    if (found.send.reset(code)) this.events.push({ type: 'stopped', stream, code });
    return undefined;
  }

  onSkip(stream: number, from: number, to: number): Fault | undefined {
    const found = this.#find(stream);
    if (found === undefined || typeof found === 'string') return found;
    const fault = found.receive.onSkip(from, to);
    if (found.receive.finished) this.#finish(found);
    return fault;
  }

  onCredit(most: number): Fault | undefined {
    if (most <= this.flow.most) return undefined;
    this.flow.most = most;
    const starved = [...this.#starved];
    this.#starved.clear();
    for (const send of starved) this.ready(send);
    return undefined;
  }

  onStreamCredit(stream: number, most: number): Fault | undefined {
    const found = this.#find(stream);
    if (found === undefined || typeof found === 'string') return found;
    if (most <= found.send.most) return undefined;
    found.send.most = most;
    this.ready(found.send);
    return undefined;
  }

  onStreamsCredit(kind: number, most: number): Fault | undefined {
    if (kind > 1 || most > STREAM_NUMBER_MOST) return 'frame-malformed';
    this.#allow(kind === 1 ? 1 : 0, most);
    return undefined;
  }

  onDatagram(data: Uint8Array): Fault | undefined {
    if (data.length > this.#unreliableBytes || this.#unreliableBytes === 0) return 'frame-malformed';
    this.events.push({ type: 'datagram', bytes: data });
    return undefined;
  }

  told(stream: SendStream, write: Write, acknowledged: boolean): void {
    this.#buffered -= write.units;
    this.events.push({ type: acknowledged ? 'written' : 'dropped', stream: stream.id, write: write.number });
    if (!this.#full || this.full) return;
    this.#full = false;
    this.events.push({ type: 'drain' });
  }

  ready(send: SendStream): void {
    if (this.#peer === undefined || !send.sendable || this.waits(send.id)) return;
    this.#schedule.add(send);
    this.#onWork();
  }

  urgent(send: SendStream): void {
    if (!this.waits(send.id)) this.#control.send(send);
  }

  sent(frame: SentStream): void {
    this.#thin.sent(frame);
  }

  settled(frame: SentStream): void {
    this.#thin.settled(frame);
  }

  done(send: SendStream): void {
    const stream = this.#streams.get(send.id);
    if (stream !== undefined) this.#finish(stream);
  }

  released(receive: ReceiveStream): void {
    if (this.credit.due) this.#control.credit();
    this.#credit(receive);
  }

  readonly #blocked = (send: SendStream): void => {
    // It could send, had the session credit.
    if (send.sendable) this.#starved.add(send);
  };

  #credit(receive: ReceiveStream): void {
    if (receive.credit.due && !receive.sized && this.assembly.allows(receive)) this.#control.streamCredit(receive);
    for (const freed of this.assembly.freed()) if (freed.credit.due) this.#control.streamCredit(freed);
  }

  /** Whether an event goes to the application. */
  #pass(event: StreamEvent): boolean {
    if (event.type === 'packet' || event.type === 'bytes') return this.#passData(event.stream, event);
    if (event.type !== 'end' && event.type !== 'reset') return true;
    const stream = this.#streams.get(event.stream);
    if (stream === undefined) return true;
    if (event.type === 'end' && stream.receive.paused && stream.receive.kept.length > 0) {
      stream.receive.kept.push(event);
      return false;
    }
    stream.receive.finished = true;
    this.#finish(stream);
    return stream.receive.stopCode === undefined;
  }

  #passData(id: number, event: StreamEvent & { readonly credit: number }): boolean {
    const receive = this.#streams.get(id)?.receive;
    if (receive === undefined) {
      this.credit.released += event.credit;
      if (this.credit.due) this.#control.credit();
      return false;
    }
    if (receive.paused && receive.stopCode === undefined) {
      receive.kept.push(event);
      return false;
    }
    receive.taken(event.credit);
    return receive.stopCode === undefined;
  }

  /** The stream of a frame; undefined if it is over, a fault if it can't be. */
  #find(id: number): Stream | Fault | undefined {
    const stream = this.#streams.get(id);
    if (stream !== undefined) return stream.waiting ? 'stream-state' : stream;
    const kind = kindBit(kindOf(id));
    const number = numberOf(id);
    if (openerOf(id) === this.#role) return number < this.#ours[kind].opened ? undefined : 'stream-state';
    const theirs = this.#theirs[kind];
    if (number < theirs.opened) return undefined;
    if (number >= theirs.announced) return 'streams-exceeded';
    return this.#accept(theirs, number);
  }

  /** The use of a stream opens those of its kind before it. */
  #accept(theirs: StreamsCredit, upTo: number): Stream {
    const opener = this.#role === 'client' ? 'server' : 'client';
    for (;;) {
      const number = theirs.opened++;
      const id = streamId(number, theirs.kind, opener);
      const stream = this.#create(id, PRIORITY_DEFAULT);
      this.events.push({ type: 'stream', stream: id });
      if (number < upTo) continue;
      if (theirs.due) this.#control.streamsCredit(theirs);
      return stream;
    }
  }

  #create(id: number, priority: number): Stream {
    const send = new SendStream(this, id, priority);
    send.most = this.#peer?.streamCredit ?? 0;
    const { streamWindow, streamWindowMost } = this.#limits;
    const credit = new ReceiveCredit(streamWindow, streamWindowMost, this.#pool);
    const receive = new ReceiveStream(this, id, kindOf(id) === 'packets', credit);
    const stream: Stream = { id, send, receive, waiting: false };
    this.#streams.set(id, stream);
    return stream;
  }

  /** Opens those of our streams that waited and may be open now. */
  #allow(kind: 0 | 1, most: number): void {
    const own = this.#ours[kind];
    own.most = Math.max(own.most, most);
    while (own.opened < own.asked && own.opened < own.most) {
      const id = streamId(own.opened++, kind === 1 ? 'bytes' : 'packets', this.#role);
      const stream = this.#streams.get(id);
      if (stream === undefined) continue;
      stream.waiting = false;
      this.events.push({ type: 'opened', stream: id });
      if (stream.send.resetDue) this.#control.send(stream.send);
      if (stream.receive.stopDue) this.#control.stop(stream.receive);
      this.ready(stream.send);
    }
  }

  /** Forgets a stream of which both directions are over. */
  #finish(stream: Stream): void {
    const { send, receive } = stream;
    if (!send.finished || !receive.finished || !this.#streams.delete(stream.id)) return;
    this.#schedule.remove(send);
    this.#starved.delete(send);
    this.#control.forget(send, receive);
    receive.close();
    this.events.push({ type: 'closed', stream: stream.id });
    if (openerOf(stream.id) === this.#role) return;
    const theirs = this.#theirs[kindBit(kindOf(stream.id))];
    theirs.closed++;
    if (theirs.due) this.#control.streamsCredit(theirs);
  }
}

/** Bit 1 of STREAM has no meaning. */
const RESERVED = 0x02;

/** Our streams of one kind. */
class OwnStreams {
  asked = 0;
  opened = 0;
  most = 0;
}

function priorityOf(priority: number | undefined): number {
  if (priority === undefined || Number.isNaN(priority)) return PRIORITY_DEFAULT;
  return Math.min(PRIORITIES - 1, Math.max(0, Math.trunc(priority)));
}
