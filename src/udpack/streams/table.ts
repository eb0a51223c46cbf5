import type { Fault } from '../faults.ts';
import type { UdpackLimits } from '../options.ts';
import { type Control, StreamsCredit } from './control.ts';
import { type GrowthPool, ReceiveCredit } from './credit.ts';
import type { EventQueue } from './events.ts';
import { kindBit, kindOf, numberOf, openerOf, type Role, type StreamKind, streamId } from './ids.ts';
import type { Inflow } from './inflow.ts';
import type { Outflow } from './outflow.ts';
import { ReceiveStream } from './receive-stream.ts';
import { PRIORITY_DEFAULT } from './schedule.ts';
import { SendStream } from './send-stream.ts';

/** One stream, both directions. */
export interface Stream {
  readonly id: number;
  readonly send: SendStream;
  readonly receive: ReceiveStream;
}

export interface TableInit {
  readonly role: Role;
  readonly limits: UdpackLimits;
  readonly events: EventQueue;
  readonly control: Control;
  readonly outflow: Outflow;
  readonly inflow: Inflow;
}

/** The streams that are open or wait to be; of those before, their count alone. */
export class Table {
  readonly #init: TableInit;
  readonly #streams: Map<number, Stream> = new Map();
  readonly #pool: GrowthPool;
  /** By kind. */
  readonly #theirs: readonly [StreamsCredit, StreamsCredit];
  readonly #ours: readonly [OwnStreams, OwnStreams] = [new OwnStreams(), new OwnStreams()];
  /** Credit that each stream begins with. */
  #credit = 0;

  constructor(init: TableInit) {
    const { streams, sessionWindowMost } = init.limits;
    this.#init = init;
    this.#pool = { left: sessionWindowMost };
    this.#theirs = [new StreamsCredit('packets', streams), new StreamsCredit('bytes', streams)];
  }

  get size(): number {
    return this.#streams.size;
  }

  get(id: number): Stream | undefined {
    return this.#streams.get(id);
  }

  values(): Iterable<Stream> {
    return this.#streams.values();
  }

  /** The credit of each stream at its beginning is known. */
  start(credit: number): void {
    this.#credit = credit;
    for (const { send } of this.#streams.values()) {
      send.most = Math.max(send.most, credit);
      this.#init.outflow.ready(send);
    }
  }

  /** One of ours; it waits if the peer allows no more. */
  open(kind: StreamKind, priority: number): number {
    const own = this.#ours[kindBit(kind)];
    const number = own.asked++;
    const stream = this.#create(streamId(number, kind, this.#init.role), priority);
    stream.send.waiting = number >= own.most;
    if (!stream.send.waiting) own.opened++;
    return stream.id;
  }

  /** The peer allows so many streams of a kind; opens those that waited. */
  allow(kind: StreamKind, most: number): void {
    const { events, control, outflow, role } = this.#init;
    const own = this.#ours[kindBit(kind)];
    own.most = Math.max(own.most, most);
    while (own.opened < own.asked && own.opened < own.most) {
      const stream = this.#streams.get(streamId(own.opened++, kind, role));
      if (stream === undefined) continue;
      const { id, send, receive } = stream;
      send.waiting = false;
      events.push({ type: 'opened', stream: id });
      if (send.resetDue) control.send(send);
      if (receive.stopDue) control.stop(receive);
      outflow.ready(send);
    }
  }

  /** The stream of a frame; undefined if it is over, a fault if it can't be. */
  find(id: number): Stream | Fault | undefined {
    const stream = this.#streams.get(id);
    if (stream !== undefined) return stream.send.waiting ? 'stream-state' : stream;
    const kind = kindBit(kindOf(id));
    const number = numberOf(id);
    if (openerOf(id) === this.#init.role) return number < this.#ours[kind].opened ? undefined : 'stream-state';
    const theirs = this.#theirs[kind];
    if (number < theirs.opened) return undefined;
    if (number >= theirs.announced) return 'streams-exceeded';
    return this.#accept(theirs, number);
  }

  /** Forgets a stream of which both directions are over. */
  finish(id: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined || !stream.send.finished || !stream.receive.finished) return;
    const { events, control, outflow, role } = this.#init;
    this.#streams.delete(id);
    outflow.forget(stream.send);
    control.forget(stream.send, stream.receive);
    stream.receive.close();
    events.push({ type: 'closed', stream: id });
    if (openerOf(id) === role) return;
    const theirs = this.#theirs[kindBit(kindOf(id))];
    theirs.closed++;
    if (theirs.due) control.streamsCredit(theirs);
  }

  /** The use of a stream opens those of its kind before it. */
  #accept(theirs: StreamsCredit, upTo: number): Stream {
    const { events, control, role } = this.#init;
    const opener = role === 'client' ? 'server' : 'client';
    for (;;) {
      const number = theirs.opened++;
      const stream = this.#create(streamId(number, theirs.kind, opener), PRIORITY_DEFAULT);
      events.push({ type: 'stream', stream: stream.id });
      if (number < upTo) continue;
      if (theirs.due) control.streamsCredit(theirs);
      return stream;
    }
  }

  #create(id: number, priority: number): Stream {
    const { inflow, limits, outflow } = this.#init;
    const send = new SendStream(outflow, id, priority);
    send.most = this.#credit;
    const credit = new ReceiveCredit(limits.streamWindow, limits.streamWindowMost, this.#pool);
    const receive = new ReceiveStream(inflow, id, kindOf(id) === 'packets', credit);
    const stream = { id, send, receive };
    this.#streams.set(id, stream);
    return stream;
  }
}

/** Our streams of one kind. */
class OwnStreams {
  /** That the application has asked for. */
  asked = 0;
  /** That are open, or were. */
  opened = 0;
  /** That the peer allows. */
  most = 0;
}
