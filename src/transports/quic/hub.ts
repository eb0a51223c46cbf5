import { randomBytes } from 'node:crypto';
import type { World } from '../../core/index.ts';
import { Alarm, isUnreachable, now, SendPool, type Slot, UdpPort } from '../../udpack-endpoint/parts.ts';
import type { UdpHub } from '../udp-hubs.ts';
import { bareOf, type Carrier, Connection, type ConnectionUser, type HostPort } from './connection.ts';
import { Entrance } from './entrance.ts';
import { ID_BYTES, type Machine, type MachineConfig, type Quiche } from './quiche.ts';

/** Who takes in the connections that others open. */
export interface Host {
  readonly config: MachineConfig;
  /** Whether there is room for one more handshake, from this address. */
  admits(from: HostPort): boolean;
  newcomer(connection: Connection): ConnectionUser;
}

export interface HubOptions {
  readonly quiche: Quiche;
  readonly world: World;
  /** Of what is sent. */
  readonly datagramBytes: number;
}

/** What a connection was closed with, said again to a peer that has not heard it. */
interface LastWords {
  readonly bytes: Uint8Array;
  /** How often they may still be said. */
  left: number;
}

/** How often, and for how long in ms, the last words of a connection are said again. */
const SAID_AGAIN = 5;
const LINGER = 1000;

/**
 * One UDP socket with its connections. It lives while somebody listens on it or a connection lives, and keeps the process alive for who holds it
 * alone.
 */
export class Hub implements UdpHub<Host>, Carrier {
  readonly address: UdpPort['address'];
  readonly local: HostPort;
  bytesRead = 0;
  bytesWritten = 0;
  /** Links that are up. */
  links = 0;
  /** It is over, or about to be. */
  stopping = false;
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
  readonly #port: UdpPort;
  readonly #options: HubOptions;
  readonly #pool: SendPool;
  readonly #entrance: Entrance;
  readonly #connections: Map<string, Connection> = new Map();
  readonly #dead: Map<string, LastWords> = new Map();
  #waiting: Set<Connection> = new Set();
  readonly #deferred: Set<Connection> = new Set();
  /** Connections that found no buffer to send with. */
  readonly #dry: Set<Connection> = new Set();
  #turning = false;
  #turnAsked = false;
  #host: Host | undefined;
  #holders = 0;
  #from: HostPort = { host: '', port: 0 };
  #tellClosed: () => void = () => {};

  /** @throws HawserError ERR_ADDRESS_IN_USE, ERR_NOT_ALLOWED, ERR_CONNECT_FAILED, ERR_ABORTED. */
  static async open(host: string, port: number, options: HubOptions, signal?: AbortSignal): Promise<Hub> {
    return new Hub(await UdpPort.bind(host, port, signal), options);
  }

  private constructor(port: UdpPort, options: HubOptions) {
    this.#port = port;
    this.#options = options;
    this.address = port.address;
    this.local = { host: port.address.address, port: port.address.port };
    this.closed = new Promise((resolve) => {
      this.#tellClosed = resolve;
    });
    this.#pool = new SendPool(options.datagramBytes, (error, to) => this.#sent(error, to));
    this.#entrance = new Entrance(options.quiche);
    port.start({
      onDatagram: (bytes, { address, port: number }) => this.#onDatagram(bytes, address, number),
      onFailed: () => void this.stop(),
    });
    port.unref();
  }

  /** Who listens now; undefined: nobody is let in, and the hub ends with its last connection. */
  get host(): Host | undefined {
    return this.#host;
  }

  set host(host: Host | undefined) {
    this.#host = host;
    this.#endIfIdle();
  }

  /** Nobody listens, and no link is up. */
  get isLeft(): boolean {
    return this.#host === undefined && this.links === 0;
  }

  /** @param servername What the server is asked for by, and what its certificate must be for; an address has none. */
  dial(to: HostPort, servername: string | undefined, { config, user, keepalive }: DialParts): Connection {
    const id = randomBytes(ID_BYTES);
    const { Connection: machines } = this.#options.quiche;
    const machine = machines.connect(servername, id, this.local, bareOf(to), config);
    return this.#add(machine, id, { remote: to, user, side: 'dial', keepalive });
  }

