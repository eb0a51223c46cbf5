import { readVarint, varintLengthAt } from '../../core/index.ts';
import type { Fault } from '../faults.ts';

/** Who hears what `PacketReader` finds. */
export interface PacketSink {
  /** A whole packet; `credit` of its bytes in the stream have not been told to `consumed`. */
  packet(bytes: Uint8Array, credit: number): void;
  /** A gravestone: a packet that its sender gave up before any of it was sent. */
  gravestone(): void;
  /** So many bytes of the stream are dealt with. */
  consumed(units: number): void;
  /** The memory of packets that are not whole has changed by so much. */
  reserve(bytes: number): void;
}

const BUFFER_LEAST = 4096;
const NOTHING = new Uint8Array();

/**
 * Takes a stream apart into packets. Each is its length plus one, as a varint, and its bytes; 0 alone is a gravestone. The buffer of a
 * packet that comes in pieces follows what has come, not what was announced: it is never over twice that, and 4 KiB.
 */
export class PacketReader {
  /** Where the packet that is being read begins. */
  start = 0;
  readonly #sink: PacketSink;
  readonly #most: number;
  /** Bytes of the length that came so far. */
  readonly #head: Uint8Array = new Uint8Array(8);
  #headBytes = 0;
  /** Length of the packet, once it is known. */
  #length: number | undefined;
  #buffer: Uint8Array = NOTHING;
  #filled = 0;
  /** Bytes of this packet in the stream that `consumed` has not heard of. */
  #owed = 0;

  constructor(sink: PacketSink, packetBytesMost: number) {
    this.#sink = sink;
    this.#most = packetBytesMost;
  }

  /** Whether the next byte begins a packet. */
  get between(): boolean {
    return this.#headBytes === 0 && this.#length === undefined;
  }

  /** Whether a packet is partly here. */
  get collecting(): boolean {
    return this.#buffer.length > 0;
  }

  /** Where the packet that is being read ends, if that is known. */
  get end(): number | undefined {
    return this.#length === undefined ? undefined : this.start + this.#headBytes + this.#length;
  }

  /** Takes the next bytes of the stream, which may be kept. */
  read(data: Uint8Array): Fault | undefined {
    for (let at = 0; at < data.length; ) {
      if (this.#length === undefined) at = this.#readHead(data, at);
      if (this.#length === undefined) continue;
      if (this.#length > this.#most) return 'packet-too-long';
      at = this.#readBytes(data, at, this.#length);
    }
    return undefined;
  }

  /** The packet that is being read is given up; what comes next begins at `next`. Returns what `consumed` was not told of. */
  abandon(next: number): number {
    const owed = this.#owed;
    this.#reset(next);
    return owed;
  }

  #readHead(data: Uint8Array, from: number): number {
    const needed = varintLengthAt(this.#headBytes > 0 ? (this.#head[0] ?? 0) : (data[from] ?? 0));
    let at = from;
    while (this.#headBytes < needed && at < data.length) this.#head[this.#headBytes++] = data[at++] ?? 0;
    this.#owed += at - from;
    if (this.#headBytes < needed) return at;
    const value = readVarint(this.#head, 0, needed);
    if (value > 0) this.#length = value - 1;
    else {
      // A gravestone, or a number beyond what can be counted: no packet is as long as that.
      this.#length = value === 0 ? undefined : Number.POSITIVE_INFINITY;
      if (value === 0) this.#bury(needed);
    }
    return at;
  }

  #bury(head: number): void {
    this.#sink.consumed(this.#owed);
    this.#reset(this.start + head);
    this.#sink.gravestone();
  }

  #readBytes(data: Uint8Array, at: number, length: number): number {
    const take = Math.min(length - this.#filled, data.length - at);
    const piece = data.subarray(at, at + take);
    if (take < length) {
      this.#append(piece, length);
      if (this.#filled < length) return at + take;
      this.#finish(this.#buffer.subarray(0, length), length);
    } else {
      this.#owed += take;
      this.#finish(piece, length);
    }
    return at + take;
  }

  #finish(bytes: Uint8Array, length: number): void {
    const owed = this.#owed;
    this.#reset(this.start + this.#headBytes + length);
    this.#sink.packet(bytes, owed);
  }

  #append(piece: Uint8Array, length: number): void {
    if (piece.length === 0) return;
    const filled = this.#filled + piece.length;
    if (filled > this.#buffer.length) this.#grow(Math.min(length, Math.max(BUFFER_LEAST, filled * 2)));
    this.#buffer.set(piece, this.#filled);
    this.#filled = filled;
    this.#owed += piece.length;
    // The last piece's credit waits with the packet for the application to take it.
    if (filled === length) return;
    this.#sink.consumed(this.#owed);
    this.#owed = 0;
  }

  #grow(size: number): void {
    const buffer = new Uint8Array(size);
    buffer.set(this.#buffer.subarray(0, this.#filled));
    const more = size - this.#buffer.length;
    this.#buffer = buffer;
    this.#sink.reserve(more);
  }

  #reset(next: number): void {
    const reserved = this.#buffer.length;
    this.start = next;
    this.#headBytes = 0;
    this.#length = undefined;
    this.#buffer = NOTHING;
    this.#filled = 0;
    this.#owed = 0;
    if (reserved > 0) this.#sink.reserve(-reserved);
  }
}
