import { HawserError } from '../core/index.ts';

/** Where files are sent to, unless the URL or the options say otherwise. */
export const NAMESPACE = '/hawser/files';
export const VERSION = 1;
/** The one channel there is: for one file each. */
export const FILE = 'file';

/** Up to this size a file is sent without asking what the receiver has of it. */
export const BLIND_BYTES: number = 256 * 1024;

/** What one side says to the other; docs/guides/files.md has the whole of it. */
export interface FilesApi {
  readonly toServer: {
    readonly requests: {
      readonly begin: (transfer: Begin) => Begun;
      readonly folder: (name: string) => undefined;
      readonly end: (end: { readonly failed: number }) => undefined;
    };
    readonly channels: { readonly file: FileOffer };
  };
}

export interface Begin {
  readonly version: number;
  readonly files: number;
  readonly bytes: number;
}

export interface Begun {
  /** Files that may be under way at one time. */
  readonly filesAtOnce: number;
}

/** What a sender says of a file before its bytes. */
export interface FileOffer {
  /** Relative, its parts divided by `/`. */
  readonly name: string;
  readonly bytes: number;
  /** When it was changed last, ms since 1970. */
  readonly mtime: number;
  /** Whether its owner may run it. */
  readonly executable: boolean;
}

/** The answer to `start`, and to `check`. */
export interface Start {
  /** The bytes that the receiver has already: the sender goes on there, once `check` has shown that they are the same. */
  readonly from: number;
}

/** What the receiver has in the end. */
export interface Finished {
  readonly sha256: string;
  /** The file was there already, with these bytes. */
  readonly unchanged: boolean;
  /** Bytes that did not have to be sent again. */
  readonly resumed: number;
}

/** @throws HawserError ERR_PROTOCOL for what is no offer. */
export function offerOf(data: unknown): FileOffer {
  const { name, bytes, mtime, executable } = fieldsOf(data);
  if (typeof name !== 'string' || !isCount(bytes)) throw broken('an offer has a name and a number of bytes');
  const time = typeof mtime === 'number' && Number.isFinite(mtime) ? mtime : 0;
  return { name, bytes, mtime: time, executable: executable === true };
}

/** @throws HawserError ERR_PROTOCOL, ERR_VERSION. */
export function beginOf(data: unknown): Begin {
  const { version, files, bytes } = fieldsOf(data);
  if (version !== VERSION) throw new HawserError('ERR_VERSION', `this receiver speaks version ${VERSION}`);
  if (!isCount(files) || !isCount(bytes)) throw broken('a transfer has numbers of files and bytes');
  return { version, files, bytes };
}

/** @throws HawserError ERR_PROTOCOL. */
export function digestOf(data: unknown): string {
  const { sha256 } = fieldsOf(data);
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) throw broken('a digest has 64 digits');
  return sha256;
}

/** @throws HawserError ERR_PROTOCOL where it is no offset in a file of so many bytes. */
export function startOf(data: unknown, bytes: number): Start {
  const { from } = fieldsOf(data);
  if (!isCount(from) || from > bytes) throw broken('a start is an offset in the file');
  return { from };
}

/** @throws HawserError ERR_PROTOCOL. */
export function finishedOf(data: unknown): Finished {
  const { unchanged, resumed } = fieldsOf(data);
  return { sha256: digestOf(data), unchanged: unchanged === true, resumed: isCount(resumed) ? resumed : 0 };
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function fieldsOf(data: unknown): Readonly<Record<string, unknown>> {
  return typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : {};
}

function broken(what: string): HawserError {
  return new HawserError('ERR_PROTOCOL', what);
}
