import { EventEmitter } from 'node:events';
import type { HawserError } from '../core/index.ts';
import { now } from '../runtime/index.ts';
import {
  type Address,
  kindOf,
  type Session,
  type SessionClosed,
  type SessionEvent,
  type SessionStats,
  type StreamEvent,
  type StreamKind,
  type Streams,
} from '../udpack/index.ts';
import { checkCode, checkPriority, closeOf, endedError, type UdpackClose } from './failures.ts';
import { shown } from './names.ts';
import { type SendOptions, type StreamPort, type StreamWrite, UdpackStream } from './stream.ts';
import { asHawserError, type Callback, checkSignal, endedBy, Wait, type WaitOptions } from './waits.ts';

export interface OpenStreamOptions extends WaitOptions {
  /** Default `packets`. */
  readonly kind?: StreamKind;
  /** 0, which goes first, to 7; equals share. Default 3. */
  readonly priority?: number;
}

export interface DatagramOptions {
  /** ms that it may wait here for its turn. Default: until it is pushed out. */
  readonly maxAge?: number;
}

/** @internal What a session asks of its endpoint. */
export interface SessionPort {
  /** A command was given: drive the machine soon. */
  kick(): void;
  guard(during: string, run: () => void): void;
  /** Whether anybody hears of streams that the peer opens. */
  listensToStreams(): boolean;
  onStream(stream: UdpackStream): void;
  onGoaway(session: UdpackSession, code: number, reason: string): void;
  onPing(session: UdpackSession): void;
  onPong(session: UdpackSession, rtt: number): void;
}

interface SessionEvents {
  stream: [stream: UdpackStream];
  datagram: [bytes: Buffer];
  goaway: [code: number, reason: string];
  ping: [];
  pong: [rtt: number];
  moved: [address: Address];
  drain: [];
  'datagram-dropped': [count: number];
  close: [close: UdpackClose];
}

/** Codes of our own for streams that nobody here wants. */
const NOBODY_LISTENS = 1;

/**
 * One session: streams both ways, unreliable datagrams, and a peer that may change its address.
 *
 * Events: `stream` (the peer opened one), `datagram`, `goaway` (the peer will close: no new streams, please), `ping`, `pong` with the
 * round trip in ms, `moved` (the peer has a new address), `drain`, `datagram-dropped`, `close`.
 */
export class UdpackSession extends EventEmitter<SessionEvents> implements AsyncDisposable {
  /** Resolves when the session is over, however it ended. Never rejects. */
  readonly closed: Promise<UdpackClose>;
  readonly #core: Session;
  readonly #port: SessionPort;
  readonly #streams: Map<number, UdpackStream> = new Map();
  readonly #opening: Map<number, () => void> = new Map();
  readonly #pings: Map<number, Wait<number>> = new Map();
  #settle: (close: UdpackClose) => void = () => {};
  #close: UdpackClose | undefined;

