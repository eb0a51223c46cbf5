import type { UdpackLimits } from '../options.ts';
import { Assembly } from './assembly.ts';
import type { Control } from './control.ts';
import type { ReceiveCredit } from './credit.ts';
import type { EventQueue } from './events.ts';
import type { ReceiveHost, ReceiveStream } from './receive-stream.ts';

/** What the streams of a session take in together: the session's credit, and packets that are not whole. */
export class Inflow implements ReceiveHost {
  readonly events: EventQueue;
  readonly credit: ReceiveCredit;
  readonly assembly: Assembly;
  readonly packetBytesMost: number;
  gaps = 0;
  readonly #control: Control;
  /** Streams of which more could be told. */
  #stalled: Set<ReceiveStream> = new Set();

  constructor(limits: UdpackLimits, events: EventQueue, credit: ReceiveCredit, control: Control) {
    this.events = events;
    this.credit = credit;
    this.assembly = new Assembly(limits.assemblyBytes);
    this.packetBytesMost = limits.packetBytes;
    this.#control = control;
  }

  /** Credit of the session goes back for what a stream held that is forgotten. */
  release(units: number): void {
    this.credit.released += units;
    if (this.credit.due) this.#control.credit();
  }

  released(stream: ReceiveStream): void {
    if (this.credit.due) this.#control.credit();
    if (stream.credit.due && !stream.sized && this.assembly.allows(stream)) this.#control.streamCredit(stream);
  }

  stalled(stream: ReceiveStream): void {
    this.#stalled.add(stream);
  }

  /** Streams that were held up because much waited to be told; they are asked for once. */
  takeStalled(): Iterable<ReceiveStream> {
    const streams = this.#stalled;
    if (streams.size > 0) this.#stalled = new Set();
    return streams;
  }

  eased(): void {
    for (const stream of this.assembly.freed()) if (stream.credit.due) this.#control.streamCredit(stream);
  }
}
