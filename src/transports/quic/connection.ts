import { Alarm, now, type Slot } from '../../udpack-endpoint/parts.ts';
import { Outflow } from './outflow.ts';
import type { Machine } from './quiche.ts';

/** An address as the machine has it. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** How a connection ended. */
export interface Ending {
  readonly by: 'peer' | 'self';
  /** Whether the code is an application's; others are those of RFC 9000 20.1, where 0x100 to 0x1ff are alerts of TLS. */
  readonly application: boolean;
  readonly code: number;
  readonly reason: string;
  /** Nothing was heard for too long. */
  readonly silent: boolean;
}

/** Whom a connection tells what happens. It may be told that there is something to read again and again until it has read it. */
export interface ConnectionUser {
  /** The handshake is done. */
  onEstablished(): void;
  onReadable(stream: number): void;
  /** `bytes` are the user's own. */
  onDatagram(bytes: Uint8Array): void;
  /** The peer wants nothing more of a stream, or sends nothing more on one that it had not ended. */
  onBroken(stream: number): void;
  /** All there was is told. */
  onBatch(): void;
  /** The last that is told. */
  onClosed(ending: Ending): void;
  /** The system has no way to the peer: the code is its own. */
  onUnreachable?(code: string): void;
}

/** The socket beneath a connection, shared with others. */
export interface Carrier {
  readonly local: HostPort;
  /** A buffer for one datagram; without one `onRoom` follows. */
  take(connection: Connection): Slot | undefined;
  give(slot: Slot): void;
  send(slot: Slot, to: HostPort, length: number): void;
  /** Something was done to a connection: calls `attend` within this turn. */
  kick(connection: Connection): void;
  /** Calls `attend` in the next turn. */
  defer(connection: Connection): void;
  /** It has ended and said so. */
  left(connection: Connection, lastWords: Uint8Array | undefined): void;
}

/** Bytes that are read at a time; what is read is used up before more is. */
const PIECE = 65_536;
const scratch = Buffer.allocUnsafeSlow(PIECE);
const decoder = new TextDecoder();

/** One connection: the machine, what waits to be taken by it, and its timer. */
export class Connection {
  /** Of ours, as it stands in datagrams. */
  readonly id: string;
  readonly machine: Machine;
  /** Whoever sent the last datagram, as the system writes it. Where to send, the machine says: it believes no address untried. */
  remote: HostPort;
  user: ConnectionUser;
  bytesRead = 0;
  bytesWritten = 0;
  /** Bytes that the machine has taken. */
  taken = 0;
  readonly #carrier: Carrier;
  readonly #outflows: Map<number, Outflow> = new Map();
  readonly #alarm: Alarm = new Alarm(() => this.#ring());
  readonly #keepalive: number;
  #heardFrom: { readonly from: HostPort; readonly to: HostPort };
  #saidAt = 0;
  #nextUni: number;
  #queued = 0;
  #established = false;
  #ended = false;
  #leaving = false;
  /** Datagrams came that nothing has answered. */
  #heard = false;
  /** It has waited for an answer in the turn before. */
  #waited = false;

  /** @param keepalive ms after which it gives a sign of life; 0: never. */
  constructor(machine: Machine, carrier: Carrier, { id, remote, user, side, keepalive }: ConnectionParts) {
    this.machine = machine;
    this.#carrier = carrier;
    this.id = id;
    this.remote = remote;
    this.user = user;
    this.#keepalive = keepalive;
    this.#nextUni = side === 'dial' ? 2 : 3;
    this.#heardFrom = { from: bareOf(remote), to: carrier.local };
    this.#alarm.keepAlive(false);
  }

