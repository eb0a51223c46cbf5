import { createHash, type Hash } from 'node:crypto';
import { constants, open, statfs } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { HawserError } from '../core/index.ts';
import { type Channel, duplexOf } from '../index.ts';
import { Deferred } from './deferred.ts';
import { fault, writeFault } from './faults.ts';
import { type Folder, OPEN_NO_FOLLOW } from './folder.ts';
import { hashOf, Partial, whatIs } from './partial.ts';
import { BLIND_BYTES, digestOf, type FileOffer, type Finished, type Start } from './protocol.ts';
import { FileSink } from './sink.ts';

/** How often a sender hears how far its file is, ms. */
const TELL_EVERY = 200;
/** After these what has arrived is of no use. */
const WORTHLESS: ReadonlySet<string> = new Set([
  'ERR_FILE_CHANGED',
  'ERR_FILE_DIGEST',
  'ERR_FILE_EXISTS',
  'ERR_FILE_UNWRITABLE',
  'ERR_NO_SPACE',
  'ERR_PROTOCOL',
]);

/** What a file on its way in needs of the receiver. */
export interface Landing {
  readonly overwrite: boolean;
  /** Bytes that other files on their way have still to write. */
  promised(): number;
  /** So many bytes are here; new ones, or from the last time. */
  onBytes(bytes: number, isNew: boolean): void;
}

/** One file on its way in, over a channel of its own. */
export class Incoming {
  readonly offer: FileOffer;
  readonly channel: Channel;
  /** Resolves when it is over, however it ended. */
  readonly done: Deferred<void> = new Deferred();
  readonly #landing: Landing;
  readonly #started: Deferred<Start> = new Deferred();
  readonly #check: Deferred<string> = new Deferred();
  readonly #checked: Deferred<Start> = new Deferred();
  readonly #digest: Deferred<string> = new Deferred();
  readonly #finished: Deferred<Finished> = new Deferred();
  #sink: FileSink | undefined;
  /** Bytes for which there was room before the first of them came. */
  #granted = 0;
  #toldAt = -Infinity;

