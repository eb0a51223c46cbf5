import { statSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { resolve } from 'node:path';
import { HawserError, whole } from '../core/index.ts';

export interface StaticOptions {
  /** The file that answers for its folder; `false` for none. Default `index.html`. */
  readonly index?: string | false;
  /** Whether `name.br` and `name.gz` are sent instead of `name` to who takes them, unless they are older than it. Default true. */
  readonly precompressed?: boolean;
  /** The Cache-Control field, or what makes it of the file's path in the folder, such as `assets/app.js`. Default `no-cache`: kept, and asked for anew each time. */
  readonly cacheControl?: string | ((path: string) => string);
  /** Whether files and folders whose names begin with a dot are served. Default false, but for `/.well-known/`. */
  readonly dotfiles?: boolean;
  /** Whether symbolic links may lead out of the folder. Default false. */
  readonly symlinks?: boolean;
  /** Fields of every answer, such as `Content-Security-Policy`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Media types by the ending of a name, without its dot. They go before the known ones. */
  readonly types?: Readonly<Record<string, string>>;
  /** Answers what is no file here, and every method but GET and HEAD. Default: 404 and 405. */
  readonly fallthrough?: RequestListener;
  /** Bytes of files that are kept in memory, all in all; 0 keeps none. Default 32 MiB. */
  readonly memoryBytes?: number;
  /** Bytes of the longest file that is kept in memory. Default 128 KiB. */
  readonly memoryFileBytes?: number;
  /** Files that are open at one time; requests for others wait. Default 256. */
  readonly openFiles?: number;
  /** How long a request waits for a file to be opened until it is answered with 503, ms. Default 10,000. */
  readonly openWait?: number;
}

export interface ResolvedStaticOptions extends Required<Omit<StaticOptions, 'cacheControl' | 'fallthrough'>> {
  /** Absolute; links in it are followed for each file anew, so that a deployment may turn them. */
  readonly root: string;
  readonly cacheControl: (path: string) => string;
  readonly fallthrough: RequestListener | undefined;
}

const DEFAULTS: Omit<Required<StaticOptions>, 'fallthrough'> = {
  index: 'index.html',
  precompressed: true,
  cacheControl: 'no-cache',
  dotfiles: false,
  symlinks: false,
  headers: {},
  types: {},
  memoryBytes: 32 * 1024 * 1024,
  memoryFileBytes: 128 * 1024,
  openFiles: 256,
  openWait: 10_000,
};

const FLAGS = ['precompressed', 'dotfiles', 'symlinks'] as const;
const NUMBERS = ['memoryBytes', 'memoryFileBytes', 'openFiles', 'openWait'] as const;

/** @throws HawserError ERR_OPTION for a folder that is none, and for what is no option or no value of one. */
export function resolveStaticOptions(folder: string, given: StaticOptions): ResolvedStaticOptions {
  for (const name of Object.keys(given)) {
    if (name !== 'fallthrough' && !Object.hasOwn(DEFAULTS, name)) throw wrong(`${name} is no option of serveFiles`);
  }
  const options = { ...DEFAULTS, ...definedOf(given) };
  for (const name of NUMBERS) {
    if (typeof options[name] !== 'number' || !(options[name] >= 0)) throw wrong(`${name} is no number from 0`);
  }
  for (const name of FLAGS) if (typeof options[name] !== 'boolean') throw wrong(`${name} is true or false`);
  if (options.openFiles < 1) throw wrong('openFiles is at least 1');
  const { index, cacheControl } = options;
  if (index !== false && !/^(?!\.{1,2}$)[^/\\\0]+$/.test(index)) throw wrong('index is the name of a file');
  const root = resolve(folder);
  if (!statSync(root, { throwIfNoEntry: false })?.isDirectory()) throw wrong(`${root} is no folder`);
  return {
    ...options,
    root,
    openFiles: whole(options.openFiles),
    cacheControl: typeof cacheControl === 'string' ? () => cacheControl : cacheControl,
    fallthrough: given.fallthrough,
  };
}

function definedOf<T extends object>(given: T): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
}

function wrong(what: string): HawserError {
  return new HawserError('ERR_OPTION', what);
}
