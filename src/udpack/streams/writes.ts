import { type Instant, varintLength, writeVarint } from '../../core/index.ts';
import type { FrameWriter } from '../frames.ts';
import type { Expiring } from './expiries.ts';

const NOTHING = new Uint8Array();
const scratch = new Uint8Array(8);

/** Who is told that a write grew too old. */
export interface WriteOwner {
  giveUp(write: Write, now: Instant): void;
}

/**
 * What was written at once, and where it lies in its stream: from `start` on, its head (the length of a packet plus one, as a varint;
 * nothing in a stream of bytes), then its bytes. A write that was given up before any of it was sent becomes a gravestone: a head
 * of 0, which is one byte; several in a row become one write.
 */
export class Write implements Expiring {
  readonly number: number;
  readonly packet: boolean;
  readonly loose: boolean;
  readonly expires: Instant;
  /** Bytes that it takes in the stream. */
  units: number;
  /** -1 until it is begun. */
  start = -1;
  end = -1;
  /** Whether the application knows what became of it. The bytes are gone then. */
  told = false;
  /** Nobody wants to know. */
  untold = false;
  bytes: Uint8Array;
  readonly #owner: WriteOwner;
  #head: number;
  #graves = 0;

  constructor(owner: WriteOwner, number: number, bytes: Uint8Array, packet: boolean, loose: boolean, expires: Instant) {
    this.#owner = owner;
    this.number = number;
    this.bytes = bytes;
    this.packet = packet;
    this.loose = loose;
    this.expires = expires;
    this.#head = packet ? varintLength(bytes.length + 1) : 0;
    this.units = this.#head + bytes.length;
  }

  get over(): boolean {
    return this.told;
  }

  get grave(): boolean {
    return this.#graves > 0;
  }

  expire(now: Instant): void {
    this.#owner.giveUp(this, now);
  }

  /** Lets go of the bytes: they won't be sent again. */
  settle(): void {
    this.told = true;
    this.bytes = NOTHING;
  }

  /** Only before it is begun. */
  bury(): void {
    this.settle();
    this.#graves = 1;
    this.#head = 0;
    this.units = 1;
  }

  /** Takes the gravestones before it in. */
  join(before: Write): void {
    this.#graves += before.#graves;
    this.units = this.#graves;
  }

  /** Writes what lies from `from` to `to` in the stream. */
  copy(writer: FrameWriter, from: number, to: number): void {
    const first = from - this.start;
    const last = to - this.start;
    if (this.#graves > 0) {
      writer.bytes.fill(0, writer.at, writer.at + to - from);
      writer.at += to - from;
      return;
    }
    const head = this.#head;
    if (first < head) {
      if (first === 0 && last >= head) writer.varint(this.bytes.length + 1);
      else {
        writeVarint(scratch, 0, this.bytes.length + 1);
        writer.raw(scratch.subarray(first, Math.min(head, last)));
      }
    }
    if (last <= head) return;
    const at = Math.max(first, head) - head;
    const whole = at === 0 && last - head === this.bytes.length;
    writer.raw(whole ? this.bytes : this.bytes.subarray(at, last - head));
  }
}

/** So many gravestones may wait one by one. */
const GRAVES_MOST = 64;

/** A queue whose entries can be looked at. */
export class Fifo<Item> {
  #items: (Item | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  at(index: number): Item | undefined {
    return this.#items[this.#head + index];
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  shift(): Item | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) this.clear();
    else if (this.#head >= 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}

/** The writes of one stream: those that were begun, which have their places in the stream, and those that wait. */
export class Writes {
  readonly begun: Fifo<Write> = new Fifo();
  readonly waiting: Fifo<Write> = new Fifo();
  /** Where what is begun ends. */
  end = 0;
  #buried = 0;

  /** Gives the write that waits longest its place. */
  begin(): void {
    const write = this.waiting.shift();
    if (write === undefined) return;
    write.start = this.end;
    write.end = this.end + write.units;
    this.end = write.end;
    this.begun.push(write);
  }

  /** A write that waits was buried. Makes gravestones in a row into one, now and then. */
  buried(): void {
    const count = this.waiting.length;
    if (++this.#buried < Math.max(GRAVES_MOST, count / 2)) return;
    this.#buried = 0;
    let before: Write | undefined;
    for (let left = count; left > 0; left--) {
      const write = this.waiting.shift();
      if (write === undefined) return;
      if (before?.grave === true && write.grave) write.join(before);
      else if (before !== undefined) this.waiting.push(before);
      before = write;
    }
    if (before !== undefined) this.waiting.push(before);
  }

  /** Which of the begun ones `offset` lies in; the first when it lies before that, one past the last when it lies behind. */
  find(offset: number): number {
    let low = 0;
    let high = this.begun.length;
    while (low + 1 < high) {
      const middle = (low + high) >>> 1;
      if ((this.begun.at(middle)?.start ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return (this.begun.at(low)?.end ?? Number.POSITIVE_INFINITY) > offset ? low : low + 1;
  }

  copy(writer: FrameWriter, from: number, to: number): void {
    let at = from;
    for (let index = this.find(from); at < to; index++) {
      const write = this.begun.at(index);
      if (write === undefined) return;
      const stop = Math.min(to, write.end);
      write.copy(writer, at, stop);
      at = stop;
    }
  }

  clear(): void {
    this.begun.clear();
    this.waiting.clear();
  }
}
