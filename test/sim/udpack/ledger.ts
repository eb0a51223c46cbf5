import { CONTENT_MOST, content, contentStart, isContent } from './content.ts';

interface Entry {
  /** What the machine calls the write. */
  readonly write: number;
  readonly start: number;
  readonly size: number;
  readonly loose: boolean;
  /** It may be given up. */
  readonly ages: boolean;
  told: 'written' | 'dropped' | undefined;
  received: boolean;
}

/**
 * Both ends of one direction of a stream: what was written, what became of it in the writer's eyes, and what was handed on at the other
 * end. Says so when the two don't agree.
 */
export class Ledger {
  readonly stream: number;
  readonly packets: boolean;
  ended = false;
  resetCode: number | undefined;
  stopCode: number | undefined;
  /** The reader has been told the end, or of a reset. */
  over = false;
  /** Packets handed on, or pieces of bytes. */
  handed = 0;
  skipped = 0;
  dropped = 0;
  readonly #fail: (what: string) => void;
  readonly #entries: Entry[] = [];
  readonly #byWrite = new Map<number, Entry>();
  readonly #waiting = new Set<number>();
  #written = 0;
  #read = 0;
  /** All packets before have been handed on or given up. */
  #next = 0;

  constructor(stream: number, packets: boolean, fail: (what: string) => void) {
    this.stream = stream;
    this.packets = packets;
    this.#fail = fail;
  }

  get closed(): boolean {
    return this.ended || this.resetCode !== undefined;
  }

  /** Writes that the writer has not been told of. */
  get untold(): number {
    return this.#waiting.size;
  }

  /** What is to be written next: so many bytes. For a stream of bytes fewer, if it would get too long. */
  next(size: number): Uint8Array {
    if (this.packets) return content(contentStart(this.stream, this.#entries.length), size);
    return content(contentStart(this.stream, 0) + this.#written, Math.min(size, CONTENT_MOST - this.#written));
  }

  // The writer's side.

  wrote(write: number, size: number, loose: boolean, ages: boolean): void {
    const start = this.packets ? contentStart(this.stream, this.#entries.length) : this.#written;
    const entry: Entry = { write, start, size, loose, ages, told: undefined, received: false };
    if (this.#byWrite.has(write)) this.#wrong(`write ${write} has the number of another`);
    this.#entries.push(entry);
    this.#byWrite.set(write, entry);
    this.#waiting.add(write);
    this.#written += size;
  }

  onTold(write: number, told: 'written' | 'dropped'): void {
    const entry = this.#byWrite.get(write);
    if (entry === undefined) this.#wrong(`told of write ${write}, which nobody made`);
    else if (entry.told !== undefined) this.#wrong(`write ${write} was ${entry.told}, and is ${told} now`);
    else {
      const given = entry.ages || this.resetCode !== undefined || this.stopCode !== undefined;
      if (told === 'dropped' && !given) this.#wrong(`write ${write} was dropped for no reason`);
      if (told === 'dropped') this.dropped++;
      entry.told = told;
      this.#waiting.delete(write);
    }
  }

  // The reader's side.

  onPacket(bytes: Uint8Array): void {
    this.#handOn();
    if (!this.packets) this.#wrong('a packet in a stream of bytes');
    const at = this.#find(bytes);
    const entry = this.#entries[at];
    if (entry === undefined) {
      this.#wrong(
        `a packet of ${bytes.length} bytes that nobody wrote, or a second time, or too late (${this.#entries.length} written)`,
      );
      return;
    }
    entry.received = true;
    if (!entry.loose) this.#pass(at);
  }

  onBytes(bytes: Uint8Array): void {
    this.#handOn();
    if (this.packets) this.#wrong('bytes in a stream of packets');
    if (bytes.length === 0) this.#wrong('no bytes were handed on as some');
    const start = contentStart(this.stream, 0) + this.#read;
    if (this.#read + bytes.length > this.#written || !isContent(bytes, start, bytes.length)) {
      this.#wrong(`${bytes.length} bytes at ${this.#read} are not what was written (${this.#written} bytes)`);
    }
    this.#read += bytes.length;
  }

  onSkipped(count: number): void {
    if (this.over) this.#wrong('packets skipped behind the end');
    this.skipped += count;
  }

  onEnd(): void {
    if (this.over) this.#wrong('a second end');
    this.over = true;
    if (!this.ended) this.#wrong('an end that nobody made');
    if (!this.packets) {
      if (this.#read !== this.#written) this.#wrong(`the end came after ${this.#read} of ${this.#written} bytes`);
      return;
    }
    const missing = this.#entries.filter((entry) => !entry.received);
    if (missing.length !== this.skipped)
      this.#wrong(`${missing.length} packets are missing at the end, ${this.skipped} were skipped`);
    const kept = missing.find((entry) => !entry.ages);
    if (kept !== undefined)
      this.#wrong(`the packet of write ${kept.write} is missing at the end (${kept.told ?? 'not told'})`);
  }

  onReset(code: number): void {
    if (this.over) this.#wrong('a reset behind the end');
    this.over = true;
    if (this.resetCode !== code) this.#wrong(`reset with ${code}, which the writer did not say (${this.resetCode})`);
  }

  onStopped(code: number): void {
    if (this.stopCode !== code) this.#wrong(`stopped with ${code}, which the reader did not say (${this.stopCode})`);
    if (this.resetCode === undefined) this.resetCode = code;
  }

  /** The stream is over on the writer's side. */
  onClosed(): void {
    if (this.untold > 0) this.#wrong(`closed, and ${this.untold} writes were not told of`);
  }

  #handOn(): void {
    if (this.over) this.#wrong('something was handed on behind the end');
    if (this.stopCode !== undefined) this.#wrong('something was handed on after the reader had stopped it');
    this.handed++;
  }

  /** Which packet it is: the next one, or a later one if those between may be late or given up. */
  #find(bytes: Uint8Array): number {
    for (let at = this.#next; at < this.#entries.length; at++) {
      const entry = this.#entries[at];
      if (entry === undefined) break;
      if (!entry.received && isContent(bytes, entry.start, entry.size)) return this.#mayCome(at) ? at : -1;
    }
    // Loose ones may also be late.
    for (let at = 0; at < this.#next; at++) {
      const entry = this.#entries[at];
      if (entry?.loose === true && !entry.received && isContent(bytes, entry.start, entry.size)) return at;
    }
    return -1;
  }

  /** Nothing that must come before it is missing. */
  #mayCome(at: number): boolean {
    if (this.#entries[at]?.loose === true) return true;
    for (let before = this.#next; before < at; before++) {
      const entry = this.#entries[before];
      if (entry !== undefined && !entry.received && !entry.ages && !entry.loose) return false;
    }
    return true;
  }

  #pass(at: number): void {
    this.#next = at + 1;
  }

  #wrong(what: string): void {
    this.#fail(`stream ${this.stream}: ${what}`);
  }
}