  hold(): void {
    if (this.#holders++ === 0) this.#port.ref();
  }

  release(): void {
    if (--this.#holders === 0) this.#port.unref();
  }

  /** Ends what is left at once, and gives the port back. */
  async stop(): Promise<void> {
    if (!this.stopping) {
      this.stopping = true;
      this.#host = undefined;
      for (const connection of [...this.#connections.values()]) {
        connection.close(0);
        connection.attend();
      }
      await this.#pool.idle();
      await this.#port.close();
      this.#tellClosed();
    }
    await this.closed;
  }

  // Carrier

  take(connection: Connection): Slot | undefined {
    const slot = this.#pool.take();
    if (slot === undefined) this.#dry.add(connection);
    return slot;
  }

  give(slot: Slot): void {
    this.#pool.give(slot);
  }

  send(slot: Slot, { host, port }: HostPort, length: number): void {
    this.bytesWritten += length;
    slot.send(this.#port, { address: host, port }, length);
  }

  kick(connection: Connection): void {
    this.#waiting.add(connection);
    if (this.#turnAsked || this.#turning) return;
    this.#turnAsked = true;
    this.#options.world.soon(() => this.#turn());
  }

  /** Asked from within a turn, after which there is another. */
  defer(connection: Connection): void {
    if (this.#turning) this.#deferred.add(connection);
    else this.kick(connection);
  }

  left(connection: Connection, lastWords: Uint8Array | undefined): void {
    this.#connections.delete(connection.id);
    this.#dry.delete(connection);
    if (lastWords !== undefined && !this.stopping) this.#keep(connection.id, lastWords);
    this.#endIfIdle();
  }

  /** Handlers may ask for more while they are told: that is seen to in the same turn, but for what never ends. */
  #turn(): void {
    this.#turnAsked = false;
    this.#turning = true;
    for (let round = 0; round < ROUNDS && this.#waiting.size > 0; round++) {
      const waiting = this.#waiting;
      this.#waiting = new Set();
      for (const connection of waiting) this.#attend(connection);
    }
    this.#turning = false;
    for (const connection of this.#deferred) this.#waiting.add(connection);
    this.#deferred.clear();
    const [next] = this.#waiting;
    if (next !== undefined) this.kick(next);
  }

  #attend(connection: Connection): void {
    try {
      connection.attend();
    } catch (error) {
      this.#options.world.report?.(error);
      connection.close(0);
    }
  }

  #onDatagram(bytes: Uint8Array, host: string, port: number): void {
    this.bytesRead += bytes.length;
    if (this.#from.port !== port || this.#from.host !== host) this.#from = { host, port };
    const id = idOf(bytes);
    if (id === undefined) return;
    const connection = this.#connections.get(id);
    if (connection !== undefined) connection.receive(bytes, this.#from);
    else if (this.#dead.has(id)) this.#sayAgain(id);
    else if (this.#host !== undefined) this.#knock(this.#host, bytes, this.#from);
  }

  #knock(host: Host, bytes: Uint8Array, from: HostPort): void {
    const answer = this.#entrance.knock(bytes, from, () => host.admits(from));
    if (answer === undefined) return;
    if ('reply' in answer) {
      this.#reply(answer.reply, from);
      return;
    }
    const { id, original } = answer;
    const { Connection: machines } = this.#options.quiche;
    const machine = machines.accept(id, original, this.local, bareOf(from), host.config);
    const connection = this.#add(machine, id, { remote: from, user: NOBODY, side: 'listen', keepalive: 0 });
    connection.user = host.newcomer(connection);
    connection.receive(bytes, from);
  }

  #add(machine: Machine, id: Uint8Array, parts: Omit<ConstructorParameters<typeof Connection>[2], 'id'>): Connection {
    const name = textOf(id, 0, id.length);
    const connection = new Connection(machine, this, { ...parts, id: name });
    this.#connections.set(name, connection);
    this.kick(connection);
    return connection;
  }

  #reply(bytes: Uint8Array, to: HostPort): void {
    const slot = this.#pool.take();
    // Who asks gets no answer while there is other work; he asks again.
    if (slot === undefined) return;
    slot.buffer.set(bytes);
    this.send(slot, to, bytes.length);
  }

  #sayAgain(id: string): void {
    const words = this.#dead.get(id);
    if (words === undefined || words.left-- <= 0) return;
    this.#reply(words.bytes, this.#from);
  }

  #keep(id: string, bytes: Uint8Array): void {
    this.#dead.set(id, { bytes, left: SAID_AGAIN });
    const alarm = new Alarm(() => {
      this.#dead.delete(id);
      this.#endIfIdle();
    });
    alarm.keepAlive(false);
    alarm.set(now() + LINGER);
  }

  #sent(error: Error | null, to: { readonly address: string; readonly port: number }): void {
    const { code = '' } = (error ?? {}) as NodeJS.ErrnoException;
    if (error !== null && isUnreachable(code)) this.#unreachable(code, to.address, to.port);
    if (this.#dry.size === 0) return;
    for (const connection of this.#dry) this.kick(connection);
    this.#dry.clear();
  }

  #unreachable(code: string, host: string, port: number): void {
    // A dialled connection is the only one of its socket: whoever forges addresses must not have all of a listener's looked through.
    if (this.#connections.size !== 1) return;
    for (const { remote, user } of this.#connections.values())
      if (remote.host === host && remote.port === port) user.onUnreachable?.(code);
  }

  #endIfIdle(): void {
    if (this.#host === undefined && this.#connections.size === 0 && this.#dead.size === 0) void this.stop();
  }
}

export interface DialParts {
  readonly config: MachineConfig;
  readonly user: ConnectionUser;
  readonly keepalive: number;
}

/** Rounds of one turn of the event loop. */
const ROUNDS = 8;

const NOBODY: ConnectionUser = {
  onEstablished() {},
  onReadable() {},
  onDatagram() {},
  onBroken() {},
  onBatch() {},
  onClosed() {},
};

/** Whose a datagram is: the id after the first byte, or where a long header has it (RFC 8999 5). */
function idOf(bytes: Uint8Array): string | undefined {
  const first = bytes[0];
  if (first === undefined) return undefined;
  if ((first & 0x80) === 0) return bytes.length > ID_BYTES ? textOf(bytes, 1, ID_BYTES) : undefined;
  const length = bytes[5];
  if (length === undefined || length > ID_BYTES || bytes.length < 6 + length) return undefined;
  return textOf(bytes, 6, length);
}

function textOf(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString('latin1');
}
