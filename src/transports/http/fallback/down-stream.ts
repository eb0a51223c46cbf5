import type { ServerResponse } from 'node:http';
import type { Instant, Timer, World } from '../../../core/index.ts';
import type { FallbackLimits } from '../../../transport/index.ts';
import { READY, SIGN_OF_LIFE } from './event-text.ts';
import { EVENTS_TYPE, type Mode, PADDING_BYTES } from './protocol.ts';
import type { Shelf } from './shelf.ts';

/** Bytes that one answer is given ahead of what the system has taken. */
const AHEAD_BYTES = 65_536;
/** A poll is answered with so many bytes at the most: more goes with the next. */
const POLL_BYTES = 262_144;
const PADDING = `:${' '.repeat(PADDING_BYTES - 3)}\n\n`;

const STREAM_HEADERS = {
  'Content-Type': EVENTS_TYPE,
  'Cache-Control': 'no-store, no-transform',
  'X-Content-Type-Options': 'nosniff',
  // nginx would collect what is small.
  'X-Accel-Buffering': 'no',
} as const;

export interface DownUser {
  /** The system has taken the bytes of the shelf up to here. */
  taken(upTo: number): void;
  /** The answer has ended, or broke. */
  over(stream: DownStream): void;
}

export interface DownParts {
  readonly world: World;
  readonly limits: FallbackLimits;
  readonly shelf: Shelf;
  readonly response: ServerResponse;
  readonly mode: Mode;
  /** Whether nothing was answered so before: the client has yet to see that it works. */
  readonly first: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly user: DownUser;
}

/** One answer to a GET: the events of a shelf, until it breaks or another takes its place. */
export class DownStream {
  readonly #parts: DownParts;
  /** Bytes that were written, and those of them that the system has taken, counted as the shelf does. */
  #taken: number;
  #waiting = 0;
  /** Where a poll's answer ends that has begun. */
  #until: number | undefined;
  #isReady: boolean;
  #isOver = false;
  #timer: Timer | undefined;
  #spoke: Instant;

  constructor(parts: DownParts) {
    const { world, shelf, mode, first } = parts;
    this.#parts = parts;
    this.#taken = shelf.sent;
    this.#spoke = world.now();
    this.#isReady = mode === 'poll' && !first;
  }

  begin(): void {
    const { response, mode, headers, limits, first } = this.#parts;
    response.on('close', () => this.#end());
    response.on('error', () => undefined);
    if (mode === 'poll') {
      if (first) this.#answerPoll(READY);
      else this.#after(limits.pollWait, () => this.#answerPoll(SIGN_OF_LIFE));
      return;
    }
    response.writeHead(200, { ...STREAM_HEADERS, ...headers });
    response.write(mode === 'padded' ? PADDING : SIGN_OF_LIFE);
    if (first) this.#after(limits.readyWait, () => this.#beReady());
    else this.#beReady();
  }

  #beReady(): void {
    this.#isReady = true;
    this.#parts.response.write(READY);
    this.#watch();
    this.flush();
  }

  /** Sends what the shelf has, as far as it may. */
  flush(): void {
    const { mode, response, shelf } = this.#parts;
    if (this.#isOver || !this.#isReady) return;
    if (mode === 'poll') {
      this.#flushPoll();
      return;
    }
    while (this.#waiting < AHEAD_BYTES) {
      const bytes = shelf.take(AHEAD_BYTES);
      if (bytes === undefined) return;
      this.#waiting += bytes.length;
      this.#spoke = this.#parts.world.now();
      response.write(bytes, (error) => this.#wrote(bytes.length, error));
    }
  }

  /** No more events follow. */
  finish(): void {
    if (this.#isOver) return;
    const { mode, response } = this.#parts;
    if (mode === 'poll' && !response.headersSent) this.#answerPoll(SIGN_OF_LIFE);
    else response.end();
  }

  cut(): void {
    const { response } = this.#parts;
    this.#end();
    response.destroy();
  }

  /** Whole events, for what is left of one that is cut would come again from its beginning. */
  #flushPoll(): void {
    const { shelf, response, headers } = this.#parts;
    this.#until ??= shelf.endWithin(POLL_BYTES);
    if (this.#until === undefined) return;
    const pieces: Uint8Array[] = [];
    let length = 0;
    for (let room = AHEAD_BYTES - this.#waiting; length < room; ) {
      const bytes = shelf.take(Math.min(room - length, this.#until - shelf.sent));
      if (bytes === undefined) break;
      pieces.push(bytes);
      length += bytes.length;
    }
    const isWhole = shelf.sent === this.#until;
    if (isWhole && !response.headersSent) {
      this.#answerPoll(Buffer.concat(pieces, length), length);
      return;
    }
    if (!response.headersSent) response.writeHead(200, { ...STREAM_HEADERS, ...headers });
    this.#timer?.cancel();
    this.#waiting += length;
    if (length > 0) response.write(Buffer.concat(pieces, length), (error) => this.#wrote(length, error));
    if (!isWhole) return;
    this.#isReady = false;
    response.end();
  }

  /** Ends the answer with this, of which so many bytes are the shelf's. */
  #answerPoll(body: Uint8Array | string, fromShelf = 0): void {
    const { response, headers } = this.#parts;
    this.#isReady = false;
    this.#timer?.cancel();
    this.#waiting += fromShelf;
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    response.writeHead(200, { ...STREAM_HEADERS, ...headers, 'Content-Length': length });
    response.end(body, () => this.#wrote(fromShelf));
  }

  #wrote(length: number, error?: Error | null): void {
    if (this.#isOver || error) return;
    this.#waiting -= length;
    this.#taken += length;
    this.#parts.user.taken(this.#taken);
    this.flush();
  }

  /** Between two events a quiet stream shows that it is alive. */
  #watch(): void {
    const { world, limits, response, shelf } = this.#parts;
    const left = this.#spoke + limits.heartbeat - world.now();
    if (left <= 0 && shelf.isBetweenEvents) {
      response.write(SIGN_OF_LIFE);
      this.#spoke = world.now();
    }
    this.#after(left > 0 ? left : limits.heartbeat, () => this.#watch());
  }

  #after(wait: number, run: () => void): void {
    const { world } = this.#parts;
    this.#timer = world.timer(world.now() + wait, run);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.cancel();
    this.#parts.user.over(this);
  }
}
