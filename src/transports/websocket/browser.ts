import {
  CLOSE,
  type CloseReason,
  closeReason,
  HawserError,
  type Instant,
  ON_PAGE,
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
import { targetOf } from '../target.ts';

/** The platform's own WebSocket, for browsers. It cannot say why a server said no. */
export const browserWebSocketTransport: Transport = { schemes: ['ws', 'wss'], dial };

function dial(endpoint: Endpoint, options: DialOptions): Promise<Link> {
  const { signal } = options;
  const where = describeEndpoint({ ...endpoint, path: '/' });
  return new Promise((resolve, reject) => {
    let socket: WebSocket | undefined;
    const fail = (): void => {
      signal.removeEventListener('abort', fail);
      const code = signal.aborted ? 'ERR_ABORTED' : 'ERR_CONNECT_FAILED';
      reject(new HawserError(code, `${where} could not be reached`, { cause: signal.reason }));
      socket?.close();
    };
    if (signal.aborted) return fail();
    signal.addEventListener('abort', fail);
    const opening = new WebSocket(where + targetOf(endpoint), [...options.protocols]);
    socket = opening;
    socket.onopen = () => {
      signal.removeEventListener('abort', fail);
      resolve(new BrowserLink(opening, endpoint.scheme, options));
    };
    socket.onclose = fail;
    // What 'error' says, 'close' says too; but a client for Node would throw it.
    socket.onerror = () => {};
  });
}

const SERVER: Peer = { address: '', port: 0, local: false, path: undefined, query: {}, headers: {} };
/** How often the platform is asked what it still holds, in ms. */
const POLL = 50;
/** What a paused link holds, in messages of the longest kind. */
const HELD_MESSAGES = 4;
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
  /** Whom to tell; nobody before the start and after the end. */
  #handler: LinkHandler | undefined;
  #resolve!: (reason: CloseReason) => void;
  /** What arrived while it may not be told; the platform can't be kept from reading. */
  #held: (string | ArrayBuffer)[] = [];
  /** Their length, of those that came while paused. */
  #heldLength = 0;
  #paused = false;
  #polling: Timer | undefined;
  #closing: Timer | undefined;
  #overMark = false;
  #last = 0;
  /** Why we left, then why it ended. */
  #reason: CloseReason | undefined;
  #over = false;

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
      if (this.#reason) return;
      this.#held.push(data);
      if (this.#paused) this.#hold(data);
      else this.#deliver();
    };
    socket.onclose = ({ code, reason }) => this.#end(this.#reason ?? { code, reason });
  }

  get queued(): number {
    return this.#over ? 0 : this.#socket.bufferedAmount;
  }

  start(handler: LinkHandler): void {
    this.#handler = handler;
    this.resume();
  }

  send({ bytes, text }: Outbound): boolean {
    if (this.#reason) return false;
    this.#socket.send(!ON_PAGE && text ? new TextDecoder().decode(bytes) : (bytes as Uint8Array<ArrayBuffer>));
    if (!this.#polling) this.#poll();
    if (this.queued < this.#options.backlogMark) return true;
    this.#overMark = true;
    return false;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#heldLength = 0;
    this.#options.world.soon(() => this.#deliver());
  }

  async close({ code, reason }: CloseReason = { code: CLOSE.normal, reason: '' }): Promise<void> {
    if (!this.#reason) {
      const { world, closeWait } = this.#options;
      this.#reason = closeReason(code, reason);
      this.#held = [];
      this.#socket.close(code < OWN_CODES ? CLOSE.normal : code, this.#reason.reason);
      this.#closing = world.timer(world.now() + closeWait, () => this.abort(new Error('aborted')));
    }
    await this.closed;
  }

  /** A page can't cut a connection: the server hears a code that says it broke. */
  abort(cause: Error): void {
    this.#socket.close(CLOSE.peerSilent);
    this.#held = [];
    this.#end(closeReason(CLOSE.abnormal, cause.message));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #deliver(): void {
    const handler = this.#handler;
    if (!handler) return;
    try {
      while (this.#held.length > 0 && !this.#paused) this.#take(this.#held.shift() as string | ArrayBuffer, handler);
      if (!this.#reason) handler.onIdle();
    } catch (error) {
      this.#options.world.report?.(error);
      this.abort(error as Error);
    }
    if (!this.#over || this.#held.length > 0) return;
    this.#handler = undefined;
    handler.onClosed(this.#reason as CloseReason);
  }

  /** What the session needs of it comes again over another link. */
  #hold(data: string | ArrayBuffer): void {
    this.#heldLength += typeof data === 'string' ? data.length : data.byteLength;
    if (this.#heldLength <= HELD_MESSAGES * this.#options.messageBytes) return;
    void this.close({ code: CLOSE.backlogFull, reason: 'paused for too long' });
  }

  #take(data: string | ArrayBuffer, handler: LinkHandler): void {
    const text = typeof data === 'string';
    const bytes = text ? new TextEncoder().encode(data) : new Uint8Array(data);
    const { messageBytes } = this.#options;
    if (bytes.length <= messageBytes) handler.onMessage(bytes, text);
    else void this.close({ code: CLOSE.messageTooLarge, reason: `over ${messageBytes} bytes` });
  }

  /** While anything is queued, asks how it goes. */
  #poll(): void {
    const { world, backlogMark } = this.#options;
    const { queued } = this;
    if (queued < this.#last) this.stalledSince = undefined;
    this.#last = queued;
    this.#polling = undefined;
    if (queued > 0) {
      this.stalledSince ??= world.now();
      this.#polling = world.timer(world.now() + POLL, () => this.#poll());
    }
    if (this.#overMark && queued <= backlogMark / 2) {
      this.#overMark = false;
      if (!this.#reason) this.#handler?.onDrain();
    }
  }

  #end(reason: CloseReason): void {
    if (this.#over) return;
    this.#over = true;
    this.#reason = reason;
    this.stalledSince = undefined;
    this.#polling?.cancel();
    this.#closing?.cancel();
    this.#options.world.soon(() => {
      this.#deliver();
      this.#resolve(reason);
    });
  }
}
