import {
  type ClientSocket,
  type ConnectOptions,
  connect,
  type ReconnectOptions,
  type Targets,
} from '../client/index.ts';
import { HawserError } from '../core/index.ts';
import { Deferred } from './deferred.ts';
import { hear, type Report, toConsole } from './hear.ts';
import { Meter } from './meter.ts';
import { Outgoing } from './outgoing.ts';
import { type FilesApi, isCount, NAMESPACE, VERSION } from './protocol.ts';
import { listSources, type SendFailure, type SkippedEntry, type Source } from './source.ts';
import { withNamespace } from './target.ts';

export interface SentFile {
  readonly name: string;
  /** Where it was read. */
  readonly path: string;
  readonly bytes: number;
  /** Of the whole file, in hex. */
  readonly sha256: string;
  /** Bytes that the receiver had already. */
  readonly resumed: number;
  /** The receiver had this very file already. */
  readonly unchanged: boolean;
}

/** How a transfer is going. */
export interface SendProgress {
  /** The file that moved last. */
  readonly name: string;
  readonly files: number;
  /** Those that are there, or have failed. */
  readonly filesDone: number;
  /** Bytes of all files. */
  readonly total: number;
  /** Bytes that the receiver has, those that it had before included. */
  readonly bytes: number;
  /** Those that it had before. */
  readonly resumed: number;
  readonly bytesPerSecond: number;
  /** Undefined while there is no telling. */
  readonly secondsLeft: number | undefined;
}

/** How a transfer went. */
export interface SendSummary {
  readonly files: readonly SentFile[];
  /** Files that did not arrive; with one of these not all went well. */
  readonly failures: readonly SendFailure[];
  /** What was left out on purpose. */
  readonly skipped: readonly SkippedEntry[];
  /** Bytes of the files that arrived. */
  readonly bytes: number;
  /** Those that the receiver had before. */
  readonly resumed: number;
  readonly seconds: number;
}

export interface SendOptions {
  /** Shown to the receiver; never in a URL. */
  readonly token?: ConnectOptions['token'];
  /** Breaks off; what is there by then is kept for the next time. */
  readonly signal?: AbortSignal;
  /** For the first connection, ms; default 20,000. */
  readonly timeout?: number;
  /** How a broken link is mended; `false` gives up at once. Default: six attempts within about ten seconds. */
  readonly reconnect?: ReconnectOptions | false;
  /** Files that are under way at one time. Default 4. */
  readonly parallel?: number;
  /** Where the receiver is, unless the URL says so. Default `/hawser/files`. */
  readonly namespace?: string;
  /** Whatever else `connect` takes. */
  readonly connect?: ConnectOptions;
  /** Called at most ten times a second, and at the end. */
  readonly onProgress?: (progress: SendProgress) => void;
  readonly onFile?: (file: SentFile) => void;
  readonly onFailure?: (failure: SendFailure) => void;
  readonly onSkipped?: (entry: SkippedEntry) => void;
}

const RECONNECT: ReconnectOptions = { attempts: 6, most: 3000 };
const PARALLEL = 4;
const TELL_EVERY = 100;
/** How often one file is begun anew without a byte more than the last time. */
const VAIN_ATTEMPTS = 3;
/** What a long fat link needs: bytes on their way. */
const RESUME_BYTES = 32 << 20;

/**
 * Sends files and folders to a receiver, over any transport. A folder keeps its name, and the names of what is in it. What the receiver has
 * already is not sent again. Resolves when every file has arrived or failed: look at `failures`.
 * @throws HawserError when there is no transfer at all, or it broke off: what `connect` throws, ERR_ARGUMENT (no paths, two of one name),
 *   ERR_TOO_MANY_FILES, ERR_TOO_MANY_TRANSFERS, ERR_DISCONNECTED, ERR_ABORTED.
 */