  /** Listens from now on: what the sender asks is answered when it is known. */
  constructor(channel: Channel, offer: FileOffer, landing: Landing) {
    this.channel = channel;
    this.offer = offer;
    this.#landing = landing;
    channel.handle('start', () => this.#started.promise);
    channel.handle('check', (data: unknown) => {
      this.#check.resolve(digestOf(data));
      return this.#checked.promise;
    });
    channel.handle('finish', (data: unknown) => {
      this.#digest.resolve(digestOf(data));
      return this.#finished.promise;
    });
    void channel.closed.then((error) =>
      this.#stop(error ?? new HawserError('ERR_CLOSED', 'the sender ended the file')),
    );
  }

  /** Bytes that are still to be written. */
  get left(): number {
    return this.#sink ? this.offer.bytes - this.#sink.at : this.#granted;
  }

  /** Takes the file, and gives it its name in `folder`. @throws HawserError why there is no such file now, or not this one. */
  async take(folder: Folder, final: string): Promise<Finished> {
    const existing = await this.#existing(folder, final);
    if (existing) return existing;
    const partial = new Partial(folder, final, this.offer);
    let kept = 0;
    try {
      kept = await partial.open();
      await this.#requireSpace(folder, this.offer.bytes - kept);
      return await this.#takeInto(partial, kept);
    } catch (error) {
      const known = writeFault(error, this.offer.name);
      const isRefused = known.code === 'ERR_NO_SPACE' && this.#sink === undefined;
      const isEmpty = (this.#sink?.at ?? kept) === 0;
      if (isEmpty || (WORTHLESS.has(known.code) && !isRefused)) await partial.discard().catch(() => {});
      throw known;
    } finally {
      await partial.close();
    }
  }

  /** Tells the sender how it went, and ends. */
  settle(outcome: Finished | HawserError): void {
    if (outcome instanceof HawserError) this.#stop(outcome);
    else this.#finished.resolve(outcome);
    this.done.resolve();
  }

  #stop(error: HawserError): void {
    for (const one of [this.#started, this.#check, this.#checked, this.#digest, this.#finished]) one.reject(error);
    this.#sink?.complete.reject(error);
  }

  /** What has the name already: kept, unless it may be replaced. A file with the same bytes is as good as the one that was to come. */
  async #existing(folder: Folder, final: string): Promise<Finished | undefined> {
    const { name, bytes, mtime } = this.offer;
    const { overwrite } = this.#landing;
    const stat = await whatIs(folder.at(final));
    if (!stat) return undefined;
    if (stat.isDirectory()) throw fault('ERR_FILE_EXISTS', name, 'a folder has its name, and is kept');
    const maySame = stat.isFile() && stat.size === bytes;
    if (overwrite && !(maySame && bytes > BLIND_BYTES && Math.abs(stat.mtimeMs - mtime) < 1)) return undefined;
    const same = maySame ? await this.#compare(folder.at(final), bytes) : undefined;
    if (same !== undefined) return { sha256: same, unchanged: true, resumed: bytes };
    if (!overwrite) throw fault('ERR_FILE_EXISTS', name, 'a file has its name, and is kept');
    return undefined;
  }

  /** The digest of the file that is there, when the sender's has the same. */
  async #compare(path: string, bytes: number): Promise<string | undefined> {
    const handle = await open(path, constants.O_RDONLY | OPEN_NO_FOLLOW).catch(() => undefined);
    if (!handle) return undefined;
    try {
      // A small file comes without having been asked about: only its end says what it was.
      const isBlind = bytes <= BLIND_BYTES;
      if (isBlind) void this.channel.readable.cancel();
      this.#started.resolve({ from: bytes });
      const ours = (await hashOf(handle, bytes)).digest('hex');
      const theirs = await (isBlind ? this.#digest : this.#check).promise;
      if (ours !== theirs) return undefined;
      this.#checked.resolve({ from: bytes });
      await this.#digest.promise;
      return ours;
    } finally {
      await handle.close();
    }
  }

  /** @throws HawserError ERR_NO_SPACE. */
  async #requireSpace(folder: Folder, bytes: number): Promise<void> {
    // A small one is written, or not, before this could be told.
    if (bytes <= BLIND_BYTES) return;
    const { bavail, bsize, blocks } = await statfs(folder.at('.'));
    // Some file systems know of no blocks.
    if (blocks === 0) return;
    const free = bavail * bsize - this.#landing.promised();
    if (bytes <= free) {
      this.#granted = bytes;
      return;
    }
    throw fault('ERR_NO_SPACE', this.offer.name, `${bytes} bytes are wanted, and ${Math.max(0, free)} are free`);
  }

  async #takeInto(partial: Partial, kept: number): Promise<Finished> {
    const { name } = this.offer;
    const [from, hash] = await this.#agree(partial, kept);
    const sink = new FileSink(partial, hash, from, this.offer, (size) => this.#onWritten(size));
    this.#sink = sink;
    this.#landing.onBytes(from, false);
    void pipeline(duplexOf(this.channel, { highWaterMark: 1 << 20 }), sink).catch(sink.complete.reject);
    await sink.complete.promise;
    const theirs = await this.#digest.promise;
    const sha256 = hash.digest('hex');
    if (sha256 !== theirs) throw fault('ERR_FILE_DIGEST', name, 'its bytes are not those that were sent');
    await partial.commit(this.#landing.overwrite);
    return { sha256, unchanged: false, resumed: from };
  }

  /** Where the sender begins, behind what is kept when its file begins with the same bytes; and the hash up to there. */
  async #agree(partial: Partial, kept: number): Promise<readonly [number, Hash]> {
    this.#started.resolve({ from: kept });
    const { from: told } = await this.#started.promise;
    const hash = await partial.hash(kept);
    // What the sender checks may be another file, of this name, that is not the same.
    const isSame = kept > 0 && told === kept && hash.copy().digest('hex') === (await this.#check.promise);
    const from = isSame ? kept : 0;
    if (kept > 0 && !isSame) await partial.restart();
    this.#checked.resolve({ from });
    return [from, isSame ? hash : createHash('sha256')];
  }

  #onWritten(size: number): void {
    this.#landing.onBytes(size, true);
    const now = performance.now();
    if (now - this.#toldAt < TELL_EVERY || !this.#sink) return;
    this.#toldAt = now;
    try {
      // Now or never: the next one says more.
      this.channel.send('at', this.#sink.at, { volatile: true });
    } catch {
      // The channel has ended.
    }
  }
}
