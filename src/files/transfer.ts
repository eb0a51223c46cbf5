import { CLOSE, HawserError } from '../core/index.ts';
import type { Channel, ServerSocket } from '../index.ts';
import type { BusyNames } from './busy.ts';
import { fault, writeFault } from './faults.ts';
import type { Folder } from './folder.ts';
import { Folders } from './folders.ts';
import { Incoming } from './incoming.ts';
import type { FileLimits } from './limits.ts';
import { Meter } from './meter.ts';
import { partsOf, shown } from './names.ts';
import { type Begin, type Begun, beginOf, type FileOffer, type FilesApi, type Finished, offerOf } from './protocol.ts';
import type { ReceiveEvent, ReceiveOptions } from './receive-options.ts';

/** What a transfer needs of its receiver. */
export interface TransferHost extends Pick<ReceiveOptions, 'accept' | 'onProgress'> {
  readonly overwrite: boolean;
  readonly limits: FileLimits;
  readonly folder: Folder;
  readonly busy: BusyNames;
  /** Transfers that are under way. */
  running(): number;
  tell(event: ReceiveEvent): void;
}

/** All files of one sender's socket. */
export class Transfer {
  readonly #socket: ServerSocket<FilesApi>;
  readonly #number: number;
  readonly #host: TransferHost;
  readonly #folders: Folders;
  readonly #active = new Set<Incoming>();
  /** Folders to put on the disk at the end, by their parts. */
  readonly #touched = new Set<string>();
  readonly #counts = { received: 0, unchanged: 0, failed: 0 };
  #begun: Begin | undefined;
  #offers = 0;
  readonly #meter: Meter = new Meter();
  #bytes = 0;
  #newBytes = 0;
  #isOver = false;
  #isClosing = false;