  /** @internal */
  constructor(core: Session, port: SessionPort) {
    super();
    this.#core = core;
    this.#port = port;
    this.closed = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** The same on both sides, and no other session's: 16 hexadecimal digits. */
  get id(): string {
    return Buffer.from(this.#core.handshakeHash ?? []).toString('hex', 0, 8);
  }

  /** The side that dialled is the client. */
  get role(): 'client' | 'server' {
    return this.#core.role;
  }

  /** Where the peer is now. */
  get remote(): Address {
    return shown(this.#core.destination);
  }

  /** Streams that are open, whoever opened them. */
  get streams(): Iterable<UdpackStream> {
    return this.#streams.values();
  }

  /** How it ended; undefined while it lives. */
  get ended(): UdpackClose | undefined {
    return this.#close;
  }

  /**
   * Opens a stream; it needs no round trip unless the peer's limit of open streams is reached. @throws HawserError what ended the session,
   * ERR_ARGUMENT, ERR_ABORTED.
   */
  openStream(done: Callback<UdpackStream>): void;
  openStream(options?: OpenStreamOptions): Promise<UdpackStream>;
  openStream(first: OpenStreamOptions | Callback<UdpackStream> = {}): Promise<UdpackStream> | undefined {
    if (typeof first !== 'function') return this.#openStream(first);
    const guard = (run: () => void): void => this.#port.guard('the callback of openStream', run);
    this.#openStream({}).then(
      (stream) => guard(() => first(null, stream)),
      (error: unknown) => guard(() => first(asHawserError(error))),
    );
    return undefined;
  }

  /**
   * Sends a datagram once, at most: it may be lost. False when it is too long for what is known of the path, or the peer takes none. The first that is
   * too long has the session look whether the path takes longer ones.
   */
  sendDatagram(bytes: Uint8Array | string, { maxAge }: DatagramOptions = {}): boolean {
    this.#check();
    const data = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    const taken = this.#core.streams.sendDatagram(data, { maxAge }, now());
    this.#port.kick();
    return taken;
  }

  /** The round trip to the peer and back, in ms. */
  async ping({ signal }: WaitOptions = {}): Promise<number> {
    this.#check();
    checkSignal(signal);
    const token = this.#core.ping(now());
    const wait = new Wait<number>(signal, () => this.#pings.delete(token));
    this.#pings.set(token, wait);
    this.#port.kick();
    return wait.promise;
  }

  /** Tells the peer that this side is to close soon: it should open no more streams. What is open goes on. */
  goaway(code = 0, reason = ''): void {
    if (this.#close !== undefined) return;
    this.#core.goaway(checkCode(code), reason);
    this.#port.kick();
  }

  /** Closes when all that was written has arrived; at the latest after `times.closeWait`, or when the signal fires. */
  async close(code = 0, reason = '', { signal }: WaitOptions = {}): Promise<UdpackClose> {
    if (this.#close === undefined) {
      this.#core.finish(checkCode(code), reason, now());
      this.#port.kick();
    }
    return endedBy(this.closed, signal, () => void this.abort(code, reason));
  }

  /** Closes at once: what has not arrived is lost. */
  async abort(code = 0, reason = ''): Promise<UdpackClose> {
    if (this.#close === undefined) {
      this.#core.close(checkCode(code), reason, now());
      this.#port.kick();
    }
    return this.closed;
  }

  /**
   * Goes on under a connection id that nobody on the way has seen: for who has moved to another network, or is about to, and doesn't want
   * both to be known for one session. False: the peer has given no id to spare yet.
   */
  rebind(): boolean {
    const done = this.#core.rebind(now());
    this.#port.kick();
    return done;
  }

  /** Figures of the moment: times in ms, all else in bytes unless its name says otherwise. */
  stats(): SessionStats {
    return this.#core.stats;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** @internal */
  onEvent(event: SessionEvent): void {
    switch (event.type) {
      case 'goaway':
        this.#tell('goaway', event.code, event.reason);
        this.#port.onGoaway(this, event.code, event.reason);
        break;
      case 'ping':
        this.#tell('ping');
        this.#port.onPing(this);
        break;
      case 'pong':
        this.#pings.get(event.token)?.resolve(event.rtt);
        this.#pings.delete(event.token);
        this.#tell('pong', event.rtt);
        this.#port.onPong(this, event.rtt);
        break;
      case 'moved':
        this.#tell('moved', shown(event.address));
        break;
      case 'datagram':
        this.#tell('datagram', Buffer.from(event.bytes.buffer, event.bytes.byteOffset, event.bytes.byteLength));
        break;
      case 'datagram-dropped':
        this.#tell('datagram-dropped', event.count);
        break;
      case 'drain':
        for (const stream of this.#streams.values()) stream.onDrain();
        this.#tell('drain');
        break;
      case 'stream':
        this.#onStream(event.stream);
        break;
      case 'opened':
        this.#opening.get(event.stream)?.();
        break;
      case 'closed':
        // Of a stream, or of the session.
        if ('stream' in event) this.#onStreamEvent(event);
        else this.onClosed(event);
        break;
      case 'established':
      case 'auth':
      case 'open':
        break;
      default:
        this.#onStreamEvent(event);
    }
  }

  /** @internal */
  onClosed(event: SessionClosed): void {
    if (this.#close !== undefined) return;
    const close = closeOf(event);
    this.#close = close;
    if (this.#pings.size + this.#streams.size > 0) this.#endAll(endedError(close));
    this.#tell('close', close);
    this.#settle(close);
  }

  #endAll(why: HawserError): void {
    for (const wait of this.#pings.values()) wait.reject(why);
    for (const open of this.#opening.values()) open();
    for (const stream of this.#streams.values()) stream.onOver(why);
    this.#streams.clear();
  }

  async #openStream({ kind = 'packets', priority, signal }: OpenStreamOptions): Promise<UdpackStream> {
    this.#check();
    checkSignal(signal);
    const { streams } = this.#core;
    const id = streams.open(kind, { priority: priority === undefined ? undefined : checkPriority(priority) });
    const stream = this.#stream(id, kind);
    this.#port.kick();
    if (!streams.waits(id)) return stream;
    const wait = new Wait<void>(signal, () => {
      stream.reset();
      stream.stop();
    });
    this.#opening.set(id, () => wait.resolve());
    try {
      await wait.promise;
    } finally {
      this.#opening.delete(id);
    }
    this.#check();
    return stream;
  }

  #stream(id: number, kind: StreamKind): UdpackStream {
    const stream = new UdpackStream(this.#streamPort, id, kind);
    this.#streams.set(id, stream);
    return stream;
  }

  #onStream(id: number): void {
    const stream = this.#stream(id, kindOf(id));
    if (this.listenerCount('stream') === 0 && !this.#port.listensToStreams()) {
      stream.reset(NOBODY_LISTENS);
      stream.stop(NOBODY_LISTENS);
      return;
    }
    this.#tell('stream', stream);
    this.#port.onStream(stream);
  }

  #onStreamEvent(event: Extract<StreamEvent, { stream: number }>): void {
    const stream = this.#streams.get(event.stream);
    if (event.type === 'closed') this.#streams.delete(event.stream);
    stream?.onEvent(event);
  }

  #check(): void {
    if (this.#close !== undefined) throw endedError(this.#close);
  }

  #tell<Name extends keyof SessionEvents>(name: Name, ...args: SessionEvents[Name]): void {
    if (this.listenerCount(name) === 0) return;
    const emit = this.emit.bind(this) as (name: string, ...args: unknown[]) => boolean;
    this.#port.guard(`a listener of '${name}'`, () => emit(name, ...args));
  }

  /** What the session's streams ask for. */
  readonly #streamPort: StreamPort = this.#makeStreamPort();

  #makeStreamPort(): StreamPort {
    const act = (run: (streams: Streams) => unknown): void => {
      run(this.#core.streams);
      this.#port.kick();
    };
    return {
      session: this,
      guard: (during, run) => this.#port.guard(during, run),
      write: (stream, bytes, options, untold) => this.#write(stream, bytes, options, untold),
      prioritize: ({ id }, priority) => act((streams) => streams.prioritize(id, priority)),
      end: ({ id }) => act((streams) => streams.end(id)),
      reset: ({ id }, code) => act((streams) => streams.reset(id, code)),
      stop: ({ id }, code) => act((streams) => streams.stop(id, code)),
      pause: ({ id }) => act((streams) => streams.pause(id)),
      resume: ({ id }) => act((streams) => streams.resume(id)),
    };
  }

  #write({ id }: UdpackStream, bytes: Uint8Array, options: SendOptions, untold: boolean): StreamWrite {
    const { streams } = this.#core;
    const { maxAge, ordered } = options;
    const write = streams.write(id, bytes, { maxAge, ordered, untold }, now());
    this.#port.kick();
    return { write, room: !streams.full };
  }
}
