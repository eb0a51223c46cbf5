import { type CloseReason, Outbound, type World } from '../core/index.ts';
import {
  type DialOptions,
  type Endpoint,
  type Link,
  type LinkHandler,
  type Listener,
  type ListenOptions,
  parseEndpoint,
  type Transport,
} from '../transport/index.ts';

/** The part of a test runner that the suites need; vitest and jest have it as it is. */
export interface TestApi {
  readonly describe: (name: string, define: () => void) => void;
  readonly test: (name: string, run: () => Promise<void>, timeout?: number) => void;
  readonly expect: (value: unknown) => Expectation;
}

export interface Expectation {
  toBe(expected: unknown): void;
  toEqual(expected: unknown): void;
  toBeLessThanOrEqual(expected: number): void;
  toBeGreaterThan(expected: number): void;
}

export interface LinkSuiteOptions {
  readonly api: TestApi;
  readonly transport: Transport;
  readonly world: World;
  /** An endpoint that nobody listens on yet; port 0 where there are ports. */
  listenUrl(): string;
  /** What an endpoint that nobody listens on is called. */
  deadUrl(): string;
  /** Both protocols, if the transport knows them; the suite sends binary on the first and text on the last. */
  readonly protocols?: readonly string[];
  /** The largest message of the suite, in bytes. Default 16 MiB. */
  readonly largest?: number;
  /** Bytes that the operating system may hold between the two ends. Default 16 MiB. */
  readonly pipeBytes?: number;
  /** What `dial` rejects with when a server says no. Default ERR_HANDSHAKE_REFUSED; a browser can't tell. */
  readonly refusedCode?: string;
  /** What the server hears when the client aborts, where the platform can't cut a connection. Default 1006. */
  readonly abortCode?: number;
  /** How long a polite close may take, ms: longer than 500 KB take, sent at once over a new link. Default 400. */
  readonly closeWait?: number;
  /** Whether its links can be half-closed (`Link.end`), spoken to in the last protocol. Default false. */
  readonly halfCloses?: boolean;
  /** Cuts the connection beneath a link that was accepted, as when its process dies. Left out, that is not tested. */
  readonly cut?: (link: Link) => void;
}

/** How long a case may take, in ms. */
export const CASE_WAIT: number = 60_000;
const CLOSE_WAIT = 400;
const MARK = 262_144;

/** A listener, and the ends of the links that came and went. */
export class Bench implements AsyncDisposable {
  readonly reported: unknown[] = [];
  readonly links: Link[] = [];
  readonly protocols: readonly string[];
  readonly backlogMark: number = MARK;
  readonly world: World;
  readonly #suite: LinkSuiteOptions;
  readonly #change: Partial<ListenOptions>;
  readonly #ends: Link[] = [];
  readonly #waiters: ((link: Link) => void)[] = [];
  #listener: Listener | undefined;

  static async open(suite: LinkSuiteOptions, change: Partial<ListenOptions> = {}): Promise<Bench> {
    const bench = new Bench(suite, change);
    bench.#listener = await bench.listenOn(suite.listenUrl());
    return bench;
  }

  constructor(suite: LinkSuiteOptions, change: Partial<ListenOptions>) {
    const { world } = suite;
    this.#suite = suite;
    this.#change = change;
    this.protocols = suite.protocols ?? ['hawser.v1', 'hawser.v1.json'];
    this.world = {
      now: () => world.now(),
      random: world.random,
      timer: (at, run) => world.timer(at, run),
      soon: (run) => world.soon(run),
      report: (error) => this.reported.push(error),
    };
  }

