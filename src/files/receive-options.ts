import type { ServerOptions } from '../index.ts';
import type { FileLimits } from './limits.ts';

/** What `accept` is asked about. */
export interface OfferedFile {
  /** Relative, its parts divided by `/`; it has passed all rules. */
  readonly name: string;
  readonly bytes: number;
  /** ms since 1970 */
  readonly mtime: number;
  /** Who authentication said the sender is. */
  readonly user: string | null;
}

export interface ReceivedFile {
  readonly name: string;
  readonly bytes: number;
  /** Of the whole file, in hex. */
  readonly sha256: string;
  /** Bytes that were here already and were not sent again. */
  readonly resumed: number;
}

/** What a receiver tells. `transfer` is a number of its own for each. */
export type ReceiveEvent =
  | {
      readonly event: 'begun';
      readonly transfer: number;
      readonly user: string | null;
      readonly remote: string;
      readonly files: number;
      readonly bytes: number;
    }
  | ({ readonly event: 'received' | 'unchanged'; readonly transfer: number } & ReceivedFile)
  | {
      readonly event: 'failed';
      readonly transfer: number;
      readonly name: string;
      readonly code: string;
      readonly message: string;
    }
  | {
      readonly event: 'ended';
      readonly transfer: number;
      readonly received: number;
      readonly unchanged: number;
      readonly failed: number;
      /** Whether the sender said that this was all. */
      readonly complete: boolean;
    };

/** How a transfer is going. */
export interface ReceiveProgress {
  readonly transfer: number;
  /** The file that moved last. */
  readonly name: string;
  /** Bytes that are here, those that were here before included. */
  readonly bytes: number;
  /** Bytes of all files, as the sender said. */
  readonly total: number;
  readonly bytesPerSecond: number;
  /** Undefined while there is no telling. */
  readonly secondsLeft: number | undefined;
}

export interface ReceiveOptions {
  /** The folder that files are put in; it must be there. */
  readonly dir: string;
  /** Whether a file may take the place of another. Default false. */
  readonly overwrite?: boolean;
  /** Where senders dial to. Default `/hawser/files`. */
  readonly namespace?: string;
  readonly limits?: Partial<FileLimits>;
  /** Throwing refuses a file: with the code of a HawserError, otherwise with ERR_NOT_ALLOWED. */
  readonly accept?: (file: OfferedFile) => unknown;
  /** Hears of each file that is here in full. */
  readonly onFile?: (file: ReceivedFile) => void;
  readonly onEvent?: (event: ReceiveEvent) => void;
  /** Called for each write, and must be quick. */
  readonly onProgress?: (progress: ReceiveProgress) => void;
  /** Closes the receiver. */
  readonly signal?: AbortSignal;
  /** What senders must show. For a server of its own; a server that is given has its own `authenticate`. */
  readonly token?: string;
  /** For a server of its own, beside or instead of `token`. */
  readonly server?: ServerOptions;
}
