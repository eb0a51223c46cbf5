import {
  CLOSE,
  type CloseReason,
  closeReason,
  HawserError,
  type Instant,
  type Outbound,
  type Timer,
} from '../../core/index.ts';
import {
  type DialOptions,
  describeEndpoint,
  type Endpoint,
  type Link,
  type LinkHandler,
  type Peer,
  STREAM_PROTOCOL,
  type Transport,
} from '../../transport/index.ts';
import { targetOf } from './target.ts';

/** The platform's own WebSocket, for browsers. It cannot say why a server said no. */
export const browserWebSocketTransport: Transport = { schemes: ['ws', 'wss'], dial };

function dial(endpoint: Endpoint, options: DialOptions): Promise<Link> {
  const { signal } = options;
  const where = describeEndpoint({ ...endpoint, path: '/' });
  return new Promise((resolve, reject) => {
    const fail = (code: 'ERR_ABORTED' | 'ERR_CONNECT_FAILED', what: string, cause?: unknown): void => {
      socket?.close();
      reject(new HawserError(code, `${where} ${what}`, { cause }));
    };
    const aborted = (): void => fail('ERR_ABORTED', 'was given up', signal.reason);
    let socket: WebSocket | undefined;
    if (signal.aborted) {
      aborted();
      return;
    }
    signal.addEventListener('abort', aborted);
    const opening = new WebSocket(where + targetOf(endpoint), [...options.protocols]);
    socket = opening;
    opening.onerror = () => {};
    opening.onopen = () => {
      signal.removeEventListener('abort', aborted);
      resolve(new BrowserLink(opening, endpoint.scheme, options));
    };
    opening.onclose = () => {
      signal.removeEventListener('abort', aborted);
      fail('ERR_CONNECT_FAILED', 'could not be reached');
    };
  });
}

const SERVER: Peer = { address: '', port: 0, local: false, path: undefined, query: {}, headers: {} };
/** How often the platform is asked what it still holds, in ms. */
const POLL = 50;
/** The only codes that a page may send are 1000 and those from 3000. */
const OWN_CODES = 3000;

class BrowserLink implements Link {
  readonly transport: string;
  readonly protocol: string;
  readonly peer: Peer = SERVER;
  readonly closed: Promise<CloseReason>;
  stalledSince: Instant | undefined;
  readonly #socket: WebSocket;
  readonly #options: DialOptions;
  #handler: LinkHandler | undefined;
  #resolve: (reason: CloseReason) => void = () => {};
  /** What arrived while it may not be told; the platform can't be kept from reading. */
  #held: (string | ArrayBuffer)[] = [];
  #paused = false;
  #polling: Timer | undefined;
  #closing: Timer | undefined;
  #overMark = false;
  #last = 0;
  /** We said goodbye, and this is why. */
  #left: CloseReason | undefined;
  #end: CloseReason | undefined;
  #told = false;

  constructor(socket: WebSocket, transport: string, options: DialOptions) {
    this.#socket = socket;
    this.#options = options;
    this.transport = transport;
    this.protocol = socket.protocol || STREAM_PROTOCOL.line;
    this.closed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      this.#held.push(data);
      this.#deliver();
    };
    socket.onclose = ({ code, reason }) => this.#over(this.#left ?? { code, reason });
  }

  get queued(): number {
    return this.#end === undefined ? this.#socket.bufferedAmount : 0;
  }

  start(handler: LinkHandler): void {
    this.#handler = handler;
    this.#deliverSoon();
  }

  send(message: Outbound): boolean {
    if (this.#left !== undefined || this.#end !== undefined) return false;
    const { bytes, text } = message;
    this.#socket.send(text ? new TextDecoder().decode(bytes) : (bytes as Uint8Array<ArrayBuffer>));
    if (this.#polling === undefined) this.#poll();
    if (this.queued < this.#options.backlogMark) return true;
    this.#overMark = true;
    return false;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#deliverSoon();
  }

  async close({ code, reason }: CloseReason = { code: CLOSE.normal, reason: '' }): Promise<void> {
    if (this.#left === undefined && this.#end === undefined) {
      const { world, closeWait } = this.#options;
      this.#left = closeReason(code, reason);
      this.#socket.close(code < OWN_CODES ? CLOSE.normal : code, this.#left.reason);
      this.#closing = world.timer(world.now() + closeWait, () => this.abort(new Error('the close was not answered')));
    }
    await this.closed;
  }

  /** A page can't cut a connection: the server hears a code that says it broke. */
  abort(cause: Error): void {
    this.#socket.close(CLOSE.peerSilent);
    this.#held = [];
    this.#over(closeReason(CLOSE.abnormal, cause.message));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #deliverSoon(): void {
    this.#options.world.soon(() => this.#deliver());
  }

  #deliver(): void {
    const handler = this.#handler;
    if (handler === undefined) return;
    try {
      while (this.#held.length > 0 && !this.#paused) this.#take(this.#held.shift() as string | ArrayBuffer, handler);
      if (this.#left === undefined && this.#end === undefined) handler.onIdle();
    } catch (error) {
      this.#options.world.report?.(error);
      this.abort(new Error('a handler failed'));
    }
    if (this.#end !== undefined && this.#held.length === 0 && !this.#told) {
      this.#told = true;
      handler.onClosed(this.#end);
    }
  }

  #take(data: string | ArrayBuffer, handler: LinkHandler): void {
    if (this.#left !== undefined) return;
    const text = typeof data === 'string';
    const bytes = text ? new TextEncoder().encode(data) : new Uint8Array(data);
    const { messageBytes } = this.#options;
    if (bytes.length <= messageBytes) handler.onMessage(bytes, text);
    else void this.close({ code: CLOSE.messageTooLarge, reason: `a message may have ${messageBytes} bytes` });
  }

  /** While anything is queued, asks how it goes. */
  #poll(): void {
    const { world, backlogMark } = this.#options;
    const { queued } = this;
    if (queued === 0 || queued < this.#last) this.stalledSince = undefined;
    this.#last = queued;
    this.#polling = undefined;
    if (queued > 0) {
      this.stalledSince ??= world.now();
      this.#polling = world.timer(world.now() + POLL, () => this.#poll());
    }
    if (this.#overMark && queued <= backlogMark / 2) {
      this.#overMark = false;
      if (this.#left === undefined && this.#end === undefined) this.#handler?.onDrain();
    }
  }

  #over(reason: CloseReason): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.stalledSince = undefined;
    this.#polling?.cancel();
    this.#closing?.cancel();
    this.#options.world.soon(() => {
      this.#deliver();
      this.#resolve(reason);
    });
  }
}
