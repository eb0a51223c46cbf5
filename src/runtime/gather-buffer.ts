/** Frames from this size on are written alone, without a copy; the gathering buffer holds several smaller ones. */
export const LARGE_FRAME_BYTES = 16_384;
const GATHERED_BYTES: number = 4 * LARGE_FRAME_BYTES;
const NO_BYTES = new Uint8Array(0);
const NO_FRAMES: readonly Uint8Array[] = [];

/** Who has put bytes straight into the buffer. */
export interface Tenant {
  /** Somebody else needs the buffer: what lies at its beginning is to be copied out. */
  moveOut(memory: Uint8Array): void;
}

/**
 * Where the small frames of one write are gathered: memory that all links of a group use, one after the other. The link that reads a chunk
 * puts what it answers straight here.
 */
export class GatherBuffer {
  /** How many frames the last `gather` took. */
  taken = 0;
  /** Whether the last port kept what it was given, as all do with TLS: until one takes it at once they get copies. */
  isKept = false;
  readonly #allocate: (length: number) => Uint8Array;
  #memory: Uint8Array | undefined;
  /** The beginning of the memory that was asked for last: many writes are as long as the one before. */
  #view: Uint8Array = NO_BYTES;
  #tenant: Tenant | undefined;
  /** The frames that lie in the memory, when they were all of a link's. In a broadcast the next link has the same ones. */
  #run: readonly Uint8Array[] = NO_FRAMES;

  constructor(allocate: (length: number) => Uint8Array = (length) => new Uint8Array(length)) {
    this.#allocate = allocate;
  }

  /** The memory, for this tenant alone until it leaves or is moved out. */
  claim(tenant: Tenant): Uint8Array {
    const memory = this.#vacated(tenant);
    this.#tenant = tenant;
    this.#run = NO_FRAMES;
    return memory;
  }

  leave(tenant: Tenant): void {
    if (this.#tenant === tenant) this.#tenant = undefined;
  }

  /** Lays frames one behind the other, from `from` on, up to a large one or to where there is no more room. They stay until the next call. */
  gather(frames: readonly Uint8Array[], from: number): Uint8Array {
    const memory = this.#vacated(undefined);
    if (from === 0 && isSame(frames, this.#run)) {
      this.taken = frames.length;
      return this.#view;
    }
    let length = 0;
    let at = from;
    for (; at < frames.length; at++) {
      const frame = frames[at] as Uint8Array;
      if (frame.length >= LARGE_FRAME_BYTES || length + frame.length > memory.length) break;
      memory.set(frame, length);
      length += frame.length;
    }
    this.taken = at - from;
    this.#run = from === 0 && at === frames.length ? frames : NO_FRAMES;
    return this.beginning(length);
  }

  /** The first `length` bytes of the memory. */
  beginning(length: number): Uint8Array {
    if (this.#view.length !== length) this.#view = this.#vacated(this.#tenant).subarray(0, length);
    return this.#view;
  }

  /** What lies here was written, by itself or as a copy, and the port has taken it at once or keeps it. */
  written(copied: boolean, kept: boolean): void {
    this.isKept = kept;
    if (copied || !kept) return;
    // The port needs it: from here on there is other memory.
    this.#memory = undefined;
    this.#view = NO_BYTES;
    this.#run = NO_FRAMES;
  }

  /** Keeps no frames of others alive. */
  forget(): void {
    this.#run = NO_FRAMES;
  }

  #vacated(tenant: Tenant | undefined): Uint8Array {
    this.#memory ??= this.#allocate(GATHERED_BYTES);
    const memory = this.#memory;
    if (this.#tenant !== undefined && this.#tenant !== tenant) {
      this.#tenant.moveOut(memory);
      this.#tenant = undefined;
    }
    return memory;
  }
}

function isSame(frames: readonly Uint8Array[], run: readonly Uint8Array[]): boolean {
  const { length } = frames;
  if (length !== run.length) return false;
  for (let at = 0; at < length; at++) if (frames[at] !== run[at]) return false;
  return true;
}
