import type { IncomingMessage, ServerResponse } from 'node:http';
import type { World } from '../core/index.ts';
import { allowsRange, judge } from './conditions.ts';
import { encodingsOf } from './encodings.ts';
import { Folder } from './folder.ts';
import { Memory } from './memory.ts';
import { type NotOpened, type OpenFile, OpenFiles } from './open-files.ts';
import type { ResolvedStaticOptions } from './options.ts';
import { isHidden, type Place, placeOf } from './place.ts';
import { type Span, spanOf } from './ranges.ts';
import { type Fields, type Reply, replyTo } from './reply.ts';
import { type Representation, Representations } from './representations.ts';

/** One request on its way to its answer. */
interface Asked {
  readonly request: IncomingMessage;
  readonly reply: Reply;
  /** Fields of every answer. */
  readonly always: Fields;
}

type Outcome = 'sent' | NotOpened;

/** The files of one folder, as answers to requests. */
export class Site {
  readonly #options: ResolvedStaticOptions;
  readonly #folder: Folder;
  readonly #files: OpenFiles;
  readonly #memory: Memory;
  readonly #representations: Representations;

  constructor(options: ResolvedStaticOptions, world: World) {
    this.#options = options;
    this.#folder = new Folder(options.root, options.symlinks);
    this.#files = new OpenFiles(options.openFiles, options.openWait, world);
    this.#memory = new Memory(options.memoryBytes, options.memoryFileBytes, this.#files);
    this.#representations = new Representations(options, this.#folder);
  }

  /** Rejects with nothing but what functions of the application throw. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = { request, reply: replyTo(request, response), always: this.#options.headers };
    const isFallingThrough = await this.#answer(asked).catch((error: unknown) => this.#failed(asked, error));
    // A listener promises nothing by its type, and may all the same.
    if (isFallingThrough) await (this.#options.fallthrough?.(request, response) as unknown);
  }

  /** True where another is to answer. */
  async #answer(asked: Asked): Promise<boolean> {
    const { fallthrough, dotfiles } = this.#options;
    const { method, url = '' } = asked.request;
    if (method !== 'GET' && method !== 'HEAD') {
      if (fallthrough === undefined) refuse(asked, 405, 'GET and HEAD only', { allow: 'GET, HEAD' });
      return fallthrough !== undefined;
    }
    const place = placeOf(url);
    if (place === undefined) {
      refuse(asked, 400, 'that is no path of files');
      return false;
    }
    if ((dotfiles || !isHidden(place.names)) && (await this.#find(asked, place))) return false;
    if (fallthrough === undefined) refuse(asked, 404, 'not found');
    return fallthrough !== undefined;
  }

  /** False where nothing is. A file that changes meanwhile is looked for again. */
  async #find(asked: Asked, place: Place): Promise<boolean> {
    const path = this.#pathOf(place);
    if (path === undefined) return false;
    for (let tries = 0; tries < TRIES; tries++) {
      const entry = await this.#folder.look(path);
      if (entry === undefined) return false;
      if (entry === 'folder') return await this.#redirect(asked, place);
      const encodings = encodingsOf(asked.request.headers['accept-encoding']);
      const chosen = this.#representations.choose(path, entry, encodings);
      const sending = this.#send(asked, chosen instanceof Promise ? await chosen : chosen);
      const outcome = sending instanceof Promise ? await sending : sending;
      if (outcome === 'sent') return true;
      if (outcome === 'busy') break;
    }
    refuse(asked, 503, 'the file can not be sent now', AGAIN);
    return true;
  }

