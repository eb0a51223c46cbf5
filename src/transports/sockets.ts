import type { ListenOptions as NetListenOptions, Server, Socket } from 'node:net';
import { type Duplex, Readable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { HawserError } from '../core/index.ts';
import { Deadline, type DeadlineOwner, type PortUser } from '../runtime/index.ts';
import { isLoopbackAddress, type Peer, type Source } from '../transport/index.ts';
import type { Arrival, Guest, Reception } from './guest.ts';
import { certificateOf } from './tls.ts';

const USER = Symbol('port user');
const HOUSE = Symbol('house');

/** Who has let a socket in, and counts it for as long as it is there. */
export interface SocketHouse {
  /** The socket has closed, also where it never had a user. */
  left(socket: Socket): void;
}

interface UsedSocket extends Duplex {
  [USER]?: PortUser | undefined;
  [HOUSE]?: SocketHouse | undefined;
}

/** `house` hears when the socket closes. */
export function lodge(socket: Socket, house: SocketHouse): void {
  const used: UsedSocket = socket;
  used[HOUSE] = house;
  socket.on('close', onClose);
}

/** The socket is somebody else's before it had a user: its house hears no more of it. */
export function giveAway(socket: Socket): void {
  const used: UsedSocket = socket;
  used[HOUSE] = undefined;
  socket.off('close', onClose);
}

/** From now on `user` alone hears of the socket. The listeners are the same functions for all sockets. */
export function attach(socket: Duplex, user: PortUser): void {
  const used: UsedSocket = socket;
  const first = used[USER] === undefined;
  used[USER] = user;
  if (!first) return;
  socket.on('data', onData);
  socket.push = push;
  socket.on('drain', onDrain);
  socket.on('end', onEnd);
  socket.on('error', onError);
  // One listener is enough: where a house has one already it serves both.
  if (used[HOUSE] === undefined) socket.on('close', onClose);
}

/** Takes the socket back from its user: nobody hears of it but for its errors, which mean nothing any more. Our `push` stays and leaves all to the stream. */
export function detach(socket: Socket): void {
  socket.off('data', onData);
  socket.off('drain', onDrain);
  socket.off('end', onEnd);
  const used: UsedSocket = socket;
  if (used[HOUSE] === undefined) socket.off('close', onClose);
  socket.off('timeout', onTimeout);
  used[USER] = undefined;
}

/** Node's TLS throws away what is under way to it when it ends its own direction. It hears of the peer's end all the same. */
export function halfCloses(socket: Socket): boolean {
  return !(socket instanceof TLSSocket);
}

/** From now on the socket's user hears when nothing moved for `ms`. */
export function watchIdle(socket: Duplex & { setTimeout(ms: number): unknown }, ms: number): void {
  if (ms <= 0) return;
  socket.setTimeout(ms);
  socket.on('timeout', onTimeout);
}

function onTimeout(this: UsedSocket): void {
  this[USER]?.idle?.();
}

function onData(this: UsedSocket, chunk: Uint8Array): void {
  this[USER]?.receive(chunk);
}

/**
 * Stands before `Readable.push` on a socket that has a user. Node's sockets call it with each chunk that they have read (docs/ARCHITECTURE.md):
 * one that would be an event at once goes to the user without one, since an event, and the stream's look for more in a tick of its own, cost
 * half as much as Hawser does for a message. All else is left to the stream: a socket that is paused, that has something waiting, that ends, that
 * an application listens to as well, or that has been taken from its user. Where a version of Node doesn't call this, `onData` hears every chunk. True: go on reading.
 */
function push(this: UsedSocket, chunk: Uint8Array | null, encoding?: BufferEncoding): boolean {
  const user = this[USER];
  if (
    user === undefined ||
    chunk === null ||
    this.readableFlowing !== true ||
    this.readableLength > 0 ||
    isOverheard(this)
  ) {
    return Readable.prototype.push.call(this, chunk, encoding);
  }
  user.receive(chunk);
  return true;
}

/** Whether somebody besides `onData` wants to hear what is read. */
function isOverheard(socket: Duplex): boolean {
  return socket.listenerCount('data') > 1;
}

function onDrain(this: UsedSocket): void {
  this[USER]?.writable();
}

function onEnd(this: UsedSocket): void {
  this[USER]?.ended();
}

/** 'close' follows and finds the error on the socket; without a listener it would end the process. */
function onError(this: UsedSocket): void {}

function onClose(this: UsedSocket): void {
  // A house has let in nothing but sockets.
  this[HOUSE]?.left(this as Duplex as Socket);
  this[USER]?.gone(this.errored ?? undefined);
}

/** Sends a connection away: the last words are written, what still comes is dropped, and it ends within `closeWait`. */
export class Parting implements PortUser, DeadlineOwner, Guest {
  readonly #reception: Reception;
  readonly #socket: Socket;
  readonly #deadline: Deadline = new Deadline(this);

  constructor(reception: Reception, socket: Socket) {
    this.#reception = reception;
    this.#socket = socket;
  }

  begin(words: Uint8Array): void {
    const { group, options, guests } = this.#reception;
    guests.add(this);
    group.wheel.schedule(this.#deadline, group.world.now() + options.closeWait);
    attach(this.#socket, this);
    this.#socket.resume();
    this.#socket.end(words);
  }

  receive(): void {}

  writable(): void {}

  ended(): void {}

  gone(): void {
    this.#reception.guests.delete(this);
    this.#reception.group.wheel.cancel(this.#deadline);
  }

  onDeadline(): void {
    this.leave();
  }

  leave(): void {
    this.#socket.destroy();
  }
}

const NOTHING: Readonly<Record<string, string>> = Object.freeze({});
const MAPPED = '::ffff:';

/** What the connection itself says of a peer. */
export type Stranger = Omit<Peer, 'path' | 'query' | 'headers'>;

/** Who is at the other end of a connected socket, of whom nothing but that is known. */
export function peerOf(socket: Socket): Peer {
  const stranger = strangerOf(socket);
  const { address, port, local, proxied, certificate } = stranger;
  // To add to a spread takes a microsecond for each field.
  const peer: Peer = { address, port, local, path: undefined, query: NOTHING, headers: NOTHING };
  return proxied === undefined && certificate === undefined ? peer : { ...peer, ...stranger };
}

const SOURCES = new WeakMap<Socket, Source>();

/** From here on the connection counts as coming from where its proxy says. */
export function speaksFor({ socket, source }: Arrival): void {
  if (source !== undefined) SOURCES.set(socket, source);
}

/** Who is at the other end, or whom that one speaks for. */
export function strangerOf(socket: Socket): Stranger {
  const source = SOURCES.get(socket);
  const { address, port } = source ?? { address: addressOf(socket), port: socket.remotePort ?? 0 };
  const known: Stranger = { address, port, local: address === '' || isLoopbackAddress(address) };
  const certificate = certificateOf(socket);
  if (source === undefined && certificate === undefined) return known;
  return { ...known, ...(source && { proxied: true }), ...(certificate && { certificate }) };
}

/** Who has hung up by the time that we ask: what was sent is still there to be read, and nobody's. */
const LOST = 'unknown';

/**
 * The peer's address, '' for a Unix socket, `unknown` where a peer with an address is gone already: it must not pass for one without.
 * Addresses of IPv4 are written as such, also on a dual-stack socket.
 */
export function addressOf(socket: Socket): string {
  const { remoteAddress: full = hasAddress(socket) ? LOST : '' } = socket;
  return full.toLowerCase().startsWith(MAPPED) && full.includes('.') ? full.slice(MAPPED.length) : full;
}

/** Our own side keeps its address when the peer's is lost; a Unix socket has neither. */
function hasAddress(socket: Socket): boolean {
  return socket.localAddress !== undefined || socket.destroyed;
}

/**
 * Starts to listen: at an address or path, or on what listens already.
 * @throws HawserError ERR_ADDRESS_IN_USE, ERR_NOT_ALLOWED, ERR_URL (an address that this machine doesn't have).
 */
export function startListening(server: Server, where: NetListenOptions | object, endpoint: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => reject(listenError(error, endpoint));
    server.once('error', failed);
    const listening = (): void => {
      server.off('error', failed);
      server.on('error', ignore);
      resolve();
    };
    try {
      server.listen(where, listening);
    } catch (error) {
      failed(error as Error);
    }
  });
}

function ignore(): void {}

export function listenError(error: NodeJS.ErrnoException, endpoint: string): HawserError {
  switch (error.code) {
    case 'EADDRINUSE':
      return new HawserError('ERR_ADDRESS_IN_USE', `${endpoint} is in use`, { cause: error });
    case 'EACCES':
    case 'EPERM':
      return new HawserError('ERR_NOT_ALLOWED', `no permission to listen on ${endpoint}`, { cause: error });
    default:
      return new HawserError('ERR_URL', `cannot listen on ${endpoint}: ${error.message}`, { cause: error });
  }
}

/** The endpoint that a server really listens on. */
export function boundEndpoint(server: Server, scheme: string, path = ''): string {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') return `${scheme}://${bound ?? path}`;
  const { address, port } = bound;
  return `${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}${path}`;
}

/** Stops accepting at once; does not wait for the connections that are up. */
export function stopListening(server: Server): void {
  if (server.listening) server.close();
}
