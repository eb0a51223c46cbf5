import type { Outbound } from '../core/index.ts';
import type { Framing } from '../transport/index.ts';
import type { BytePort } from './byte-port.ts';
import { type GatherBuffer, LARGE_FRAME_BYTES, type Tenant } from './gather-buffer.ts';

/** Bytes that a port holds at the most: what waits behind them stays here, where its progress can be seen. */
const PORT_BYTES = 262_144;
/** A frame that has no company is copied up to this size: a view of its own costs the port more. */
const COPIED_BYTES = 4096;

/** Frames on their way to a port, in order. Small ones are gathered into one write, large ones cut into several. */
export class Outbox implements Tenant {
  /** Never empty, and never changed once it was written whole: the gathering buffer may remember it. */
  #frames: Uint8Array[] | undefined;
  /** The frame that is next, and how much of it is gone. */
  #next = 0;
  #offset = 0;
  #bytes = 0;
  /** Of these, the bytes that lie in the gathering buffer; while there are any, nothing lies elsewhere. */
  #straight = 0;

  /** Bytes that wait here. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Makes the frame of a message where it will be written from. When it returns false, `push` has to take the frame. */
  put(message: Outbound, framing: Framing, gather: GatherBuffer): boolean {
    if (this.#frames !== undefined || framing.write === undefined || message.length >= LARGE_FRAME_BYTES) return false;
    const start = this.#straight;
    const end = framing.write(message, gather.claim(this), start);
    if (end < 0) return false;
    this.#straight = end;
    this.#bytes += end - start;
    return true;
  }

  push(frame: Uint8Array, gather: GatherBuffer): void {
    if (frame.length === 0) return;
    if (this.#straight > 0) this.#moveBack(gather);
    if (this.#frames === undefined) this.#frames = [frame];
    else this.#frames.push(frame);
    this.#bytes += frame.length;
  }

  clear(gather: GatherBuffer): void {
    gather.leave(this);
    this.#frames = undefined;
    this.#next = 0;
    this.#offset = 0;
    this.#bytes = 0;
    this.#straight = 0;
  }

  moveOut(memory: Uint8Array): void {
    if (this.#straight === 0) return;
    // A copy by hand: `slice` of Node's Buffer is but a view.
    this.#frames = [new Uint8Array(memory.subarray(0, this.#straight))];
    this.#straight = 0;
  }

  /** Writes what the port will hold. Returns what its last `write` said: false when it will tell by itself. */
  flush(port: BytePort, gather: GatherBuffer): boolean {
    if (this.#straight > 0) {
      if (port.writableLength === 0) return this.#writeStraight(port, gather);
      this.#moveBack(gather);
    }
    let untold = true;
    for (let frames = this.#frames; frames !== undefined && port.writableLength < PORT_BYTES; frames = this.#frames) {
      untold = this.#isAlone(frames) ? port.write(this.#piece(frames)) : this.#writeGathered(frames, port, gather);
    }
    return untold;
  }

  #moveBack(gather: GatherBuffer): void {
    this.moveOut(gather.claim(this));
    gather.leave(this);
  }

  #writeStraight(port: BytePort, gather: GatherBuffer): boolean {
    const bytes = gather.beginning(this.#straight);
    this.#straight = 0;
    this.#bytes = 0;
    const untold = this.#write(bytes, port, gather);
    gather.leave(this);
    return untold;
  }

  #isAlone(frames: readonly Uint8Array[]): boolean {
    const head = frames[this.#next];
    if (this.#offset > 0 || isLarge(head)) return true;
    const after = frames[this.#next + 1];
    return (after === undefined || isLarge(after)) && head !== undefined && head.length > COPIED_BYTES;
  }

  #piece(frames: readonly Uint8Array[]): Uint8Array {
    const head = frames[this.#next] ?? NO_BYTES;
    const start = this.#offset;
    const end = Math.min(head.length, start + PORT_BYTES);
    if (end === head.length) this.#goOn(frames, 1);
    else this.#offset = end;
    this.#bytes -= end - start;
    return start === 0 && end === head.length ? head : head.subarray(start, end);
  }

  #writeGathered(frames: readonly Uint8Array[], port: BytePort, gather: GatherBuffer): boolean {
    const bytes = gather.gather(frames, this.#next);
    this.#goOn(frames, gather.taken);
    this.#bytes -= bytes.length;
    return this.#write(bytes, port, gather);
  }

  /** Writes what lies in the gathering buffer, or a copy of it where ports keep what they are given. */
  #write(bytes: Uint8Array, port: BytePort, gather: GatherBuffer): boolean {
    const copied = gather.isKept || port.writableLength > 0;
    // By hand: `slice` of Node's Buffer is but a view.
    const untold = port.write(copied ? new Uint8Array(bytes) : bytes);
    gather.written(copied, port.writableLength > 0);
    return untold;
  }

  /** So many frames are gone. */
  #goOn(frames: readonly Uint8Array[], count: number): void {
    this.#offset = 0;
    this.#next += count;
    if (this.#next < frames.length) return;
    this.#frames = undefined;
    this.#next = 0;
  }
}

const NO_BYTES = new Uint8Array(0);

function isLarge(frame: Uint8Array | undefined): boolean {
  return frame !== undefined && frame.length >= LARGE_FRAME_BYTES;
}
