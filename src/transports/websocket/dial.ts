import { isUtf8 } from 'node:buffer';
import type { Socket } from 'node:net';
import { type ErrorCode, HawserError } from '../../core/index.ts';
import { byteStreamLink, LinkGroup, type PortUser } from '../../runtime/index.ts';
import {
  type DialOptions,
  describeEndpoint,
  type Endpoint,
  type Link,
  STREAM_PROTOCOL,
} from '../../transport/index.ts';
import { DialParser, type DialRequest, type DialResult, encodeDial, WebSocketFraming } from '../../websocket/index.ts';
import { openCall, whyFailed } from '../call.ts';
import { attach, peerOf } from '../sockets.ts';
import { targetOf } from '../target.ts';
import { resolveCompression, ZlibCompression } from './compression.ts';
import { sha1 } from './grant.ts';
import { portOf } from './listener.ts';

/** Opens a WebSocket. The link is up when the server has granted the upgrade. */
export async function dialWebSocket(endpoint: Endpoint, options: DialOptions): Promise<Link> {
  const request = requestOf(endpoint, options);
  const head = encodeDial(request);
  const where = { host: endpoint.host, port: endpoint.port ?? portOf(endpoint.scheme) };
  const { socket, ready } = await openCall(where, endpoint, options);
  return await new Promise((resolve, reject) => {
    socket.once(ready, () => socket.write(head));
    new Dialling(socket, endpoint, options, request, resolve, reject).begin();
  });
}

function requestOf(endpoint: Endpoint, options: DialOptions): DialRequest {
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  const port = endpoint.port === undefined || endpoint.port === portOf(endpoint.scheme) ? '' : `:${endpoint.port}`;
  return {
    host: host + port,
    target: targetOf(endpoint),
    nonce: options.world.random.bytes(16),
    protocols: options.plain ? [] : options.protocols,
    headers: options.headers,
    deflate: resolveCompression(options.compression)?.wishes,
  };
}

/** How much of a refusal's body is shown in the error, in bytes. */
const BODY_SHOWN = 200;

type OpenAnswer = Extract<DialResult, { readonly kind: 'open' }>;

class Dialling implements PortUser {
  readonly #socket: Socket;
  readonly #endpoint: Endpoint;
  readonly #options: DialOptions;
  readonly #parser: DialParser;
  readonly #resolve: (link: Link) => void;
  readonly #reject: (error: HawserError) => void;
  readonly #aborted = (): void => this.#fail('ERR_ABORTED', 'was given up', this.#options.signal.reason);

  constructor(
    socket: Socket,
    endpoint: Endpoint,
    options: DialOptions,
    request: DialRequest,
    resolve: (link: Link) => void,
    reject: (error: HawserError) => void,
  ) {
    this.#socket = socket;
    this.#endpoint = endpoint;
    this.#options = options;
    this.#parser = new DialParser(request, sha1);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  begin(): void {
    attach(this.#socket, this);
    if (this.#socket.destroyed) this.gone(this.#socket.errored ?? undefined);
    const { signal } = this.#options;
    if (signal.aborted) this.#aborted();
    else signal.addEventListener('abort', this.#aborted, { once: true });
  }

  receive(chunk: Uint8Array): void {
    const result = this.#parser.receive(chunk);
    switch (result.kind) {
      case 'more':
        return;
      case 'open':
        this.#agreed(result);
        return;
      case 'refused':
        this.#refused(result);
        return;
      case 'broken':
        this.#fail('ERR_HANDSHAKE_REFUSED', `does not speak WebSocket: ${result.why}`);
    }
  }

  writable(): void {}

  ended(): void {
    this.#fail('ERR_CONNECT_FAILED', 'closed the connection');
  }

  gone(error: Error | undefined): void {
    const { code, what, data } = whyFailed(error);
    this.#fail(code, what, error, data);
  }

  /** A server that chose nothing speaks plain JSON, or else nothing that was offered. */
  #agreed(answer: OpenAnswer): void {
    const { plain } = this.#options;
    const protocol = answer.protocol === '' ? STREAM_PROTOCOL.line : answer.protocol;
    if (plain) this.#open(plain.protocol, answer);
    else if (this.#options.protocols.includes(protocol)) this.#open(protocol, answer);
    else this.#fail('ERR_HANDSHAKE_REFUSED', 'chose none of the protocols offered');
  }

  #open(protocol: string, { rest, deflate }: OpenAnswer): void {
    const { messageBytes, signal, world } = this.#options;
    signal.removeEventListener('abort', this.#aborted);
    const allocate = (length: number): Uint8Array => Buffer.allocUnsafeSlow(length);
    const group = new LinkGroup({ ...this.#options, transport: this.#endpoint.scheme, allocate });
    const maskKey = (): number => Math.floor(world.random.unit() * 2 ** 32);
    const settings = resolveCompression(this.#options.compression);
    const compression = settings && deflate && new ZlibCompression(settings, deflate, 'client');
    const framing = new WebSocketFraming({ role: 'client', messageBytes, maskKey, isUtf8, allocate, compression });
    const link = byteStreamLink({ group, port: this.#socket, framing, protocol, peer: peerOf(this.#socket) });
    attach(this.#socket, link);
    if (rest.length > 0) link.receive(rest);
    this.#resolve(link);
  }

  #refused(result: Extract<DialResult, { readonly kind: 'refused' }>): void {
    const said = Buffer.from(result.rest.subarray(0, BODY_SHOWN)).toString().split('\n')[0] ?? '';
    const what = `refused the upgrade with status ${result.status}${said === '' ? '' : `: ${said}`}`;
    this.#fail('ERR_HANDSHAKE_REFUSED', what, undefined, { status: result.status });
  }

  #fail(code: ErrorCode, what: string, cause?: unknown, data?: unknown): void {
    this.#options.signal.removeEventListener('abort', this.#aborted);
    this.#socket.destroy();
    this.#reject(new HawserError(code, `${describeEndpoint(this.#endpoint)} ${what}`, { cause, data }));
  }
}