  get listener(): Listener {
    if (this.#listener === undefined) throw new Error('nobody listens');
    return this.#listener;
  }

  get url(): string {
    return this.listener.endpoint;
  }

  get endpoint(): Endpoint {
    return parseEndpoint(this.url);
  }

  async listenOn(url: string): Promise<Listener> {
    const listener = await this.#suite.transport.listen?.(parseEndpoint(url), this.listenOptions());
    if (listener === undefined) throw new Error('this transport cannot listen');
    return listener;
  }

  /** What its listeners are made with: links that arrive are handed out by `accepted`. */
  listenOptions(): ListenOptions {
    return {
      ...this.#options(),
      loginWait: CASE_WAIT,
      admit: () => undefined,
      onLink: (link) => this.#arrived(link),
      ...this.#change,
    };
  }

  async dialTo(url: string, change: Partial<DialOptions> = {}): Promise<Link> {
    const options = { ...this.#options(), signal: new AbortController().signal, ...change };
    const link = await this.#suite.transport.dial(parseEndpoint(url), options);
    this.#ends.push(link);
    return link;
  }

  async dial(change?: Partial<DialOptions>): Promise<End> {
    return new End(await this.dialTo(this.url, change));
  }

  /** The next link that was accepted, not started yet. */
  accepted(): Promise<Link> {
    const link = this.links.shift();
    return link === undefined ? new Promise((resolve) => this.#waiters.push(resolve)) : Promise.resolve(link);
  }

  async pair(change?: Partial<DialOptions>): Promise<{ readonly client: End; readonly server: End }> {
    const accepted = this.accepted();
    const dialled = this.dial(change);
    return { client: await dialled, server: new End(await accepted) };
  }

  /** Lets `count` turns of the event loop go by, with a little time in each. */
  async turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await new Promise<void>((resolve) => {
        this.world.timer(this.world.now() + 1, resolve);
      });
    }
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.turns(1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.#ends) link.abort(new Error('the test is over'));
    await Promise.all(this.#ends.map((link) => link.closed));
    await this.#listener?.[Symbol.asyncDispose]();
  }

  #options(): Omit<DialOptions, 'signal'> {
    return {
      world: this.world,
      messageBytes: 16 << 20,
      backlogMark: this.backlogMark,
      closeWait: this.#suite.closeWait ?? CLOSE_WAIT,
      protocols: this.protocols,
    };
  }

  #arrived(link: Link): void {
    this.#ends.push(link);
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.links.push(link);
    else waiter(link);
  }
}

/** One started link, and what it heard. */
export class End implements LinkHandler {
  readonly link: Link;
  /** Resolves with what `onClosed` heard. */
  readonly end: Promise<CloseReason>;
  heard = 0;
  idles = 0;
  drains = 0;
  pongs = 0;
  ends = 0;
  /** Calls of `onEnd`. */
  lasts = 0;
  readonly #inbox: (string | Uint8Array)[] = [];
  readonly #waiters: ((message: string | Uint8Array) => void)[] = [];
  #tellEnd: (reason: CloseReason) => void = () => {};
  #react: ((bytes: Uint8Array, isText: boolean) => void) | undefined;

  constructor(link: Link) {
    this.link = link;
    this.end = new Promise((resolve) => {
      this.#tellEnd = resolve;
    });
    link.start(this);
  }

  /** Messages that arrived and nobody asked for yet. */
  get waiting(): number {
    return this.#inbox.length;
  }

  /** From now on `react` has the messages, while they arrive. */
  set react(react: (bytes: Uint8Array, isText: boolean) => void) {
    this.#react = react;
  }

  /** The next message: a string, or the bytes as numbers. */
  async message(): Promise<string | number[]> {
    const message = await this.#take();
    return typeof message === 'string' ? message : [...message];
  }

  async bytes(): Promise<Uint8Array> {
    const message = await this.#take();
    if (typeof message === 'string') throw new Error(`text where bytes were expected: ${message}`);
    return message;
  }

  onMessage(bytes: Uint8Array, isText: boolean): void {
    this.heard++;
    if (this.#react !== undefined) {
      this.#react(bytes, isText);
      return;
    }
    const message = isText ? new TextDecoder().decode(bytes) : new Uint8Array(bytes);
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#inbox.push(message);
    else waiter(message);
  }

  onIdle(): void {
    this.idles++;
  }

  onDrain(): void {
    this.drains++;
  }

  onPong(): void {
    this.pongs++;
  }

  onEnd(): void {
    this.lasts++;
  }

  onClosed(reason: CloseReason): void {
    this.ends++;
    this.#tellEnd(reason);
  }

  #take(): Promise<string | Uint8Array> {
    const message = this.#inbox.shift();
    return message === undefined ? new Promise((resolve) => this.#waiters.push(resolve)) : Promise.resolve(message);
  }
}

export function text(message: string): Outbound {
  return new Outbound(new TextEncoder().encode(message), true);
}

/** A message of `size` bytes, at least 4, that begins with its number. */
const NOISE: Uint8Array = noise(65_536);

export function numbered(number: number, size: number): Outbound {
  const bytes = new Uint8Array(size);
  // Large ones fill pipes, also those of a link that compresses.
  if (size >= NOISE.length) bytes.set(NOISE);
  new DataView(bytes.buffer).setUint32(0, number);
  return new Outbound(bytes, false);
}

export function numberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0);
}

/** Bytes that show when a piece is missing or out of place. */
export function pattern(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >>> 8) * 17 + (i >>> 16)) & 0xff;
  return bytes;
}

/** Always the same, and nothing that could be made shorter (xorshift). */
function noise(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = 0x9e3779b9;
  for (let i = 0; i < size; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The code that a promise rejects with; 'none' when it doesn't. */
export async function codeOf(attempt: Promise<unknown>): Promise<unknown> {
  try {
    await attempt;
    return 'none';
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}
