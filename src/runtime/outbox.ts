import type { BytePort } from './byte-port.ts';
import { LARGE_FRAME_BYTES, type LinkGroup } from './link-group.ts';

/** Bytes that a port holds at the most: what waits behind them stays here, where its progress can be seen. */
const PORT_BYTES = 262_144;

/** Frames on their way to a port, in order. Small ones are gathered into one write, large ones cut into several. */
export class Outbox {
  #frames: Uint8Array[] = [];
  /** The frame that is next, and how much of it is gone. */
  #next = 0;
  #offset = 0;
  #bytes = 0;

  /** Bytes that wait here. */
  get bytes(): number {
    return this.#bytes;
  }

  push(frame: Uint8Array): void {
    if (frame.length === 0) return;
    this.#frames.push(frame);
    this.#bytes += frame.length;
  }

  clear(): void {
    this.#frames = [];
    this.#next = 0;
    this.#offset = 0;
    this.#bytes = 0;
  }

  /** Writes what the port will hold. Returns what its last `write` said: false when it will tell by itself. */
  flush(port: BytePort, group: LinkGroup): boolean {
    let untold = true;
    while (this.#bytes > 0 && port.writableLength < PORT_BYTES) {
      untold = this.#alone() ? port.write(this.#piece()) : this.#writeGathered(port, group);
    }
    if (this.#bytes === 0 && this.#next > 0) this.#rewind();
    return untold;
  }

  #alone(): boolean {
    const head = this.#frames[this.#next];
    const after = this.#frames[this.#next + 1];
    return this.#offset > 0 || after === undefined || isLarge(head) || isLarge(after);
  }

  #piece(): Uint8Array {
    const head = this.#frames[this.#next] ?? NO_BYTES;
    const start = this.#offset;
    const end = Math.min(head.length, start + PORT_BYTES);
    if (end === head.length) {
      this.#next++;
      this.#offset = 0;
    } else {
      this.#offset = end;
    }
    this.#bytes -= end - start;
    return start === 0 && end === head.length ? head : head.subarray(start, end);
  }

  #writeGathered(port: BytePort, group: LinkGroup): boolean {
    const { scratch } = group;
    let length = 0;
    for (let frame = this.#frames[this.#next]; frame !== undefined; frame = this.#frames[this.#next]) {
      if (isLarge(frame) || length + frame.length > scratch.length) break;
      scratch.set(frame, length);
      length += frame.length;
      this.#next++;
    }
    this.#bytes -= length;
    // A copy by hand: `slice` of Node's Buffer is but a view.
    if (port.writableLength > 0) return port.write(new Uint8Array(scratch.subarray(0, length)));
    const untold = port.write(scratch.subarray(0, length));
    if (port.writableLength > 0) group.keepScratch();
    return untold;
  }

  #rewind(): void {
    if (this.#frames.length > KEPT_SLOTS) this.#frames = [];
    else this.#frames.length = 0;
    this.#next = 0;
  }
}

/** An emptied queue keeps its memory up to this many slots; what a burst left beyond is given back. */
const KEPT_SLOTS = 64;
const NO_BYTES = new Uint8Array(0);

function isLarge(frame: Uint8Array | undefined): boolean {
  return frame !== undefined && frame.length >= LARGE_FRAME_BYTES;
}
