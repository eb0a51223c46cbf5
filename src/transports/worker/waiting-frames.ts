import { HEADROOM } from '../../core/index.ts';

/** Frames from this size on are worth moving; smaller ones are cheaper to copy. */
const MOVE_BYTES = 16_384;

interface Frame {
  readonly bytes: Uint8Array;
  readonly movable: boolean;
}

/** What leaves in one letter. */
export interface Load {
  readonly chunks: readonly Uint8Array[];
  /** Their memory, all of it ours to give away. */
  readonly moved: ArrayBuffer[];
  readonly bytes: number;
}

/**
 * Frames that wait for a port, in order. They leave as chunks that own their memory, so that it can change threads without a
 * second copy: small frames are copied together, a large one by itself, and one that may be moved goes as it is.
 */
export class WaitingFrames {
  #frames: Frame[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  push(bytes: Uint8Array, movable: boolean): void {
    this.#frames.push({ bytes, movable: movable && ownsItsMemory(bytes) });
    this.#bytes += bytes.length;
  }

  clear(): void {
    this.#frames = [];
    this.#bytes = 0;
  }

  /** Takes the frames that begin within `room` bytes; at least one when there is any. */
  take(room: number): Load {
    const count = this.#countWithin(room);
    const frames = count === this.#frames.length ? this.#frames : this.#frames.slice(0, count);
    this.#frames = count === this.#frames.length ? [] : this.#frames.slice(count);
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (let at = 0; at < frames.length; ) {
      const end = endOfRun(frames, at);
      const first = frames[at] as Frame;
      chunks.push(first.movable ? (first.bytes as Uint8Array<ArrayBuffer>) : joined(frames, at, end));
      at = end;
    }
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#bytes -= bytes;
    return { chunks, moved: chunks.map((chunk) => chunk.buffer), bytes };
  }

  #countWithin(room: number): number {
    let bytes = 0;
    let count = 0;
    for (; count < this.#frames.length && (count === 0 || bytes < room); count++) {
      bytes += this.#frames[count]?.bytes.length ?? 0;
    }
    return count;
  }
}

/** Where the run ends that one chunk holds: a frame that is moved is alone, and so is a large one, so that its reader can keep the memory. */
function endOfRun(frames: readonly Frame[], start: number): number {
  let end = start;
  for (let frame = frames[end]; frame !== undefined && !isAlone(frame); frame = frames[end]) end++;
  return end === start ? end + 1 : end;
}

function isAlone({ bytes, movable }: Frame): boolean {
  return movable || bytes.length >= MOVE_BYTES;
}

function joined(frames: readonly Frame[], start: number, end: number): Uint8Array<ArrayBuffer> {
  // Memory that is filled at once need not be cleared before.
  if (end - start === 1) return new Uint8Array(frames[start]?.bytes ?? []);
  let length = 0;
  for (let i = start; i < end; i++) length += frames[i]?.bytes.length ?? 0;
  const chunk = new Uint8Array(length);
  let at = 0;
  for (let i = start; i < end; i++) {
    const bytes = frames[i]?.bytes;
    if (bytes === undefined) continue;
    chunk.set(bytes, at);
    at += bytes.length;
  }
  return chunk;
}

/**
 * Whether hardly anything but this frame lies in its memory. A view of a pool (Node's small Buffers, an encoder's slab) must
 * never be moved: its neighbours would be gone.
 */
function ownsItsMemory({ buffer, byteOffset, length }: Uint8Array): boolean {
  return (
    buffer instanceof ArrayBuffer && length >= MOVE_BYTES && byteOffset <= HEADROOM && length * 2 >= buffer.byteLength
  );
}
