import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { lookup } from 'node:dns';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { aborted } from '../core/index.ts';
import { udpFailed } from './failures.ts';
import type { IpVersion } from './interfaces.ts';
import type { Address } from './plan.ts';

/** What the system is asked to hold in each direction, bytes, unless it is said; it may give less. */
export const SYSTEM_BUFFER: number = 4 * 1024 * 1024;

/** What must be known to bind a socket. */
export interface PortOptions {
  readonly version: IpVersion;
  readonly reuseAddr: boolean;
  readonly ipv6Only: boolean;
  readonly recvBufferSize: number | undefined;
  readonly sendBufferSize: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What the owner of a port hears. */
export interface PortHandler {
  /** One datagram; `bytes` is the receiver's own. */
  onDatagram(bytes: Uint8Array, from: RemoteInfo): void;
  /** Something went wrong; the socket goes on. */
  onError(error: Error): void;
}

/** A UDP socket of the system that is bound. */
export class Port {
  readonly socket: Socket;
  readonly address: Address;
  #closed: Promise<void> | undefined;

  private constructor(socket: Socket) {
    const { address, port } = socket.address();
    this.socket = socket;
    this.address = { address, port };
  }

  /** @throws HawserError ERR_ADDRESS_IN_USE, ERR_NOT_ALLOWED, ERR_CONNECT_FAILED for an address that isn't this machine's, ERR_ABORTED. */
  static async bind(where: Address, options: PortOptions): Promise<Port> {
    const { version, reuseAddr, ipv6Only, signal } = options;
    const socket = createSocket({ type: `udp${version}`, reuseAddr, ipv6Only, lookup: answer });
    try {
      const bound = once(socket, 'listening', signal === undefined ? {} : { signal });
      // Each worker of node:cluster has a socket of its own: every one of them is to hear its group.
      socket.bind({ ...where, exclusive: true });
      await bound;
      setBuffer(socket, 'setRecvBufferSize', options.recvBufferSize);
      setBuffer(socket, 'setSendBufferSize', options.sendBufferSize);
    } catch (error) {
      socket.on('error', () => {});
      socket.close();
      throw signal?.aborted ? aborted(signal) : udpFailed(error, 'binding', where);
    }
    return new Port(socket);
  }

  start(handler: PortHandler): void {
    this.socket.on('message', (bytes: Buffer, from: RemoteInfo) => {
      // Nobody can be answered at port 0; who says that he is there has forged it.
      if (from.port !== 0) handler.onDatagram(bytes, from);
    });
    this.socket.on('error', (error) => handler.onError(error));
  }

  /** Sends `bytes`, which belong to the system until `done` is called, once, later. `to` is left out on a connected socket. */
  send(bytes: Uint8Array, to: Address | undefined, done: (error: Error | null, size: number) => void): void {
    try {
      if (to === undefined) this.socket.send(bytes, done);
      else this.socket.send(bytes, to.port, to.address, done);
    } catch (error) {
      // Refused as it stands: a port or an address that can't be.
      setImmediate(done, error as Error, 0);
    }
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => void this.socket.close(() => resolve()));
    return this.#closed;
  }
}

/** A size that was asked for is an error when it can't be had at all; the default is a wish. */
function setBuffer(socket: Socket, set: 'setRecvBufferSize' | 'setSendBufferSize', size: number | undefined): void {
  try {
    socket[set](size ?? SYSTEM_BUFFER);
  } catch (error) {
    if (size !== undefined) throw error;
  }
}

type Answer = (error: NodeJS.ErrnoException | null, address: string, family: number) => void;

/** Addresses are answered at once: asking the system for them would cost a turn of the event loop for each datagram. */
function answer(host: string, family: unknown, give: Answer): void {
  const version = isIP(host.split('%')[0] ?? '');
  if (version > 0) give(null, host, version);
  else lookup(host, { family: family === 6 ? 6 : 4 }, give);
}
