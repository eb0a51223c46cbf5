/**
 * The part of a byte stream that a link drives; a `net.Socket` has it as it is. Bytes handed to `write` belong to the
 * port until its `writableLength` is 0 again; then they were taken, and their memory may be used anew.
 */
export interface BytePort {
  /** Queues bytes, in order. After false, `PortUser.writable` follows when all were taken; `done` is called likewise. */
  write(bytes: Uint8Array, done?: () => void): boolean;
  /** Bytes queued and not yet taken. */
  readonly writableLength: number;
  pause(): unknown;
  resume(): unknown;
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
  ref?(): unknown;
  unref?(): unknown;
  /** Ends our direction when all is written. */
  end(): unknown;
  /** Drops what is queued and closes both directions. */
  destroy(): unknown;
}

/** What hears of a port. The transport calls it; one at a time hears of a port. */
export interface PortUser {
  receive(chunk: Uint8Array): void;
  /** All that was written has been taken. */
  writable(): void;
  /** The peer sends no more. */
  ended(): void;
  /** Nothing was read or written for as long as the port was told to wait. */
  idle?(): void;
  /** Both directions are closed; `error` says why, when something broke. Called once, the last. */
  gone(error: Error | undefined): void;
}
