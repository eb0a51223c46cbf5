import { LANE } from '../../core/index.ts';
import { type FramingSink, LengthFraming } from '../../transport/index.ts';
import type { Connection } from './connection.ts';

/** The stream that both sides have from the first moment: the dialler's first one of two directions. */
export const MAIN = 0;

/**
 * Which streams carry what: the main one both ways; for each lane a stream of one direction, opened by who sends on it; and the goodbye, on the last stream
 * that a side opens. Stream numbers have no gaps, so that the number of the goodbye's stream tells how many must be whole before it counts.
 */
export class OutLanes {
  readonly #connection: Connection;
  readonly #out: Map<number, number> = new Map();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The stream that messages of a lane go by, from the first to the last. Where the peer takes no further one it is the main one. */
  streamOf(lane: number): number {
    return lane === LANE.main ? MAIN : (this.#out.get(lane) ?? this.#open(lane));
  }

  end(lane: number): void {
    const stream = this.#out.get(lane);
    if (stream === undefined) return;
    this.#out.delete(lane);
    if (stream !== MAIN) this.#connection.finish(stream);
  }

  /** Ends all, and says goodbye. */
  leave(goodbye: Uint8Array): void {
    for (const lane of [...this.#out.keys()]) this.end(lane);
    this.#connection.finish(MAIN);
    const last = this.#connection.open();
    this.#connection.write(last, goodbye);
    this.#connection.finish(last);
  }

  /** One is kept for the goodbye. */
  #open(lane: number): number {
    const stream = this.#connection.room > 1 ? this.#connection.open() : MAIN;
    this.#out.set(lane, stream);
    return stream;
  }
}

/** What the peer sends, stream by stream. */
export class InStreams {
  readonly #messageBytes: number;
  readonly #sinkOf: (stream: number) => FramingSink;
  readonly #open: Map<number, { readonly framing: LengthFraming; readonly sink: FramingSink }> = new Map();
  #whole = 0;
  #mainEnded = false;
  #goodbye: number | undefined;

  constructor(messageBytes: number, sinkOf: (stream: number) => FramingSink) {
    this.#messageBytes = messageBytes;
    this.#sinkOf = sinkOf;
  }

  receive(stream: number, bytes: Uint8Array): void {
    const { framing, sink } = this.#open.get(stream) ?? this.#begin(stream);
    framing.receive(bytes, sink);
  }

  /** The peer has ended a stream, and all of it was read. */
  ended(stream: number): void {
    this.#open.delete(stream);
    if (stream === MAIN) this.#mainEnded = true;
    else this.#whole++;
  }

  #begin(stream: number): { readonly framing: LengthFraming; readonly sink: FramingSink } {
    const entry = { framing: new LengthFraming(this.#messageBytes), sink: this.#sinkOf(stream) };
    this.#open.set(stream, entry);
    return entry;
  }

  /** The peer has said goodbye on this stream. */
  left(stream: number): void {
    this.#goodbye = stream;
  }

  /** Whether the peer has said goodbye and all that it sent before is here. */
  get areWhole(): boolean {
    return this.#goodbye !== undefined && this.#mainEnded && this.#whole > this.#goodbye >> 2;
  }
}
