import type { Recorded } from '../recorded.ts';
import type { CarrierName } from './carriers.ts';

export interface FilesPlan {
  readonly name: string;
  readonly what: string;
  readonly where: 'link' | 'loopback';
  readonly carriers: readonly CarrierName[];
}

export interface FilesRow {
  readonly repetition: number;
  readonly carrier: CarrierName;
  /** From the start of the sending program to its end, or until it was stopped. */
  readonly seconds: number;
  /** Bytes that the receiving side has by then. */
  readonly bytes: number;
  /** The whole file arrived, and has the digest that it should. */
  readonly complete: boolean;
  /** CPU time of both sides in s. */
  readonly cpu: number;
}

/** What is recorded of one workload. */
export type FilesResult = Recorded<FilesPlan, FilesRow>;