  /** With the index behind a slash. Undefined where nothing can be. */
  #pathOf({ names, endsInSlash }: Place): string | undefined {
    const { index } = this.#options;
    if (!endsInSlash) return names.join('/');
    return index === false ? undefined : [...names, index].join('/');
  }

  /** To the path with a slash, if an index is there. By the last name alone: that is right wherever the folder is mounted, and never leads to another host. */
  async #redirect(asked: Asked, { names, endsInSlash, query }: Place): Promise<boolean> {
    const path = this.#pathOf({ names, endsInSlash: true, query });
    const entry = path === undefined || endsInSlash ? undefined : await this.#folder.look(path);
    if (entry === undefined || entry === 'folder') return false;
    const location = `./${encodeURIComponent(names.at(-1) ?? '')}/${query}`;
    refuse(asked, 301, `it is at ${location}`, { location });
    return true;
  }

  /** At once where nothing has to be read: most requests are for what is in memory, or was not changed. */
  #send(asked: Asked, one: Representation): Outcome | Promise<Outcome> {
    const { headers, method } = asked.request;
    const verdict = judge(headers, one);
    if (verdict === 'failed') return refuse(asked, 412, 'the file has changed');
    if (verdict === 'not-modified') return asked.reply.head(304, one.unmodifiedFields);
    if (method === 'HEAD') return asked.reply.head(200, one.fields);
    const asksRange = headers.range !== undefined && allowsRange(headers['if-range'] as string | undefined, one);
    const { size } = one.file;
    const span = asksRange ? spanOf(headers.range, size) : 'whole';
    if (span === 'unsatisfiable') {
      return refuse(asked, 416, 'there are no such bytes', { 'content-range': `bytes */${size}` });
    }
    const kept = this.#memory.get(one.file);
    return kept === undefined ? this.#sendRead(asked.reply, one, span) : sendBytes(asked.reply, one, span, kept);
  }

  async #sendRead(reply: Reply, one: Representation, asked: Span | 'whole'): Promise<Outcome> {
    const { file, fields } = one;
    if (this.#memory.takes(file)) {
      const bytes = await this.#memory.read(file);
      return typeof bytes === 'string' ? bytes : sendBytes(reply, one, asked, bytes);
    }
    await reply.turn;
    const open: OpenFile | NotOpened = await this.#files.open(file);
    if (typeof open === 'string') return open;
    try {
      if (asked === 'whole') return reply.file(200, fields, open, { start: 0, end: file.size });
      return reply.file(206, partOf(fields, asked, file.size), open, asked);
    } catch (error) {
      open.release();
      throw error;
    }
  }

  /** @throws what isn't the system's: the application's own function has failed. */
  #failed(asked: Asked, error: unknown): false {
    const { code = '', syscall } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    if (NOT_ALLOWED.has(code)) refuse(asked, 403, 'not allowed');
    else if (NO_ROOM.has(code)) refuse(asked, 503, 'too many files are open', AGAIN);
    else refuse(asked, 500, 'the file can not be read');
    return false;
  }
}

const TRIES = 3;
const AGAIN: Fields = { 'retry-after': 1 };
const TEXT: Fields = {
  'content-type': 'text/plain; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};
const NOT_ALLOWED: ReadonlySet<string> = new Set(['EACCES', 'EPERM']);
const NO_ROOM: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/** Anything but a file. */
function refuse({ request, reply, always }: Asked, status: number, text: string, fields: Fields = {}): 'sent' {
  const bytes = Buffer.from(`${text}\n`);
  const all: Fields = { ...always, ...TEXT, ...fields, 'content-length': bytes.length };
  return request.method === 'HEAD' ? reply.head(status, all) : reply.bytes(status, all, bytes);
}

function sendBytes(reply: Reply, { file, fields }: Representation, asked: Span | 'whole', bytes: Uint8Array): 'sent' {
  if (asked === 'whole') return reply.bytes(200, fields, bytes);
  return reply.bytes(206, partOf(fields, asked, file.size), bytes.subarray(asked.start, asked.end));
}

function partOf(fields: Fields, { start, end }: Span, size: number): Fields {
  return { ...fields, 'content-length': end - start, 'content-range': `bytes ${start}-${end - 1}/${size}` };
}
