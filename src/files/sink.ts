import type { Hash } from 'node:crypto';
import { Writable } from 'node:stream';
import { HawserError } from '../core/index.ts';
import { Deferred } from './deferred.ts';
import { writeFault } from './faults.ts';
import type { Partial } from './partial.ts';
import type { FileOffer } from './protocol.ts';

/** Bytes that may wait for the disk. */
const WAITING_BYTES = 1 << 20;

/** The bytes of one file on their way to the disk, hashed meanwhile. It takes just as many as were announced. */
export class FileSink extends Writable {
  /** Resolves when all bytes are written. */
  readonly complete: Deferred<void> = new Deferred();
  /** How many bytes are written. */
  at: number;
  readonly #partial: Partial;
  readonly #hash: Hash;
  readonly #bytes: number;
  readonly #name: string;
  readonly #onWritten: (bytes: number) => void;

  constructor(partial: Partial, hash: Hash, from: number, offer: FileOffer, onWritten: (bytes: number) => void) {
    super({ highWaterMark: WAITING_BYTES, decodeStrings: true });
    this.#partial = partial;
    this.#hash = hash;
    this.at = from;
    this.#bytes = offer.bytes;
    this.#name = offer.name;
    this.#onWritten = onWritten;
    if (from === offer.bytes) this.complete.resolve();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    void this.#put([chunk], done);
  }

  override _writev(chunks: readonly { readonly chunk: Uint8Array }[], done: (error?: Error | null) => void): void {
    void this.#put(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.at === this.#bytes) done();
    else done(new HawserError('ERR_PROTOCOL', 'a file ended before its last byte'));
  }

  async #put(chunks: readonly Uint8Array[], done: (error?: Error | null) => void): Promise<void> {
    let failure: Error | undefined;
    try {
      await this.#take(chunks);
    } catch (error) {
      // The sender hears of this one.
      failure = writeFault(error, this.#name);
    }
    done(failure);
  }

  /** The disk and the hash are at work at the same time. */
  async #take(chunks: readonly Uint8Array[]): Promise<void> {
    const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (this.at + size > this.#bytes) throw new HawserError('ERR_PROTOCOL', 'more bytes than the file has');
    const written = this.#partial.write(chunks, this.at);
    for (const chunk of chunks) this.#hash.update(chunk);
    await written;
    this.at += size;
    this.#onWritten(size);
    if (this.at === this.#bytes) this.complete.resolve();
  }
}