export async function sendFiles(
  paths: string | readonly string[],
  url: Targets,
  options: SendOptions = {},
): Promise<SendSummary> {
  const listed = await listSources([paths].flat(), options.signal);
  if (listed.sources.length + listed.failures.length + listed.skipped.length === 0) {
    throw new HawserError('ERR_ARGUMENT', 'there is nothing to send');
  }
  const sending = new Sending(listed.sources, options);
  for (const failure of listed.failures) sending.fail(failure);
  for (const entry of listed.skipped) sending.skip(entry);
  if (listed.sources.length > 0) await sending.run(targetsOf(url, options.namespace ?? NAMESPACE));
  return sending.summary(listed.skipped);
}

function targetsOf(targets: Targets, namespace: string): Targets {
  return [targets].flat().map((target) => {
    if (typeof target === 'string') return withNamespace(target, namespace);
    return { ...target, url: withNamespace(target.url, namespace) };
  });
}

/** How far one file is. */
interface Standing {
  at: number;
  from: number;
}

class Sending {
  readonly #sources: readonly Source[];
  readonly #options: SendOptions;
  readonly #sent: SentFile[] = [];
  readonly #failures: SendFailure[] = [];
  readonly #report: Report;
  readonly #meter: Meter = new Meter();
  readonly #began: number = performance.now();
  readonly #total: number;
  /** Of files under way. */
  readonly #standings = new Map<Source, Standing>();
  #doneBytes = 0;
  #doneResumed = 0;
  #toldAt = -Infinity;
  #next = 0;
  /** Resolves with how many files may be under way, when the receiver has taken the transfer, in this session. */
  #begun: Promise<number> = Promise.resolve(0);
  /** Resolves when this session is lost. */
  #session: Deferred<void> = new Deferred();
  #broken: HawserError | undefined;

