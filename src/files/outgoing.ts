import { createHash, type Hash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { constants, type FileHandle, open } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { type Channel, type ClientSocket, duplexOf } from '../client/index.ts';
import { HawserError } from '../core/index.ts';
import { fault, readFault } from './faults.ts';
import { hashOf } from './partial.ts';
import { BLIND_BYTES, FILE, type FileOffer, type FilesApi, type Finished, finishedOf, startOf } from './protocol.ts';
import type { Source } from './source.ts';

const CHUNK = 512 * 1024;
/** A pipe that has come in the place of a file would be waited for. */
const READ = constants.O_RDONLY | ((constants.O_NONBLOCK as number | undefined) ?? 0);
const NO_FOLLOW = (constants.O_NOFOLLOW as number | undefined) ?? 0;

/** One file on its way out, over a channel of its own. */
export class Outgoing {
  readonly #source: Source;
  readonly #handle: FileHandle;
  readonly #stat: BigIntStats;
  readonly #signal: AbortSignal | undefined;
  readonly #onAt: (bytes: number, from: number) => void;
  #from = 0;

  private constructor(
    source: Source,
    handle: FileHandle,
    stat: BigIntStats,
    signal: AbortSignal | undefined,
    onAt: (bytes: number, from: number) => void,
  ) {
    this.#source = source;
    this.#handle = handle;
    this.#stat = stat;
    this.#signal = signal;
    this.#onAt = onAt;
  }

  /**
   * Sends one file. `onAt` hears how many bytes the receiver has, and with how many it began.
   * @throws HawserError ERR_FILE_UNREADABLE, ERR_FILE_CHANGED, ERR_FILE_DIGEST, why the receiver refused, how the socket ended.
   */
  static async send(
    socket: ClientSocket<FilesApi>,
    source: Source,
    onAt: (bytes: number, from: number) => void,
    signal?: AbortSignal,
  ): Promise<Finished & { readonly bytes: number }> {
    const { path, name, isNamed } = source;
    const handle = await open(path, isNamed ? READ : READ | NO_FOLLOW).catch((error: unknown) => {
      throw readFault(error, name);
    });
    try {
      const stat = await handle.stat({ bigint: true });
      if (!stat.isFile()) throw fault('ERR_FILE_UNREADABLE', name, 'it is no file any more');
      const outgoing = new Outgoing(source, handle, stat, signal, onAt);
      return await outgoing.#send(socket);
    } finally {
      await handle.close();
    }
  }

  get #bytes(): number {
    return Number(this.#stat.size);
  }

  async #send(socket: ClientSocket<FilesApi>): Promise<Finished & { readonly bytes: number }> {
    const { name } = this.#source;
    const offer: FileOffer = {
      name,
      bytes: this.#bytes,
      mtime: Number(this.#stat.mtimeNs / 1000n) / 1000,
      executable: (this.#stat.mode & 0o100n) !== 0n,
    };
    const options = this.#signal && { signal: this.#signal };
    const channel = socket.openChannel(FILE, offer, options) as unknown as Channel;
    channel.on('at', (at) => {
      if (typeof at === 'number' && at <= this.#bytes) this.#onAt(at, this.#from);
    });
    let ended: HawserError | undefined;
    channel.on('close', (error) => {
      ended = error ?? new HawserError('ERR_CHANNEL_RESET', 'the receiver ended the file');
    });
    try {
      const hash = await this.#agree(channel);
      await this.#stream(channel, hash);
      await this.#requireUnchanged();
      const sha256 = hash.digest('hex');
      const finished = finishedOf(await channel.request('finish', { sha256 }, { timeout: 0 }));
      if (finished.sha256 !== sha256) throw fault('ERR_FILE_DIGEST', name, 'the receiver has other bytes');
      channel.end();
      this.#onAt(this.#bytes, finished.resumed);
      return { ...finished, bytes: this.#bytes };
    } catch (error) {
      const known = this.#explain(error, ended);
      channel.reset(known.code, known.message);
      throw known;
    }
  }

  /** What is known best: why the channel ended, or what was thrown. */
  #explain(error: unknown, ended: HawserError | undefined): HawserError {
    if (this.#signal?.aborted) return new HawserError('ERR_ABORTED', 'aborted', { cause: this.#signal.reason });
    if (ended && ended.code !== 'ERR_CHANNEL_RESET') return ended;
    // A request that the end of its channel has ended has the end as its cause.
    const { cause } = error as Error;
    if (error instanceof HawserError && cause instanceof HawserError && cause.code === error.code) return cause;
    return readFault(error, this.#source.name);
  }

  /** Where to begin, behind what the receiver has; the hash of all before that. */
  async #agree(channel: Channel): Promise<Hash> {
    if (this.#bytes <= BLIND_BYTES) return createHash('sha256');
    const kept = startOf(await channel.request('start', undefined, { timeout: 0 }), this.#bytes).from;
    if (kept === 0) return createHash('sha256');
    const hash = await hashOf(this.#handle, kept, this.#signal);
    const sha256 = hash.copy().digest('hex');
    const { from } = startOf(await channel.request('check', { sha256 }, { timeout: 0 }), this.#bytes);
    if (from !== kept && from !== 0) throw new HawserError('ERR_PROTOCOL', 'the receiver begins where it has nothing');
    this.#from = from;
    this.#onAt(from, from);
    return from === 0 ? createHash('sha256') : hash;
  }

  /** Reads, hashes and writes: while one buffer is on its way the other is being filled. */
  async #stream(channel: Channel, hash: Hash): Promise<void> {
    if (this.#from === this.#bytes) return;
    const out = duplexOf(channel, { highWaterMark: CHUNK });
    // Who waits for a write hears of it.
    out.on('error', () => {});
    let written: Promise<void> = Promise.resolve();
    const size = Math.min(CHUNK, this.#bytes - this.#from);
    let filling = Buffer.allocUnsafe(size);
    let leaving = Buffer.allocUnsafe(size);
    for (let at = this.#from; at < this.#bytes; ) {
      const { bytesRead } = await this.#handle.read(filling, 0, Math.min(size, this.#bytes - at), at);
      if (bytesRead === 0) throw this.#changed();
      const chunk = filling.subarray(0, bytesRead);
      hash.update(chunk);
      await written;
      written = put(out, chunk);
      // Whoever waits for it comes later, or not at all.
      written.catch(() => {});
      [filling, leaving] = [leaving, filling];
      at += bytesRead;
    }
    await written;
  }

  /** @throws HawserError ERR_FILE_CHANGED. */
  async #requireUnchanged(): Promise<void> {
    const { size, mtimeNs } = await this.#handle.stat({ bigint: true });
    if (size !== this.#stat.size || mtimeNs !== this.#stat.mtimeNs) throw this.#changed();
  }

  #changed(): HawserError {
    return fault('ERR_FILE_CHANGED', this.#source.name, 'it was changed while it was sent');
  }
}

/** Rejects with what broke the stream, not with the news that it is broken. */
function put(out: Duplex, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    out.write(chunk, (error) => (error ? reject(out.errored ?? error) : resolve()));
  });
}