  constructor(socket: ServerSocket<FilesApi>, number: number, host: TransferHost) {
    this.#socket = socket;
    this.#number = number;
    this.#host = host;
    this.#folders = new Folders(host.folder);
    socket.handle('begin', (data) => this.#begin(data));
    socket.handle('folder', (name) => this.#makeFolder(name));
    socket.handle('end', () => this.#end());
    socket.on('channel', (channel) => this.#take(channel as unknown as Channel));
  }

  /** Whether it counts against the limit: a sender that is gone does not. */
  get isRunning(): boolean {
    return this.#begun !== undefined && !this.#isOver && this.#socket.state === 'up';
  }

  /** Breaks off what is under way; the sender may come back when there is a receiver again. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const active = [...this.#active];
    for (const { channel } of active) channel.reset('ERR_SERVER_CLOSING', 'the receiver is closing');
    await Promise.all(active.map(({ done }) => done.promise));
    this.#socket.close(CLOSE.serverClosing, 'the receiver is closing');
  }

  /** The sender is gone. */
  ended(): void {
    this.#folders.close();
    this.#tellEnd(false);
  }

  #begin(data: unknown): Begun {
    const { limits } = this.#host;
    const begin = beginOf(data);
    if (this.#begun) throw new HawserError('ERR_PROTOCOL', 'the transfer has begun already');
    if (begin.files > limits.files) throw tooMany(limits.files);
    if (this.#host.running() >= limits.transfers) {
      throw new HawserError('ERR_TOO_MANY_TRANSFERS', `${limits.transfers} transfers are under way: try later`);
    }
    this.#begun = begin;
    const { files, bytes } = begin;
    const { user, handshake } = this.#socket;
    this.#tell({ event: 'begun', user, remote: handshake.remote, files, bytes });
    return { filesAtOnce: limits.filesAtOnce };
  }

  async #makeFolder(name: unknown): Promise<undefined> {
    this.#count();
    const parts = this.#partsOf(name);
    try {
      await using folder = await this.#host.folder.down(parts, String(name));
      await folder.sync();
    } catch (error) {
      throw this.#failed(name, writeFault(error, String(name)));
    }
    return undefined;
  }

  async #end(): Promise<undefined> {
    // One that its sender has given up may still be on its way out.
    await Promise.all([...this.#active].map(({ done }) => done.promise));
    this.#folders.close();
    for (const path of this.#touched) {
      const parts = path === '' ? [] : path.split('/');
      try {
        await using folder = await this.#host.folder.down(parts, path);
        await folder.sync();
      } catch {
        // What was put there may be gone by now.
      }
    }
    // Whoever hears of the end may close everything: the sender's answer goes first.
    setImmediate(() => this.#tellEnd(true));
    return undefined;
  }

  /** One file, from its offer to its name. What this throws resets the channel. */
  async #take(channel: Channel): Promise<void> {
    const offer = offerOf(channel.data);
    const landing = {
      overwrite: this.#host.overwrite,
      promised: () => this.#host.busy.promised,
      onBytes: (bytes: number, isNew: boolean) => this.#onBytes(offer.name, bytes, isNew),
    };
    // What asks it is listened to before anything is waited for.
    const incoming = new Incoming(channel, offer, landing);
    this.#active.add(incoming);
    try {
      if (this.#active.size > this.#host.limits.filesAtOnce) {
        throw new HawserError('ERR_TOO_MANY_CHANNELS', `${this.#host.limits.filesAtOnce} files are under way`);
      }
      const finished = await this.#receive(incoming, offer);
      incoming.settle(finished);
      this.#arrived(offer, finished);
    } catch (error) {
      const known = writeFault(error, offer.name);
      incoming.settle(known);
      throw this.#failed(offer.name, known);
    } finally {
      this.#active.delete(incoming);
    }
  }

  async #receive(incoming: Incoming, offer: FileOffer): Promise<Finished> {
    const { limits, busy, accept } = this.#host;
    const { name, bytes, mtime } = offer;
    this.#count();
    const parts = this.#partsOf(name);
    if (bytes > limits.fileBytes) throw fault('ERR_FILE_TOO_LARGE', name, `more than ${limits.fileBytes} bytes`);
    await this.#ask(accept, { name, bytes, mtime, user: this.#socket.user });
    await busy.enter(incoming, () => this.#socket.state === 'up');
    try {
      const final = parts.at(-1) ?? '';
      const finished = await this.#folders.use(parts.slice(0, -1), name, (folder) => incoming.take(folder, final));
      if (this.#touched.size < 10_000) this.#touched.add(parts.slice(0, -1).join('/'));
      return finished;
    } finally {
      busy.leave(incoming);
    }
  }

  async #ask(accept: TransferHost['accept'], file: Parameters<NonNullable<TransferHost['accept']>>[0]): Promise<void> {
    try {
      await accept?.(file);
    } catch (cause) {
      if (cause instanceof HawserError) throw cause;
      throw fault('ERR_NOT_ALLOWED', file.name, 'it is not wanted', cause);
    }
  }

  /** @throws HawserError ERR_PROTOCOL, ERR_TOO_MANY_FILES. */
  #count(): void {
    if (this.#isClosing) throw new HawserError('ERR_SERVER_CLOSING', 'the receiver is closing');
    if (!this.#begun) throw new HawserError('ERR_PROTOCOL', 'the transfer has not begun');
    this.#offers += 1;
    if (this.#offers > this.#host.limits.files) throw tooMany(this.#host.limits.files);
  }

  /** @throws HawserError ERR_FILE_NAME. */
  #partsOf(name: unknown): readonly string[] {
    const { nameBytes, folders } = this.#host.limits;
    const parts = partsOf(name, { nameBytes, folders, windows: process.platform === 'win32' });
    if (typeof parts !== 'string') return parts;
    throw fault('ERR_FILE_NAME', name, parts);
  }

  #onBytes(name: string, size: number, isNew: boolean): void {
    this.#bytes += size;
    if (isNew) this.#newBytes += size;
    const { onProgress } = this.#host;
    if (!onProgress) return;
    const now = performance.now();
    this.#meter.mark(this.#newBytes, now);
    const bytesPerSecond = this.#meter.speed(this.#newBytes, now);
    const total = this.#begun?.bytes ?? 0;
    // What was begun anew counts twice, and a sender can be wrong.
    const bytes = Math.min(total, this.#bytes);
    const secondsLeft = bytesPerSecond > 0 ? (total - bytes) / bytesPerSecond : undefined;
    onProgress({ transfer: this.#number, name, bytes, total, bytesPerSecond, secondsLeft });
  }

  #arrived({ name, bytes }: FileOffer, { sha256, unchanged, resumed }: Finished): void {
    this.#counts[unchanged ? 'unchanged' : 'received'] += 1;
    if (unchanged) this.#onBytes(name, bytes, false);
    this.#tell({ event: unchanged ? 'unchanged' : 'received', name, bytes, sha256, resumed });
  }

  #failed(name: unknown, error: HawserError): HawserError {
    this.#counts.failed += 1;
    const text = typeof name === 'string' ? name : shown(name);
    this.#tell({ event: 'failed', name: text, code: error.code, message: error.message });
    return error;
  }

  #tellEnd(complete: boolean): void {
    if (this.#isOver || !this.#begun) return;
    this.#isOver = true;
    this.#tell({ event: 'ended', ...this.#counts, complete });
  }

  #tell(event: Untold): void {
    this.#host.tell({ ...event, transfer: this.#number });
  }
}

/** Each event without the number of its transfer. */
type Untold = ReceiveEvent extends infer E ? (E extends unknown ? Omit<E, 'transfer'> : never) : never;

function tooMany(files: number): HawserError {
  return new HawserError('ERR_TOO_MANY_FILES', `a transfer has at most ${files} files`);
}
