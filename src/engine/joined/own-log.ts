import { type Change, Packer } from './changes.ts';
import { FRAME, type Framer } from './frame.ts';

/** Changes in one frame, bytes; fewer where the bus takes no more. */
export const CHUNK_BYTES: number = 64 * 1024;
/** How many of its latest changes a node can say again; who missed more gets all that it has. */
export const CHANGES_KEPT = 10_000;
/** And how many bytes of them. */
export const CHANGES_BYTES: number = 4 * 1024 * 1024;

interface Batch {
  /** The number of its last change. */
  readonly last: number;
  readonly count: number;
  readonly frame: Uint8Array;
}

/** A node's own changes: numbered from 1, gathered, packed, and kept for who missed them. */
export class OwnLog {
  readonly #framer: Framer;
  readonly #chunkBytes: number;
  #number = 0;
  #waiting: Change[] = [];
  #batches: Batch[] = [];
  /** The oldest that is kept, in `#batches`. */
  #first = 0;
  #kept = 0;
  #bytes = 0;

  constructor(framer: Framer, chunkBytes: number) {
    this.#framer = framer;
    this.#chunkBytes = chunkBytes;
  }

  /** The last change that was packed. */
  get last(): number {
    return this.#number;
  }

  /** True for the first one that waits. */
  add(change: Change): boolean {
    return this.#waiting.push(change) === 1;
  }

  /** Frames for all that waits. `stamp` is the node's clock. */
  pack(stamp: number): Uint8Array[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    const frames: Uint8Array[] = [];
    for (let at = 0; at < waiting.length; ) {
      const packer = new Packer();
      while (at < waiting.length && packer.bytes < this.#chunkBytes) packer.add(waiting[at++] as Change);
      const frame = this.#framer.frame(FRAME.changes, [this.#number + 1, stamp, packer.flat]);
      this.#keep(frame, packer.count);
      frames.push(frame);
    }
    return frames;
  }

  /** The frames of all changes after number `from`; undefined when they are no longer kept. */
  since(from: number): Uint8Array[] | undefined {
    if (from > this.#number || from < this.#number - this.#kept) return undefined;
    const frames: Uint8Array[] = [];
    for (let at = this.#batches.length - 1; at >= this.#first; at--) {
      const batch = this.#batches[at] as Batch;
      if (batch.last <= from) break;
      frames.push(batch.frame);
    }
    return frames.toReversed();
  }

  #keep(frame: Uint8Array, count: number): void {
    this.#number += count;
    this.#kept += count;
    this.#bytes += frame.length;
    // A copy: the memory of the frame is shared with many others.
    this.#batches.push({ last: this.#number, count, frame: new Uint8Array(frame) });
    while ((this.#kept > CHANGES_KEPT || this.#bytes > CHANGES_BYTES) && this.#first < this.#batches.length - 1) {
      const oldest = this.#batches[this.#first] as Batch;
      this.#kept -= oldest.count;
      this.#bytes -= oldest.frame.length;
      this.#first += 1;
    }
    if (this.#first * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#first);
      this.#first = 0;
    }
  }
}
