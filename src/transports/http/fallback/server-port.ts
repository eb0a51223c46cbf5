import type { ServerResponse } from 'node:http';
import type { CloseReason, Timer, World } from '../../../core/index.ts';
import { HawserError } from '../../../core/index.ts';
import type { BytePort, PortUser } from '../../../runtime/index.ts';
import type { FallbackLimits } from '../../../transport/index.ts';
import { DownStream, type DownUser } from './down-stream.ts';
import type { Mode } from './protocol.ts';
import { Shelf } from './shelf.ts';

export interface ServerPortParts {
  readonly world: World;
  readonly limits: FallbackLimits;
  /** How long the first GET may take, ms. */
  readonly loginWait: number;
  /** Somebody fetches for the first time. */
  onFetched(): void;
  /** The link has ended. */
  onGone(): void;
}

/** What becomes of a batch. */
export type BatchVerdict =
  | { readonly kind: 'new' }
  /** It came before. */
  | { readonly kind: 'again' }
  /** Another number is awaited. */
  | { readonly kind: 'wrong'; readonly expected: number };

/** The server's end of a link by the fallback, as a byte stream: what is written waits on a shelf for a GET, what POSTs bring is read. */
export class ServerPort implements BytePort, DownUser {
  readonly shelf: Shelf;
  bytesRead = 0;
  bytesWritten = 0;
  readonly #parts: ServerPortParts;
  #user: PortUser | undefined;
  #stream: DownStream | undefined;
  /** How the last GET was to be answered; undefined before the first. */
  #mode: Mode | undefined;
  /** Up to where the system took what was written, over whichever stream. */
  #taken = 0;
  /** The last batch that was taken in. */
  #batch = 0;
  /** A batch that came while nothing is read, and who waits for an answer to it. */
  #held: Uint8Array | undefined;
  #answers: (() => void)[] = [];
  #paused = true;
  #ending = false;
  #isGone = false;
  #unfetched: Timer | undefined;

  constructor(parts: ServerPortParts) {
    const { limits, loginWait } = parts;
    this.#parts = parts;
    this.shelf = new Shelf(limits.keptBytes);
    this.#expectFetch(Math.min(loginWait, limits.fetchWait));
  }

  set user(user: PortUser) {
    this.#user = user;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  get isFetched(): boolean {
    return this.#mode !== undefined;
  }

  // What the link does

  get writableLength(): number {
    return this.shelf.written - this.#taken;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isGone) return false;
    // The memory is the link's again before the client has acknowledged.
    this.shelf.put(new Uint8Array(bytes));
    this.#stream?.flush();
    return this.writableLength === 0;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#user?.receive(held);
    if (!this.#paused) this.#answerAll();
  }

  /** Both sides have said goodbye: ours need only be on its way. */
  end(): void {
    this.#ending = true;
    if (this.writableLength === 0) this.#lose(undefined);
  }

  destroy(): void {
    if (this.#isGone) return;
    this.#leave();
    this.#stream?.cut();
    this.#answerAll();
  }

  // What requests do

  /** A GET: its answer takes the place of the one before. False when the last event that it names can't be. */
  fetch(response: ServerResponse, mode: Mode, last: number, headers: Readonly<Record<string, string>>): boolean {
    if (!this.acknowledge(last)) return false;
    const before = this.#stream;
    this.#stream = undefined;
    before?.cut();
    this.#unfetched?.cancel();
    if (this.#mode === undefined) this.#parts.onFetched();
    const { world, limits } = this.#parts;
    const { shelf } = this;
    shelf.rewind();
    const first = mode !== this.#mode;
    this.#mode = mode;
    const stream = new DownStream({ world, limits, shelf, response, mode, first, headers, user: this });
    this.#stream = stream;
    stream.begin();
    stream.flush();
    return true;
  }

  /** False for an event that was never sent. */
  acknowledge(number: number): boolean {
    if (!this.shelf.acknowledge(number)) return false;
    this.#stream?.flush();
    return true;
  }

  judge(number: number): BatchVerdict {
    if (number <= this.#batch) return { kind: 'again' };
    return number === this.#batch + 1 ? { kind: 'new' } : { kind: 'wrong', expected: this.#batch + 1 };
  }

  /** Takes in a new batch, whole. `done` is called when it is read, at once or when the link reads on. */
  take(bytes: Uint8Array, done: () => void): void {
    this.#batch += 1;
    this.bytesRead += bytes.length;
    this.#answers.push(done);
    if (this.#paused) {
      this.#held = bytes;
      return;
    }
    if (bytes.length > 0) this.#user?.receive(bytes);
    if (!this.#paused) this.#answerAll();
  }

  /** A batch that came before: answered as soon as the first of it is. */
  takeAgain(done: () => void): void {
    if (this.#answers.length === 0) done();
    else this.#answers.push(done);
  }

  /** The client ends the link at once. */
  cut({ code, reason }: CloseReason): void {
    this.#lose(new HawserError('ERR_DISCONNECTED', `the peer has cut the link (${code})${reason && `: ${reason}`}`));
  }

  // What a stream does

  taken(upTo: number): void {
    if (upTo <= this.#taken) return;
    this.bytesWritten += upTo - this.#taken;
    this.#taken = upTo;
    if (this.writableLength > 0) return;
    if (this.#ending) this.#lose(undefined);
    else this.#user?.writable();
  }

  over(stream: DownStream): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    if (!this.#isGone) this.#expectFetch(this.#parts.limits.fetchWait);
  }

  #expectFetch(wait: number): void {
    const { world } = this.#parts;
    this.#unfetched?.cancel();
    this.#unfetched = world.timer(world.now() + wait, () =>
      this.#lose(new HawserError('ERR_TIMEOUT', `nobody fetched in ${wait} ms`)),
    );
  }

  #lose(error: Error | undefined): void {
    if (this.#isGone) return;
    this.#leave();
    if (error === undefined) this.#stream?.finish();
    else this.#stream?.cut();
    this.#answerAll();
    this.#user?.gone(error);
  }

  #leave(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#held = undefined;
    this.#unfetched?.cancel();
    this.#parts.onGone();
  }

  #answerAll(): void {
    const answers = this.#answers;
    this.#answers = [];
    for (const answer of answers) answer();
  }
}
