import { EventEmitter } from 'node:events';
import { HawserError } from '../core/index.ts';
import type { StreamEvent, StreamKind, WriteRefusal } from '../udpack/index.ts';
import { checkCode, checkPriority } from './failures.ts';
import { PacketReader } from './packet-reader.ts';
import type { UdpackSession } from './session.ts';
import { type Callback, Wait, type WaitOptions } from './waits.ts';

/** What may be said of one packet. */
export interface SendOptions {
  /** ms after which a packet that has not arrived is given up. Default: never. */
  readonly maxAge?: number;
  /** False: the peer may hand the packet on before older ones. Default true. Packets alone, not bytes. */
  readonly ordered?: boolean;
}

export interface WriteOptions extends SendOptions, WaitOptions {}

/** @internal What a stream asks of its session. */
export interface StreamPort {
  readonly session: UdpackSession;
  /** `untold`: no `written` nor `dropped` comes of it. */
  write(stream: UdpackStream, bytes: Uint8Array, options: SendOptions, untold: boolean): StreamWrite;
  prioritize(stream: UdpackStream, priority: number): void;
  end(stream: UdpackStream): void;
  reset(stream: UdpackStream, code: number): void;
  stop(stream: UdpackStream, code: number): void;
  pause(stream: UdpackStream): void;
  resume(stream: UdpackStream): void;
  guard(during: string, run: () => void): void;
}

/** @internal */
export interface StreamWrite {
  /** The number that `written` or `dropped` will tell, or why nothing was written. */
  readonly write: number | WriteRefusal;
  /** Whether the backlog is below its mark. */
  readonly room: boolean;
}

/** Its name, the events that come with it, and what their listeners get. */
interface StreamEvents {
  data: [bytes: Buffer];
  end: [];
  drain: [];
  reset: [code: number];
  stop: [code: number];
  skipped: [packets: number];
  close: [error: HawserError | undefined];
}

/**
 * One stream of a session: packets, which keep their bounds, or bytes without any. Either side may end its direction alone.
 *
 * Events: `data`, `end` (the peer has ended its direction), `drain` (after a write that was told false: there is room again, or nothing
 * more is taken), `reset` (the peer gave its direction up), `stop` (the peer wants no more), `skipped` (so many packets were given up by the peer), `close` with an error unless both directions ended well. As with
 * node:stream nothing is read before there is a listener for `data`, or a loop.
 */
export class UdpackStream extends EventEmitter<StreamEvents> implements AsyncIterable<Buffer, undefined> {
  /** As docs/UDPACK.md counts them. */
  readonly id: number;
  readonly kind: StreamKind;
  /** Resolves when both directions are over, with the error that ended them, if one did. Never rejects. */
  readonly closed: Promise<HawserError | undefined>;
  readonly #port: StreamPort;
  readonly #settle: (error: HawserError | undefined) => void;
  readonly #writes: Map<number, Callback> = new Map();
  #reader: PacketReader | undefined;
  /** Whether a write was told that there is no room. */
  #full = false;
  #paused = true;
  /** Whether the application, and not the lack of a listener, has paused it. */
  #held = false;
  #ended = false;
  #peerEnded = false;
  /** Why the peer's direction, and ours, ended early. */
  #readFailure: HawserError | undefined;
  #writeFailure: HawserError | undefined;
  #over = false;
  /** What came while it was paused: the session had ended, and handed out all it had. */
  readonly #backlog: Buffer[] = [];
  /** What there is to tell when the backlog is read. */
  #untold: (() => void)[] = [];

