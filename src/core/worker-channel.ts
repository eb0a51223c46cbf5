/** How processes that share a UDP port hear each other, as one of them sees it: what the hub of `node:cluster` workers gives. */
export interface WorkerChannel {
  /** The number of this process, from 0 to 255. No other process has it while this one lives; the next one may when it is gone. */
  readonly self: number;
  /** Numbers of all processes that live and can be forwarded to, in ascending order; undefined: that is not known now. Who is to share a port waits until it is. */
  workers(): readonly number[] | undefined;
  /**
   * Sends bytes, which are read during the call, to another process. What is sent to one process arrives in its order, or not at all.
   * @returns False: it was dropped, since too much waits or nothing can be sent.
   */
  forward(worker: number, bytes: Uint8Array): boolean;
  /**
   * Hears of what is forwarded to this process; `bytes` are valid during the call. Each of several handlers hears of all.
   * @returns Ends it.
   */
  onForwarded(handler: (from: number, bytes: Uint8Array) => void): () => void;
  /** Hears when `workers` may say otherwise. @returns Ends it. */
  onWorkers(handler: () => void): () => void;
}
