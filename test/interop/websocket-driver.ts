import { isUtf8 } from 'node:buffer';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type CloseReason, Outbound } from '../../src/core/index.ts';
import {
  acceptText,
  chooseProtocol,
  DialParser,
  type DialRequest,
  encodeDial,
  encodeRefusal,
  refuseProtocols,
  UpgradeParser,
  type UpgradeRequest,
  WebSocketFraming,
} from '../../src/websocket/index.ts';

/** The least that makes WebSocket of a byte stream: the framing and handshake under test, and nothing else of ours. */
export class Peer {
  readonly protocol: string;
  onMessage: (bytes: Uint8Array, text: boolean) => void = () => {};
  onPong: () => void = () => {};
  readonly closed: Promise<CloseReason>;
  readonly #socket: Socket;
  readonly #framing: WebSocketFraming;

  constructor(socket: Socket, role: 'server' | 'client', protocol: string, rest: Uint8Array) {
    this.protocol = protocol;
    this.#socket = socket;
    this.#framing = new WebSocketFraming({
      role,
      messageBytes: 4 << 20,
      maskKey: () => randomBytes(4).readInt32BE(),
      isUtf8,
    });
    this.closed = new Promise((resolve) => {
      const sink = {
        onMessage: (bytes: Uint8Array, text: boolean) => this.onMessage(bytes, text),
        onReply: (bytes: Uint8Array) => void socket.write(bytes),
        onPong: () => this.onPong(),
        onClose: (reason: CloseReason) => {
          resolve(reason);
          socket.end();
        },
      };
      socket.on('error', () => {});
      socket.on('close', () => resolve({ code: 1006, reason: '' }));
      socket.pause();
      setImmediate(() => {
        this.#framing.receive(rest, sink);
        socket.on('data', (chunk) => this.#framing.receive(chunk, sink));
        socket.resume();
      });
    });
  }

  send(message: string | Uint8Array): void {
    const text = typeof message === 'string';
    this.#socket.write(this.#framing.encode(new Outbound(text ? Buffer.from(message) : message, text)));
  }

  /** Writes bytes as they are. */
  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  ping(): void {
    this.#socket.write(this.#framing.ping());
  }

  close(reason: CloseReason): void {
    this.#socket.write(this.#framing.goodbye(reason));
  }

  /** The next message: a text as it is, a binary one as bytes. */
  next(): Promise<string | Uint8Array> {
    return new Promise((resolve) => {
      this.onMessage = (bytes, text) => resolve(text ? Buffer.from(bytes).toString() : Uint8Array.from(bytes));
    });
  }
}

export const PROTOCOLS: readonly string[] = ['two', 'three'];
const sha1 = (text: string): string => createHash('sha1').update(text).digest('base64');

/** A server on a free port of the loopback; a plain HTTP request is answered with status 418. */
export async function listen(onPeer: (peer: Peer) => void): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer((socket) => {
    const parser = new UpgradeParser();
    socket.on('error', () => {});
    socket.on('data', function read(chunk) {
      const result = parser.receive(chunk);
      if (result.kind === 'more') return;
      socket.off('data', read);
      if (result.kind === 'http') socket.end('HTTP/1.1 418 Teapot\r\nConnection: close\r\n\r\n');
      else if (result.kind === 'refuse') socket.end(encodeRefusal(result.refusal));
      else admit(socket, result.request, result.rest, onPeer);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function admit(socket: Socket, request: UpgradeRequest, rest: Uint8Array, onPeer: (peer: Peer) => void): void {
  const protocol = chooseProtocol(request.protocols, PROTOCOLS);
  if (protocol === undefined && request.protocols.length > 0) {
    socket.end(encodeRefusal(refuseProtocols(PROTOCOLS)));
    return;
  }
  socket.write(acceptText(request.key, sha1, protocol), 'latin1');
  onPeer(new Peer(socket, 'server', protocol ?? '', rest));
}

/** Dials a server; rejects with what the answer was when it isn't a yes. */
export async function dial(port: number, change: Partial<DialRequest> = {}): Promise<Peer> {
  const request = { host: `127.0.0.1:${port}`, target: '/', nonce: randomBytes(16), protocols: [], ...change };
  const socket = connect(port, '127.0.0.1');
  const parser = new DialParser(request, sha1);
  socket.write(encodeDial(request));
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('data', function read(chunk) {
      const result = parser.receive(chunk);
      if (result.kind === 'more') return;
      socket.off('data', read);
      if (result.kind === 'open') {
        resolve(new Peer(socket, 'client', result.protocol, result.rest));
        return;
      }
      socket.destroy();
      reject(new Error(result.kind === 'refused' ? `refused with ${result.status}` : result.why));
    });
  });
}
