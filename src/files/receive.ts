import { createHash, timingSafeEqual } from 'node:crypto';
import { HawserError } from '../core/index.ts';
import {
  type Authenticate,
  type CloseReason,
  createServer,
  type ListenTarget,
  type Server,
  type ServerOptions,
  type ServerSocket,
} from '../index.ts';
import { BusyNames } from './busy.ts';
import { EventQueue } from './event-queue.ts';
import { Folder } from './folder.ts';
import { hear, type Report, toConsole } from './hear.ts';
import { type FileLimits, fileLimits } from './limits.ts';
import { type FilesApi, NAMESPACE } from './protocol.ts';
import type { ReceiveEvent, ReceiveOptions, ReceiveProgress } from './receive-options.ts';
import { namespaceOf } from './target.ts';
import { Transfer } from './transfer.ts';

/** Where a receiver listens: a server that there is, or URLs for one of its own. */
export type ReceiveTarget = Pick<Server, 'of'> | string | ListenTarget | readonly (string | ListenTarget)[];

/** So much may be on its way to the disk, for each file; a long fat link needs it. */
const CHANNEL_BYTES = 8 << 20;
/** ms. A sender that is gone is to be noticed before it is started again. */
const TIMES = { heartbeat: 5000, readWait: 20_000, resumeWindow: 30_000 };

/**
 * Takes files in. With URLs it listens on a server of its own, which off loopback needs a `token` or an `authenticate`.
 * @throws HawserError ERR_OPTION (no such folder, a value that can't be), ERR_ABORTED, and what `Server.listen` throws.
 */
export async function receiveFiles(target: ReceiveTarget, options: ReceiveOptions): Promise<FileReceiver> {
  const { signal } = options;
  if (signal?.aborted) throw new HawserError('ERR_ABORTED', 'aborted', { cause: signal.reason });
  const limits = fileLimits(options.limits);
  const folder = await Folder.root(options.dir);
  let receiver: FileReceiver | undefined;
  try {
    const { namespace = NAMESPACE } = options;
    if (typeof target === 'object' && 'of' in target) {
      return new FileReceiver(target, [namespace], folder, limits, options);
    }
    const targets = [target].flat();
    const urls = targets.map((one) => (typeof one === 'string' ? one : one.url));
    const namespaces = [...new Set(urls.map((url) => namespaceOf(url) ?? namespace))];
    const server = createServer(serverOptions(options));
    receiver = new FileReceiver(server, namespaces, folder, limits, options, server);
    await server.listen(...targets);
    return receiver;
  } catch (error) {
    // The server may have its engine by now, and the receiver listens to the signal.
    await (receiver ?? folder)[Symbol.asyncDispose]();
    throw error;
  }
}

function serverOptions({ token, server = {} }: ReceiveOptions): ServerOptions {
  return {
    ...server,
    ...(token === undefined ? {} : { authenticate: byToken(token) }),
    limits: { channelBytes: CHANNEL_BYTES, ...server.limits },
    times: { ...TIMES, ...server.times },
  };
}

/** Lets in who knows the token. @throws HawserError ERR_OPTION for an empty one. */
function byToken(token: string): Authenticate {
  if (token === '') throw new HawserError('ERR_OPTION', 'the token is empty');
  const digest = (text: string): Uint8Array => createHash('sha256').update(text).digest();
  const expected = digest(token);
  return ({ token: shown }) => {
    if (shown === undefined) throw new HawserError('ERR_AUTH_REQUIRED', 'files are taken with a token alone');
    if (timingSafeEqual(digest(shown), expected)) return { user: null };
    throw new HawserError('ERR_AUTH_FAILED', 'the token is not valid');
  };
}

/** Takes files in until it is closed. Made by `receiveFiles`. */
export class FileReceiver implements AsyncDisposable {
  /** Resolves when it is closed. */
  readonly closed: Promise<void>;
  readonly #own: Server | undefined;
  readonly #folder: Folder;
  readonly #options: ReceiveOptions;
  readonly #transfers = new Set<Transfer>();
  readonly #busy: BusyNames = new BusyNames();
  readonly #queues = new Set<EventQueue<ReceiveEvent>>();
  readonly #report: Report;
  readonly #stopListening: () => void;
  readonly #limits: FileLimits;
  #numbers = 0;
  #closing: Promise<void> | undefined;
  #resolveClosed: () => void = () => {};

  constructor(
    server: Pick<Server, 'of'>,
    namespaces: readonly string[],
    folder: Folder,
    limits: FileLimits,
    options: ReceiveOptions,
    own?: Server,
  ) {
    this.#own = own;
    this.#folder = folder;
    this.#limits = limits;
    this.#options = options;
    this.#report = options.server?.onError ?? toConsole;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    const places = namespaces.map((path) => server.of(path, { fixed: true }));
    const onConnection = (socket: ServerSocket): void => this.#meet(socket);
    for (const place of places) place.on('connection', onConnection);
    this.#stopListening = () => {
      for (const place of places) place.off('connection', onConnection);
    };
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Where its own server listens, with the real ports; none with a server that was given. */
  get endpoints(): readonly string[] {
    return this.#own?.endpoints ?? [];
  }

  /** All events from now on; done when the receiver is closed. More than 10,000 that nobody takes end it with ERR_BACKLOG_FULL. */
  events(): AsyncIterableIterator<ReceiveEvent, undefined> {
    const queue = new EventQueue<ReceiveEvent>(() => this.#queues.delete(queue));
    if (this.#closing) queue.end();
    else this.#queues.add(queue);
    return queue;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ReceiveEvent, undefined> {
    return this.events();
  }

  /** Takes no more. What is not here in full stays beside the files, for the next time. A server that was given goes on. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#stopListening();
    await Promise.all([...this.#transfers].map((transfer) => transfer.close()));
    await this.#own?.close({ drain: 0 });
    await this.#folder[Symbol.asyncDispose]();
    for (const queue of this.#queues) queue.end();
    this.#resolveClosed();
  }

  readonly #onAbort = (): void => void this.close();

  #meet(socket: ServerSocket<FilesApi>): void {
    const { accept, onProgress, overwrite = false } = this.#options;
    this.#numbers += 1;
    const transfer = new Transfer(socket, this.#numbers, {
      ...(accept && { accept }),
      ...(onProgress && {
        onProgress: (progress: ReceiveProgress) => hear(onProgress, progress, this.#report, 'onProgress'),
      }),
      overwrite,
      limits: this.#limits,
      folder: this.#folder,
      busy: this.#busy,
      running: () => [...this.#transfers].filter((one) => one.isRunning).length,
      tell: (event) => this.#tell(event),
    });
    this.#transfers.add(transfer);
    socket.on('close', (_reason: CloseReason) => {
      this.#transfers.delete(transfer);
      transfer.ended();
    });
  }

  #tell(event: ReceiveEvent): void {
    const { onEvent, onFile } = this.#options;
    hear(onEvent, event, this.#report, 'onEvent');
    for (const queue of this.#queues) queue.push(event);
    if (event.event !== 'received' && event.event !== 'unchanged') return;
    const { name, bytes, sha256, resumed } = event;
    hear(onFile, { name, bytes, sha256, resumed }, this.#report, 'onFile');
  }
}