  constructor(sources: readonly Source[], options: SendOptions) {
    this.#sources = sources;
    this.#options = options;
    this.#report = options.connect?.onError ?? toConsole;
    this.#total = sources.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async run(targets: Targets): Promise<void> {
    const { token, signal, timeout, reconnect = RECONNECT, parallel = PARALLEL } = this.#options;
    const socket = await connect<FilesApi>(targets, {
      ...this.#options.connect,
      ...(token === undefined ? {} : { token }),
      ...(signal && { signal }),
      ...(timeout === undefined ? {} : { timeout }),
      reconnect,
      limits: { resumeBytes: RESUME_BYTES, ...this.#options.connect?.limits },
      prepare: (early) => this.#prepare(early),
    });
    try {
      const atOnce = Math.min(await this.#begun, Math.max(1, parallel));
      await Promise.all(Array.from({ length: atOnce }, () => this.#work(socket)));
      if (this.#broken) throw this.#broken;
      await this.#again(socket, undefined, () => socket.request('end', { failed: this.#failures.length }));
    } finally {
      await socket.close();
    }
  }

  skip(entry: SkippedEntry): void {
    hear(this.#options.onSkipped, entry, this.#report, 'onSkipped');
  }

  fail(failure: SendFailure): void {
    this.#failures.push(failure);
    hear(this.#options.onFailure, failure, this.#report, 'onFailure');
  }

  summary(skipped: readonly SkippedEntry[]): SendSummary {
    const seconds = (performance.now() - this.#began) / 1000;
    const bytes = this.#sent.reduce((sum, file) => sum + file.bytes, 0);
    const resumed = this.#sent.reduce((sum, file) => sum + file.resumed, 0);
    return { files: this.#sent, failures: this.#failures, skipped, bytes, resumed, seconds };
  }

  /** A session that is new to the receiver begins with what there is to come. */
  #prepare(socket: ClientSocket<FilesApi>): void {
    socket.on('up', ({ recovered }) => {
      if (recovered === true) return;
      this.#session.resolve();
      this.#session = new Deferred();
      const offer = { version: VERSION, files: this.#sources.length, bytes: this.#total };
      this.#begun = socket.request('begin', offer).then((answer: unknown) => {
        const { filesAtOnce } = (answer ?? {}) as { readonly filesAtOnce?: unknown };
        return isCount(filesAtOnce) && filesAtOnce > 0 ? filesAtOnce : 1;
      });
      this.#begun.catch(() => {});
    });
    socket.on('close', (_reason, error) => {
      this.#session.resolve();
      this.#broken ??= error ?? new HawserError('ERR_DISCONNECTED', 'the receiver ended the transfer');
    });
  }

  /** One file after the other, until there are none. */
  async #work(socket: ClientSocket<FilesApi>): Promise<void> {
    while (!this.#broken) {
      const source = this.#sources[this.#next];
      if (!source) return;
      this.#next += 1;
      try {
        const standing: Standing = { at: 0, from: 0 };
        await this.#again(socket, standing, () => this.#attempt(socket, source, standing));
      } catch (error) {
        const known = error as HawserError;
        // How the whole broke off is told once.
        if (this.#broken || socket.state === 'ended') return;
        this.fail({ name: source.name, error: known });
      } finally {
        this.#standings.delete(source);
        this.#tell(source.name, this.#next >= this.#sources.length);
      }
    }
  }

  /** Does something, over more than one session when the first is lost on the way: what the receiver has by then is not sent again. */
  async #again(
    socket: ClientSocket<FilesApi>,
    standing: Standing | undefined,
    run: () => Promise<unknown>,
  ): Promise<void> {
    let best = 0;
    for (let vain = 0; ; ) {
      const session = this.#session;
      try {
        await this.#begun;
        await run();
        return;
      } catch (error) {
        if (!isLost(error) || socket.state === 'ended') throw error;
        const at = standing?.at ?? 0;
        vain = at > best ? 0 : vain + 1;
        best = Math.max(best, at);
        if (vain > VAIN_ATTEMPTS) throw error;
        await session.promise;
      }
    }
  }

  async #attempt(socket: ClientSocket<FilesApi>, source: Source, standing: Standing): Promise<void> {
    const { path, name, kind } = source;
    if (kind === 'folder') {
      await socket.request('folder', name);
      return;
    }
    this.#standings.set(source, standing);
    const onAt = (at: number, from: number): void => {
      Object.assign(standing, { at, from });
      this.#tell(name, false);
    };
    const { bytes, sha256, resumed, unchanged } = await Outgoing.send(socket, source, onAt, this.#options.signal);
    const file: SentFile = { name, path, bytes, sha256, resumed, unchanged };
    this.#sent.push(file);
    this.#standings.delete(source);
    this.#doneBytes += bytes;
    this.#doneResumed += resumed;
    hear(this.#options.onFile, file, this.#report, 'onFile');
  }

  #tell(name: string, isLast: boolean): void {
    const { onProgress } = this.#options;
    const now = performance.now();
    if (!onProgress || (!isLast && now - this.#toldAt < TELL_EVERY)) return;
    this.#toldAt = now;
    let [bytes, resumed] = [this.#doneBytes, this.#doneResumed];
    for (const { at, from } of this.#standings.values()) {
      bytes += at;
      resumed += from;
    }
    this.#meter.mark(bytes - resumed, now);
    const speed = this.#meter.speed(bytes - resumed, now);
    const progress: SendProgress = {
      name,
      files: this.#sources.length,
      filesDone: this.#sent.length + this.#failures.length,
      total: this.#total,
      bytes,
      resumed,
      bytesPerSecond: speed,
      secondsLeft: speed > 0 ? Math.max(0, this.#total - bytes) / speed : undefined,
    };
    hear(onProgress, progress, this.#report, 'onProgress');
  }
}

/** Whether the session went down with it, and another may carry on. */
function isLost(error: unknown): boolean {
  const { code } = error as { readonly code?: string };
  return code === 'ERR_SESSION_LOST' || code === 'ERR_SERVER_CLOSING';
}
