/** What bounds the hub of a program's workers. Sizes in bytes, times in ms. docs/LIMITS.md says what is crossed. */
export interface HubLimits {
  /** The longest message that goes through it whole; longer ones travel in pieces, and entries of logs are refused. */
  readonly payloadBytes: number;
  /** What waits for a worker that doesn't read, and on a worker for the hub; beyond it the connection is cut. */
  readonly backlogBytes: number;
  /** Subjects that one worker has subscribed to. */
  readonly subscriptions: number;
  /** Connections that one worker has. */
  readonly connectionsPerWorker: number;
  /** Connections that have not shown yet whose they are. */
  readonly strangers: number;
  /** Until a connection has shown whose it is. */
  readonly joinWait: number;
  /** Bytes that one reading of a log brings; more is the gap `too-many`. */
  readonly readingBytes: number;
  /** Readings that wait until a worker has taken earlier ones; beyond it its connection is cut. */
  readonly readings: number;
  /** What waits of datagrams that are forwarded; further ones are lost. */
  readonly forwardBytes: number;
  /** Logs of rooms; beyond it the one that was quiet longest is forgotten, and its readers are told the gap `epoch`. */
  readonly logs: number;
  /** Bytes of all entries; beyond it the logs that were quiet longest are emptied, and their readers are told the gap `expired`. */
  readonly logBytes: number;
  /** Until an answer of the hub, where the caller names no time. */
  readonly answerWait: number;
  /** Until what was written before a close has left. */
  readonly closeWait: number;
  /** Between two attempts of a worker to reach the hub: the first, and the longest. */
  readonly retryLeast: number;
  readonly retryMost: number;
}

export const HUB: HubLimits = {
  payloadBytes: 4_194_304,
  backlogBytes: 67_108_864,
  subscriptions: 2_000_000,
  connectionsPerWorker: 16,
  strangers: 64,
  joinWait: 5000,
  readingBytes: 16_777_216,
  readings: 1000,
  forwardBytes: 4_194_304,
  logs: 100_000,
  logBytes: 268_435_456,
  answerWait: 5000,
  closeWait: 1000,
  retryLeast: 50,
  retryMost: 1000,
};
