import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { HawserError } from '../core/index.ts';
import type { Address } from '../udpack/index.ts';
import { abortedError } from './failures.ts';
import { addressText, bare, type Family, resolveHost } from './names.ts';

/** What the system is asked to hold for the socket in each direction; it may give less. */
const SYSTEM_BUFFER = 4 * 1024 * 1024;

/** What the owner of a port hears. */
export interface UdpPortHandler {
  /** One datagram; `bytes` is the receiver's own. */
  onDatagram(bytes: Uint8Array, from: Address): void;
  /** The socket itself failed: nothing more comes or goes. */
  onFailed(error: Error): void;
}

/**
 * A UDP socket that is bound. It never resolves names, and takes a port alone: with `reuseAddr` another process could take it too. Workers of one
 * node:cluster primary may share one, of which each datagram comes to any of them.
 */
export class UdpPort {
  readonly family: Family;
  readonly address: Address;
  readonly #socket: Socket;

  private constructor(socket: Socket, family: Family) {
    const { address, port } = socket.address();
    this.#socket = socket;
    this.family = family;
    this.address = { address, port };
  }

  /**
   * Binds. The host `::` takes IPv4 too.
   * @param shared Whether workers of node:cluster are to have one socket.
   * @throws HawserError ERR_ADDRESS_IN_USE, ERR_NOT_ALLOWED, ERR_CONNECT_FAILED for an address that isn't this machine's,
   * ERR_ABORTED.
   */
  static async bind(host: string, port: number, signal?: AbortSignal, shared = false): Promise<UdpPort> {
    const family = await familyOf(bare(host), signal);
    const ip = await resolveHost(host, family, signal);
    const socket = createSocket({ type: family, ipv6Only: family === 'udp6' && ip !== '::', lookup: answerAtOnce });
    try {
      const bound = once(socket, 'listening', signal === undefined ? {} : { signal });
      socket.bind({ address: ip, port, exclusive: !shared });
      await bound;
    } catch (error) {
      socket.on('error', () => {});
      socket.close();
      throw signal?.aborted ? abortedError(signal) : bindFailed(error as NodeJS.ErrnoException, { address: ip, port });
    }
    raiseBuffers(socket);
    return new UdpPort(socket, family);
  }

  start(handler: UdpPortHandler): void {
    let last: Address = { address: '', port: 0 };
    this.#socket.on('message', (bytes: Buffer, { address, port }: RemoteInfo) => {
      // Nobody can be answered at port 0; who says that he is there has forged it.
      if (port === 0) return;
      // Datagrams of one peer come in rows: its address is made once.
      if (last.port !== port || last.address !== address) last = { address, port };
      handler.onDatagram(bytes, last);
    });
    this.#socket.on('error', (error) => handler.onFailed(error));
  }

  /** Sends `bytes[0, length)`, which belong to the system until `done` is called, once, later. */
  send(bytes: Uint8Array, length: number, to: Address, done: (error: Error | null) => void): void {
    try {
      this.#socket.send(bytes, 0, length, to.port, to.address, done);
    } catch (error) {
      // Refused as it stands: a port or an address that can't be.
      setImmediate(done, error as Error);
    }
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  close(): Promise<void> {
    return new Promise((resolve) => void this.#socket.close(() => resolve()));
  }
}

/** A name is asked for as IPv4 first: that is what most peers reach. */
async function familyOf(host: string, signal: AbortSignal | undefined): Promise<Family> {
  if (isIPv6(host.split('%')[0] ?? '')) return 'udp6';
  if (/^[\d.]+$/.test(host)) return 'udp4';
  const ip = await resolveHost(host, 'udp6', signal);
  return ip.startsWith('::ffff:') ? 'udp4' : 'udp6';
}

type Answer = (error: NodeJS.ErrnoException | null, address: string, family: number) => void;

/** Addresses are IP literals by now; asking the system for them would cost a turn of the event loop for each datagram. */
function answerAtOnce(ip: string, _options: unknown, answer: Answer): void {
  answer(null, ip, ip.includes(':') ? 6 : 4);
}

function raiseBuffers(socket: Socket): void {
  for (const raise of ['setRecvBufferSize', 'setSendBufferSize'] as const) {
    try {
      socket[raise](SYSTEM_BUFFER);
    } catch {
      // What the system gives by itself is enough to work with.
    }
  }
}

function bindFailed(cause: NodeJS.ErrnoException, wanted: Address): HawserError {
  const where = addressText(wanted);
  switch (cause.code) {
    case 'EADDRINUSE':
      return new HawserError('ERR_ADDRESS_IN_USE', `the UDP port ${where} is taken`, { cause });
    case 'EACCES':
      return new HawserError('ERR_NOT_ALLOWED', `this process may not use the UDP port ${where}`, { cause });
    default:
      return new HawserError('ERR_CONNECT_FAILED', `the UDP port ${where} can't be used: ${cause.message}`, { cause });
  }
}
