import type { Socket } from 'node:net';
import { type ErrorCode, HawserError } from '../../core/index.ts';
import { byteStreamLink, LinkGroup, type PortUser } from '../../runtime/index.ts';
import {
  type DialOptions,
  describeEndpoint,
  type Endpoint,
  type Link,
  MAGIC,
  plainFraming,
  Sniffer,
  STREAM_PROTOCOL,
} from '../../transport/index.ts';
import { type Call, openCall, type Where, whyFailed } from '../call.ts';
import { attach, halfCloses, peerOf } from '../sockets.ts';
import { streamFraming } from './visitor.ts';

/** Opens a link over a socket: it is up when the server has shown its magic, or at once where lines are spoken. */
export async function dialSocket(where: Where, endpoint: Endpoint, options: DialOptions): Promise<Link> {
  const protocol =
    options.plain?.protocol ??
    options.protocols.find((one) => one === STREAM_PROTOCOL.length || one === STREAM_PROTOCOL.line);
  if (protocol === undefined) {
    throw new HawserError('ERR_OPTION', `${endpoint.scheme} speaks none of ${options.protocols.join(', ')}`);
  }
  const call = await openCall(where, endpoint, options);
  return await new Promise((resolve, reject) => {
    new Dialling(call, endpoint, options, protocol, resolve, reject).begin();
  });
}

/** A refusal is one line; a server that says more than this before it shows its magic is none of ours. */
const REFUSAL_BYTES_MAX = 1024;

class Dialling implements PortUser {
  readonly #endpoint: Endpoint;
  readonly #options: DialOptions;
  readonly #protocol: string;
  readonly #call: Call;
  readonly #socket: Socket;
  readonly #sniffer: Sniffer = new Sniffer();
  readonly #resolve: (link: Link) => void;
  readonly #reject: (error: HawserError) => void;
  readonly #aborted = (): void => this.#fail('ERR_ABORTED', 'was given up', this.#options.signal.reason);
  #refusal = '';

  constructor(
    call: Call,
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
    this.#call = call;
    this.#socket = call.socket;
  }

  begin(): void {
    attach(this.#socket, this);
    if (this.#socket.destroyed) this.gone(this.#socket.errored ?? undefined);
    this.#socket.once(this.#call.ready, () => this.#connected());
    const { signal } = this.#options;
    if (signal.aborted) this.#aborted();
    else signal.addEventListener('abort', this.#aborted, { once: true });
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
    const { code, what, data } = whyFailed(error);
    this.#fail(code, what, error, data);
  }

  #connected(): void {
    if (this.#protocol === STREAM_PROTOCOL.length) this.#socket.write(MAGIC);
    else this.#open(MAGIC.subarray(0, 0));
  }

  #open(rest: Uint8Array): void {
    const { messageBytes, signal, plain } = this.#options;
    signal.removeEventListener('abort', this.#aborted);
    const group = new LinkGroup({
      ...this.#options,
      transport: this.#endpoint.scheme,
      allocate: (length) => Buffer.allocUnsafeSlow(length),
    });
    const framing = plain ? plainFraming(plain.framing, messageBytes) : streamFraming(this.#protocol, messageBytes);
    const port = this.#socket;
    const parts = { group, port, framing, protocol: this.#protocol, peer: peerOf(port), halfCloses: halfCloses(port) };
    const link = byteStreamLink(parts);
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

  #fail(code: ErrorCode, what: string, cause?: unknown, data?: unknown): void {
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
