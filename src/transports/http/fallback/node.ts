import { Agent, type AgentOptions, request as ask, type ClientRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { HawserError } from '../../../core/index.ts';
import { type DialOptions, describeEndpoint, type Endpoint, type Link, type Peer } from '../../../transport/index.ts';
import { openCall, whyFailed } from '../../call.ts';
import { isSecure } from '../../settings.ts';
import { peerOf } from '../../sockets.ts';
import { targetOf } from '../../target.ts';
import { dialByRequests } from './dial.ts';
import type { Answer, Fetching, Hearer, Wire, WireHeaders } from './wire.ts';

/** The longest answer that is read whole, in bytes. */
const ANSWER_BYTES = 65_536;

/** Opens a link by requests of node:http. */
export function dialFallback(endpoint: Endpoint, options: DialOptions): Promise<Link> {
  const wire = new NodeWire(endpoint, options);
  return dialByRequests(endpoint, options, {
    wire,
    base64: {
      decode: (text) =>
        Buffer.from(Buffer.from(text.buffer, text.byteOffset, text.length).toString('latin1'), 'base64'),
    },
    get peer(): Peer {
      return wire.peer;
    },
    allocate: (length) => Buffer.allocUnsafeSlow(length),
    failure,
  });
}

function failure(error: unknown, endpoint: Endpoint): HawserError {
  if (error instanceof HawserError) return error;
  if (isNoHttp(error)) {
    return new HawserError('ERR_HANDSHAKE_REFUSED', `${describeEndpoint(endpoint)} does not speak HTTP`, {
      cause: error,
    });
  }
  const { code, what, data } = whyFailed(error instanceof Error ? error : undefined);
  return new HawserError(code, `${describeEndpoint(endpoint)} ${what}`, { cause: error, data });
}

/** What Node's parser of HTTP throws. */
function isNoHttp(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code?.startsWith('HPE_') === true;
}

class NodeWire implements Wire {
  /** What goes up never has to wait for, or lose its connection to, what comes down. */
  readonly #up: CallingAgent;
  readonly #down: CallingAgent;
  readonly #endpoint: Endpoint;
  readonly #headers: WireHeaders;
  #peer: Peer | undefined;

  constructor(endpoint: Endpoint, options: DialOptions) {
    this.#endpoint = endpoint;
    this.#headers = options.headers ?? {};
    // Once it is up the link doesn't care about the signal of its dial.
    const calling = { ...options, signal: new AbortController().signal };
    this.#up = new CallingAgent(endpoint, calling);
    this.#down = new CallingAgent(endpoint, calling);
  }

  /** Who answered last. */
  get peer(): Peer {
    return this.#peer ?? NOBODY;
  }

  post(headers: WireHeaders, body: Uint8Array, signal: AbortSignal, withQuery = false): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = this.#ask('POST', { ...headers, 'content-length': String(body.length) }, withQuery);
      const abort = (): void => void request.destroy(signal.reason as Error);
      signal.addEventListener('abort', abort, { once: true });
      request.on('close', () => {
        signal.removeEventListener('abort', abort);
        reject(request.errored ?? new Error('the answer broke off'));
      });
      request.on('error', reject);
      request.on('response', (response) => {
        this.#peer ??= peerOf(response.socket);
        readAnswer(response, resolve, reject);
      });
      request.end(body);
      if (signal.aborted) abort();
    });
  }

  get(headers: WireHeaders, hearer: Hearer): Fetching {
    const request = this.#ask('GET', headers, false);
    let response: IncomingMessage | undefined;
    let isOver = false;
    let isPaused = false;
    const over = (error?: unknown): void => {
      if (isOver) return;
      isOver = true;
      hearer.over(error);
    };
    request.on('error', over);
    request.on('close', () => over(new Error('the answer broke off')));
    request.on('response', (answer) => {
      response = answer;
      hearer.begun(answer.statusCode ?? 0);
      answer.on('data', (chunk: Uint8Array) => hearer.receive(chunk));
      answer.on('end', () => over());
      answer.on('error', over);
      if (isPaused) answer.pause();
    });
    request.end();
    return {
      pause: () => {
        isPaused = true;
        response?.pause();
      },
      resume: () => {
        isPaused = false;
        response?.resume();
      },
      cancel: () => {
        isOver = true;
        request.destroy();
      },
    };
  }

  close(): void {
    this.#up.retire();
    this.#down.retire();
  }

  ref(on: boolean): void {
    this.#up.ref(on);
    this.#down.ref(on);
  }

  #ask(method: string, headers: WireHeaders, withQuery: boolean): ClientRequest {
    const { host, scheme } = this.#endpoint;
    const path = targetOf(withQuery ? this.#endpoint : { ...this.#endpoint, query: {} });
    const port = portOf(this.#endpoint);
    const own = { ...this.#headers, ...headers };
    return ask({
      agent: method === 'GET' ? this.#down : this.#up,
      defaultPort: isSecure(scheme) ? 443 : 80,
      host,
      port,
      path,
      method,
      headers: own,
    });
  }
}

const NOBODY: Peer = { address: '', port: 0, local: false, path: undefined, query: {}, headers: {} };

function portOf({ scheme, port }: Endpoint): number {
  return port ?? (isSecure(scheme) ? 443 : 80);
}

function readAnswer(
  response: IncomingMessage,
  resolve: (answer: Answer) => void,
  reject: (error: unknown) => void,
): void {
  const chunks: Uint8Array[] = [];
  let length = 0;
  response.on('data', (chunk: Uint8Array) => {
    length += chunk.length;
    if (length <= ANSWER_BYTES) chunks.push(chunk);
    else response.destroy();
  });
  response.on('error', reject);
  response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
}

type Callback = (error: Error | null, socket: Duplex) => void;

/** Keeps the connections of one link, made as any dial's are. */
class CallingAgent extends Agent {
  readonly #endpoint: Endpoint;
  readonly #options: DialOptions;
  readonly #open = new Set<Socket>();
  #isRetired = false;
  #isRef = true;

  constructor(endpoint: Endpoint, options: DialOptions) {
    super({ keepAlive: true });
    this.#endpoint = endpoint;
    this.#options = options;
  }

  override createConnection(_: AgentOptions, callback?: Callback): undefined {
    void this.#call(callback);
  }

  override keepSocketAlive(socket: Duplex): boolean {
    // It says whether, though its type doesn't.
    return !this.#isRetired && (super.keepSocketAlive(socket) as unknown as boolean);
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    super.reuseSocket(socket, request);
    if (!this.#isRef) (socket as Socket).unref();
  }

  /** What is not in use is closed, and what is in use after it. */
  retire(): void {
    this.#isRetired = true;
    for (const sockets of Object.values(this.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  async #call(callback: Callback | undefined): Promise<void> {
    const { host } = this.#endpoint;
    try {
      const { socket } = await openCall({ host, port: portOf(this.#endpoint) }, this.#endpoint, this.#options);
      // One that the server has ended is of no use for another request.
      socket.allowHalfOpen = false;
      this.#open.add(socket);
      socket.on('close', () => this.#open.delete(socket));
      if (!this.#isRef) socket.unref();
      callback?.(null, socket);
    } catch (error) {
      callback?.(error as Error, undefined as never);
    }
  }

  ref(on: boolean): void {
    this.#isRef = on;
    for (const socket of this.#open) socket[on ? 'ref' : 'unref']();
  }
}
