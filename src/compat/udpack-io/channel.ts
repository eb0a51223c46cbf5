import { EventEmitter } from 'node:events';
import { HawserError } from '../../core/index.ts';
import type { UdpackStream } from '../../udpack-endpoint/index.ts';
import { decodeValue, encodeValue } from '../../wire/index.ts';

/** Hears how it went: null when it went well. */
export type Done = (error: HawserError | null) => void;

/** Hears what can't be told to whom it concerns: what a listener threw, what a peer sent that is no event. */
export type Report = (error: unknown, during: string) => void;

/** Names that mean something to EventEmitter, or to a channel itself: a peer can't say them. */
const RESERVED: ReadonlySet<unknown> = new Set(['error', 'close', 'newListener', 'removeListener']);

/** A conversation of its own with the peer: events both ways, each with one value of data, in order. */
export class Channel extends EventEmitter {
  readonly #stream: UdpackStream;
  readonly #report: Report;
  #closed = false;

  /** @internal */
  constructor(stream: UdpackStream, report: Report) {
    super();
    this.#stream = stream;
    this.#report = report;
    stream.on('data', (bytes) => this.#hear(bytes));
    // What the peer has ended nobody speaks to any more.
    stream.on('end', () => stream.end());
    stream.on('close', () => this.#end());
  }

  /** Sends an event. `done` hears when the peer has it, or that it never will. */
  send(event: string, data?: unknown, done: Done = () => {}): void {
    try {
      if (RESERVED.has(event))
        throw new HawserError('ERR_EVENT_RESERVED', `'${event}' can't be sent: it is a channel's own`);
      this.#stream.write(encodeValue([event, data]), done);
    } catch (error) {
      if (!(error instanceof HawserError)) throw error;
      queueMicrotask(() => this.#guard(`the callback of send('${event}')`, () => done(error)));
    }
  }

  /** Ends the channel when what was sent has arrived. */
  close(): this {
    this.#stream.close();
    return this;
  }

  #hear(bytes: Uint8Array): void {
    const message = decodeValue(bytes)?.value;
    const [event, data] = Array.isArray(message) ? (message as unknown[]) : [];
    if (typeof event !== 'string' || RESERVED.has(event)) {
      this.#report(new HawserError('ERR_MESSAGE_MALFORMED', 'a packet came that is no event'), 'a channel');
      return;
    }
    this.#guard(`a listener of '${event}'`, () => this.emit(event, data));
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#guard(`a listener of 'close'`, () => this.emit('close'));
  }

  #guard(during: string, run: () => unknown): void {
    try {
      run();
    } catch (error) {
      this.#report(error, during);
    }
  }
}
