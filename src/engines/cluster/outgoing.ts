import type { Socket } from 'node:net';
import { WORLD } from './world.ts';

const BLOCK_BYTES = 65_536;
/** Longer bytes are not copied into a block. */
const COPIED_BYTES = 8192;

/** What leaves on a socket: all that is written in one turn of the event loop goes in one write, and what waits is bounded. */
export class Outgoing {
  /** Where `claim` gives out room. Valid until the next call. */
  memory: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  readonly #socket: Socket;
  readonly #most: number;
  readonly #overflow: () => void;
  /** Of `memory`: what is written lies from `start` to `used`. */
  #start = 0;
  #used = 0;
  /** What goes before it. */
  #sealed: Uint8Array[] = [];
  #sealedBytes = 0;
  #isDue = false;
  #isOver = false;
  #isFinishing = false;

  /** `overflow` is called once, when more than `most` bytes wait; what is written then is dropped. */
  constructor(socket: Socket, most: number, overflow: () => void) {
    this.#socket = socket;
    this.#most = most;
    this.#overflow = overflow;
    socket.on('drain', () => this.#flush());
  }

  /** Bytes that wait, here or with the system. */
  get bytes(): number {
    return this.#sealedBytes + this.#used - this.#start + this.#socket.writableLength;
  }

  /** Room for `length` bytes in `memory`: where it begins. */
  claim(length: number): number {
    this.#dueSoon(length);
    // What is over is written over.
    if (this.#isOver) this.#start = this.#used = 0;
    if (this.#used + length > this.memory.length) {
      this.#seal();
      this.memory = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, length));
      this.#start = 0;
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += length;
    return at;
  }

  /** Bytes that nobody changes any more. */
  push(bytes: Uint8Array): void {
    if (bytes.length <= COPIED_BYTES) {
      const at = this.claim(bytes.length);
      this.memory.set(bytes, at);
      return;
    }
    this.#dueSoon(bytes.length);
    if (this.#isOver) return;
    this.#seal();
    this.#sealed.push(bytes);
    this.#sealedBytes += bytes.length;
  }

  /** Drops what waits. */
  end(): void {
    this.#isOver = true;
    this.#sealed = [];
    this.#sealedBytes = 0;
    this.#start = this.#used;
  }

  /** What waits is written, then the socket ends. */
  finish(): void {
    this.#isFinishing = true;
    this.#flush();
  }

  #dueSoon(length: number): void {
    if (!this.#isOver && this.bytes + length > this.#most) {
      this.end();
      this.#overflow();
    }
    if (this.#isDue) return;
    this.#isDue = true;
    WORLD.soon(() => this.#flush());
  }

  #seal(): void {
    if (this.#used === this.#start) return;
    this.#sealed.push(this.memory.subarray(this.#start, this.#used));
    this.#sealedBytes += this.#used - this.#start;
    this.#start = this.#used;
  }

  /** What the system has not taken yet keeps back all that follows, here, where it is counted. */
  #flush(): void {
    this.#isDue = false;
    if (this.#isOver || this.#socket.destroyed || this.#socket.writableNeedDrain) return;
    this.#seal();
    const chunks = this.#sealed;
    if (chunks.length === 0) {
      if (this.#isFinishing) this.#socket.end();
      return;
    }
    this.#sealed = [];
    this.#sealedBytes = 0;
    if (chunks.length > 1) this.#socket.cork();
    for (const chunk of chunks) this.#socket.write(chunk);
    if (chunks.length > 1) this.#socket.uncork();
    if (this.#isFinishing) this.#socket.end();
    // Taken whole: the block may be written anew. Otherwise what follows lies behind it.
    if (this.#socket.writableLength > 0) return;
    this.#start = 0;
    this.#used = 0;
  }
}
