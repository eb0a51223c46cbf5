import type { Instant } from '../../core/index.ts';
import type { FrameWriter } from '../frames.ts';
import type { SentFrame } from '../sent.ts';
import type { Control } from './control.ts';
import type { EventQueue } from './events.ts';
import { Schedule } from './schedule.ts';
import type { Flow, SendHost, SendStream, SentStream } from './send-stream.ts';
import { Thin } from './thin.ts';
import type { Write } from './writes.ts';

export interface OutflowInit {
  readonly backlogBytes: number;
  readonly events: EventQueue;
  readonly control: Control;
  readonly onWork: () => void;
  /** A sending half is over. */
  readonly onDone: (stream: number) => void;
}

/** What the streams of a session have to send: the session's credit, whose turn it is, and how much waits to be acknowledged. */
export class Outflow implements SendHost {
  readonly flow: Flow = { most: 0, sent: 0 };
  /** Whether the peer's credit is known. */
  started = false;
  /** Bytes that are written and neither acknowledged nor given up. */
  buffered = 0;
  readonly #init: OutflowInit;
  readonly #schedule = new Schedule();
  readonly #starved: Set<SendStream> = new Set();
  readonly #thin = new Thin();
  /** `drain` is owed. */
  #wasFull = false;

  constructor(init: OutflowInit) {
    this.#init = init;
  }

  get full(): boolean {
    return this.buffered >= this.#init.backlogBytes;
  }

  /** Whether a stream has its turn to come, or something is to be repeated that had no room. */
  get pending(): boolean {
    return !this.#schedule.empty || this.#thin.lacking;
  }

  /** Whether something is to be repeated that had no room in the datagram before. */
  get lacking(): boolean {
    return this.#thin.lacking;
  }

  /** Credit of the session. */
  allow(most: number): void {
    if (most <= this.flow.most) return;
    this.flow.most = most;
    if (this.#starved.size === 0) return;
    const starved = [...this.#starved];
    this.#starved.clear();
    for (const stream of starved) this.ready(stream);
  }

  write(stream: SendStream, write: Write): void {
    this.buffered += write.units;
    this.#wasFull ||= this.full;
    stream.write(write);
  }

  prioritize(stream: SendStream, priority: number): void {
    this.#schedule.remove(stream);
    stream.priority = priority;
    this.ready(stream);
  }

  fill(writer: FrameWriter, sent: SentFrame[], now: Instant): void {
    this.#thin.begin(now);
    this.#schedule.fill(writer, sent, this.#blocked);
  }

  fillAgain(writer: FrameWriter, sent: SentFrame[]): boolean {
    return this.#thin.fill(writer, sent);
  }

  forget(stream: SendStream): void {
    this.#schedule.remove(stream);
    this.#starved.delete(stream);
  }

  told(stream: SendStream, write: Write, acknowledged: boolean): void {
    const { events } = this.#init;
    this.buffered -= write.units;
    const type = acknowledged ? 'written' : 'dropped';
    if (!write.untold) events.push({ type, stream: stream.id, write: write.number });
    if (!this.#wasFull || this.full) return;
    this.#wasFull = false;
    events.push({ type: 'drain' });
  }

  ready(stream: SendStream): void {
    if (!this.started || stream.waiting || !stream.sendable) return;
    this.#schedule.add(stream);
    this.#init.onWork();
  }

  urgent(stream: SendStream): void {
    if (!stream.waiting) this.#init.control.send(stream);
  }

  sent(frame: SentStream): void {
    this.#thin.sent(frame);
  }

  settled(frame: SentStream): void {
    this.#thin.settled(frame);
  }

  done(stream: SendStream): void {
    this.#init.onDone(stream.id);
  }

  readonly #blocked = (stream: SendStream): void => {
    // It could send, had the session credit.
    if (stream.sendable) this.#starved.add(stream);
  };
}
