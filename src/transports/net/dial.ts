import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { HawserError } from '../../core/index.ts';
import { byteStreamLink, LinkGroup, type PortUser } from '../../runtime/index.ts';
import {
  type DialOptions,
  describeEndpoint,
  type Endpoint,
  type Link,
  MAGIC,
  Sniffer,
  STREAM_PROTOCOL,
} from '../../transport/index.ts';
import { attach, peerOf } from '../sockets.ts';
import { streamFraming } from './visitor.ts';

/** Opens a link over a socket: it is up when the server has shown its magic, or at once where lines are spoken. */
export function dialSocket(where: NetConnectOpts, endpoint: Endpoint, options: DialOptions): Promise<Link> {
  const protocol = options.protocols.find((one) => one === STREAM_PROTOCOL.length || one === STREAM_PROTOCOL.line);
  if (protocol === undefined) {
    throw new HawserError('ERR_OPTION', `${endpoint.scheme} speaks none of ${options.protocols.join(', ')}`);
  }
  const { signal } = options;
  if (signal.aborted) {
    throw new HawserError('ERR_ABORTED', `${describeEndpoint(endpoint)} was given up`, { cause: signal.reason });
  }
  return new Promise((resolve, reject) => {
    new Dialling(where, endpoint, options, protocol, resolve, reject).begin();
  });
}

/** A refusal is one line; a server that says more than this before it shows its magic is none of ours. */
const REFUSAL_BYTES_MAX = 1024;

class Dialling implements PortUser {
  readonly #endpoint: Endpoint;
  readonly #options: DialOptions;
  readonly #protocol: string;
  readonly #socket: Socket;
  readonly #sniffer: Sniffer = new Sniffer();
  readonly #resolve: (link: Link) => void;
  readonly #reject: (error: HawserError) => void;
  readonly #aborted = (): void => this.#fail('ERR_ABORTED', 'was given up', this.#options.signal.reason);
  #refusal = '';

  constructor(
    where: NetConnectOpts,
    endpoint: Endpoint,
    options: DialOptions,
    protocol: string,
    resolve: (link: Link) => void,
    reject: (error: HawserError) => void,
  ) {
    this.#endpoint = endpoint;
    this.#options = options;
    this.#protocol = protocol;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#socket = connect({ ...where, allowHalfOpen: true });
  }

  begin(): void {
    attach(this.#socket, this);
    this.#socket.once('connect', () => this.#connected());
    this.#options.signal.addEventListener('abort', this.#aborted, { once: true });
  }

  receive(chunk: Uint8Array): void {
    if (this.#refusal !== '') {
      this.#refused(chunk);
      return;
    }
    switch (this.#sniffer.receive(chunk)) {
      case 'more':
        return;
      case 'magic':
        this.#open(this.#sniffer.rest);
        return;
      case 'line':
        this.#refused(chunk);
        return;
      case 'unknown':
        this.#fail('ERR_HANDSHAKE_REFUSED', 'does not speak hawser.v1');
    }
  }

  writable(): void {}

  ended(): void {
    if (this.#refusal === '') this.#fail('ERR_CONNECT_FAILED', 'closed the connection');
    else this.#fail('ERR_HANDSHAKE_REFUSED', 'refused the connection');
  }

  gone(error: Error | undefined): void {
    this.#fail('ERR_CONNECT_FAILED', error === undefined ? 'closed the connection' : `failed: ${error.message}`, error);
  }

  #connected(): void {
    if (this.#protocol === STREAM_PROTOCOL.length) this.#socket.write(MAGIC);
    else this.#open(MAGIC.subarray(0, 0));
  }

  #open(rest: Uint8Array): void {
    const { messageBytes, signal } = this.#options;
    signal.removeEventListener('abort', this.#aborted);
    const group = new LinkGroup({
      ...this.#options,
      transport: this.#endpoint.scheme,
      allocate: (length) => Buffer.allocUnsafeSlow(length),
    });
    const framing = streamFraming(this.#protocol, messageBytes);
    const peer = peerOf(this.#socket);
    const link = byteStreamLink({ group, port: this.#socket, framing, protocol: this.#protocol, peer });
    attach(this.#socket, link);
    if (rest.length > 0) link.receive(rest);
    this.#resolve(link);
  }

  /** Instead of its magic the server sent a line that says why it turns us away. */
  #refused(chunk: Uint8Array): void {
    this.#refusal += Buffer.from(chunk).toString('latin1');
    const end = this.#refusal.indexOf('\n');
    if (end < 0 && this.#refusal.length <= REFUSAL_BYTES_MAX) return;
    const { code, message } = parseRefusal(this.#refusal.slice(0, end));
    this.#fail('ERR_HANDSHAKE_REFUSED', `refused the connection: ${message}`, undefined, { code });
  }

  #fail(
    code: 'ERR_ABORTED' | 'ERR_CONNECT_FAILED' | 'ERR_HANDSHAKE_REFUSED',
    what: string,
    cause?: unknown,
    data?: unknown,
  ): void {
    this.#options.signal.removeEventListener('abort', this.#aborted);
    this.#socket.destroy();
    this.#reject(new HawserError(code, `${describeEndpoint(this.#endpoint)} ${what}`, { cause, data }));
  }
}

function parseRefusal(line: string): { readonly code: string; readonly message: string } {
  try {
    const said = JSON.parse(Buffer.from(line, 'latin1').toString()) as { code?: unknown; message?: unknown } | null;
    if (typeof said?.code === 'string' && typeof said.message === 'string') {
      return { code: said.code, message: said.message };
    }
  } catch {
    // No JSON: what it said stays unknown.
  }
  return { code: 'ERR_PROTOCOL', message: 'no reason that can be read' };
}