  /** @internal */
  constructor(port: StreamPort, id: number, kind: StreamKind) {
    super();
    this.#port = port;
    this.id = id;
    this.kind = kind;
    let settle: (error: HawserError | undefined) => void = () => {};
    this.closed = new Promise((resolve) => {
      settle = resolve;
    });
    this.#settle = settle;
    port.pause(this);
    (this as unknown as EventEmitter).on('newListener', (name) => {
      if (name === 'data') queueMicrotask(() => this.#flow());
    });
  }

  get session(): UdpackSession {
    return this.#port.session;
  }

  /** Whether this side may still write. */
  get writable(): boolean {
    return !this.#ended && !this.#over;
  }

  /** Whether the peer may still write. */
  get readable(): boolean {
    return !this.#peerEnded && !this.#over;
  }

  /**
   * Writes a packet, or bytes. The bytes must not change until it is over. With a callback: false when the backlog is over its mark, and the
   * callback hears when all was acknowledged. Without one: a promise of that. It rejects with ERR_TIMEOUT when `maxAge` passed first, with
   * ERR_CLOSED after `end`, with what ended the stream otherwise, and with ERR_ABORTED when the signal fires, which takes nothing back.
   */
  write(bytes: Uint8Array | string, done: Callback): boolean;
  write(bytes: Uint8Array | string, options: WriteOptions, done: Callback): boolean;
  write(bytes: Uint8Array | string, options?: WriteOptions): Promise<void>;
  write(bytes: Uint8Array | string, first?: WriteOptions | Callback, second?: Callback): boolean | Promise<void> {
    const options = typeof first === 'object' ? first : {};
    const done = typeof first === 'function' ? first : second;
    if (done !== undefined) return this.#tellingWrite(bytes, options, done);
    const wait = new Wait<void>(options.signal);
    if (options.signal?.aborted !== true) this.#tellingWrite(bytes, options, settling(wait));
    return wait.promise;
  }

  /**
   * Writes without a word of what became of it. False when the backlog is over its mark: `drain` follows.
   *
   * @throws HawserError for what is not taken at all: ERR_CLOSED after `end`, what ended the stream otherwise, ERR_MESSAGE_TOO_LARGE,
   * ERR_ARGUMENT.
   */
  send(bytes: Uint8Array | string, options: SendOptions = {}): boolean {
    const written = this.#write(bytes, options, undefined);
    if (typeof written === 'boolean') return written;
    throw written;
  }

  /** Gives what is not sent yet another priority: 0, which goes first, to 7. @throws HawserError ERR_ARGUMENT. */
  prioritize(priority: number): void {
    this.#port.prioritize(this, checkPriority(priority));
  }

  /** Ends this side's direction after what is written; more bytes may be its last. @throws HawserError as `send` does. */
  end(bytes?: Uint8Array | string): void {
    if (bytes !== undefined) this.send(bytes);
    if (this.#ended || this.#over) return;
    this.#ended = true;
    this.#port.end(this);
  }

  /** Gives this side's direction up, with what is not acknowledged. The peer hears the code. */
  reset(code = 0): void {
    checkCode(code);
    if (this.#over) return;
    this.#ended = true;
    this.#writeFailure ??= reset(`this side gave stream ${this.id} up`, code);
    this.#port.reset(this, code);
    this.onDrain();
  }

  /** Asks the peer to send no more. */
  stop(code = 0): void {
    checkCode(code);
    if (!this.#peerEnded && !this.#over) this.#port.stop(this, code);
    this.#backlog.length = 0;
    this.#tellUntold();
  }

  /** Ends this side's direction politely, and asks for no more of the peer's. */
  close(): this {
    this.end();
    this.stop();
    return this;
  }

  /** Reads no more until `resume`; the peer soon feels it. */
  pause(): this {
    if (!this.#paused && !this.#over) this.#port.pause(this);
    this.#paused = true;
    this.#held = true;
    return this;
  }

  resume(): this {
    if (this.#paused && !this.#over) this.#port.resume(this);
    this.#paused = false;
    this.#readBacklog();
    return this;
  }

  /** Packets in a loop, at the loop's own pace. Throws what ended the stream early. Leaving the loop asks the peer to stop. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer, undefined> {
    if (this.#reader !== undefined) throw new HawserError('ERR_ARGUMENT', 'the stream is being read by another loop');
    const source = { pause: () => void this.pause(), resume: () => void this.resume() };
    this.#reader = new PacketReader(source, () => this.stop());
    for (const packet of this.#backlog.splice(0)) this.#reader.push(packet);
    this.#tellUntold();
    if (this.#peerEnded || this.#over) this.#reader.end(this.#readFailure);
    return this.#reader;
  }

  /** Closes it, and waits until both directions are over. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }

  /** @internal */
  onEvent(event: StreamEvent): void {
    switch (event.type) {
      case 'packet':
      case 'bytes':
        this.#read(event.bytes);
        break;
      case 'end':
        this.#peerEnded = true;
        this.#reader?.end(undefined);
        this.#tellBehind(() => this.#tell('end'));
        break;
      case 'reset':
        this.#onReset(event.code);
        break;
      case 'stopped':
        this.#ended = true;
        this.#writeFailure ??= reset(`the peer wants no more of stream ${this.id}`, event.code);
        this.#tell('stop', event.code);
        this.onDrain();
        break;
      case 'written':
        this.#finish(event.write, null);
        break;
      case 'dropped':
        // Why may be told behind it, in the same row of events.
        queueMicrotask(() => this.#finish(event.write, this.#writeFailure ?? tooOld()));
        break;
      case 'skipped':
        this.#tell('skipped', event.count);
        break;
      case 'closed':
        this.onOver(this.#readFailure ?? this.#writeFailure);
        break;
      case 'stream':
      case 'opened':
      case 'drain':
      case 'datagram':
      case 'datagram-dropped':
        break;
    }
  }

  /** @internal The backlog is below its mark, or there is nothing to wait for any more. */
  onDrain(): void {
    if (!this.#full) return;
    this.#full = false;
    this.#tell('drain');
  }

  /** @internal Both directions are over, or the session is. */
  onOver(error: HawserError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    const left = [...this.#writes.values()];
    this.#writes.clear();
    const why = error ?? new HawserError('ERR_CLOSED', `stream ${this.id} is closed`);
    for (const done of left) this.#port.guard('the callback of a write', () => done(why));
    this.onDrain();
    this.#reader?.end(this.#peerEnded ? undefined : why);
    this.#tellBehind(() => {
      this.#tell('close', error);
      this.#settle(error);
    });
  }

  /** Tells `done` whatever becomes of it. */
  #tellingWrite(bytes: Uint8Array | string, options: SendOptions, done: Callback): boolean {
    const written = this.#write(bytes, options, done);
    if (typeof written === 'boolean') return written;
    queueMicrotask(() => this.#port.guard('the callback of a write', () => done(written)));
    return false;
  }

  /** Whether there is room for more, or why nothing was written. */
  #write(bytes: Uint8Array | string, options: SendOptions, done: Callback | undefined): boolean | HawserError {
    const why = this.#refusal(options);
    if (why !== undefined) return why;
    const data = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    const { write, room } = this.#port.write(this, data, options, done === undefined);
    if (typeof write === 'string') return refused(write, data.length);
    if (done !== undefined) this.#writes.set(write, done);
    if (!room) this.#full = true;
    return room;
  }

  #refusal({ maxAge, ordered }: SendOptions): HawserError | undefined {
    if (this.#writeFailure !== undefined) return this.#writeFailure;
    if (this.#over || this.#ended) return new HawserError('ERR_CLOSED', `stream ${this.id} takes no more`);
    if (maxAge !== undefined && !(maxAge >= 0)) return new HawserError('ERR_ARGUMENT', 'maxAge is a number of ms');
    if (this.kind === 'bytes' && (maxAge !== undefined || ordered === false)) {
      return new HawserError('ERR_ARGUMENT', 'a stream of bytes has no packets to give up, or to take out of order');
    }
    return undefined;
  }

  #read(bytes: Uint8Array): void {
    const packet = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#paused && this.#reader === undefined) {
      this.#backlog.push(packet);
      return;
    }
    this.#reader?.push(packet);
    this.#tell('data', packet);
  }

  #readBacklog(): void {
    while (!this.#paused && this.#backlog.length > 0) {
      const packet = this.#backlog.shift();
      if (packet !== undefined) this.#tell('data', packet);
    }
    if (!this.#paused) this.#tellUntold();
  }

  #tellUntold(): void {
    for (const tell of this.#untold.splice(0)) tell();
  }

  /** There is a listener for data by now, unless it is gone again. */
  #flow(): void {
    if (!this.#held && this.listenerCount('data') > 0) this.resume();
  }

  /** Tells what is behind all data that came. */
  #tellBehind(tell: () => void): void {
    if (this.#backlog.length === 0) tell();
    else this.#untold.push(tell);
  }

  #onReset(code: number): void {
    this.#peerEnded = true;
    this.#readFailure = reset(`the peer gave stream ${this.id} up`, code);
    this.#reader?.end(this.#readFailure);
    this.#tell('reset', code);
  }

  #finish(write: number, error: HawserError | null): void {
    const done = this.#writes.get(write);
    if (done === undefined) return;
    this.#writes.delete(write);
    this.#port.guard('the callback of a write', () => done(error));
  }

  #tell<Name extends keyof StreamEvents>(name: Name, ...args: StreamEvents[Name]): void {
    if (this.listenerCount(name) === 0) return;
    const emit = this.emit.bind(this) as (name: string, ...args: unknown[]) => boolean;
    this.#port.guard(`a listener of '${name}'`, () => emit(name, ...args));
  }
}

function reset(what: string, code: number): HawserError {
  return new HawserError('ERR_CHANNEL_RESET', `${what} (${code})`, { data: { code } });
}

function tooOld(): HawserError {
  return new HawserError('ERR_TIMEOUT', 'given up before it arrived');
}

function refused(why: WriteRefusal, length: number): HawserError {
  return why === 'too-long'
    ? new HawserError('ERR_MESSAGE_TOO_LARGE', `the peer takes no packet of ${length} bytes`)
    : new HawserError('ERR_CLOSED', 'the stream takes no more');
}

function settling(wait: Wait<void>): Callback {
  return (error) => (error === null ? wait.resolve() : wait.reject(error));
}
