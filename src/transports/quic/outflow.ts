import type { Machine } from './quiche.ts';

/** So much is handed to the machine at a time: other streams have their turn in between. */
const PIECE = 65_536;
const EMPTY = new Uint8Array(0);
const gathered = new Uint8Array(PIECE);

/** What waits to be taken by the machine, of one stream. */
export class Outflow {
  readonly stream: number;
  readonly #machine: Machine;
  #frames: Uint8Array[] = [];
  /** The frame that is next, and how much of it is gone. */
  #next = 0;
  #offset = 0;
  #ended = false;
  /** The machine knows of the stream. */
  begun = false;
  /** The machine has all, the end included. */
  done = false;
  bytes = 0;

  constructor(stream: number, machine: Machine) {
    this.stream = stream;
    this.#machine = machine;
  }

  get isIdle(): boolean {
    return this.done || (this.bytes === 0 && !this.#ended);
  }

  write(frame: Uint8Array): void {
    if (this.#ended || frame.length === 0) return;
    this.#frames.push(frame);
    this.bytes += frame.length;
  }

  end(): void {
    this.#ended = true;
  }

  /** Hands on one piece. Returns how many bytes the machine took, or -1 where it takes no more now. @throws what the machine does. */
  flow(): number {
    const piece = this.#piece();
    const last = this.#ended && piece.length === this.bytes;
    const taken = this.#machine.streamSend(this.stream, piece, last);
    if (taken === null) return -1;
    this.begun = true;
    this.#took(taken);
    if (last && taken === piece.length) this.done = true;
    return taken < piece.length ? -1 : taken;
  }

  #piece(): Uint8Array {
    const head = this.#frames[this.#next];
    if (head === undefined) return EMPTY;
    if (this.#next + 1 === this.#frames.length || head.length - this.#offset >= PIECE)
      return this.#offset === 0 ? head : head.subarray(this.#offset);
    return this.#gather();
  }

  #gather(): Uint8Array {
    let at = 0;
    for (let i = this.#next, from = this.#offset; i < this.#frames.length && at < PIECE; i++, from = 0) {
      const frame = this.#frames[i] as Uint8Array;
      const length = Math.min(frame.length - from, PIECE - at);
      gathered.set(from === 0 && length === frame.length ? frame : frame.subarray(from, from + length), at);
      at += length;
    }
    return gathered.subarray(0, at);
  }

  #took(count: number): void {
    this.bytes -= count;
    let left = count + this.#offset;
    for (
      let head = this.#frames[this.#next];
      head !== undefined && left >= head.length;
      head = this.#frames[this.#next]
    ) {
      left -= head.length;
      this.#next++;
    }
    this.#offset = left;
    if (this.#next < this.#frames.length) return;
    this.#frames = [];
    this.#next = 0;
    this.#offset = 0;
  }
}