  get queued(): number {
    return this.#queued;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** How many streams of one direction we may still open. */
  get room(): number {
    let fresh = 0;
    for (const { begun, stream } of this.#outflows.values()) if (!begun && stream % 4 >= 2) fresh++;
    return this.machine.peerStreamsLeftUni() - fresh;
  }

  /** A stream of one direction, ours. Only while there is `room`. */
  open(): number {
    const stream = this.#nextUni;
    this.#nextUni += 4;
    this.#begin(stream);
    return stream;
  }

  write(stream: number, frame: Uint8Array): void {
    if (this.#ended) return;
    const outflow = this.#outflows.get(stream) ?? this.#begin(stream);
    outflow.write(frame);
    this.#queued += frame.length;
    this.kick();
  }

  /** We send no more on the stream. */
  finish(stream: number): void {
    this.#outflows.get(stream)?.end();
    this.kick();
  }

  /** Reads what there is of a stream, at most so many bytes, valid until the next read; undefined where there is nothing now. */
  read(stream: number, most: number = PIECE): { readonly bytes: Uint8Array; readonly last: boolean } | undefined {
    try {
      const read = this.machine.streamRecv(stream, most < PIECE ? scratch.subarray(0, most) : scratch);
      if (read === null) return undefined;
      return { bytes: new Uint8Array(scratch.buffer, scratch.byteOffset, read[0]), last: read[1] };
    } catch {
      this.user.onBroken(stream);
      return undefined;
    }
  }

  /** The longest unreliable datagram, in bytes; 0 where the peer takes none. */
  get datagramMost(): number {
    return this.#ended ? 0 : (this.machine.dgramMaxWritableLen() ?? 0);
  }

  /** One that finds no room is lost. */
  sendDatagram(bytes: Uint8Array): void {
    if (!this.machine.isDgramSendQueueFull()) this.machine.dgramSendVec(bytes);
    this.kick();
  }

  /** Ends it with a code of the application; what was not sent is dropped. */
  close(code: number, reason = ''): void {
    if (this.#ended || this.#leaving) return;
    this.#leaving = true;
    this.#outflows.clear();
    this.#queued = 0;
    try {
      this.machine.close(true, code, new TextEncoder().encode(reason));
    } catch {
      // It has ended by itself.
    }
    this.kick();
  }

  kick(): void {
    if (!this.#ended) this.#carrier.kick(this);
  }

  /** Takes one datagram in; its bytes are used up. */
  receive(bytes: Uint8Array, from: HostPort): void {
    this.bytesRead += bytes.length;
    if (from !== this.remote && (from.port !== this.remote.port || from.host !== this.remote.host)) {
      this.remote = from;
      this.#heardFrom = { from: bareOf(from), to: this.#carrier.local };
    }
    try {
      this.machine.recv(bytes, this.#heardFrom);
    } catch {
      // What can't be read is dropped; what broke the rules has closed the machine, which is seen below.
    }
    this.#heard = true;
    this.kick();
  }

  /** Tells what happened, and sends what there is to send. */
  attend(): void {
    if (this.#ended) return;
    this.#tell();
    if (this.#waitsForWords()) return;
    this.#flow();
    const lastWords = this.#send();
    this.#arm();
    if (this.machine.isDraining() || this.machine.isClosed()) this.#end(lastWords);
  }

  /**
   * Whoever was told of something may answer when this turn is over, and then the acknowledgement goes with the answer instead of alone: one
   * datagram for two. It waits for that one turn.
   */
  #waitsForWords(): boolean {
    const waits = this.#heard && !this.#waited && this.#established && !this.#leaving && this.#queued === 0;
    this.#heard = false;
    this.#waited = waits;
    if (waits) this.#carrier.defer(this);
    return waits;
  }

  #tell(): void {
    const { machine } = this;
    if (!this.#established && machine.isEstablished()) {
      this.#established = true;
      this.user.onEstablished();
    }
    // Whoever has closed hears no more; and in a handler of another connection nothing may be read.
    if (this.#established && !this.#leaving) {
      for (const stream of machine.readable()) this.user.onReadable(stream);
      for (let bytes = machine.dgramRecvVec(); bytes !== null; bytes = machine.dgramRecvVec())
        this.user.onDatagram(bytes);
    }
    this.user.onBatch();
  }

  #begin(stream: number): Outflow {
    const outflow = new Outflow(stream, this.machine);
    this.#outflows.set(stream, outflow);
    return outflow;
  }

  /** Hands on what waits, a piece of each stream in turn, the oldest stream first. */
  #flow(): void {
    if (!this.#established || this.#leaving) return;
    for (let moved = true; moved; ) {
      moved = false;
      for (const outflow of this.#outflows.values()) if (this.#flowOf(outflow) > 0) moved = true;
    }
  }

  #flowOf(outflow: Outflow): number {
    if (outflow.isIdle) return 0;
    const before = outflow.bytes;
    let taken = 0;
    try {
      taken = outflow.flow();
    } catch {
      this.#queued -= before;
      this.#outflows.delete(outflow.stream);
      this.user.onBroken(outflow.stream);
      return 0;
    }
    this.#queued -= before - outflow.bytes;
    this.taken += before - outflow.bytes;
    if (outflow.done) this.#outflows.delete(outflow.stream);
    return taken;
  }

  /** Sends all that the machine has to send now. Returns the datagram that says that this side has closed. */
  #send(): Uint8Array | undefined {
    let last: Uint8Array | undefined;
    for (;;) {
      const slot = this.#carrier.take(this);
      if (slot === undefined) return last;
      const made = this.#make(slot);
      if (made === undefined) {
        this.#carrier.give(slot);
        return last;
      }
      if (this.machine.isDraining()) last = new Uint8Array(slot.buffer.subarray(0, made.length));
      this.bytesWritten += made.length;
      this.#saidAt = now();
      this.#carrier.send(slot, made.to, made.length);
    }
  }

  #make({ buffer }: Slot): { readonly length: number; readonly to: HostPort } | undefined {
    try {
      const made = this.machine.send(buffer);
      if (made === null) return undefined;
      const [length, { to }] = made;
      // The system's own text of an address has the interface in it, which the machine knows nothing of.
      const known = to.port === this.remote.port && to.host === this.#heardFrom.from.host;
      return { length, to: known ? this.remote : to };
    } catch {
      return undefined;
    }
  }

  #arm(): void {
    const wait = this.machine.timeout();
    const due = wait === null ? Number.POSITIVE_INFINITY : now() + wait + 1;
    const sign = this.#keepalive > 0 && this.#established ? this.#saidAt + this.#keepalive : Number.POSITIVE_INFINITY;
    const next = Math.min(due, sign);
    this.#alarm.set(next === Number.POSITIVE_INFINITY ? undefined : next);
  }

  #ring(): void {
    if (this.#ended) return;
    try {
      if (this.#keepalive > 0 && this.#established && now() >= this.#saidAt + this.#keepalive) {
        this.#saidAt = now();
        this.machine.sendAckEliciting();
      }
      this.machine.onTimeout();
    } catch {
      // What it could not do it does not do later either.
    }
    // By way of the carrier, which sees to it that what fails ends this connection alone.
    this.kick();
  }

  #end(lastWords: Uint8Array | undefined): void {
    this.#ended = true;
    this.#alarm.clear();
    this.#outflows.clear();
    this.#queued = 0;
    this.#carrier.left(this, lastWords);
    this.user.onClosed(this.#ending());
  }

  #ending(): Ending {
    const own = this.machine.localError();
    const error = own ?? this.machine.peerError();
    return {
      by: own === null && error !== null ? 'peer' : 'self',
      application: error?.isApp ?? false,
      code: error?.errorCode ?? 0,
      reason: decoder.decode(error?.reason ?? new Uint8Array(0)),
      silent: this.machine.isTimedOut(),
    };
  }
}

export interface ConnectionParts {
  readonly id: string;
  readonly remote: HostPort;
  readonly user: ConnectionUser;
  readonly side: 'listen' | 'dial';
  readonly keepalive: number;
}

/** Without the interface of an IPv6 address, which the machine would not read. */
export function bareOf(address: HostPort): HostPort {
  const [host = '', zone] = address.host.split('%');
  return zone === undefined ? address : { host, port: address.port };
}
