import type { GapReason } from '../../engine/index.ts';
import type { Outgoing } from './outgoing.ts';

/**
 * What workers and the hub say to each other: 4 bytes with the length of the rest (little-endian, as all numbers here), a byte with its kind, and
 * what belongs to it. Only processes of one program on one machine speak it, so that it has no versions.
 */
export const KIND = {
  /** To the hub: the first of all. The worker's number (1), its secret. */
  join: 1,
  /** To the hub: a key, then a whole frame of kind `message` that goes on to all who have subscribed. */
  publish: 2,
  /** To the hub: a key. */
  subscribe: 3,
  unsubscribe: 4,
  /** To the hub: request (4), key, size (4), age (8), id, the entry. */
  append: 5,
  /** To the hub: request (4), key, size (4), age (8), most (4), whether since (1), its offset (8), its epoch. */
  read: 6,
  /** To the hub: the number of a worker (1), then a whole frame of kind `forwarded` for it. */
  forward: 7,
  /** To the hub: what is forwarded to this worker is to come here. */
  hear: 8,
  /** To the worker: it is let in. */
  welcome: 16,
  /** To the worker: what somebody has published. */
  message: 17,
  /** To the worker: key, offset (8), previous (8), epoch, the entry. */
  logged: 18,
  /** To the worker: request (4), whether it was there before (1), offset (8), epoch. */
  appended: 19,
  /** To the worker, before `reading`: request (4), offset (8), previous (8), the entry. */
  entry: 20,
  /** To the worker: request (4), which gap or 0 (1), offset (8), epoch. */
  reading: 21,
  /** To the worker: the number of the worker that it is from (1), the bytes. */
  forwarded: 22,
  /** To the worker: the key of a node whose process has ended. */
  ended: 23,
  /** To a worker that hears: what all of them know (32), the numbers of all whose processes live (1 each), in ascending order. Again when it is another list. */
  workers: 24,
} as const;

export const HEAD_BYTES = 5;
export const SECRET_BYTES = 32;
/** What a frame has besides a payload, at the most. */
export const FRAME_EXTRA_BYTES = 16_384;

/** Gaps by their number in `reading`. */
export const GAPS: readonly (GapReason | undefined)[] = [undefined, 'expired', 'epoch', 'too-many', 'unknown'];

/** Room for a frame, its head written: where its body begins. */
export function beginFrame(out: Outgoing, kind: number, length: number): number {
  const at = out.claim(HEAD_BYTES + length);
  return putHead(out.memory, at, kind, length);
}

/** Writes the head of a frame into memory: where its body begins. */
export function putHead(memory: Buffer, at: number, kind: number, length: number): number {
  memory.writeUInt32LE(1 + length, at);
  memory[at + 4] = kind;
  return at + HEAD_BYTES;
}

/** A frame with a text alone. */
export function writeText(out: Outgoing, kind: number, text: string): void {
  const length = Buffer.byteLength(text);
  const at = beginFrame(out, kind, length);
  out.memory.write(text, at);
}

/** A text behind its length (2): where it ends. */
export function putText(memory: Buffer, at: number, text: string): number {
  const written = memory.write(text, at + 2);
  return memory.writeUInt16LE(written, at) + written;
}

export function textBytes(text: string): number {
  return 2 + Buffer.byteLength(text);
}

/** Reads a frame's body. What is not there reads as 0, '' or nothing, and is `bad`. */
export class Cursor {
  readonly bytes: Buffer;
  readonly end: number;
  at: number;
  isBad = false;

  constructor(bytes: Buffer, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : (this.bytes[at] as number);
  }

  u32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.bytes.readUInt32LE(at);
  }

  /** A whole number, however large. */
  whole(): number {
    const at = this.#take(8);
    const value = at < 0 ? 0 : this.bytes.readDoubleLE(at);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    this.isBad = true;
    return 0;
  }

  /** A number from 0, also an infinite one. */
  span(): number {
    const at = this.#take(8);
    const value = at < 0 ? 0 : this.bytes.readDoubleLE(at);
    if (value >= 0) return value;
    this.isBad = true;
    return 0;
  }

  text(encoding: 'utf8' | 'latin1' = 'utf8'): string {
    const head = this.#take(2);
    const length = head < 0 ? 0 : this.bytes.readUInt16LE(head);
    const at = this.#take(length);
    return at < 0 ? '' : this.bytes.toString(encoding, at, at + length);
  }

  /** All that is left. */
  rest(): Buffer {
    const { at } = this;
    this.at = this.end;
    return this.bytes.subarray(at, this.end);
  }

  /** All that is left, if it is one whole frame of this kind. */
  frame(kind: number): Buffer | undefined {
    const { at, end, bytes } = this;
    if (end - at < HEAD_BYTES || bytes.readUInt32LE(at) !== end - at - 4 || bytes[at + 4] !== kind) return undefined;
    return this.rest();
  }

  /** Where the next `length` bytes begin; -1 when there are fewer. */
  #take(length: number): number {
    const { at } = this;
    if (this.end - at < length) {
      this.isBad = true;
      this.at = this.end;
      return -1;
    }
    this.at = at + length;
    return at;
  }
}
